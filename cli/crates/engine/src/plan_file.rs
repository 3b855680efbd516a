//! A plan as a file, to be read by somebody and applied later.

use std::path::Path;

use mlfn_core::{Action, Change, Digest, FileRef, Plan, Resource};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::engine::basis;
use crate::state::{Owner, State};
use crate::{DriftPolicy, EngineError, Request};

/// The version of the format that this code reads and writes.
pub const FORMAT: u32 = 1;

/// Why a file is not a plan for this program.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// Of another version: the same words may mean something else there.
    #[error("the plan has format {format}, written by mlfn {mlfn}; this is mlfn {}", env!("CARGO_PKG_VERSION"))]
    Version {
        /// Its format.
        format: u32,
        /// Who wrote it.
        mlfn: String,
    },
    /// Not a plan at all, or cut off.
    #[error("this is not a plan")]
    Corrupt(#[source] serde_json::Error),
}

impl PlanFileError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "Make a new one with `mlfn plan -o FILE`."
    }
}

#[derive(Deserialize)]
struct Probe {
    format: u32,
    mlfn: String,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    mlfn: &'a str,
    plan: &'a Plan,
}

#[derive(Deserialize)]
struct Read {
    plan: Plan,
}

/// The bytes of a plan file: the same for the same plan. May hold values that are shown to nobody,
/// so that the file is for its owner only.
pub fn write(plan: &Plan) -> Result<Vec<u8>, serde_json::Error> {
    let written = Written {
        format: FORMAT,
        mlfn: env!("CARGO_PKG_VERSION"),
        plan,
    };
    let mut bytes = serde_json::to_vec_pretty(&written)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The plan of a file.
pub fn read(bytes: &[u8]) -> Result<Plan, PlanFileError> {
    let Probe { format, mlfn } = serde_json::from_slice(bytes).map_err(PlanFileError::Corrupt)?;
    if format != FORMAT || mlfn != env!("CARGO_PKG_VERSION") {
        return Err(PlanFileError::Version { format, mlfn });
    }
    let read: Read = serde_json::from_slice(bytes).map_err(PlanFileError::Corrupt)?;
    Ok(read.plan)
}

/// What the state says that the plan does not know, one sentence each.
pub(crate) fn moved(plan: &Plan, owner: Owner<'_>, state: Option<&State>) -> Vec<String> {
    let mut moved = Vec::new();
    let mut compare = |what: &str, plan: &str, now: &str| {
        if plan != now {
            moved.push(format!("it is for the {what} `{plan}`, not `{now}`"));
        }
    };
    compare("provider", &plan.provider, owner.provider);
    compare("service", plan.service.as_str(), owner.service.as_str());
    compare("stage", plan.stage.as_str(), owner.stage.as_str());
    moved.extend(written_since(plan, state));
    moved
}

/// What became of the state since a plan was made.
fn written_since(plan: &Plan, state: Option<&State>) -> Option<String> {
    let now = basis(state);
    if plan.basis == now {
        return None;
    }
    let last = state.and_then(|state| state.history.last());
    let last = last.map_or_else(
        || "a deploy that was not finished".to_owned(),
        |last| format!("deployment {} of {}", last.number, last.at),
    );
    Some(match (&plan.basis.lineage, &now.lineage) {
        (None, _) => format!("nothing was deployed then, and now there is {last}"),
        (Some(_), None) => "what was deployed then is not recorded any more".to_owned(),
        (Some(then), Some(now)) if then != now => {
            format!("what was deployed then was removed, and now there is {last}")
        }
        (Some(_), Some(_)) => format!("the state was written since; it is that of {last} now"),
    })
}

/// What a plan was asked for.
pub(crate) fn request(plan: &Plan) -> Request {
    let wanted = plan
        .changes
        .iter()
        .filter_map(|change| change.wanted.clone());
    let keeps = plan
        .drift
        .iter()
        .any(|drift| drift.outcome == mlfn_core::DriftOutcome::Kept);
    Request {
        purpose: plan.purpose,
        wanted: wanted.collect::<Vec<Resource>>(),
        release: plan.release.clone(),
        drift: if keeps {
            DriftPolicy::Keep
        } else {
            DriftPolicy::PutRight
        },
        suspects: Vec::new(),
        spared: Vec::new(),
    }
}

/// What the cloud says that the plan does not know, one sentence each.
pub(crate) fn differences(then: &Plan, now: &Plan) -> Vec<String> {
    let name = |change: &Change| (change.id.clone(), change.remote_name().to_owned());
    let mut moved = Vec::new();
    for change in &now.changes {
        match then
            .changes
            .iter()
            .find(|other| name(other) == name(change))
        {
            Some(other) if other == change => {}
            Some(other) => moved.push(difference(other, change)),
            None => moved.push(format!("`{}` has to be {}", change.id, past(change.action))),
        }
    }
    let gone = then
        .changes
        .iter()
        .filter(|c| !now.changes.iter().any(|n| name(n) == name(c)));
    moved.extend(gone.map(|change| format!("`{}` is gone", change.id)));
    moved
}

fn difference(then: &Change, now: &Change) -> String {
    if then.action != now.action {
        let (was, is) = (past(then.action), past(now.action));
        return format!("`{}` was to be {was} and has to be {is} now", now.id);
    }
    let new = now
        .fields
        .iter()
        .filter(|field| !then.fields.contains(field));
    let fields: Vec<String> = new.map(|field| format!("`{}`", field.field)).collect();
    if fields.is_empty() {
        format!("`{}` is not what it was", now.id)
    } else {
        format!("{} of `{}` changed", fields.join(", "), now.id)
    }
}

fn past(action: Action) -> &'static str {
    match action {
        Action::Keep => "kept",
        Action::Create => "created",
        Action::Update => "updated",
        Action::Replace(_) => "replaced",
        Action::Delete => "deleted",
        Action::Adopt => "adopted",
        Action::Forget => "forgotten",
        Action::Release => "released",
    }
}

/// Makes sure that every file that will be sent is the one that was planned with.
pub(crate) fn check_files(plan: &Plan, root: &Path) -> Result<(), EngineError> {
    for change in plan
        .changes
        .iter()
        .filter(|change| change.action.is_mutating())
    {
        let sent = |field: &str| {
            change.action != Action::Update || change.fields.iter().any(|c| c.field == field)
        };
        let mut files = Vec::new();
        for (field, value) in change.wanted.iter().flat_map(|wanted| &wanted.fields) {
            if sent(field) {
                value.for_each_file(&mut |file| files.push(file));
            }
        }
        files
            .into_iter()
            .try_for_each(|file| check_file(file, root))?;
    }
    Ok(())
}

fn check_file(file: &FileRef, root: &Path) -> Result<(), EngineError> {
    let wrong = |why: String| EngineError::File {
        path: file.path.clone(),
        why,
    };
    let found = digest(&root.join(&file.path)).map_err(|error| wrong(error.to_string()))?;
    if found == file.digest {
        return Ok(());
    }
    Err(wrong(format!(
        "its digest is {}, not {}",
        found.short(),
        file.digest.short()
    )))
}

fn digest(path: &Path) -> std::io::Result<Digest> {
    let mut hash = Sha256::new();
    std::io::copy(&mut fs_err::File::open(path)?, &mut Hasher(&mut hash))?;
    Ok(Digest::from_sha256(&hash.finalize()))
}

/// A hash as something that bytes are written to.
struct Hasher<'a>(&'a mut Sha256);

impl std::io::Write for Hasher<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
