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

/// The log stream of what is noted here.
const STREAM: &str = "events";

/// Delivers an event in the background.
pub(crate) fn deliver(emulator: &Arc<Emulator>, id: String, call: Call) {
    let first_pause = emulator.options().limits.event_pause;
    let handle = emulator.handle(&call.function, call.qualifier.as_deref());
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
                handle.note(
                    STREAM,
                    format!("mlfn: event {id} is given up: {}", reason(failures)),
                );
                return;
            }
            sleep(wait).await;
        }
    });
}

/// Why an event is not tried again.
fn reason(failures: u32) -> String {
    match failures {
        TRIES => format!("the function failed on it {TRIES} times"),
        _ => "it found no free instance for six hours".to_owned(),
    }
}
