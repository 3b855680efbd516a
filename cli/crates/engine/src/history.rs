//! Earlier deployments, and the way back to them.

use mlfn_core::{Exposure, KindSpec, Purpose, Resource, Value};
use serde_json::Value as Json;

use crate::error::EngineError;
use crate::state::{Deployment, State};
use crate::{Request, check};

/// What the history keeps of resources: all but secrets, of which it keeps the recorded digests.
pub(crate) fn sealed(
    mut resources: Vec<Resource>,
    kinds: &[KindSpec],
    state: &State,
) -> Vec<Resource> {
    for resource in &mut resources {
        let Some(spec) = check::spec(kinds, &resource.id) else {
            continue;
        };
        let recorded = state.resources.get(&resource.id);
        for (name, value) in &mut resource.fields {
            let sensitive = spec
                .field(name)
                .is_some_and(|f| f.exposure == Exposure::Sensitive);
            let digest = recorded
                .and_then(|r| r.fields.get(name))
                .and_then(|v| v.get("$digest"));
            if let (true, Some(digest)) = (sensitive, digest) {
                *value = masked(digest);
            }
        }
    }
    resources
}

fn masked(digest: &Json) -> Value {
    serde_json::from_value(digest.clone()).map_or(Value::Known(Json::Null), Value::Masked)
}

/// What to ask for, to bring back the deployment `to`, or else what was before the last run: of one
/// that did not come to its end, the deployment that it began with.
pub(crate) fn rollback(state: Option<&State>, to: Option<u64>) -> Result<Request, EngineError> {
    let history = state.map_or(&[][..], |state| &state.history);
    let target = match to {
        Some(number) => history
            .iter()
            .find(|deployment| deployment.number == number),
        None => match state.and_then(|state| state.unfinished) {
            // Whoever was on the way there wants to arrive.
            Some(Purpose::Rollback { to }) => history.iter().find(|one| one.number == to),
            Some(Purpose::Deploy | Purpose::Remove) => served(history),
            None if state.is_some_and(State::is_shifting) => served(history),
            None => before(history),
        },
    };
    let known = || history.iter().map(|deployment| deployment.number).collect();
    let target = target.ok_or_else(|| EngineError::NoDeployment {
        number: to,
        known: known(),
    })?;
    Ok(Request {
        purpose: Purpose::Rollback { to: target.number },
        wanted: at_once(target.resources.clone()),
        release: target.release.clone(),
        drift: crate::DriftPolicy::PutRight,
        suspects: Vec::new(),
        spared: Vec::new(),
    })
}

/// Whoever goes back is in a hurry, and what is gone back to has proven itself.
fn at_once(mut resources: Vec<Resource>) -> Vec<Resource> {
    for resource in &mut resources {
        resource.shift = None;
    }
    resources
}

/// The deployment that serves: the last one; after a rollback, its target.
fn served(history: &[Deployment]) -> Option<&Deployment> {
    let last = history.last()?;
    let target = match last.purpose {
        Purpose::Rollback { to } => history.iter().find(|one| one.number == to),
        Purpose::Deploy | Purpose::Remove => None,
    };
    // A target may be so old that it is forgotten.
    Some(target.unwrap_or(last))
}

/// The deployment before the one that serves.
fn before(history: &[Deployment]) -> Option<&Deployment> {
    let number = served(history)?.number;
    history
        .iter()
        .rev()
        .find(|d| d.number < number && !matches!(d.purpose, Purpose::Rollback { .. }))
}
