//! What has to be done, and why. Pure: the same question has the same answer.
//!
//! Three things are compared for each resource: what is *wanted*, what is *recorded* (what the
//! last deploy set), and what is *seen* (what the cloud says). Wanted against recorded gives the
//! changes of the manifest; recorded against seen gives the drift. Wanted is never compared with
//! seen where there is a record: secrets cannot be seen, and references are not resolved there.
//! References are resolved from what is recorded, as long as what they refer to stays.

mod fields;

use std::collections::{BTreeMap, BTreeSet};

use mlfn_core::{
    Action, Change, Drift, DriftOutcome, FieldChange, KindSpec, Ownership, Plan, Purpose, Reason,
    Recorded, Release, ReplaceOrder, Resource, ResourceId, ServiceName, Shown, StageName, Steps,
};
use serde_json::Value as Json;

use self::fields::{Comparison, compare};
use crate::check;
use crate::engine::basis;
use crate::error::{Foreign, PlanError};
use crate::look::Seen;
use crate::order::graph;
use crate::recover::{Certainty, Known, View, comparable, view};
use crate::state::{Intent, State};

/// What to do about what somebody else changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DriftPolicy {
    /// Back to what the manifest says.
    #[default]
    PutRight,
    /// It stays, as long as the manifest does not change there.
    Keep,
}

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the plan is for.
    pub purpose: Purpose,
    /// The cloud, as its session names it.
    pub provider: &'a str,
    /// The service.
    pub service: &'a ServiceName,
    /// The stage.
    pub stage: &'a StageName,
    /// What the service is made of.
    pub release: &'a Release,
    /// The cloud's kinds.
    pub kinds: &'a [KindSpec],
    /// What shall be there.
    pub wanted: &'a [Resource],
    /// What is not wanted and may be there though it is not recorded.
    pub suspects: &'a [Resource],
    /// What is recorded.
    pub state: Option<&'a State>,
    /// What is there.
    pub seen: &'a Seen,
    /// What to do about drift.
    pub drift: DriftPolicy,
    /// Kinds of which nothing is removed.
    pub spared: &'a [&'static str],
}

/// The answer.
pub fn diff(question: &Question<'_>) -> Result<Plan, PlanError> {
    check::resources(question.kinds, question.wanted)?;
    let view = view(question.state, question.kinds, question.seen);
    let mut diff = Diff {
        question,
        view: &view,
        changes: Vec::new(),
        decided: BTreeMap::new(),
        retired: Vec::new(),
        drift: Vec::new(),
        foreign: Vec::new(),
    };
    for resource in sorted_by_need(question.wanted)? {
        diff.wanted(resource)?;
    }
    diff.unwanted();
    diff.superseded();
    diff.absent();
    diff.unrecorded();
    diff.finish()
}

/// What others need comes first, so that it is known whether references can be resolved.
fn sorted_by_need(wanted: &[Resource]) -> Result<Vec<&Resource>, PlanError> {
    let change = |resource: &Resource| Change {
        id: resource.id.clone(),
        action: Action::Create,
        reason: Reason::Missing,
        wanted: Some(resource.clone()),
        prior: None,
        fields: Vec::new(),
        kept: BTreeMap::new(),
        steps: None,
    };
    let changes: Vec<Change> = wanted.iter().map(change).collect();
    let steps = graph(&changes)?.steps;
    Ok(steps.iter().map(|step| &wanted[step.change]).collect())
}

struct Diff<'a> {
    question: &'a Question<'a>,
    view: &'a View,
    changes: Vec<Change>,
    /// The action on each wanted resource, and the outputs that it will certainly have.
    decided: BTreeMap<ResourceId, (Action, BTreeMap<String, Json>)>,
    /// Records of wanted resources that others take the place of.
    retired: Vec<&'a Known>,
    drift: Vec<Drift>,
    foreign: Vec<Foreign>,
}

impl<'a> Diff<'a> {
    fn wanted(&mut self, wanted: &'a Resource) -> Result<(), PlanError> {
        let observed = self.question.seen.get(&wanted.id, &wanted.remote_name);
        if let Some(owner @ Ownership::Foreign { .. }) = observed.map(|observed| &observed.owner) {
            let (id, remote_name) = (wanted.id.clone(), wanted.remote_name.clone());
            self.foreign.push(Foreign {
                id,
                remote_name,
                owner: owner.clone(),
            });
            return Ok(());
        }
        let current = self.view.current.get(&wanted.id);
        let other = current.filter(|known| known.recorded.remote_name != wanted.remote_name);
        let change = if observed.is_some() {
            self.retired.extend(other);
            self.existing(wanted)?
        } else {
            self.missing(wanted, current, other)
        };
        if matches!(change.action, Action::Create | Action::Replace(_)) {
            fields::check_kept(wanted)?;
        }
        self.decide(change);
        Ok(())
    }

    /// Nothing has the wanted name.
    fn missing(
        &mut self,
        wanted: &Resource,
        current: Option<&'a Known>,
        other: Option<&'a Known>,
    ) -> Change {
        let there = |known: &&Known| self.seen(&known.recorded).is_some();
        if let Some(old) = other.filter(there) {
            let order = self.replace_order(wanted, &old.recorded);
            if matches!(order, ReplaceOrder::CreateThenKeep { .. }) {
                self.retired.push(old);
            }
            let reason = Reason::CannotUpdate("name".to_owned());
            return self.change(
                wanted,
                Action::Replace(order),
                reason,
                Some(old.recorded.clone()),
            );
        }
        self.retired.extend(other);
        let begun = self
            .view
            .absent
            .iter()
            .any(|intent| intent.id == wanted.id && intent.remote_name == wanted.remote_name);
        let reason = match current.map(|known| known.certainty) {
            Some(Certainty::Recorded) => Reason::Vanished,
            Some(_) => Reason::Interrupted,
            None if begun => Reason::Interrupted,
            None => Reason::Missing,
        };
        if reason == Reason::Vanished {
            let (id, outcome) = (wanted.id.clone(), DriftOutcome::PutRight);
            self.drift.push(Drift {
                id,
                fields: Vec::new(),
                outcome,
            });
        }
        self.change(wanted, Action::Create, reason, None)
    }

    /// Something of ours has the wanted name.
    fn existing(&mut self, wanted: &Resource) -> Result<Change, PlanError> {
        let there = self.there(wanted);
        let comparison = compare(&fields::Pair {
            question: self.question,
            decided: &self.decided,
            wanted,
            there: &there,
        })?;
        let outcome = match self.question.drift {
            DriftPolicy::PutRight => DriftOutcome::PutRight,
            DriftPolicy::Keep => DriftOutcome::Kept,
        };
        if !comparison.drift.is_empty() {
            let (id, fields) = (wanted.id.clone(), comparison.drift.clone());
            self.drift.push(Drift {
                id,
                fields,
                outcome,
            });
        }
        let (action, reason) = self.judge(wanted, &there, &comparison);
        let mut change = self.change(wanted, action, reason, Some(there.recorded));
        change.fields = comparison.changed;
        change.kept = comparison.kept;
        change.steps = steps(&change, self.question.state);
        Ok(change)
    }

    /// The best that is known of what has the wanted name.
    fn there(&self, wanted: &Resource) -> Known {
        let current = self.view.current.get(&wanted.id);
        let mut known = current.into_iter().chain(&self.view.superseded);
        let known = known.find(|known| {
            known.recorded.id == wanted.id && known.recorded.remote_name == wanted.remote_name
        });
        let Some(mut known) = known.cloned() else {
            return self.found(wanted);
        };
        if let Some(observed) = self.seen(&known.recorded).filter(|o| o.pending.is_none()) {
            // What others refer to may change without anybody's doing, e.g. an address.
            known.recorded.outputs.extend(observed.outputs.clone());
        }
        known
    }

    fn found(&self, wanted: &Resource) -> Known {
        let spec = check::spec(self.question.kinds, &wanted.id);
        let observed = self.question.seen.ours(&wanted.id, &wanted.remote_name);
        let recorded = Recorded {
            id: wanted.id.clone(),
            remote_name: wanted.remote_name.clone(),
            remote_id: observed.map(|o| o.remote_id.clone()).unwrap_or_default(),
            fields: observed.map(|o| comparable(o, spec)).unwrap_or_default(),
            outputs: observed.map(|o| o.outputs.clone()).unwrap_or_default(),
            dependencies: BTreeSet::new(),
            within: wanted.within.clone(),
        };
        Known {
            recorded,
            certainty: Certainty::Found,
        }
    }

    fn judge(&self, wanted: &Resource, there: &Known, found: &Comparison) -> (Action, Reason) {
        let replace = Action::Replace(self.replace_order(wanted, &there.recorded));
        if let Some(parent) = wanted.within.as_ref().filter(|parent| self.is_new(parent)) {
            return (replace, Reason::GoesWith(parent.clone()));
        }
        if let Some(field) = &found.immutable {
            return (replace, Reason::CannotUpdate(field.clone()));
        }
        let current = self
            .view
            .current
            .get(&wanted.id)
            .map(|known| &known.recorded);
        let current = current.filter(|recorded| recorded.remote_name == wanted.remote_name);
        let outputs = current.map(|recorded| recorded.outputs == there.recorded.outputs);
        let action = match (found.changed.is_empty(), there.certainty) {
            (false, _) => Action::Update,
            (true, Certainty::Recorded) if outputs == Some(true) => Action::Keep,
            (true, _) => Action::Adopt,
        };
        let reason = match (action, there.certainty) {
            (Action::Keep, _) => Reason::UpToDate,
            (Action::Adopt, Certainty::Recorded) if outputs == Some(false) => {
                Reason::OutputsChanged
            }
            (_, Certainty::Interrupted) => Reason::Interrupted,
            (_, Certainty::Found) | (Action::Adopt, _) => Reason::Found,
            _ if found.only_drift => Reason::Drifted,
            _ => Reason::FieldsChanged,
        };
        (action, reason)
    }

    /// Whether a resource that others live in will be another one.
    fn is_new(&self, id: &ResourceId) -> bool {
        matches!(
            self.decided.get(id),
            Some((Action::Replace(_) | Action::Create, _))
        )
    }

    /// Two things cannot have one name at the same time.
    fn replace_order(&self, wanted: &Resource, old: &Recorded) -> ReplaceOrder {
        let spec = check::spec(self.question.kinds, &wanted.id);
        match spec.map(|spec| spec.replace) {
            _ if wanted.remote_name == old.remote_name => ReplaceOrder::DeleteThenCreate,
            Some(ReplaceOrder::CreateThenKeep { most: 0 }) => ReplaceOrder::CreateThenDelete,
            order => order.unwrap_or(ReplaceOrder::DeleteThenCreate),
        }
    }

    fn change(
        &self,
        wanted: &Resource,
        action: Action,
        reason: Reason,
        prior: Option<Recorded>,
    ) -> Change {
        let spec = check::spec(self.question.kinds, &wanted.id);
        Change {
            id: wanted.id.clone(),
            action,
            reason,
            fields: fields::all(wanted, spec, prior.as_ref()),
            wanted: Some(wanted.clone()),
            prior,
            kept: BTreeMap::new(),
            steps: None,
        }
    }

    fn decide(&mut self, change: Change) {
        let prior = change.prior.as_ref();
        let mut outputs = prior.map(|prior| prior.outputs.clone()).unwrap_or_default();
        match change.action {
            Action::Keep | Action::Adopt => {}
            Action::Update => {
                let spec = check::spec(self.question.kinds, &change.id);
                let volatile = spec.map_or(&[][..], |spec| spec.volatile);
                outputs.retain(|name, _| !volatile.contains(&name.as_str()));
            }
            _ => outputs.clear(),
        }
        self.decided
            .insert(change.id.clone(), (change.action, outputs));
        self.changes.push(change);
    }

    /// What is recorded and not wanted.
    fn unwanted(&mut self) {
        for (id, known) in &self.view.current {
            if !self.is_asked_for(id) {
                self.discard(known, Reason::Unwanted);
            }
        }
    }

    /// What newer ones took the place of: some is kept for a rollback, the rest goes.
    fn superseded(&mut self) {
        let old = self.view.superseded.iter();
        let old = old.filter(|known| !self.is_wanted(&known.recorded));
        let old: Vec<&Known> = old.chain(self.retired.clone()).collect();
        let mut kept: BTreeMap<&ResourceId, u32> = BTreeMap::new();
        for known in old.into_iter().rev() {
            let id = &known.recorded.id;
            let count = kept.entry(id).or_default();
            if *count < self.most_kept(known) {
                *count += 1;
            } else if self.is_asked_for(id) {
                self.discard(known, Reason::Superseded);
            } else {
                self.discard(known, Reason::Unwanted);
            }
        }
    }

    /// How many of a superseded resource's kind and name stay, if it can stay itself.
    fn most_kept(&self, known: &Known) -> u32 {
        let recorded = &known.recorded;
        let sound = known.certainty == Certainty::Recorded
            && self.seen(recorded).is_some()
            && !recorded
                .within
                .as_ref()
                .is_some_and(|parent| self.is_new(parent));
        let spec = check::spec(self.question.kinds, &recorded.id);
        match spec.map(|spec| spec.replace) {
            Some(ReplaceOrder::CreateThenKeep { most })
                if sound && self.is_asked_for(&recorded.id) =>
            {
                most
            }
            _ => 0,
        }
    }

    fn is_asked_for(&self, id: &ResourceId) -> bool {
        self.question.wanted.iter().any(|wanted| wanted.id == *id)
    }

    /// What was begun, is not there, and is not wanted.
    fn absent(&mut self) {
        for intent in &self.view.absent {
            let same = |c: &Change| c.id == intent.id && c.remote_name() == intent.remote_name;
            if !self.changes.iter().any(same) {
                let recorded = Recorded {
                    id: intent.id.clone(),
                    remote_name: intent.remote_name.clone(),
                    remote_id: String::new(),
                    fields: BTreeMap::new(),
                    outputs: BTreeMap::new(),
                    dependencies: BTreeSet::new(),
                    within: None,
                };
                self.changes
                    .push(ended(Action::Forget, Reason::Gone, recorded));
            }
        }
    }

    /// What nobody recorded, is there, is ours, and is not wanted.
    fn unrecorded(&mut self) {
        let question = self.question;
        for suspect in question.suspects {
            let same = |c: &Change| c.id == suspect.id && c.remote_name() == suspect.remote_name;
            let found = question.seen.get(&suspect.id, &suspect.remote_name);
            let is_ours = found.is_some_and(|found| found.owner == Ownership::Ours);
            if is_ours && !self.changes.iter().any(same) {
                let mut known = self.found(suspect);
                known.recorded.dependencies = suspect.dependencies();
                self.discard(&known, Reason::Unwanted);
            }
        }
    }

    /// Removes what is ours from the cloud, and the rest from the record.
    fn discard(&mut self, known: &Known, reason: Reason) {
        let recorded = &known.recorded;
        let observed = self.question.seen.get(&recorded.id, &recorded.remote_name);
        let heir = self.question.wanted.iter().find(|wanted| {
            wanted.id.kind() == recorded.id.kind() && wanted.remote_name == recorded.remote_name
        });
        let (action, reason) = match (observed.map(|observed| &observed.owner), heir) {
            (None, _) => (Action::Forget, Reason::Gone),
            (Some(Ownership::Foreign { described }), _) => {
                (Action::Forget, Reason::TakenOver(described.clone()))
            }
            (Some(Ownership::Ours | Ownership::Borrowed), Some(heir)) => {
                (Action::Forget, Reason::Renamed(heir.id.clone()))
            }
            (Some(Ownership::Borrowed), None) => (Action::Release, Reason::Borrowed),
            (Some(Ownership::Ours), None) if self.is_spared(&recorded.id) => {
                (Action::Release, Reason::Spared)
            }
            (Some(Ownership::Ours), None) => (Action::Delete, reason),
        };
        self.changes.push(ended(action, reason, recorded.clone()));
    }

    fn is_spared(&self, id: &ResourceId) -> bool {
        self.question.spared.contains(&id.kind())
    }

    fn is_wanted(&self, recorded: &Recorded) -> bool {
        let same = |w: &&Resource| w.id == recorded.id && w.remote_name == recorded.remote_name;
        self.question.wanted.iter().any(|wanted| same(&wanted))
    }

    fn seen(&self, recorded: &Recorded) -> Option<&mlfn_core::Observed> {
        self.question.seen.ours(&recorded.id, &recorded.remote_name)
    }

    fn finish(self) -> Result<Plan, PlanError> {
        if !self.foreign.is_empty() {
            return Err(PlanError::Foreign {
                foreign: self.foreign,
            });
        }
        let question = self.question;
        let changes = in_order(self.changes)?;
        Ok(Plan {
            purpose: question.purpose,
            provider: question.provider.to_owned(),
            service: question.service.clone(),
            stage: question.stage.clone(),
            basis: basis(question.state),
            release: question.release.clone(),
            uploads: changes.iter().map(uploads).sum(),
            changes,
            drift: self.drift,
        })
    }
}

/// In which steps requests move to what an update lets a pointer point to; none if they are not
/// asked to, or if nothing serves.
fn steps(change: &Change, state: Option<&State>) -> Option<Steps> {
    let (wanted, prior) = (change.wanted.as_ref()?, change.prior.as_ref()?);
    let shift = wanted.shift.as_ref()?;
    let moved = change.fields.iter().find(|f| f.field == shift.field)?;
    let serves = prior.fields.get(&shift.field).is_some_and(|f| !f.is_null());
    if change.action != Action::Update || !serves {
        return None;
    }
    let parts = shift.traffic.steps();
    let begun = state.into_iter().flat_map(|state| &state.pending);
    let mut begun = begun.filter(|intent| intent.id == change.id);
    // Requests that were on their way to another revision begin anew.
    let same = |intent: &&Intent| {
        let to = intent.fields.get(&shift.field).cloned();
        to.is_some_and(|to| moved.to == Shown::Value(to))
    };
    let begun = begun.find(same).and_then(|intent| intent.shifted);
    Some(begun.map_or_else(
        || Steps {
            parts: parts.clone(),
            since: None,
        },
        |begun| {
            let rest = parts.iter().copied().filter(|part| *part > begun.percent);
            Steps {
                parts: std::iter::once(begun.percent).chain(rest).collect(),
                since: Some(begun.since.as_unix()),
            }
        },
    ))
}

fn ended(action: Action, reason: Reason, prior: Recorded) -> Change {
    Change {
        id: prior.id.clone(),
        action,
        reason,
        wanted: None,
        prior: Some(prior),
        fields: Vec::<FieldChange>::new(),
        kept: BTreeMap::new(),
        steps: None,
    }
}

/// The order in which they are made; what stays comes last, by name.
fn in_order(changes: Vec<Change>) -> Result<Vec<Change>, PlanError> {
    let steps = graph(&changes)?.steps;
    let place = |index: usize| {
        steps
            .iter()
            .position(|step| step.change == index)
            .unwrap_or(steps.len())
    };
    let mut keyed: Vec<(usize, Change)> = changes
        .into_iter()
        .enumerate()
        .map(|(index, change)| (place(index), change))
        .collect();
    keyed.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.id.cmp(&y.id)));
    Ok(keyed.into_iter().map(|(_, change)| change).collect())
}

/// Bytes that the change sends.
fn uploads(change: &Change) -> u64 {
    let Some(wanted) = &change.wanted else {
        return 0;
    };
    let sent = |field: &String| match change.action {
        Action::Create | Action::Replace(_) => true,
        Action::Update => change.fields.iter().any(|changed| changed.field == *field),
        _ => false,
    };
    let mut bytes = 0;
    for (_, value) in wanted.fields.iter().filter(|(field, _)| sent(field)) {
        value.for_each_file(&mut |file| bytes += file.bytes);
    }
    bytes
}
