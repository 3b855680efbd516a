//! What an interrupted run left: the journal says what was begun, the cloud says what came of it.
//! Pure; the state is corrected when the plan that is made from this is applied.

use std::collections::BTreeMap;

use mlfn_core::{KindSpec, Mutability, Observed, Recorded, ResourceId};
use serde_json::Value as Json;

use crate::check;
use crate::look::Seen;
use crate::state::{Intent, Operation, State};

/// A resource that exists, as far as is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    /// Fields that may be anything are missing.
    pub(crate) recorded: Recorded,
    /// How good that is.
    pub(crate) certainty: Certainty,
}

/// How good a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// The last run finished it.
    Recorded,
    /// A run was interrupted in it; the cloud was asked.
    Interrupted,
    /// Nobody recorded it; the cloud was asked.
    Found,
}

/// What there is, and what there was said to be.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) current: BTreeMap<ResourceId, Known>,
    /// The oldest first.
    pub(crate) superseded: Vec<Known>,
    /// Begun, and not there.
    pub(crate) absent: Vec<Intent>,
}

/// Reads state and journal together.
pub(crate) fn view(state: Option<&State>, kinds: &[KindSpec], seen: &Seen) -> View {
    let Some(state) = state else {
        return View::default();
    };
    let known = |recorded: &Recorded| known(recorded, state, kinds, seen);
    let current = state
        .resources
        .iter()
        .map(|(id, recorded)| (id.clone(), known(recorded)));
    let mut view = View {
        current: current.collect(),
        superseded: state.superseded.iter().map(known).collect(),
        absent: Vec::new(),
    };
    for intent in orphans(state) {
        match seen.ours(&intent.id, &intent.remote_name) {
            Some(observed) => view.add(orphan(intent, kinds, observed)),
            None => view.absent.push(intent.clone()),
        }
    }
    view
}

impl View {
    /// A thing that was made just before the run ended, beside the one that serves or instead.
    fn add(&mut self, recorded: Recorded) {
        let known = Known {
            recorded,
            certainty: Certainty::Interrupted,
        };
        if self.current.contains_key(&known.recorded.id) {
            self.superseded.push(known);
        } else {
            self.current.insert(known.recorded.id.clone(), known);
        }
    }
}

/// What was begun without there being a record.
fn orphans(state: &State) -> impl Iterator<Item = &Intent> {
    state.pending.iter().filter(|intent| {
        let mut recorded = state.resources.values().chain(&state.superseded);
        !recorded.any(|recorded| is(intent, recorded))
    })
}

fn is(intent: &Intent, recorded: &Recorded) -> bool {
    intent.id == recorded.id && intent.remote_name == recorded.remote_name
}

fn known(recorded: &Recorded, state: &State, kinds: &[KindSpec], seen: &Seen) -> Known {
    let begun = state.pending.iter().any(|intent| is(intent, recorded));
    let observed = seen.ours(&recorded.id, &recorded.remote_name);
    let another = observed.is_some_and(|observed| observed.remote_id != recorded.remote_id);
    let certainty = match (begun, another) {
        (true, _) => Certainty::Interrupted,
        // Somebody made it anew by hand.
        (false, true) => Certainty::Found,
        (false, false) => Certainty::Recorded,
    };
    match observed.filter(|_| certainty != Certainty::Recorded) {
        Some(observed) => Known {
            recorded: corrected(recorded, kinds, observed),
            certainty,
        },
        None => Known {
            recorded: recorded.clone(),
            certainty,
        },
    }
}

/// What can be seen is so; what cannot be changed is as it was; the rest may be anything.
fn corrected(recorded: &Recorded, kinds: &[KindSpec], observed: &Observed) -> Recorded {
    let mut recorded = recorded.clone();
    let spec = check::spec(kinds, &recorded.id);
    let field = |name: &str| spec.and_then(|spec| spec.field(name));
    recorded.fields.retain(|name, _| {
        field(name).is_some_and(|field| field.mutability == Mutability::Immutable)
    });
    recorded.fields.extend(comparable(observed, spec));
    recorded.outputs.clone_from(&observed.outputs);
    recorded.remote_id.clone_from(&observed.remote_id);
    recorded
}

/// A creation is one call, so that what exists was made as the journal says.
fn orphan(intent: &Intent, kinds: &[KindSpec], observed: &Observed) -> Recorded {
    let mut recorded = Recorded {
        id: intent.id.clone(),
        remote_name: intent.remote_name.clone(),
        remote_id: observed.remote_id.clone(),
        fields: BTreeMap::new(),
        outputs: observed.outputs.clone(),
        dependencies: intent.dependencies.clone(),
        within: intent.within.clone(),
    };
    if intent.operation == Operation::Create {
        recorded.fields.clone_from(&intent.fields);
    }
    recorded
        .fields
        .extend(comparable(observed, check::spec(kinds, &intent.id)));
    recorded
}

/// What the cloud tells that can be compared with a record.
pub(crate) fn comparable(observed: &Observed, spec: Option<&KindSpec>) -> BTreeMap<String, Json> {
    use mlfn_core::{DriftCheck, Exposure};
    let fields = observed.fields.iter().filter(|(name, _)| {
        spec.and_then(|spec| spec.field(name)).is_some_and(|field| {
            field.exposure == Exposure::Plain && field.drift == DriftCheck::Compare
        })
    });
    fields
        .map(|(name, value)| (name.clone(), mlfn_core::sorted(value.clone())))
        .collect()
}
