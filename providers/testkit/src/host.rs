//! A machine whose time, chance and processes tests decide.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mlfn_engine::{Host, Process, Timestamp};
use tokio::time::Instant;

use crate::guard;

/// A machine that runs one process after the other. Time is tokio's, so that under a paused clock
/// every sleep ends at once, in the right order.
#[derive(Debug)]
pub struct TestHost {
    start: Instant,
    /// How much faster than tokio's clock.
    pace: u32,
    chance: Mutex<fastrand::Rng>,
    /// The number of the running process; those before have ended.
    process: AtomicU32,
}

impl TestHost {
    /// With chance from `seed`. Needs a runtime whose clock is paused, see [`crate::run`].
    pub fn new(seed: u64) -> Self {
        Self::faster(seed, 1)
    }

    /// For real servers, whose answers take real time: sleeps take that many times less.
    pub fn faster(seed: u64, pace: u32) -> Self {
        let chance = Mutex::new(fastrand::Rng::with_seed(seed));
        Self {
            start: Instant::now(),
            pace,
            chance,
            process: AtomicU32::new(1),
        }
    }

    /// The running process ends, without giving anything back, and another one starts.
    pub fn restart(&self) {
        self.process.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Host for TestHost {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(1_700_000_000).plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed() * self.pace
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time / self.pace).await;
    }

    fn random(&self) -> u64 {
        guard(&self.chance).u64(..)
    }

    fn process(&self) -> Process {
        let pid = self.process.load(Ordering::Relaxed);
        Process {
            host: "test".to_owned(),
            machine: "test".to_owned(),
            pid,
        }
    }

    fn has_ended(&self, pid: u32) -> bool {
        pid != self.process.load(Ordering::Relaxed)
    }
}
