//! Which requests are answered sooner than another thread would be told of them.
//!
//! The thread of the network hands a request to another one, so that it can answer meanwhile. That
//! and the way back take 20 to 80 us, in which a small model has answered three times. How long a
//! graph without loops takes follows from the size of the request, but not from the graph, so it is
//! learned: a request that is no larger than one that was answered quickly is taken to be quick,
//! until one of them is not. Where nobody else is connected, nobody waits, and more is quick.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// What may keep the network waiting: a few times what the other thread costs.
const QUICK: Duration = Duration::from_micros(250);

/// What may keep somebody waiting who is not there yet.
const QUICK_ALONE: Duration = Duration::from_millis(5);

/// What may not, whatever else the machine does.
const LONG: Duration = Duration::from_millis(20);

/// A model that was taken for quick and was not so often is not regular, for whatever reason.
const MOST_SURPRISES: u32 = 3;

thread_local! {
    /// Connections to this thread.
    static CONNECTIONS: Cell<usize> = const { Cell::new(0) };
}

/// A connection to this thread, which does not leave it.
#[derive(Debug)]
pub(super) struct Connection(());

impl Connection {
    /// Another one.
    pub(super) fn open() -> Self {
        CONNECTIONS.set(CONNECTIONS.get() + 1);
        Self(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        CONNECTIONS.set(CONNECTIONS.get().saturating_sub(1));
    }
}

/// What is known of the requests so far.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Requests of so many bytes are quick.
    quick: AtomicUsize,
    /// The same if nobody else is connected.
    quick_alone: AtomicUsize,
    surprises: AtomicU32,
}

impl Pace {
    /// Whether a request of so many bytes will be answered quickly.
    pub(super) fn is_quick(&self, size: usize) -> bool {
        let most = if CONNECTIONS.get() == 1 {
            &self.quick_alone
        } else {
            &self.quick
        };
        size > 0
            && size <= most.load(Ordering::Relaxed)
            && self.surprises.load(Ordering::Relaxed) < MOST_SURPRISES
    }

    /// A request of so many bytes has taken so long. `here` is whether it kept the network waiting.
    pub(super) fn learn(&self, size: usize, took: Duration, here: bool) {
        for (bound, most) in [(QUICK, &self.quick), (QUICK_ALONE, &self.quick_alone)] {
            if took <= bound {
                most.fetch_max(size, Ordering::Relaxed);
            } else {
                most.fetch_min(size.saturating_sub(1), Ordering::Relaxed);
            }
        }
        if here && took >= LONG {
            self.surprises.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_micros(50);

    #[test]
    fn a_request_is_quick_if_one_of_its_size_was() {
        let pace = Pace::default();
        assert!(!pace.is_quick(100));
        pace.learn(100, SHORT, false);
        assert!(pace.is_quick(100));
        assert!(pace.is_quick(1));
        assert!(!pace.is_quick(101));
        pace.learn(60, Duration::from_millis(1), true);
        assert!(!pace.is_quick(60));
        assert!(pace.is_quick(59));
    }

    #[test]
    fn a_model_that_surprises_again_and_again_is_never_quick() {
        let pace = Pace::default();
        for _ in 0..MOST_SURPRISES {
            pace.learn(100, SHORT, false);
            assert!(pace.is_quick(100));
            pace.learn(100, LONG, true);
        }
        pace.learn(100, SHORT, false);
        assert!(!pace.is_quick(100));
    }
    #[test]
    fn where_nobody_else_is_connected_more_is_quick() {
        let pace = Pace::default();
        pace.learn(100, Duration::from_millis(2), false);
        assert!(!pace.is_quick(100));
        let one = Connection::open();
        assert!(pace.is_quick(100));
        let other = Connection::open();
        assert!(!pace.is_quick(100));
        drop(other);
        assert!(pace.is_quick(100));
        pace.learn(100, Duration::from_millis(6), true);
        assert!(!pace.is_quick(100));
        drop(one);
    }
}
