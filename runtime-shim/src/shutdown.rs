//! The wish of the platform that this process ends.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes true when the process shall end. Clones see the same.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// From SIGTERM (platforms) and SIGINT (Ctrl-C). They must have handlers: in a container the
    /// shim is process 1, for which the kernel ignores signals without one.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            sender.send_replace(true);
            // Whoever asks later must see `true` and not a closed channel.
            sender.closed().await;
        });
        Ok(Self(receiver))
    }

    /// Waits for it.
    pub(crate) async fn requested(&mut self) {
        // The sender lives as long as its receivers: an error would mean that the runtime ends.
        let _ = self.0.wait_for(|requested| *requested).await;
    }

    /// Whether it was requested.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// For tests: when told to.
    #[cfg(test)]
    pub(crate) fn by_hand() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }
}
