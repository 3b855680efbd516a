//! Events that nobody waits for: Lambda tries each up to three times
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::emulator::Call;
use crate::{Emulator, InvokeError};

/// How often a function gets an event that it fails on.
const TRIES: u32 = 3;

/// How long an event is kept that finds no free instance.
const MAX_AGE: Duration = Duration::from_hours(6);

/// Delivers an event in the background.
pub(super) fn deliver(emulator: &Arc<Emulator>, id: String, call: Call) {
    let first_pause = emulator.options().limits.event_pause;
    let emulator = Arc::downgrade(emulator);
    tokio::spawn(async move {
        let (mut failures, mut waited) = (0, Duration::ZERO);
        let mut pause = Duration::from_secs(1).min(first_pause);
        while let Some(emulator) = emulator.upgrade() {
            let sent = emulator.invoke_as(id.clone(), call.clone()).await;
            // It may end while this waits.
            drop(emulator);
            let wait = match sent {
                Ok(done) if done.ending.is_success() => return,
                Ok(_) => {
                    failures += 1;
                    first_pause * failures
                }
                Err(InvokeError::Throttled(_)) => {
                    pause = (pause * 2).min(Duration::from_mins(5));
                    pause
                }
                Err(InvokeError::NotFound(_)) => return,
            };
            waited += wait;
            if failures == TRIES || waited > MAX_AGE {
                return;
            }
            sleep(wait).await;
        }
    });
}
