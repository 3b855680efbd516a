//! What Ctrl-C does: it ends the program at once, until work begins that must not be cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mlfn_engine::Cancel;

/// The user's wish to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    cancel: Cancel,
    gentle: Arc<AtomicBool>,
}

impl Stop {
    /// From now on, work is asked to stop, and ends by itself soon.
    pub(crate) fn gently(&self) -> &Cancel {
        self.gentle.store(true, Ordering::Relaxed);
        &self.cancel
    }

    /// Asks work to stop. False if nothing has to be waited for, or the user asks once more.
    pub(crate) fn ask(&self) -> bool {
        let waits = self.gentle.load(Ordering::Relaxed) && !self.cancel.is_cancelled();
        self.cancel.cancel();
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wish_is_gentle_only_while_something_must_not_be_cut_off() {
        assert!(!Stop::default().ask());
        let stop = Stop::default();
        let cancel = stop.gently();
        assert!(stop.ask());
        assert!(cancel.is_cancelled());
        assert!(!stop.ask());
    }
}
