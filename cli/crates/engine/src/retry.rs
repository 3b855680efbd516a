//! Trying again: the only place that does. Policies are data; sleep and chance come from the
//! [`Host`].

use std::time::Duration;

use futures_util::future::{Either, select};
use mlfn_core::{ProviderError, RetryClass};

use crate::{Cancel, Host};

/// How often, how long, and how long in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The first pause.
    pub first: Duration,
    /// How long each further pause is, in percent of the one before.
    pub growth: u32,
    /// The longest pause.
    pub longest: Duration,
    /// The most calls.
    pub tries: u32,
    /// No further try starts after this time.
    pub within: Duration,
}

/// The two kinds of patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    /// For a call that failed.
    pub failure: Policy,
    /// For a thing that gets ready.
    pub wait: Policy,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            failure: Policy {
                first: Duration::from_millis(200),
                growth: 200,
                longest: Duration::from_secs(20),
                tries: 10,
                within: Duration::from_mins(3),
            },
            // Each pause is a twentieth longer than the one before, so that what is ready is seen soon
            // after, however long it takes: a fortieth of that time later, on average.
            wait: Policy {
                first: Duration::from_millis(25),
                growth: 105,
                longest: Duration::from_secs(5),
                tries: 300,
                within: Duration::from_mins(10),
            },
        }
    }
}

impl Policy {
    /// The pause before the try with this number (the first retry is 1): half of the time is
    /// certain, half is `chance`, so that those who failed together do not come back together.
    pub fn pause(&self, retry: u32, chance: u64) -> Duration {
        let grown = |pause: Duration| pause.saturating_mul(self.growth) / 100;
        let pauses = std::iter::successors(Some(self.first), |pause| {
            (*pause < self.longest).then(|| grown(*pause))
        });
        let retries = usize::try_from(retry.max(1)).unwrap_or(usize::MAX);
        let pause = pauses.take(retries).last().unwrap_or_default();
        let half = pause.min(self.longest) / 2;
        let random = u64::try_from(half.as_nanos())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        half + Duration::from_nanos(chance % random)
    }
}

/// A call that failed for good, and what was tried.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", if *interrupted { "stopped" } else { "failed" }, tried(*tries, *elapsed))]
pub struct GaveUp {
    /// Calls made.
    pub tries: u32,
    /// Time since the first of them.
    pub elapsed: Duration,
    /// Whether there would have been another try, had nobody asked to stop.
    pub interrupted: bool,
    /// What the last one said.
    #[source]
    pub error: ProviderError,
}

fn tried(tries: u32, elapsed: Duration) -> String {
    match tries {
        0 | 1 => String::new(),
        _ => format!(" after {tries} tries in {:.1} s", elapsed.as_secs_f32()),
    }
}

/// What a series of tries needs to know.
#[derive(Clone, Copy)]
pub struct Retry<'a> {
    /// How patient.
    pub policies: &'a Policies,
    /// Who sleeps.
    pub host: &'a dyn Host,
    /// Ends the pauses.
    pub cancel: &'a Cancel,
    /// Told before each pause: why, and how long.
    pub note: &'a (dyn Fn(&ProviderError, Duration) + Send + Sync),
}

impl Retry<'_> {
    /// Calls until it works, or will not, or patience or the user's ends. The number that `call`
    /// gets is 0 for the first try.
    pub async fn run<T>(
        &self,
        mut call: impl AsyncFnMut(u32) -> Result<T, ProviderError>,
    ) -> Result<T, GaveUp> {
        let start = self.host.elapsed();
        let mut tries = 0;
        loop {
            let error = match call(tries).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            tries += 1;
            let elapsed = self.host.elapsed().saturating_sub(start);
            let pause = self.pause(&error, tries, elapsed);
            if let Some(pause) = pause.filter(|_| !self.cancel.is_cancelled()) {
                (self.note)(&error, pause);
                self.rest(pause).await;
            }
            let interrupted = pause.is_some() && self.cancel.is_cancelled();
            if pause.is_none() || interrupted {
                return Err(GaveUp {
                    tries,
                    elapsed,
                    interrupted,
                    error,
                });
            }
        }
    }

    /// How long to wait before the next try; none if there is none.
    fn pause(&self, error: &ProviderError, tries: u32, elapsed: Duration) -> Option<Duration> {
        let (policy, least) = match error.retry() {
            RetryClass::Never => return None,
            RetryClass::Backoff(least) => (&self.policies.failure, least.unwrap_or_default()),
            RetryClass::Wait => (&self.policies.wait, Duration::ZERO),
        };
        let pause = policy.pause(tries, self.host.random()).max(least);
        let in_time = elapsed.saturating_add(pause) <= policy.within;
        (tries < policy.tries && in_time).then_some(pause)
    }

    async fn rest(&self, pause: Duration) {
        let cancelled = std::pin::pin!(self.cancel.cancelled());
        match select(self.host.sleep(pause), cancelled).await {
            Either::Left(_) | Either::Right(_) => (),
        }
    }
}
