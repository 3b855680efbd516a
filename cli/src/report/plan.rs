//! A plan for people: what will be done to which resource, why, and every field that changes.

use std::collections::BTreeSet;

use mlfn_core::{Action, Alarm, Change, Drift, DriftOutcome, FieldChange, Plan, Purpose, Reason};
use mlfn_core::{ReplaceOrder, Shown, Value};
use serde_json::Value as Json;

use super::table::{count, shortened, size};
use crate::printer::Palette;

/// All of it: what is done, what somebody else did, and a summary.
pub(super) fn describe(plan: &Plan, palette: Palette) -> String {
    let strong = palette.strong;
    let head = format!(
        "{strong}{}{strong:#} {}, stage {}, on {}\n\n",
        title(plan.purpose),
        plan.service,
        plan.stage,
        plan.provider
    );
    let changes: String = plan
        .effective()
        .map(|item| change(item, plan.purpose, palette))
        .collect();
    let drift: String = plan
        .drift
        .iter()
        .map(|item| drifted(item, palette))
        .collect();
    let drift = if drift.is_empty() {
        drift
    } else {
        format!("{strong}changed outside of mlfn since the last deploy{strong:#}\n{drift}")
    };
    let body = (changes + &drift).trim_end_matches('\n').to_owned();
    let gap = if body.is_empty() { "" } else { "\n\n" };
    head + &body + gap + &summary(plan, palette) + "\n"
}

/// What a plan comes to, in one line: `2 to create, 1 to update; 21.3 MiB to upload`.
pub(super) fn summary(plan: &Plan, palette: Palette) -> String {
    let strong = palette.strong;
    if plan.is_empty() {
        let kept = plan.drift.len();
        let note = match kept {
            0 => String::new(),
            _ => format!("; {} kept as found", count(kept, "changed resource")),
        };
        return format!("{strong}no changes{strong:#}: everything is as it should be{note}");
    }
    let totals = Totals::of(plan);
    let upload = match plan.uploads {
        0 => "nothing to upload".to_owned(),
        bytes => format!("{} to upload", size(bytes)),
    };
    format!("{strong}{}{strong:#}; {upload}", totals.planned())
}

/// How many changes there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) create: usize,
    pub(crate) update: usize,
    pub(crate) replace: usize,
    pub(crate) delete: usize,
    /// New versions beside those that there are.
    pub(crate) version: usize,
    /// What is used no more and stays.
    pub(crate) release: usize,
    /// Changes of the record only.
    pub(crate) record: usize,
}

impl Totals {
    /// Of a plan.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut totals = Self::default();
        for change in plan.effective() {
            totals.add(change.action);
        }
        totals
    }

    fn add(&mut self, action: Action) {
        match action {
            Action::Keep => {}
            Action::Create => self.create += 1,
            Action::Update => self.update += 1,
            Action::Replace(ReplaceOrder::CreateThenKeep { .. }) => self.version += 1,
            Action::Replace(_) => self.replace += 1,
            Action::Delete => self.delete += 1,
            Action::Release => self.release += 1,
            Action::Adopt | Action::Forget => self.record += 1,
        }
    }

    fn planned(self) -> String {
        let Self {
            create,
            update,
            replace,
            delete,
            version,
            release,
            record,
        } = self;
        let parts = [
            (create, "to create"),
            (update, "to update"),
            (
                version,
                if version == 1 {
                    "new version"
                } else {
                    "new versions"
                },
            ),
            (replace, "to replace"),
            (delete, "to delete"),
            (release, "to release"),
            (record, "to record"),
        ];
        let parts = parts.into_iter().filter(|(number, _)| *number > 0);
        let parts: Vec<String> = parts
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        parts.join(", ")
    }
}

fn title(purpose: Purpose) -> String {
    match purpose {
        Purpose::Deploy => "deploy".to_owned(),
        Purpose::Rollback { to } => format!("roll back to deployment {to} of"),
        Purpose::Remove => "remove".to_owned(),
    }
}

fn change(change: &Change, purpose: Purpose, palette: Palette) -> String {
    let (sign, style) = match change.action {
        Action::Create | Action::Replace(ReplaceOrder::CreateThenKeep { .. }) => {
            ("+", palette.good)
        }
        Action::Update => ("~", palette.warning),
        Action::Replace(_) => ("!", palette.error),
        Action::Delete => ("-", palette.error),
        Action::Keep | Action::Adopt | Action::Forget | Action::Release => ("=", palette.faint),
    };
    let strong = palette.strong;
    let mut text = vec![format!(
        "{style}{sign} {}{style:#} {strong}{}{strong:#} ({}): {}\n",
        verb(change.action),
        change.id,
        shortened(change.remote_name()),
        why(change, purpose)
    )];
    if change.action != Action::Delete {
        for field in &change.fields {
            text.push(lines(field, &note(change, &field.field, palette)));
        }
    }
    text.extend(moved(change));
    let kept = change.kept.keys();
    for field in kept {
        text.push(format!("    {field}: stays as somebody else set it\n"));
    }
    if text.len() > 1 {
        text.push("\n".to_owned());
    }
    text.concat()
}

/// How requests move to what a pointer will point to.
fn moved(change: &Change) -> Option<String> {
    let (steps, wanted) = (change.steps.as_ref()?, change.wanted.as_ref()?);
    let traffic = &wanted.shift.as_ref()?.traffic;
    let parts = steps.parts.iter().map(|part| format!("{part} %"));
    let parts: Vec<String> = parts.collect();
    let goes_on = match steps.since {
        None => "",
        Some(_) => ", where an earlier run stopped",
    };
    let back = match &traffic.alarm {
        Alarm::Errors => "it fails on a request".to_owned(),
        Alarm::Named(name) => format!("the alarm `{name}` is on"),
    };
    Some(format!(
        "    requests: {} for {} each{goes_on}, then 100 %; back at once if {back}\n",
        parts.join(", "),
        traffic.every
    ))
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Keep => "keep",
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace(ReplaceOrder::DeleteThenCreate) => "replace (delete, then create)",
        Action::Replace(ReplaceOrder::CreateThenDelete) => "replace (create, then delete)",
        Action::Replace(ReplaceOrder::CreateThenKeep { .. }) => "add a new version of",
        Action::Delete => "delete",
        Action::Adopt => "record",
        Action::Forget => "forget",
        Action::Release => "release",
    }
}

fn why(change: &Change, purpose: Purpose) -> String {
    match &change.reason {
        Reason::Unwanted if purpose == Purpose::Remove => "goes with the service".to_owned(),
        Reason::Unwanted if purpose != Purpose::Deploy => "was not there then".to_owned(),
        _ if is_version(change.action) => {
            "a version never changes; earlier ones stay for rollbacks".to_owned()
        }
        Reason::FieldsChanged => format!("{} changed", count(change.fields.len(), "field")),
        reason => reason.to_string(),
    }
}

/// Whether what there is stays beside what is new.
fn is_version(action: Action) -> bool {
    matches!(action, Action::Replace(ReplaceOrder::CreateThenKeep { .. }))
}

/// The field that forces a replacement.
fn cause(change: &Change) -> Option<&str> {
    match &change.reason {
        Reason::CannotUpdate(field) if !is_version(change.action) => Some(field),
        _ => None,
    }
}

/// What there is to say of a field: that it forces a replacement, or how much of it is uploaded.
fn note(change: &Change, field: &str, palette: Palette) -> String {
    let error = palette.error;
    if cause(change) == Some(field) {
        return format!("  {error}(cannot be changed in place){error:#}");
    }
    let wanted = change.wanted.as_ref();
    match wanted.and_then(|wanted| wanted.fields.get(field)) {
        Some(Value::File(file)) => format!(" ({})", size(file.bytes)),
        _ => String::new(),
    }
}

/// What changes in a field; in an object, only the entries that do.
fn lines(field: &FieldChange, note: &str) -> String {
    let mut entries = Vec::new();
    entries_of(&field.field, &field.from, &field.to, &mut entries);
    let line = |entry: &FieldChange| {
        let FieldChange { field, from, to } = entry;
        match from {
            Shown::Absent => format!("    {field}: {}{note}\n", text(to)),
            from => format!("    {field}: {} -> {}{note}\n", text(from), text(to)),
        }
    };
    entries.iter().map(line).collect()
}

fn entries_of(name: &str, from: &Shown, to: &Shown, entries: &mut Vec<FieldChange>) {
    if let (Shown::Value(Json::Object(a)), Shown::Value(Json::Object(b))) = (from, to)
        && !is_marked(a)
        && !is_marked(b)
    {
        let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for key in keys.into_iter().filter(|key| a.get(*key) != b.get(*key)) {
            let shown = |value: Option<&Json>| match value {
                None | Some(Json::Null) => Shown::Absent,
                Some(value) => Shown::Value(value.clone()),
            };
            let name = format!("{name}.{key}");
            entries_of(&name, &shown(a.get(key)), &shown(b.get(key)), entries);
        }
        return;
    }
    entries.push(FieldChange {
        field: name.to_owned(),
        from: from.clone(),
        to: to.clone(),
    });
}

/// Whether this stands for a file or a secret.
fn is_marked(object: &serde_json::Map<String, Json>) -> bool {
    object.len() == 1 && object.keys().all(|key| key.starts_with('$'))
}

/// Texts without quotation marks, unless one could not see where they end.
fn text(shown: &Shown) -> String {
    match shown {
        Shown::Value(Json::String(text))
            if !text.is_empty() && !text.contains(char::is_whitespace) =>
        {
            shortened(text)
        }
        other => shortened(&other.to_string()),
    }
}

fn drifted(drift: &Drift, palette: Palette) -> String {
    let warning = palette.warning;
    let outcome = match drift.outcome {
        DriftOutcome::PutRight => "will be put right",
        DriftOutcome::Kept => "stays as it is",
    };
    let mut text = vec![format!("{warning}* {}{warning:#}: {outcome}\n", drift.id)];
    if drift.fields.is_empty() {
        text.push("    it was removed\n".to_owned());
    }
    for field in &drift.fields {
        text.push(format!(
            "    {}: deployed as {}, is {} now\n",
            field.field,
            self::text(&field.from),
            self::text(&field.to)
        ));
    }
    text.push("\n".to_owned());
    text.concat()
}

#[cfg(test)]
mod tests {
    use mlfn_core::{Basis, Release, Resource, ResourceId, Seconds, Steps, Traffic};
    use serde_json::json;

    use super::*;

    fn changed(field: &str, from: Shown, to: Shown) -> FieldChange {
        FieldChange {
            field: field.to_owned(),
            from,
            to,
        }
    }

    fn made(name: &str, action: Action, reason: Reason, fields: Vec<FieldChange>) -> Change {
        let id = ResourceId::new("aws:function", name);
        Change {
            wanted: Some(Resource::new(id.clone(), format!("iris-dev-{name}"))),
            id,
            action,
            reason,
            prior: None,
            fields,
            kept: [].into(),
            steps: None,
        }
    }

    fn plan(changes: Vec<Change>, drift: Vec<Drift>, uploads: u64) -> Plan {
        Plan {
            purpose: Purpose::Deploy,
            provider: "local".to_owned(),
            service: "iris".parse().expect("is a name"),
            stage: "dev".parse().expect("is a name"),
            basis: Basis::default(),
            release: Release::default(),
            changes,
            drift,
            uploads,
        }
    }

    #[track_caller]
    fn check(plan: &Plan, expected: &str) {
        assert_eq!(describe(plan, Palette::new(false)), expected);
    }

    #[test]
    fn nothing_to_do_is_said_so() {
        check(
            &plan(Vec::new(), Vec::new(), 0),
            "deploy iris, stage dev, on local\n\nno changes: everything is as it should be\n",
        );
    }

    #[test]
    fn how_much_of_a_file_is_uploaded_stands_beside_it() {
        let file = mlfn_core::FileRef {
            path: "layer.zip".to_owned(),
            digest: mlfn_core::Digest::of(b""),
            bytes: 11 << 20,
        };
        let shown = Shown::Value(Value::File(file.clone()).to_json());
        let field = changed("content", Shown::Absent, shown);
        let mut layer = made("l", Action::Create, Reason::Missing, vec![field]);
        let wanted = layer.wanted.take();
        layer.wanted = wanted.map(|layer| layer.with("content", file));
        check(
            &plan(vec![layer], Vec::new(), 11 << 20),
            "deploy iris, stage dev, on local\n\n\
             + create aws:function/l (iris-dev-l): does not exist\n    \
             content: file e3b0c44298fc (11.0 MiB)\n\n\
             1 to create; 11.0 MiB to upload\n",
        );
    }

    #[test]
    fn every_field_that_changes_is_shown_and_no_secret() {
        let value = |json| Shown::Value(json);
        let update = made(
            "a",
            Action::Update,
            Reason::FieldsChanged,
            vec![
                changed("memory", value(json!(512)), value(json!(1024))),
                changed(
                    "environment",
                    value(json!({"A": "1", "B": "2"})),
                    value(json!({"A": "1", "B": "3", "C": "x y"})),
                ),
                changed("password", Shown::Hidden, Shown::Hidden),
            ],
        );
        let create = made(
            "b",
            Action::Create,
            Reason::Missing,
            vec![
                changed("memory", Shown::Absent, value(json!(512))),
                changed("role", Shown::Absent, Shown::Later),
            ],
        );
        check(
            &plan(vec![update, create], Vec::new(), 1 << 20),
            "deploy iris, stage dev, on local\n\
             \n\
             ~ update aws:function/a (iris-dev-a): 3 fields changed\n\
             \u{20}   memory: 512 -> 1024\n\
             \u{20}   environment.B: 2 -> 3\n\
             \u{20}   environment.C: \"x y\"\n\
             \u{20}   password: (hidden) -> (hidden)\n\
             \n\
             + create aws:function/b (iris-dev-b): does not exist\n\
             \u{20}   memory: 512\n\
             \u{20}   role: (known after deploy)\n\
             \n\
             1 to create, 1 to update; 1.0 MiB to upload\n",
        );
    }

    #[test]
    fn a_replacement_names_its_cause_and_drift_what_becomes_of_it() {
        let value = |json| Shown::Value(json);
        let replace = made(
            "a",
            Action::Replace(ReplaceOrder::DeleteThenCreate),
            Reason::CannotUpdate("architecture".to_owned()),
            vec![changed(
                "architecture",
                value(json!("x86_64")),
                value(json!("arm64")),
            )],
        );
        let drift = Drift {
            id: ResourceId::new("aws:function", "b"),
            fields: vec![changed("memory", value(json!(512)), value(json!(2048)))],
            outcome: DriftOutcome::Kept,
        };
        check(
            &plan(vec![replace], vec![drift], 0),
            "deploy iris, stage dev, on local\n\
             \n\
             ! replace (delete, then create) aws:function/a (iris-dev-a): \
             `architecture` cannot be changed in place\n\
             \u{20}   architecture: x86_64 -> arm64  (cannot be changed in place)\n\
             \n\
             changed outside of mlfn since the last deploy\n\
             * aws:function/b: stays as it is\n\
             \u{20}   memory: deployed as 512, is 2048 now\n\
             \n\
             1 to replace; nothing to upload\n",
        );
    }

    #[test]
    fn a_move_of_requests_shows_its_steps_and_what_ends_it() {
        let traffic = Traffic {
            canary: 20,
            every: Seconds::new(300),
            alarm: Alarm::Errors,
        };
        let moving = |alarm: Alarm, steps: Steps| {
            let value = |text: &str| Shown::Value(json!(text));
            let fields = vec![changed("version", value("1"), value("2"))];
            let mut change = made("a", Action::Update, Reason::FieldsChanged, fields);
            let traffic = Traffic {
                alarm,
                ..traffic.clone()
            };
            change.wanted = change.wanted.map(|it| it.shifted("version", Some(traffic)));
            change.steps = Some(steps);
            super::change(&change, Purpose::Deploy, Palette::new(false))
        };
        let head = "~ update aws:function/a (iris-dev-a): 1 field changed\n    version: 1 -> 2\n";
        let all = Steps {
            parts: vec![20, 40, 80],
            since: None,
        };
        let requests = "    requests: 20 %, 40 %, 80 % for 5m each, then 100 %; back at once if it \
                        fails on a request\n\n";
        assert_eq!(moving(Alarm::Errors, all), format!("{head}{requests}"));
        let rest = Steps {
            parts: vec![40, 80],
            since: Some(1_700_000_000),
        };
        let requests = "    requests: 40 %, 80 % for 5m each, where an earlier run stopped, then \
                        100 %; back at once if the alarm `slow` is on\n\n";
        let named = Alarm::Named("slow".to_owned());
        assert_eq!(moving(named, rest), format!("{head}{requests}"));
    }
}
