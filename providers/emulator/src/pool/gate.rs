//! How many requests there may be at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

/// Lets so many requests in. Several pools may stand behind one.
#[derive(Debug)]
pub(crate) struct Gate {
    seats: Arc<Semaphore>,
    /// How long a request waits for a seat; none means not at all.
    patience: Option<Duration>,
    /// What the platform calls the limit.
    reason: &'static str,
}

/// A request that was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests at a time ({reason})")]
pub struct Throttled {
    /// What the platform calls the limit.
    pub reason: &'static str,
}

impl Gate {
    /// Lets `seats` requests in at a time.
    pub(crate) fn new(seats: u32, patience: Option<Duration>, reason: &'static str) -> Arc<Self> {
        let seats = usize::try_from(seats).unwrap_or(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            seats: Arc::new(Semaphore::new(seats.min(Semaphore::MAX_PERMITS))),
            patience,
            reason,
        })
    }

    /// The seat is free again when what is returned is dropped.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, Throttled> {
        let throttled = Throttled {
            reason: self.reason,
        };
        match (Arc::clone(&self.seats).try_acquire_owned(), self.patience) {
            (Ok(seat), _) => Ok(seat),
            (Err(TryAcquireError::NoPermits), Some(patience)) => {
                let seat = timeout(patience, Arc::clone(&self.seats).acquire_owned()).await;
                seat.ok().and_then(Result::ok).ok_or(throttled)
            }
            (Err(_), _) => Err(throttled),
        }
    }
}
