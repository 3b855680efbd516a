//! Who may write the state: a document with an owner and an end.
//!
//! Taking, renewing, taking over and giving back are all the same conditional write, so that of
//! two who try exactly one succeeds. Giving back writes "released" instead of deleting: deletes
//! are not conditional everywhere.

use std::time::Duration;

use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};

use super::{Document, StateStore, StoreError, Tag};
use crate::host::random_name;
use crate::{Host, Timestamp};

/// The lock as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Drawn anew each time it is taken: whoever reads it back has it, even if the answer to the
    /// write was lost.
    pub owner: String,
    /// Who, for people, e.g. `alice` or `CI run 17`.
    pub holder: String,
    /// What is being done, e.g. `deploy`.
    pub operation: String,
    /// On which machine.
    pub host: String,
    /// The machine, for machines.
    pub machine: String,
    /// Which process there.
    pub pid: u32,
    /// When it was taken.
    pub since: Timestamp,
    /// When it ends, unless it is renewed.
    pub until: Timestamp,
    /// Whether it was given back.
    pub released: bool,
}

/// How long a lock lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// From taking or renewing to its end. Renewed when a third has passed.
    pub lease: Duration,
    /// How much longer than its end others leave it alone: clocks differ.
    pub grace: Duration,
    /// How long to wait for somebody else's.
    pub patience: Duration,
}

impl Default for LockPolicy {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(1),
            grace: Duration::from_secs(30),
            patience: Duration::ZERO,
        }
    }
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else works on it.
    #[error(
        "`{}` is locked by {} ({} on {}, process {}) since {}, until {}",
        .place, .lock.holder, .lock.operation, .lock.host, .lock.pid, .lock.since, .lock.until
    )]
    Held {
        /// Of the lock.
        place: String,
        /// Who.
        lock: Box<Lock>,
    },
    /// It ran out, or somebody took it away.
    #[error("the lock `{place}` was lost to {to}")]
    Lost {
        /// Of the lock.
        place: String,
        /// Who has it now, for people.
        to: String,
    },
    /// The place failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be understood, or written.
    #[error("the lock `{place}` is not one of this version of mlfn")]
    Corrupt {
        /// Of the lock.
        place: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Held { .. } => {
                "Wait until that has ended, e.g. with `--lock-timeout 5m`. If you are sure that \
                 nobody works on it, take the lock away with `mlfn state unlock`."
            }
            Self::Lost { .. } => "What was done is recorded. Run the command again.",
            Self::Corrupt { .. } => "Remove that file if nobody works on this service.",
            Self::Store(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// A lock that this process holds.
#[derive(Debug)]
pub struct Lease {
    lock: Lock,
    tag: Tag,
}

/// What locks are made with. Engines use it by themselves.
#[derive(Clone, Copy)]
pub struct Locksmith<'a> {
    /// Where it lies.
    pub store: &'a dyn StateStore,
    /// Time and chance.
    pub host: &'a dyn Host,
    /// How long it lasts.
    pub policy: &'a LockPolicy,
}

/// The longest pause between two looks at somebody else's lock.
const LOOK: Duration = Duration::from_secs(2);

/// How often a write may come second before it looks like a broken place.
const RACES: u32 = 100;

impl Locksmith<'_> {
    /// Takes the lock, waiting for it as long as the policy says.
    pub async fn take(&self, holder: &str, operation: &str) -> Result<Lease, LockError> {
        self.take_or_wait(holder, operation, &|_, _| ()).await
    }

    /// As [`Locksmith::take`]. `waiting` hears whose lock it waits for, once for each owner, and how
    /// long at most.
    pub async fn take_or_wait(
        &self,
        holder: &str,
        operation: &str,
        waiting: &(dyn Fn(&Lock, Duration) + Send + Sync),
    ) -> Result<Lease, LockError> {
        let owner = random_name(self.host);
        let start = self.host.elapsed();
        let mut told = String::new();
        loop {
            let (place, lock) = match self.race(self.lock(&owner, holder, operation)).await {
                Err(LockError::Held { place, lock }) => (place, lock),
                other => return other,
            };
            let waited = self.host.elapsed().saturating_sub(start);
            let left = self.policy.patience.saturating_sub(waited);
            if left.is_zero() {
                return Err(LockError::Held { place, lock });
            }
            if lock.owner != told {
                waiting(&lock, left);
                told.clone_from(&lock.owner);
            }
            self.host.sleep(left.min(LOOK)).await;
        }
    }

    /// Ends a lock whoever holds it, and tells whose it was.
    pub async fn break_open(&self) -> Result<Option<Lock>, LockError> {
        for _ in 0..RACES {
            let Some((lock, tag)) = self.found().await? else {
                return Ok(None);
            };
            if lock.released {
                return Ok(None);
            }
            let released = Lock {
                released: true,
                ..lock.clone()
            };
            match self.write(&released, Some(&tag)).await {
                // Its holder renews it at this moment.
                Err(LockError::Store(StoreError::Moved { .. })) => (),
                other => return other.map(|_| Some(lock)),
            }
        }
        Err(self.moved())
    }

    /// Makes a lock last longer, again and again; comes back only when it is lost.
    pub async fn keep(&self, lease: &mut Lease) -> LockError {
        let mut pause = self.policy.lease / 3;
        loop {
            self.host.sleep(pause).await;
            pause = match self.renew_in_time(lease).await {
                Ok(()) => self.policy.lease / 3,
                // The place may come back before the lock ends.
                Err(LockError::Store(StoreError::Failed { .. }))
                    if self.host.now() < lease.lock.until =>
                {
                    self.policy.lease / 12
                }
                Err(error) => return error,
            }
        }
    }

    /// Gives the lock back. A lock that is lost already needs no giving back.
    pub async fn release(&self, lease: Lease) -> Result<(), LockError> {
        let released = Lock {
            released: true,
            ..lease.lock
        };
        let Err(error) = self.write(&released, Some(&lease.tag)).await else {
            return Ok(());
        };
        // The last renewal may have worked, though nobody waited for its answer; or this has.
        match self.still_mine(&released).await {
            Ok(tag) => self.write(&released, Some(&tag)).await.map(drop),
            Err(LockError::Lost { .. }) => Ok(()),
            Err(_) => Err(error),
        }
    }

    async fn race(&self, lock: Lock) -> Result<Lease, LockError> {
        for _ in 0..RACES {
            let found = self.found().await?;
            if let Some((found, _)) = &found {
                self.check_free(found)?;
            }
            match self.write(&lock, found.as_ref().map(|(_, tag)| tag)).await {
                Ok(tag) => return Ok(Lease { lock, tag }),
                Err(LockError::Store(StoreError::Moved { .. })) => (),
                // It may have worked, and nobody would give back what nobody knows of.
                Err(error) => {
                    let tag = self.still_mine(&lock).await.map_err(|_| error)?;
                    return Ok(Lease { lock, tag });
                }
            }
        }
        Err(self.moved())
    }

    /// A place that does not answer before the lock ends has lost it.
    async fn renew_in_time(&self, lease: &mut Lease) -> Result<(), LockError> {
        let left = lease.lock.until.since(self.host.now());
        let renewed = std::pin::pin!(self.renew(lease));
        let ended = std::pin::pin!(self.host.sleep(left));
        match select(renewed, ended).await {
            Either::Left((renewed, _)) => renewed,
            Either::Right(_) => Err(LockError::Lost {
                place: self.place(),
                to: "time: the place does not answer".to_owned(),
            }),
        }
    }

    async fn renew(&self, lease: &mut Lease) -> Result<(), LockError> {
        let until = self.host.now().plus(self.policy.lease);
        let lock = Lock {
            until,
            ..lease.lock.clone()
        };
        let tag = match self.write(&lock, Some(&lease.tag)).await {
            Ok(tag) => tag,
            Err(LockError::Store(StoreError::Moved { .. })) => {
                let tag = self.still_mine(&lock).await?;
                self.write(&lock, Some(&tag)).await?
            }
            Err(error) => return Err(error),
        };
        *lease = Lease { lock, tag };
        Ok(())
    }

    /// The version of the lock, if an earlier write worked though its answer was lost.
    async fn still_mine(&self, lock: &Lock) -> Result<Tag, LockError> {
        let to = match self.found().await? {
            Some((found, tag)) if found.owner == lock.owner && !found.released => return Ok(tag),
            Some((found, _)) if found.released => "somebody who took it away".to_owned(),
            Some((found, _)) => format!("{} on {}", found.holder, found.host),
            None => "somebody who removed it".to_owned(),
        };
        Err(LockError::Lost {
            place: self.place(),
            to,
        })
    }

    fn check_free(&self, found: &Lock) -> Result<(), LockError> {
        let ended = found.until.plus(self.policy.grace) < self.host.now();
        let same_machine = found.machine == self.host.process().machine;
        if found.released || ended || (same_machine && self.host.has_ended(found.pid)) {
            return Ok(());
        }
        Err(LockError::Held {
            place: self.place(),
            lock: Box::new(found.clone()),
        })
    }

    fn lock(&self, owner: &str, holder: &str, operation: &str) -> Lock {
        let (process, since) = (self.host.process(), self.host.now());
        Lock {
            owner: owner.to_owned(),
            holder: holder.to_owned(),
            operation: operation.to_owned(),
            host: process.host,
            machine: process.machine,
            pid: process.pid,
            since,
            until: since.plus(self.policy.lease),
            released: false,
        }
    }

    async fn found(&self) -> Result<Option<(Lock, Tag)>, LockError> {
        let Some(found) = self.store.read(Document::Lock).await? else {
            return Ok(None);
        };
        let lock = serde_json::from_slice(&found.bytes).map_err(|error| self.corrupt(error))?;
        Ok(Some((lock, found.tag)))
    }

    /// Also succeeds if the answer was lost, so that the same write came again and met the first.
    async fn write(&self, lock: &Lock, expected: Option<&Tag>) -> Result<Tag, LockError> {
        let bytes = serde_json::to_vec_pretty(lock).map_err(|error| self.corrupt(error))?;
        let written = self.store.write(Document::Lock, &bytes, expected).await;
        let Err(error @ StoreError::Moved { .. }) = written else {
            return Ok(written?);
        };
        match self.store.read(Document::Lock).await? {
            Some(found) if found.bytes == bytes => Ok(found.tag),
            _ => Err(error.into()),
        }
    }

    fn moved(&self) -> LockError {
        let place = self.place();
        StoreError::Moved { place }.into()
    }

    fn corrupt(&self, source: serde_json::Error) -> LockError {
        LockError::Corrupt {
            place: self.place(),
            source,
        }
    }

    fn place(&self) -> String {
        self.store.place(Document::Lock)
    }
}
