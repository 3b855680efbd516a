//! What came of a deploy, for people.

use std::error::Error;

use mlfn_core::{Action, Purpose};
use mlfn_engine::{Done, Failed, Status};

use super::table::count;
use super::{Finished, info, sources};
use crate::printer::Palette;

/// A result: that all is done, and where it can be reached.
pub(super) fn success(finished: &Finished<'_>, palette: Palette) -> Option<String> {
    let Finished {
        verb,
        checked,
        outcome,
        ..
    } = finished;
    if outcome.status != Status::Complete {
        return None;
    }
    let good = palette.good;
    let service = &checked.service;
    let place = format!(
        "{}, stage {}, on {}",
        service.name,
        service.stage,
        checked.place_name()
    );
    if outcome.done.is_empty() {
        let nothing = match finished.purpose {
            Purpose::Remove => "nothing to remove",
            _ => "no changes",
        };
        return Some(format!("{good}{nothing}{good:#}: {place}\n"));
    }
    let number = outcome
        .deployment
        .map(|number| format!(", deployment {number}"));
    let done = past(verb);
    let mut text = vec![format!(
        "{good}{done}{good:#} {place}{}: {}\n",
        number.unwrap_or_default(),
        tally(&outcome.done)
    )];
    if let Some(state) = &finished.state {
        let sources = sources::deployed(checked, state, palette);
        let parts = [info::endpoints(checked, state, palette), sources];
        let parts = parts.iter().filter(|part| !part.is_empty());
        text.extend(parts.map(|part| format!("\n{part}")));
    }
    Some(text.concat())
}

/// What is not done and why, what is, and how to go on.
pub(super) fn trouble(finished: &Finished<'_>, palette: Palette) -> Option<String> {
    let Finished { outcome, next, .. } = finished;
    let Palette { strong, hint, .. } = palette;
    if outcome.status == Status::Complete {
        return None;
    }
    let mut text = vec![headline(finished, palette)];
    for failed in &outcome.failed {
        text.push(failure(failed, palette));
    }
    if !outcome.done.is_empty() {
        text.push(format!("\n{strong}done{strong:#}\n"));
        let lines = outcome
            .done
            .iter()
            .map(|done| format!("  {} {}\n", did(done.action), done.id));
        text.extend(lines);
    }
    if !outcome.not_tried.is_empty() {
        text.push(format!("\n{strong}not tried{strong:#}\n"));
        text.extend(outcome.not_tried.iter().map(|id| format!("  {id}\n")));
    }
    text.push(format!(
        "\n{hint}next{hint:#}: what was done is recorded; `{next}` goes on from there\n"
    ));
    Some(text.concat())
}

fn headline(finished: &Finished<'_>, palette: Palette) -> String {
    let Palette { error, warning, .. } = palette;
    let (outcome, verb) = (finished.outcome, finished.verb);
    let undone = outcome.failed.len() + outcome.not_tried.len();
    match outcome.status {
        Status::Interrupted => format!(
            "{warning}interrupted{warning:#}: the {verb} stopped with {} left\n",
            count(undone, "change")
        ),
        Status::LockLost => format!(
            "{error}error{error:#}: the lock was lost, so that somebody else may be at work; \
             the {verb} stopped with {} left\n",
            count(undone, "change")
        ),
        Status::Complete | Status::Failed => format!(
            "{error}error{error:#}: the {verb} failed at {}\n",
            count(outcome.failed.len(), "resource")
        ),
    }
}

fn failure(failed: &Failed, palette: Palette) -> String {
    let Palette { strong, hint, .. } = palette;
    let mut text = vec![format!(
        "\n{strong}{}{strong:#}: cannot {}: {}\n",
        failed.id,
        failed.action.as_str(),
        failed.error
    )];
    for cause in causes(&failed.error) {
        text.push(format!("  because: {}\n", cause.replace('\n', "\n    ")));
    }
    let request = failed
        .error
        .provider()
        .and_then(|error| error.request_id.as_ref());
    if let Some(request) = request {
        text.push(format!("  request id: {request}\n"));
    }
    if let Some(advice) = failed.error.hint() {
        text.push(format!("  {hint}hint{hint:#}: {advice}\n"));
    }
    text.concat()
}

/// The messages below an error's own.
pub(super) fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

fn tally(done: &[Done]) -> String {
    let number = |wanted: &str| {
        done.iter()
            .filter(|done| did(done.action) == wanted)
            .count()
    };
    let words = [
        "created", "updated", "replaced", "deleted", "released", "recorded", "forgot",
    ];
    let parts = words.into_iter().filter(|word| number(word) > 0);
    let parts: Vec<String> = parts
        .map(|word| format!("{} {word}", number(word)))
        .collect();
    parts.join(", ")
}

/// What was done, e.g. `created`.
pub(super) fn did(action: Action) -> &'static str {
    match action {
        Action::Keep => "kept",
        Action::Create => "created",
        Action::Update => "updated",
        Action::Replace(_) => "replaced",
        Action::Delete => "deleted",
        Action::Adopt => "recorded",
        Action::Forget => "forgot",
        Action::Release => "released",
    }
}

fn past(verb: &str) -> &'static str {
    match verb {
        "rollback" => "rolled back",
        "remove" => "removed",
        _ => "deployed",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mlfn_core::{ProviderName, ResourceId};
    use mlfn_engine::Outcome;

    use super::*;
    use crate::pipeline::Checked;
    use crate::registry;
    use crate::settings::Environment;

    fn checked() -> Checked {
        let folder = tempfile::tempdir().expect("creates");
        let text = "mlfn: 1\nservice: iris\nmodels: { classifier: model.onnx }\n";
        fs_err::write(folder.path().join("mlfn.yaml"), text).expect("writes");
        let loaded = mlfn_manifest::load(&mlfn_manifest::LoadOptions {
            folder: folder.path().to_owned(),
            file: None,
            stage: "dev".parse().expect("a name"),
            provider: None,
            region: None,
            params: [].into(),
            environment: &|_| None,
        });
        let loaded = loaded.expect("a manifest");
        Checked {
            service: loaded.service.expect("no errors"),
            provider: registry::provider(ProviderName::Aws),
            local: false,
            state: None,
            environment: Environment::new(|_| None),
            flags: String::new(),
            source: loaded.source,
            folder: loaded.folder,
        }
    }

    #[track_caller]
    fn check(status: Status, headline: &str) {
        let id = |name| ResourceId::new("aws:role", name);
        let outcome = Outcome {
            status,
            done: vec![Done {
                id: id("a"),
                action: Action::Create,
                elapsed: Duration::from_secs(1),
            }],
            failed: Vec::new(),
            not_tried: vec![id("b"), id("c")],
            deployment: None,
        };
        let finished = Finished {
            verb: "deploy",
            purpose: Purpose::Deploy,
            checked: &checked(),
            outcome: &outcome,
            state: None,
            next: "mlfn deploy".to_owned(),
        };
        let palette = Palette::new(false);
        assert_eq!(success(&finished, palette), None);
        let rest = "\ndone\n  created aws:role/a\n\nnot tried\n  aws:role/b\n  aws:role/c\n\n\
                    next: what was done is recorded; `mlfn deploy` goes on from there\n";
        let found = trouble(&finished, palette).expect("trouble");
        assert_eq!(found, format!("{headline}\n{rest}"));
    }

    #[test]
    fn whoever_is_stopped_is_told_what_is_done_and_how_to_go_on() {
        check(
            Status::LockLost,
            "error: the lock was lost, so that somebody else may be at work; \
             the deploy stopped with 2 changes left",
        );
        check(
            Status::Interrupted,
            "interrupted: the deploy stopped with 2 changes left",
        );
    }
}
