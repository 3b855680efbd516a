//! One resource, field by field.

use std::collections::{BTreeMap, BTreeSet};

use mlfn_core::{
    Action, Exposure, FieldChange, FieldSpec, KindSpec, Mutability, Recorded, Resource, ResourceId,
    Shown, Value,
};
use serde_json::{Value as Json, json};

use super::{DriftPolicy, Question};
use crate::check;
use crate::error::PlanError;
use crate::recover::{Certainty, Known, comparable};

/// What a resource shall be, and what there is.
pub(super) struct Pair<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) decided: &'a BTreeMap<ResourceId, (Action, BTreeMap<String, Json>)>,
    pub(super) wanted: &'a Resource,
    pub(super) there: &'a Known,
}

/// How the two differ.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// What has to be set.
    pub(super) changed: Vec<FieldChange>,
    /// The first of them that cannot be.
    pub(super) immutable: Option<String>,
    /// What somebody else changed.
    pub(super) drift: Vec<FieldChange>,
    /// What somebody else changed and stays.
    pub(super) kept: BTreeMap<String, Json>,
    /// Whether everything in `changed` is drift.
    pub(super) only_drift: bool,
}

/// A wanted value, as far as it is known.
enum Wanted {
    Known(Json),
    /// After something else is applied.
    Later,
    /// Of a secret, without anything to compare its digest with.
    Secret,
}

/// Compares every field of both.
pub(super) fn compare(pair: &Pair<'_>) -> Result<Comparison, PlanError> {
    let spec = check::spec(pair.question.kinds, &pair.wanted.id);
    let observed = pair
        .question
        .seen
        .ours(&pair.wanted.id, &pair.wanted.remote_name);
    let seen = observed
        .map(|observed| comparable(observed, spec))
        .unwrap_or_default();
    let mut result = Comparison {
        only_drift: true,
        ..Comparison::default()
    };
    let names = pair
        .wanted
        .fields
        .keys()
        .chain(pair.there.recorded.fields.keys());
    for name in names.collect::<BTreeSet<_>>() {
        // What the kind no longer has cannot be set either.
        if let Some(field) = spec.and_then(|spec| spec.field(name)) {
            pair.field(field, seen.get(name), &mut result)?;
        }
    }
    Ok(result)
}

impl Pair<'_> {
    fn field(
        &self,
        field: &FieldSpec,
        seen: Option<&Json>,
        result: &mut Comparison,
    ) -> Result<(), PlanError> {
        let wanted = self.wanted(field);
        let recorded = self.recorded(field);
        let differs = Self::differs(field, &wanted, recorded.as_ref());
        let seen = seen.filter(|_| self.there.certainty == Certainty::Recorded);
        let drifted = seen.filter(|seen| recorded.as_ref().is_some_and(|r| r != *seen));
        let is = drifted.or(recorded.as_ref());
        if differs {
            field_kept(self.wanted, field.name, self.wanted.fields.get(field.name))?;
            result.only_drift = false;
            result.set(field, shown(field, is), wanted.shown(field));
        } else if let Some(drifted) = drifted {
            let (from, to) = (shown(field, recorded.as_ref()), shown(field, Some(drifted)));
            let change = |from, to| FieldChange {
                field: field.name.to_owned(),
                from,
                to,
            };
            result.drift.push(change(from.clone(), to.clone()));
            match self.question.drift {
                DriftPolicy::PutRight => result.set(field, to, from),
                DriftPolicy::Keep => {
                    result.kept.insert(field.name.to_owned(), drifted.clone());
                }
            }
        }
        Ok(())
    }

    fn differs(field: &FieldSpec, wanted: &Wanted, recorded: Option<&Json>) -> bool {
        match (wanted, recorded) {
            (Wanted::Known(wanted), Some(recorded)) => wanted != recorded,
            (Wanted::Later | Wanted::Secret, Some(_)) => true,
            // What cannot be seen and cannot be changed is taken to be as it shall be: replacing
            // a thing because nobody knows would be worse.
            (_, None) => field.mutability == Mutability::Mutable,
        }
    }

    fn wanted(&self, field: &FieldSpec) -> Wanted {
        let Some(value) = self.wanted.fields.get(field.name) else {
            return Wanted::Known(Json::Null);
        };
        let outputs =
            |from: &ResourceId, output: &str| self.decided.get(from)?.1.get(output).cloned();
        let Some(value) = value.resolve(&outputs) else {
            return Wanted::Later;
        };
        match (field.exposure, self.question.state) {
            (Exposure::Plain, _) => Wanted::Known(value.to_json()),
            (Exposure::Sensitive, None) => Wanted::Secret,
            (Exposure::Sensitive, Some(state)) => match value {
                Value::Masked(_) => Wanted::Known(value.to_json()),
                value => Wanted::Known(json!({ "$digest": state.mask(&value.to_json()) })),
            },
        }
    }

    /// What is recorded; none if it may be anything.
    fn recorded(&self, field: &FieldSpec) -> Option<Json> {
        let recorded = self.there.recorded.fields.get(field.name).cloned();
        match self.there.certainty {
            Certainty::Recorded => Some(recorded.unwrap_or(Json::Null)),
            Certainty::Interrupted | Certainty::Found => recorded,
        }
    }
}

/// A masked value can be recognised, but not set.
pub(super) fn check_kept(wanted: &Resource) -> Result<(), PlanError> {
    wanted
        .fields
        .iter()
        .try_for_each(|(field, value)| field_kept(wanted, field, Some(value)))
}

fn field_kept(wanted: &Resource, field: &str, value: Option<&Value>) -> Result<(), PlanError> {
    match value {
        Some(Value::Masked(_)) => {
            let (id, field) = (wanted.id.clone(), field.to_owned());
            Err(PlanError::SecretNotKept { id, field })
        }
        _ => Ok(()),
    }
}

impl Comparison {
    fn set(&mut self, field: &FieldSpec, from: Shown, to: Shown) {
        self.changed.push(FieldChange {
            field: field.name.to_owned(),
            from,
            to,
        });
        if field.mutability == Mutability::Immutable && self.immutable.is_none() {
            self.immutable = Some(field.name.to_owned());
        }
    }
}

impl Wanted {
    fn shown(&self, field: &FieldSpec) -> Shown {
        match self {
            Self::Known(json) => shown(field, Some(json)),
            Self::Later => Shown::Later,
            Self::Secret => Shown::Hidden,
        }
    }
}

fn shown(field: &FieldSpec, value: Option<&Json>) -> Shown {
    match value {
        None => Shown::Unknown,
        Some(Json::Null) => Shown::Absent,
        Some(_) if field.exposure == Exposure::Sensitive => Shown::Hidden,
        Some(value) => Shown::Value(value.clone()),
    }
}

/// The fields of what is made anew, from those of what it replaces, if it replaces something.
pub(super) fn all(
    wanted: &Resource,
    spec: Option<&KindSpec>,
    prior: Option<&Recorded>,
) -> Vec<FieldChange> {
    let change = |(name, value): (&String, &Value)| {
        let field = spec.and_then(|spec| spec.field(name))?;
        let from = prior
            .and_then(|prior| prior.fields.get(name))
            .unwrap_or(&Json::Null);
        let to = match value.resolve(&|_, _| None) {
            Some(value) => shown(field, Some(&value.to_json())),
            None => Shown::Later,
        };
        let from = shown(field, Some(from));
        (from != to).then(|| FieldChange {
            field: name.clone(),
            from,
            to,
        })
    };
    wanted.fields.iter().filter_map(change).collect()
}
