//! A plan as a file, to be read by somebody and applied later.

use mlfn_core::{Action, Change, Plan, Resource};
use serde::{Deserialize, Serialize};

use crate::engine::basis;
use crate::state::{Owner, State};
use crate::{DriftPolicy, Request};

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
