//! The operations: each takes what it needs, and says what came of it.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use mlfn_core::{
    Basis, KindSpec, Plan, ProviderError, Purpose, Release, Resource, ServiceName, Session,
    StageName,
};

use crate::apply::{Keeper, Outcome, Status, StepError, apply};
use crate::error::{EngineError, StateError};
use crate::history::{rollback, sealed};
use crate::host::random_name;
use crate::look::{addresses, look};
use crate::retry::{Policies, Retry};
use crate::state::{
    Deployment, Document, Lease, Lock, LockPolicy, Locksmith, Owner, State, StateStore, Tag,
};
use crate::{Cancel, DriftPolicy, Event, Host, Question, diff, files, plan_file, state};

/// Everything that a deploy works with.
pub struct Engine<'a> {
    /// The service.
    pub service: &'a ServiceName,
    /// The stage.
    pub stage: &'a StageName,
    /// The cloud.
    pub session: &'a dyn Session,
    /// Its kinds of resources.
    pub kinds: &'a [KindSpec],
    /// Where the state lies.
    pub store: &'a dyn StateStore,
    /// Time, sleep and chance.
    pub host: &'a dyn Host,
    /// Told what happens.
    pub events: &'a (dyn Fn(&Event<'_>) + Send + Sync),
    /// The user's wish to stop.
    pub cancel: &'a Cancel,
    /// The rest.
    pub settings: Settings,
}

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most calls at the same time.
    pub parallel: usize,
    /// How patient with failures.
    pub retry: Policies,
    /// How long a lock lasts, and how long to wait for somebody else's.
    pub lock: LockPolicy,
    /// The folder that files are relative to: the manifest's.
    pub root: PathBuf,
    /// Who this is, for those who meet the lock: a person's or a CI run's name.
    pub holder: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallel: 8,
            retry: Policies::default(),
            lock: LockPolicy::default(),
            root: PathBuf::from("."),
            holder: "somebody".to_owned(),
        }
    }
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What for.
    pub purpose: Purpose,
    /// What shall be there.
    pub wanted: Vec<Resource>,
    /// What the service is made of.
    pub release: Release,
    /// What to do about drift.
    pub drift: DriftPolicy,
    /// What is not wanted, and may be there though nothing is recorded of it: if it is there and
    /// ours, it goes. For removals whose record is lost.
    pub suspects: Vec<Resource>,
    /// Kinds of which nothing is removed: what is not wanted of them stays in the cloud, and is
    /// not recorded any more.
    pub spared: Vec<&'static str>,
}

impl Request {
    /// That the cloud is as the manifest says.
    pub fn deploy(wanted: Vec<Resource>, release: Release) -> Self {
        Self {
            purpose: Purpose::Deploy,
            wanted,
            release,
            drift: DriftPolicy::PutRight,
            suspects: Vec::new(),
            spared: Vec::new(),
        }
    }

    /// That nothing is left.
    pub fn remove() -> Self {
        let (wanted, release) = (Vec::new(), Release::default());
        Self {
            purpose: Purpose::Remove,
            wanted,
            release,
            drift: DriftPolicy::PutRight,
            suspects: Vec::new(),
            spared: Vec::new(),
        }
    }
}

/// What a plan is checked against before it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The state: enough for a plan that was made a moment ago.
    State,
    /// The state and the cloud: for a plan from a file.
    Cloud,
}

impl Engine<'_> {
    /// Decides what to do. Changes nothing, and needs no lock.
    pub async fn plan(&self, request: &Request) -> Result<Plan, EngineError> {
        let state = self.state().await?;
        self.decide(request, state.as_ref()).await
    }

    /// Applies a plan, unless something moved since it was made.
    pub async fn apply(&self, plan: &Plan, freshness: Freshness) -> Result<Outcome, EngineError> {
        self.locked(word(plan.purpose), async |lost| {
            let (state, tag) = self.load().await?;
            self.check_fresh(plan, state.as_ref(), freshness).await?;
            self.tell(&Event::Planned(plan));
            files::check(plan, &self.settings.root, &files::Digests::new())?;
            self.carry_out(plan, state, tag, lost).await
        })
        .await
    }

    /// Plans and applies under one lock. Deploy, rollback and remove are all this.
    pub async fn deploy(&self, request: &Request) -> Result<Outcome, EngineError> {
        self.locked(word(request.purpose), async |lost| {
            let (state, tag) = self.load().await?;
            let (root, known) = (&self.settings.root, state.as_ref());
            let (plan, read) = join(
                self.decide(request, known),
                files::read_ahead(root, &request.wanted, known),
            )
            .await;
            let plan = plan?;
            self.tell(&Event::Planned(&plan));
            files::check(&plan, root, &read)?;
            self.carry_out(&plan, state, tag, lost).await
        })
        .await
    }

    /// The request that brings an earlier deployment back; by default the one before.
    pub async fn rollback(&self, to: Option<u64>) -> Result<Request, EngineError> {
        rollback(self.state().await?.as_ref(), to)
    }

    /// What is recorded; none before the first deploy.
    pub async fn state(&self) -> Result<Option<State>, EngineError> {
        Ok(self.load().await?.0)
    }

    /// Takes the lock away from whoever holds it, and tells whose it was.
    pub async fn unlock(&self) -> Result<Option<Lock>, EngineError> {
        Ok(self.locksmith().break_open().await?)
    }

    async fn decide(&self, request: &Request, state: Option<&State>) -> Result<Plan, EngineError> {
        crate::check::resources(self.kinds, &request.wanted)?;
        let named: Vec<&Resource> = request.wanted.iter().chain(&request.suspects).collect();
        let addresses = addresses(&named, state);
        let retry = self.retry(&|_, _| ());
        let seen = look(
            self.session,
            &retry,
            self.settings.parallel.max(1),
            addresses,
        )
        .await?;
        Ok(diff(&Question {
            purpose: request.purpose,
            provider: self.session.provider(),
            service: self.service,
            stage: self.stage,
            release: &request.release,
            kinds: self.kinds,
            wanted: &request.wanted,
            suspects: &request.suspects,
            state,
            seen: &seen,
            drift: request.drift,
            spared: &request.spared,
        })?)
    }

    async fn check_fresh(
        &self,
        plan: &Plan,
        state: Option<&State>,
        freshness: Freshness,
    ) -> Result<(), EngineError> {
        let mut moved = plan_file::moved(plan, self.owner(), state);
        if moved.is_empty() && freshness == Freshness::Cloud {
            let request = plan_file::request(plan);
            moved = plan_file::differences(plan, &self.decide(&request, state).await?);
        }
        if moved.is_empty() {
            Ok(())
        } else {
            Err(EngineError::Stale { moved })
        }
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        state: Option<State>,
        tag: Option<Tag>,
        lost: &Cancel,
    ) -> Result<Outcome, EngineError> {
        if plan.is_empty() {
            self.settle(state, tag).await?;
            return Ok(Outcome::nothing());
        }
        let state = state.unwrap_or_else(|| {
            let lineage = random_name(self.host);
            let provider = self.session.provider();
            State::new(lineage, provider, self.service.clone(), self.stage.clone())
        });
        let keeper = Keeper::new(self.store, state, tag);
        let mut outcome = apply(self, plan, &keeper, lost).await?;
        if outcome.status == Status::Complete {
            match self.remember(plan, &keeper).await {
                Ok(number) => outcome.deployment = number,
                Err(error) => outcome.fail(plan, StepError::State(error)),
            }
        }
        Ok(outcome)
    }

    /// Writes that nothing is left to do of a run that did not come to its end.
    async fn settle(&self, state: Option<State>, tag: Option<Tag>) -> Result<(), EngineError> {
        let Some(state) = state.filter(|state| state.unfinished.is_some()) else {
            return Ok(());
        };
        let keeper = Keeper::new(self.store, state, tag);
        Ok(keeper.edit(|state| state.unfinished = None).await?)
    }

    /// Writes the history, now that all is done.
    async fn remember(&self, plan: &Plan, keeper: &Keeper<'_>) -> Result<Option<u64>, StateError> {
        if plan.purpose == Purpose::Remove {
            let forget = |state: &mut State| {
                state.unfinished = None;
                state.history.clear();
            };
            keeper.edit(forget).await?;
            return Ok(None);
        }
        let wanted = plan
            .changes
            .iter()
            .filter_map(|change| change.wanted.clone())
            .collect();
        let (resources, number) = keeper.look(|state| {
            let last = state
                .history
                .last()
                .map_or(0, |deployment| deployment.number);
            (sealed(wanted, self.kinds, state), last + 1)
        });
        let deployment = Deployment {
            number,
            at: self.host.now(),
            purpose: plan.purpose,
            mlfn: env!("CARGO_PKG_VERSION").to_owned(),
            release: plan.release.clone(),
            resources,
        };
        keeper.edit(|state| state.remember(deployment)).await?;
        Ok(Some(number))
    }

    /// Does `work` while holding the lock. What `work` gets is switched on if the lock is lost.
    async fn locked<T>(
        &self,
        operation: &str,
        work: impl AsyncFnOnce(&Cancel) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let locksmith = self.locksmith();
        let waiting = |lock: &Lock, left| self.tell(&Event::Waiting { lock, left });
        let taken = locksmith.take_or_wait(&self.settings.holder, operation, &waiting);
        let mut lease = taken.await?;
        let lost = Cancel::new();
        let done = self
            .while_kept(&locksmith, &mut lease, &lost, work(&lost))
            .await;
        let released = locksmith.release(lease).await;
        let done = done?;
        released?;
        Ok(done)
    }

    async fn while_kept<T>(
        &self,
        locksmith: &Locksmith<'_>,
        lease: &mut Lease,
        lost: &Cancel,
        work: impl Future<Output = T>,
    ) -> T {
        let work = std::pin::pin!(work);
        let keep = std::pin::pin!(locksmith.keep(lease));
        match select(work, keep).await {
            Either::Left((done, _)) => done,
            Either::Right((_, work)) => {
                lost.cancel();
                work.await
            }
        }
    }

    async fn load(&self) -> Result<(Option<State>, Option<Tag>), EngineError> {
        let found = self
            .store
            .read(Document::State)
            .await
            .map_err(StateError::from)?;
        let Some(found) = found else {
            return Ok((None, None));
        };
        let place = self.store.place(Document::State);
        let state = state::read(&found.bytes, &place)?;
        state::check_owner(&state, self.owner(), &place)?;
        Ok((Some(state), Some(found.tag)))
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            provider: self.session.provider(),
            service: self.service,
            stage: self.stage,
        }
    }

    fn locksmith(&self) -> Locksmith<'_> {
        Locksmith {
            store: self.store,
            host: self.host,
            policy: &self.settings.lock,
        }
    }

    pub(crate) fn retry<'b>(
        &'b self,
        note: &'b (dyn Fn(&ProviderError, Duration) + Send + Sync),
    ) -> Retry<'b> {
        let policies = &self.settings.retry;
        Retry {
            policies,
            host: self.host,
            cancel: self.cancel,
            note,
        }
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        (self.events)(event);
    }
}

/// What a state is called that a plan was made from.
pub(crate) fn basis(state: Option<&State>) -> Basis {
    state.map_or_else(Basis::default, |state| Basis {
        lineage: Some(state.lineage.clone()),
        serial: state.serial,
    })
}

fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Deploy => "deploy",
        Purpose::Rollback { .. } => "rollback",
        Purpose::Remove => "remove",
    }
}
