//! Requests move from one revision to the next: a part at a time, while somebody watches.
//!
//! The journal knows the part before the cloud does. So whatever ends a run, the next one goes on
//! with the part that this one had got to; and what is seen against the new revision counts from
//! its first request on, also if nobody watched for a while.

use std::time::Duration;

use futures_util::future::{Either, select};
use mlfn_core::{Change, Inputs, Observed, Recorded, Resource, Shift, Steps, Watch};

use super::StepError;
use super::step::Runner;
use crate::recover::comparable;
use crate::retry::GaveUp;
use crate::state::Shifted;
use crate::{Event, Timestamp, check};

/// How often somebody looks whether something speaks against the new revision. Clouds count errors
/// by the minute, and tell them late.
const LOOK: Duration = Duration::from_secs(15);

/// Requests that move.
pub(super) struct Move<'a> {
    pub(super) wanted: &'a Resource,
    pub(super) shift: &'a Shift,
    pub(super) inputs: &'a Inputs,
    pub(super) prior: &'a Recorded,
}

/// Why requests do not move on.
enum Halt {
    /// Somebody asked to stop, or the lock was lost.
    Stopped,
    /// Something speaks against the new revision.
    Against(String),
    /// The journal cannot be written.
    State(StepError),
}

/// The first moments of a move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The first part, in percent.
    pub(super) percent: u8,
    /// When the new revision got its first requests.
    pub(super) since: Timestamp,
}

impl Runner<'_> {
    /// How a change starts to move requests, if it does; for the journal.
    pub(super) fn start(&self, change: &Change) -> Option<Start> {
        let steps = change.steps.as_ref()?;
        let since = steps.since.map(Timestamp::from_unix);
        Some(Start {
            percent: *steps.parts.first()?,
            since: since.unwrap_or_else(|| self.engine.host.now()),
        })
    }

    /// Whether anything speaks against the new revision before it gets the first request.
    pub(super) async fn may_move(&self, about: &Move<'_>, steps: &Steps) -> Result<(), StepError> {
        if steps.since.is_some() {
            return Ok(());
        }
        match self.against(about, self.engine.host.now()).await? {
            None => Ok(()),
            Some(why) => Err(StepError::WentBack { percent: 0, why }),
        }
    }

    /// Does all steps but the last, which is an ordinary update. If something speaks against the new
    /// revision, the old one gets all requests again.
    pub(super) async fn move_requests(
        &self,
        about: &Move<'_>,
        steps: &Steps,
        start: Start,
    ) -> Result<(), StepError> {
        let mut percent = start.percent;
        let moved = async {
            if steps.since.is_some() {
                // What the earlier run did not see any more.
                self.look(about, start.since).await?;
            }
            for &part in &steps.parts {
                percent = part;
                self.one_part(about, part, start.since).await?;
            }
            Ok(())
        };
        match moved.await {
            Ok(()) => Ok(()),
            Err(Halt::Stopped) => Err(StepError::Paused { percent }),
            Err(Halt::State(error)) => Err(error),
            Err(Halt::Against(why)) => Err(self.go_back(about, percent, why).await),
        }
    }

    async fn one_part(&self, about: &Move<'_>, percent: u8, since: Timestamp) -> Result<(), Halt> {
        self.note(about, Shifted { percent, since }).await?;
        self.send(about, percent).await.map_err(halted)?;
        let every = Duration::from_secs(about.shift.traffic.every.get().into());
        self.engine.tell(&Event::Shifted {
            id: &about.wanted.id,
            percent,
            watched: every,
        });
        let host = self.engine.host;
        let end = host.elapsed() + every;
        loop {
            let left = end.saturating_sub(host.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            self.pause(left.min(LOOK)).await?;
            self.look(about, since).await?;
        }
    }

    async fn note(&self, about: &Move<'_>, shifted: Shifted) -> Result<(), Halt> {
        let (id, name) = (&about.wanted.id, &about.wanted.remote_name);
        let noted = self.keeper.edit(|state| state.shift(id, name, shifted));
        let noted = noted.await.map_err(StepError::State);
        noted.map_err(Halt::State)
    }

    async fn look(&self, about: &Move<'_>, since: Timestamp) -> Result<(), Halt> {
        match self.against(about, since).await.map_err(halted)? {
            None => Ok(()),
            Some(why) => Err(Halt::Against(why)),
        }
    }

    /// What speaks against the new revision.
    async fn against(
        &self,
        about: &Move<'_>,
        since: Timestamp,
    ) -> Result<Option<String>, StepError> {
        let watch = Watch {
            alarm: &about.shift.traffic.alarm,
            since: since.as_unix(),
            now: self.engine.host.now().as_unix(),
        };
        self.calling(about.wanted, about.inputs, async |call, _| {
            self.engine.session.watch(&call, &watch).await
        })
        .await
    }

    async fn send(&self, about: &Move<'_>, percent: u8) -> Result<Observed, StepError> {
        self.calling(about.wanted, about.inputs, async |call, _| {
            self.engine.session.shift(&call, about.prior, percent).await
        })
        .await
    }

    /// Sleeps, unless somebody asks to stop.
    async fn pause(&self, time: Duration) -> Result<(), Halt> {
        let stopped = std::pin::pin!(async {
            let cancelled = std::pin::pin!(self.engine.cancel.cancelled());
            select(cancelled, std::pin::pin!(self.lost.cancelled())).await;
        });
        match select(self.engine.host.sleep(time), stopped).await {
            Either::Left(_) => Ok(()),
            Either::Right(_) => Err(Halt::Stopped),
        }
    }

    /// The old revision gets all requests again, and that is recorded.
    async fn go_back(&self, about: &Move<'_>, percent: u8, why: String) -> StepError {
        let observed = match self.send(about, 0).await {
            Ok(observed) => observed,
            Err(StepError::Provider(error)) => {
                let error = Box::new(error);
                return StepError::NotBack {
                    percent,
                    why,
                    error,
                };
            }
            Err(error) => return error,
        };
        let spec = check::spec(self.engine.kinds, &about.wanted.id);
        let mut record = about.prior.clone();
        record.fields.extend(comparable(&observed, spec));
        match self.save(record).await {
            Ok(()) => StepError::WentBack { percent, why },
            Err(error) => error,
        }
    }
}

/// What a failed call means for a move: nobody can tell how the new revision does.
fn halted(error: StepError) -> Halt {
    match error {
        StepError::Provider(GaveUp {
            interrupted: true, ..
        }) => Halt::Stopped,
        StepError::Provider(GaveUp { error, .. }) => Halt::Against(error.to_string()),
        error => Halt::State(error),
    }
}
