//! One step: intent, call, record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mlfn_core::{
    Action, Address, Call, Change, Digest, Exposure, Failure, FieldSpec, Inputs, Mutability,
    Observed, Ownership, Plan, ProviderError, Recorded, Resource, ResourceId, Value,
};
use serde_json::{Value as Json, json};

use super::shift::{Move, Start};
use super::{Keeper, StepError};
use crate::engine::Engine;
use crate::order::{Part, Step};
use crate::recover::comparable;
use crate::retry::GaveUp;
use crate::state::{Intent, Operation, Shifted};
use crate::{Cancel, Event, check};

/// What a step does, for reports: a replacement is two.
pub(super) fn action(change: &Change, part: Part) -> Action {
    match (change.action, part) {
        (Action::Replace(_), Part::Make) => Action::Create,
        (Action::Replace(_), Part::Clear) => Action::Delete,
        (action, _) => action,
    }
}

/// Runs the steps of a plan, in any order, several at a time.
pub(super) struct Runner<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) plan: &'a Plan,
    pub(super) keeper: &'a Keeper<'a>,
    /// On when the lock is lost.
    pub(super) lost: &'a Cancel,
}

/// How something came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// This call made it.
    Made,
    /// An earlier try made it, though its answer was lost.
    MadeBefore,
    /// It is ours, and was there before the first try.
    WasThere,
}

impl Runner<'_> {
    /// Does all of a step, and tells how long it took.
    pub(super) async fn run(&self, step: Step) -> Result<Duration, StepError> {
        let start = self.engine.host.elapsed();
        let change = &self.plan.changes[step.change];
        let action = action(change, step.part);
        self.engine.tell(&Event::Started {
            id: &change.id,
            action,
        });
        match (step.part, &change.wanted, &change.prior) {
            (Part::Make, Some(wanted), _) => self.make(change, wanted).await?,
            (Part::Clear, _, Some(prior)) => self.clear(prior, action).await?,
            _ => {
                let id = &change.id;
                return Err(StepError::Contradiction(format!(
                    "`{id}` has a step without a subject"
                )));
            }
        }
        Ok(self.engine.host.elapsed().saturating_sub(start))
    }

    async fn clear(&self, prior: &Recorded, action: Action) -> Result<(), StepError> {
        let (id, name) = (&prior.id, &prior.remote_name);
        if action == Action::Delete {
            self.begin(prior.clone(), Operation::Delete, None).await?;
            let delete = async |_| match self.engine.session.delete(prior).await {
                Err(ProviderError {
                    failure: Failure::NotFound { .. },
                    ..
                }) => Ok(()),
                other => other,
            };
            self.retrying(id, delete).await?;
        }
        self.keeper
            .edit(|state| state.drop(id, name))
            .await
            .map_err(StepError::State)
    }

    async fn make(&self, change: &Change, wanted: &Resource) -> Result<(), StepError> {
        let inputs = self.inputs(change, wanted)?;
        let record = self.record(change, wanted, &inputs);
        let observed = match (change.action, &change.prior) {
            (Action::Adopt, Some(prior)) => {
                let record = Recorded {
                    remote_id: prior.remote_id.clone(),
                    outputs: prior.outputs.clone(),
                    ..record
                };
                return self.save(record).await;
            }
            (Action::Update, Some(prior)) => {
                self.probe(wanted, &inputs).await?;
                self.change_over(change, wanted, &inputs, &record).await?;
                let changed = change
                    .fields
                    .iter()
                    .map(|field| field.field.clone())
                    .collect();
                let observed = self.update(wanted, &inputs, prior, &changed).await?;
                self.check_outputs(wanted, prior, &observed);
                observed
            }
            _ => {
                self.probe(wanted, &inputs).await?;
                self.begin(record.clone(), Operation::Create, None).await?;
                self.create(wanted, &inputs, &record).await?
            }
        };
        let observed = self.ready(wanted, observed).await?;
        self.check_fields(change, &record, &observed);
        let Observed {
            remote_id, outputs, ..
        } = observed;
        self.save(Recorded {
            remote_id,
            outputs,
            ..record
        })
        .await
    }

    /// Begins an update. If it moves requests step by step, all but the last part are moved.
    async fn change_over(
        &self,
        change: &Change,
        wanted: &Resource,
        inputs: &Inputs,
        record: &Recorded,
    ) -> Result<(), StepError> {
        let start = self.start(change);
        let (Some(start), Some(steps), Some(shift), Some(prior)) =
            (start, &change.steps, &wanted.shift, &change.prior)
        else {
            return self.begin(record.clone(), Operation::Update, None).await;
        };
        let about = Move {
            wanted,
            shift,
            inputs,
            prior,
        };
        self.may_move(&about, steps).await?;
        self.begin(record.clone(), Operation::Update, Some(start))
            .await?;
        self.move_requests(&about, steps, start).await
    }

    pub(super) async fn save(&self, record: Recorded) -> Result<(), StepError> {
        self.keeper
            .edit(|state| state.put(record))
            .await
            .map_err(StepError::State)
    }

    async fn begin(
        &self,
        record: Recorded,
        operation: Operation,
        start: Option<Start>,
    ) -> Result<(), StepError> {
        let intent = Intent {
            id: record.id,
            remote_name: record.remote_name,
            operation,
            fields: record.fields,
            dependencies: record.dependencies,
            within: record.within,
            since: self.engine.host.now(),
            shifted: start.map(|Start { percent, since }| Shifted { percent, since }),
        };
        self.keeper
            .edit(|state| state.begin(intent, self.plan.purpose))
            .await
            .map_err(StepError::State)
    }

    /// What comes before a pointer is switched: the new revision answers the example request.
    async fn probe(&self, wanted: &Resource, inputs: &Inputs) -> Result<(), StepError> {
        let Some(request) = &wanted.probe else {
            return Ok(());
        };
        self.calling(wanted, inputs, async |call, _| {
            self.engine.session.probe(&call, request).await
        })
        .await
    }

    async fn update(
        &self,
        wanted: &Resource,
        inputs: &Inputs,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, StepError> {
        let session = self.engine.session;
        self.calling(wanted, inputs, async |call, _| {
            session.update(&call, prior, changed).await
        })
        .await
    }

    /// Makes a thing, or finds that an earlier try made it though its answer was lost.
    async fn create(
        &self,
        wanted: &Resource,
        inputs: &Inputs,
        record: &Recorded,
    ) -> Result<Observed, StepError> {
        let create = async |call: Call<'_>, tries| self.create_once(wanted, &call, tries).await;
        match self.calling(wanted, inputs, create).await? {
            (observed, Origin::Made) => Ok(observed),
            (observed, origin) => {
                let changed = self.differences(wanted, record, &observed, origin)?;
                if changed.is_empty() {
                    return Ok(observed);
                }
                let prior = Recorded {
                    remote_id: observed.remote_id,
                    outputs: observed.outputs,
                    ..record.clone()
                };
                self.update(wanted, inputs, &prior, &changed).await
            }
        }
    }

    async fn create_once(
        &self,
        wanted: &Resource,
        call: &Call<'_>,
        tries: u32,
    ) -> Result<(Observed, Origin), ProviderError> {
        let session = self.engine.session;
        let address = address(wanted);
        // Names need not be unique everywhere: a second call could make a second thing.
        if tries > 0
            && let Some(observed) = session.read(&address).await?
        {
            return Ok((observed, Origin::MadeBefore));
        }
        let error = match session.create(call).await {
            Ok(observed) => return Ok((observed, Origin::Made)),
            Err(error) => error,
        };
        match &error.failure {
            Failure::AlreadyExists {
                owner: Ownership::Ours | Ownership::Borrowed,
                what,
            } => {
                let found = session.read(&address).await?;
                let why = format!("`{what}` comes and goes");
                let found = found.ok_or_else(|| ProviderError::new(Failure::Conflict { why }))?;
                Ok((found, Origin::WasThere))
            }
            _ => Err(error),
        }
    }

    /// The fields that have to be set to bring what was there already to what is wanted.
    fn differences(
        &self,
        wanted: &Resource,
        record: &Recorded,
        observed: &Observed,
        origin: Origin,
    ) -> Result<BTreeSet<String>, StepError> {
        if !observed.owner.is_usable() {
            let (what, owner) = (wanted.remote_name.clone(), observed.owner.clone());
            let error = Failure::AlreadyExists { what, owner }.into();
            return Err(GaveUp {
                tries: 1,
                elapsed: Duration::ZERO,
                interrupted: false,
                error,
            }
            .into());
        }
        let spec = check::spec(self.engine.kinds, &wanted.id);
        let seen = comparable(observed, spec);
        let differs = |field: &&FieldSpec| match seen.get(field.name) {
            Some(seen) => *seen != recorded_json(record, field.name),
            // What cannot be seen and was there before was not necessarily set by us.
            None => {
                origin == Origin::WasThere
                    && field.mutability == Mutability::Mutable
                    && record.fields.contains_key(field.name)
            }
        };
        let fields = spec.map_or(&[][..], |spec| spec.fields);
        let different: Vec<&FieldSpec> = fields.iter().filter(differs).collect();
        if different
            .iter()
            .any(|field| field.mutability == Mutability::Immutable)
        {
            return Err(StepError::Appeared(wanted.remote_name.clone()));
        }
        Ok(different
            .into_iter()
            .map(|field| field.name.to_owned())
            .collect())
    }

    /// Reads again until the thing can be used.
    async fn ready(&self, wanted: &Resource, observed: Observed) -> Result<Observed, StepError> {
        if observed.pending.is_none() {
            return Ok(observed);
        }
        let address = Address {
            remote_id: Some(observed.remote_id),
            ..address(wanted)
        };
        let look = async |_| match self.engine.session.read(&address).await? {
            Some(Observed {
                pending: Some(why), ..
            }) => Err(Failure::NotReady { why }.into()),
            Some(observed) => Ok(observed),
            None => Err(Failure::NotReady {
                why: "not visible yet".to_owned(),
            }
            .into()),
        };
        Ok(self.retrying(&wanted.id, look).await?)
    }

    /// Every reference by what it refers to; what somebody else changed and stays, as it is.
    fn inputs(&self, change: &Change, wanted: &Resource) -> Result<Inputs, StepError> {
        let mut fields = BTreeMap::new();
        let known = wanted
            .fields
            .iter()
            .filter(|(_, value)| !matches!(value, Value::Masked(_)));
        for (name, value) in known {
            let resolved = value.resolve(&|from, output| self.keeper.output(from, output));
            let resolved = resolved.ok_or_else(|| self.unresolved(wanted, name, value))?;
            let kept = change
                .kept
                .get(name)
                .filter(|_| matches!(resolved, Value::Known(_)));
            fields.insert(
                name.clone(),
                kept.map_or(resolved, |kept| Value::Known(kept.clone())),
            );
        }
        Ok(Inputs::new(fields))
    }

    fn unresolved(&self, wanted: &Resource, field: &str, value: &Value) -> StepError {
        let mut missing = Vec::new();
        value.for_each_reference(&mut |from, output| {
            if self.keeper.output(from, output).is_none() {
                missing.push(format!("`{from}` has no output `{output}`"));
            }
        });
        let missing = missing.join(", ");
        StepError::Contradiction(format!("`{field}` of `{}`: {missing}", wanted.id))
    }

    /// What will be recorded, but for what only the cloud can tell.
    fn record(&self, change: &Change, wanted: &Resource, inputs: &Inputs) -> Recorded {
        let spec = check::spec(self.engine.kinds, &wanted.id);
        let prior = change.prior.as_ref();
        let mut fields = BTreeMap::new();
        for (name, value) in inputs.fields() {
            let sensitive = spec
                .and_then(|spec| spec.field(name))
                .is_some_and(|field| field.exposure == Exposure::Sensitive);
            let kept = prior.filter(|_| change.kept.contains_key(name));
            let json = match kept.and_then(|prior| prior.fields.get(name)) {
                Some(recorded) => recorded.clone(),
                None if sensitive => self.masked(value),
                None => value.to_json(),
            };
            fields.insert(name.clone(), json);
        }
        let masked = wanted
            .fields
            .iter()
            .filter(|(_, v)| matches!(v, Value::Masked(_)));
        fields.extend(masked.map(|(name, value)| (name.clone(), value.to_json())));
        Recorded {
            id: wanted.id.clone(),
            remote_name: wanted.remote_name.clone(),
            remote_id: prior
                .map(|prior| prior.remote_id.clone())
                .unwrap_or_default(),
            fields,
            outputs: BTreeMap::new(),
            dependencies: wanted.dependencies(),
            within: wanted.within.clone(),
        }
    }

    fn masked(&self, value: &Value) -> Json {
        json!({ "$digest": self.keeper.look(|state| state.mask(&value.to_json())) })
    }

    /// An output that changed though the kind says that it does not: what refers to it is stale.
    fn check_outputs(&self, wanted: &Resource, prior: &Recorded, observed: &Observed) {
        let spec = check::spec(self.engine.kinds, &wanted.id);
        let volatile = spec.map_or(&[][..], |spec| spec.volatile);
        let stable = prior
            .outputs
            .iter()
            .filter(|(name, _)| !volatile.contains(&name.as_str()));
        let changed = stable.filter(|(name, value)| observed.outputs.get(*name) != Some(*value));
        let differences = changed.map(|(name, _)| {
            format!("the output `{name}` changed in an update; list it as volatile")
        });
        self.disagree(&wanted.id, differences.collect());
    }

    /// A field that is not what was set.
    fn check_fields(&self, change: &Change, record: &Recorded, observed: &Observed) {
        let seen = comparable(observed, check::spec(self.engine.kinds, &change.id));
        let different = seen.iter().filter(|(name, seen)| {
            **seen != recorded_json(record, name) && !change.kept.contains_key(*name)
        });
        let differences = different.map(|(name, seen)| {
            format!(
                "`{name}` was set to {} and reads {seen}",
                recorded_json(record, name)
            )
        });
        self.disagree(&change.id, differences.collect());
    }

    fn disagree(&self, id: &ResourceId, differences: Vec<String>) {
        if !differences.is_empty() {
            self.engine.tell(&Event::Disagrees { id, differences });
        }
    }

    /// Tries a call about a wanted resource. `call` also gets how many tries failed before.
    pub(super) async fn calling<T>(
        &self,
        wanted: &Resource,
        inputs: &Inputs,
        mut call: impl AsyncFnMut(Call<'_>, u32) -> Result<T, ProviderError>,
    ) -> Result<T, StepError> {
        let token = self.token(wanted, inputs);
        let progress = |sent, total| {
            self.engine.tell(&Event::Progress {
                id: &wanted.id,
                sent,
                total,
            });
        };
        let about = Call {
            id: &wanted.id,
            remote_name: &wanted.remote_name,
            inputs,
            token: &token,
            root: &self.engine.settings.root,
            progress: &progress,
        };
        Ok(self
            .retrying(&wanted.id, async |tries| call(about, tries).await)
            .await?)
    }

    async fn retrying<T>(
        &self,
        id: &ResourceId,
        call: impl AsyncFnMut(u32) -> Result<T, ProviderError>,
    ) -> Result<T, GaveUp> {
        let note = |error: &ProviderError, after| {
            self.engine.tell(&Event::Retrying {
                id,
                why: error.to_string(),
                after,
            });
        };
        self.engine.retry(&note).run(call).await
    }

    /// The same for all tries of this change in this plan, and for nothing else.
    fn token(&self, wanted: &Resource, inputs: &Inputs) -> String {
        let fields: BTreeMap<&String, Json> = inputs
            .fields()
            .iter()
            .map(|(name, value)| (name, value.to_json()))
            .collect();
        let basis = &self.plan.basis;
        let lineage = self.keeper.look(|state| state.lineage.clone());
        let about = json!([lineage, basis.serial, wanted.id, wanted.remote_name, fields]);
        Digest::of(about.to_string().as_bytes())
            .as_str()
            .chars()
            .take(32)
            .collect()
    }
}

fn address(wanted: &Resource) -> Address {
    Address {
        id: wanted.id.clone(),
        remote_name: wanted.remote_name.clone(),
        remote_id: None,
    }
}

fn recorded_json(record: &Recorded, field: &str) -> Json {
    record.fields.get(field).cloned().unwrap_or(Json::Null)
}
