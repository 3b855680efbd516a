//! Carries out a plan. The only code that changes a cloud, and it does what the plan says and
//! nothing else; it never asks what should be done.
//!
//! Every change goes the same way: the intent into the journal, the call, the result into the
//! state. Changes that do not need each other run at the same time.

mod keeper;
mod shift;
mod step;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mlfn_core::{Action, Plan, ProviderError, ResourceId};

pub(crate) use self::keeper::Keeper;
use self::step::Runner;
use crate::engine::Engine;
use crate::error::{PlanError, StateError};
use crate::order::{Graph, graph};
use crate::retry::GaveUp;
use crate::{Cancel, Event};

/// What came of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// Whether all of it was done, and if not, why.
    pub status: Status,
    /// What was done, in this order.
    pub done: Vec<Done>,
    /// What was tried.
    pub failed: Vec<Failed>,
    /// What was not begun.
    pub not_tried: Vec<ResourceId>,
    /// The number of the deployment, if there was something to do and all of it was done.
    pub deployment: Option<u64>,
}

impl Outcome {
    /// Of a plan without changes.
    pub(crate) fn nothing() -> Self {
        Self {
            status: Status::Complete,
            done: Vec::new(),
            failed: Vec::new(),
            not_tried: Vec::new(),
            deployment: None,
        }
    }

    /// All was done, but for the last note in the state.
    pub(crate) fn fail(&mut self, plan: &Plan, error: StepError) {
        self.status = Status::Failed;
        if let Some(change) = plan.effective().last() {
            let (id, action) = (change.id.clone(), change.action);
            self.failed.push(Failed { id, action, error });
        }
    }
}

/// Whether a plan was carried out. Whatever it says: the same command again goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All of it.
    Complete,
    /// Something failed.
    Failed,
    /// The user stopped it; what was begun is finished and recorded.
    Interrupted,
    /// The lock was lost, so somebody else may be at work.
    LockLost,
}

/// A change, or half of a replacement, that was made and recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The resource.
    pub id: ResourceId,
    /// What was done.
    pub action: Action,
    /// The time that it took.
    pub elapsed: Duration,
}

/// A change that failed.
#[derive(Debug)]
pub struct Failed {
    /// The resource.
    pub id: ResourceId,
    /// What was tried.
    pub action: Action,
    /// Why it failed.
    pub error: StepError,
}

/// Why a change failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The cloud refused.
    #[error(transparent)]
    Provider(#[from] GaveUp),
    /// The change was not begun, or was made and could not be recorded: the journal knows it.
    #[error("the state was not saved")]
    State(#[source] StateError),
    /// A reference to an output that never appeared.
    #[error("the provider contradicts itself; this is a bug of mlfn: {0}")]
    Contradiction(String),
    /// The new revision got a part of the requests, something spoke against it, and the one before
    /// has all of them again.
    #[error("{}", went_back(*percent, why))]
    WentBack {
        /// The part that it had got, in percent; 0 if it got none.
        percent: u8,
        /// What spoke against it.
        why: String,
    },
    /// As before, but the cloud did not give the requests back.
    #[error(
        "{why}, and {percent} % of the requests still go to the new revision, because that could \
         not be undone"
    )]
    NotBack {
        /// The part that it still gets, in percent.
        percent: u8,
        /// What speaks against it.
        why: String,
        /// Why it could not be undone.
        #[source]
        error: Box<GaveUp>,
    },
    /// It was stopped while requests moved to the new revision.
    #[error("stopped while {percent} % of the requests go to the new revision")]
    Paused {
        /// The part that it has got to, in percent.
        percent: u8,
    },
    /// Something of ours appeared since the plan was made, and it is not like what is wanted.
    #[error("`{0}` was made by somebody else in the meantime")]
    Appeared(String),
}

impl StepError {
    /// What to do about it, if that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Provider(error) => error.error.hint(),
            Self::State(error) => error.hint(),
            Self::Appeared(_) => Some("Run the command again.".to_owned()),
            Self::WentBack { .. } => Some(
                "The revision before serves all requests. The logs tell what failed (`mlfn logs`); \
                 mend it and deploy again."
                    .to_owned(),
            ),
            Self::NotBack { .. } => Some(
                "`mlfn rollback` gives all requests to the revision before; deploying again tries \
                 that, too."
                    .to_owned(),
            ),
            Self::Paused { .. } => Some(
                "Deploying again goes on from there; `mlfn rollback` gives all requests to the \
                 revision before."
                    .to_owned(),
            ),
            Self::Contradiction(_) => None,
        }
    }

    /// What the cloud said, if it was the cloud.
    pub fn provider(&self) -> Option<&ProviderError> {
        match self {
            Self::Provider(error) => Some(&error.error),
            Self::NotBack { error, .. } => Some(&error.error),
            _ => None,
        }
    }

    /// Whether nothing else can work either.
    fn is_general(&self) -> bool {
        match self {
            Self::Provider(error) => error.error.is_general(),
            Self::State(_) => true,
            Self::NotBack { error, .. } => error.error.is_general(),
            Self::Contradiction(_)
            | Self::Appeared(_)
            | Self::WentBack { .. }
            | Self::Paused { .. } => false,
        }
    }
}

fn went_back(percent: u8, why: &str) -> String {
    match percent {
        0 => format!("the new revision gets no requests: {why}"),
        _ => format!("went back, when the new revision had {percent} % of the requests: {why}"),
    }
}

/// Carries out `plan`. `lost` is switched on when the lock is lost.
pub(crate) async fn apply(
    engine: &Engine<'_>,
    plan: &Plan,
    keeper: &Keeper<'_>,
    lost: &Cancel,
) -> Result<Outcome, PlanError> {
    let graph = graph(&plan.changes)?;
    let runner = Runner {
        engine,
        plan,
        keeper,
        lost,
    };
    let mut walk = Walk {
        engine,
        plan,
        graph: &graph,
        lost,
        log: Log::default(),
    };
    walk.run(&runner).await;
    Ok(walk.outcome())
}

struct Walk<'a> {
    engine: &'a Engine<'a>,
    plan: &'a Plan,
    graph: &'a Graph,
    lost: &'a Cancel,
    log: Log,
}

#[derive(Default)]
struct Log {
    started: BTreeSet<usize>,
    finished: BTreeSet<usize>,
    done: Vec<Done>,
    failed: Vec<Failed>,
}

impl Walk<'_> {
    /// Starts what can be started, until nothing can and nothing runs.
    async fn run(&mut self, runner: &Runner<'_>) {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.engine.settings.parallel.max(1) {
                let Some(index) = self.next() else { break };
                self.log.started.insert(index);
                let step = self.graph.steps[index];
                running.push(async move { (index, runner.run(step).await) });
            }
            let Some((index, result)) = running.next().await else {
                return;
            };
            self.note(index, result);
        }
    }

    /// The first step that was not begun and whose needs are met.
    fn next(&self) -> Option<usize> {
        let general = self
            .log
            .failed
            .iter()
            .any(|failed| failed.error.is_general());
        if general || self.engine.cancel.is_cancelled() || self.lost.is_cancelled() {
            return None;
        }
        (0..self.graph.steps.len()).find(|index| {
            !self.log.started.contains(index)
                && self.graph.needs[*index].is_subset(&self.log.finished)
        })
    }

    fn note(&mut self, index: usize, result: Result<Duration, StepError>) {
        let (id, action) = self.about(index);
        match result {
            Ok(elapsed) => {
                self.engine.tell(&Event::Done {
                    id: &id,
                    action,
                    elapsed,
                });
                self.log.finished.insert(index);
                self.log.done.push(Done {
                    id,
                    action,
                    elapsed,
                });
            }
            Err(error) => {
                let why = error.provider().map(ToString::to_string);
                let why = why.unwrap_or_else(|| error.to_string());
                self.engine.tell(&Event::Failed {
                    id: &id,
                    action,
                    why,
                });
                self.log.failed.push(Failed { id, action, error });
            }
        }
    }

    fn about(&self, index: usize) -> (ResourceId, Action) {
        let step = self.graph.steps[index];
        let change = &self.plan.changes[step.change];
        (change.id.clone(), step::action(change, step.part))
    }

    fn outcome(self) -> Outcome {
        let all = 0..self.graph.steps.len();
        let skipped: Vec<usize> = all
            .filter(|step| !self.log.started.contains(step))
            .collect();
        for &index in &skipped {
            let (id, action) = self.about(index);
            self.engine.tell(&Event::Skipped { id: &id, action });
        }
        let complete = skipped.is_empty() && self.log.failed.is_empty();
        let status = match () {
            () if complete => Status::Complete,
            () if self.lost.is_cancelled() => Status::LockLost,
            () if self.engine.cancel.is_cancelled() => Status::Interrupted,
            () => Status::Failed,
        };
        let mut not_tried: Vec<ResourceId> =
            skipped.iter().map(|&index| self.about(index).0).collect();
        not_tried.dedup();
        let Log { done, failed, .. } = self.log;
        Outcome {
            status,
            done,
            failed,
            not_tried,
            deployment: None,
        }
    }
}
