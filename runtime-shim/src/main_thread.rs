//! Work for the thread that the process began with.
//!
//! Models are loaded there: it runs from the first moment, has the largest stack, and memory that it
//! freed is its own again. The network is on a thread of its own meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// There is one main thread in a process.
static QUEUE: OnceLock<mpsc::Sender<Job>> = OnceLock::new();

/// What the main thread has to do.
pub(crate) struct Jobs(mpsc::Receiver<Job>);

/// Lets other threads call [`run`] from now on. Only the first queue of a process gets anything.
pub(crate) fn open() -> Jobs {
    let (sender, receiver) = mpsc::channel();
    let _ = QUEUE.set(sender);
    Jobs(receiver)
}

impl Jobs {
    /// Does what comes, for as long as the process lives.
    pub(crate) fn work(self) {
        for job in self.0 {
            // The panic's message is in the log, and whoever waits for the result gets none.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }
}

/// Runs `work` on the main thread; none if it panicked there.
pub(crate) async fn run<T, W>(work: W) -> Option<T>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job = Box::new(move || {
        let _ = sender.send(work());
    });
    QUEUE.get()?.send(job).ok()?;
    receiver.await.ok()
}

/// Waits until the main thread has nothing to do, but no longer than `limit`.
pub(crate) fn rest(limit: Duration) {
    let (sender, receiver) = mpsc::channel();
    let job = Box::new(move || {
        let _ = sender.send(());
    });
    if QUEUE.get().is_some_and(|queue| queue.send(job).is_ok()) {
        let _ = receiver.recv_timeout(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_a_job_and_the_next_one_is_done() {
        let jobs = open();
        std::thread::spawn(|| jobs.work());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            assert_eq!(run(|| -> u8 { panic!("for the test") }).await, None);
            assert_eq!(run(|| 2).await, Some(2));
        });
    }
}
