//! Waiting for the next request without going to sleep at once.
//!
//! A client that has its answer often has the next request. To wake up for it takes a processor of
//! a virtual machine longer than a small model takes to answer, so the thread of the network looks
//! for it again and again for a moment. Platforms bill the time of requests or of instances, not
//! what a process does with it.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::yield_now;

/// For how long: what a client on the same machine takes, and a little more.
const MOMENT: Duration = Duration::from_micros(150);

thread_local! {
    /// Which connection of this thread has answered last, and until when it stays awake for all.
    static LAST: Cell<Option<(Awake, Instant)>> = const { Cell::new(None) };
}

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Awake(u64);

impl Awake {
    /// Another one.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// There is an answer on this connection.
    pub(super) fn answered(self) {
        self.stay(MOMENT);
    }

    fn stay(self, time: Duration) {
        LAST.set(Some((self, Instant::now() + time)));
    }

    fn is_awake(self) -> bool {
        let last = LAST.get().filter(|(connection, _)| *connection == self);
        last.is_some_and(|(_, until)| Instant::now() < until)
    }

    /// What comes of this connection's `future`. For a moment after each answer the thread does not
    /// sleep, and whatever waits on it goes on as soon as it can.
    pub(super) async fn during<T>(self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            let polled = future.as_mut().poll(context);
            if polled.is_pending() && self.is_awake() {
                // The task is woken when everything else has had its turn, the network too.
                let _ = pin!(yield_now()).poll(context);
            }
            polled
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    /// How often a future is looked at that is there after twice the moment.
    async fn looks(connection: Awake) -> u32 {
        let mut looks = 0;
        let mut late = pin!(sleep(2 * MOMENT));
        let counted = poll_fn(|context| {
            looks += 1;
            late.as_mut().poll(context)
        });
        connection.during(counted).await;
        looks
    }

    #[tokio::test]
    async fn only_the_connection_that_answered_last_stays_awake() {
        let long = Duration::from_mins(1);
        let (one, other) = (Awake::new(), Awake::new());
        assert!(looks(one).await <= 2);
        one.stay(long);
        assert!(looks(one).await > 2);
        other.stay(long);
        assert!(looks(one).await <= 2);
    }

    #[tokio::test]
    async fn it_sleeps_when_nothing_comes() {
        let connection = Awake::new();
        connection.answered();
        sleep(2 * MOMENT).await;
        assert!(!connection.is_awake());
    }
}
