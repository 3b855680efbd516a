//! What time it is: that of the machine, or one that a test moves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::identifiers::since_epoch;

/// How long to wait before looking at the machine's clock again. Timers stand still while a machine
/// sleeps, and its clock does not.
const LOOK: Duration = Duration::from_secs(10);

/// What time it is for everything that fires by itself: schedules, and the messages of queues.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Time since 1970; none means the machine's.
    manual: Option<Arc<watch::Sender<Duration>>>,
}

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::default()
    }

    /// One that stands at `now`, as time since 1970, until somebody moves it.
    pub fn manual(now: Duration) -> Self {
        Self {
            manual: Some(Arc::new(watch::Sender::new(now))),
        }
    }

    /// Moves a manual clock. The machine's cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Some(manual) = &self.manual {
            manual.send_modify(|now| *now += by);
        }
    }

    /// Time since 1970.
    pub fn now(&self) -> Duration {
        self.manual
            .as_ref()
            .map_or_else(since_epoch, |manual| *manual.borrow())
    }

    /// Milliseconds since 1970.
    pub(crate) fn milliseconds(&self) -> u64 {
        u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits until it is that late, as time since 1970.
    pub(crate) async fn sleep_until(&self, at: Duration) {
        if let Some(manual) = &self.manual {
            let mut now = manual.subscribe();
            // The sender lives as long as this does.
            let _ = now.wait_for(|now| *now >= at).await;
            return;
        }
        loop {
            let left = at.saturating_sub(since_epoch());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_moves_by_hand_only() {
        let clock = Clock::manual(Duration::from_secs(10));
        let other = clock.clone();
        let sleeper = tokio::spawn(async move {
            other.sleep_until(Duration::from_secs(15)).await;
            other.now()
        });
        clock.advance(Duration::from_secs(4));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(2));
        assert_eq!(sleeper.await.expect("ends"), Duration::from_secs(16));
    }

    #[tokio::test]
    async fn the_clock_of_the_machine_goes_on() {
        let clock = Clock::system();
        let before = clock.now();
        clock.sleep_until(before + Duration::from_millis(5)).await;
        assert!(clock.now() >= before + Duration::from_millis(5));
    }
}
