//! Asynchronous requests: Lambda tries each up to three times, unless the function's settings say
//! otherwise, and tells a queue or topic what became of it
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>).

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::emulator::wiring::Asynchronous;
use crate::emulator::{Call, LATEST};
use crate::identifiers::iso;
use crate::platform::arn;
use crate::pool::Done;
use crate::{Emulator, FunctionHandle, InvokeError};

/// Lambda's pause before the second try; that before the third is twice as long.
const MINUTE: Duration = Duration::from_mins(1);

/// The longest pause of an event that finds no free instance.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The log stream of what is noted here.
const STREAM: &str = "events";

/// Delivers an event in the background.
pub(crate) fn deliver(emulator: &Arc<Emulator>, id: String, call: Call) {
    let live = emulator.live();
    let qualifier = call.qualifier.as_deref().unwrap_or(LATEST);
    let function = live.wiring.functions.get(&call.function);
    let settings = function.and_then(|function| function.asynchronous.get(qualifier));
    let arn = arn(live.wiring.region.as_deref(), &call.function);
    let delivery = Delivery {
        arn: format!("{arn}:{qualifier}"),
        settings: settings.cloned().unwrap_or_default(),
        first_pause: emulator.options().limits.event_pause,
        handle: emulator.handle(&call.function, call.qualifier.as_deref()),
        emulator: Arc::downgrade(emulator),
        id,
        call,
    };
    tokio::spawn(delivery.run());
}

/// An event on its way.
struct Delivery {
    emulator: Weak<Emulator>,
    id: String,
    call: Call,
    /// As whom the function is called.
    arn: String,
    settings: Asynchronous,
    /// How long the pause before the second try is here.
    first_pause: Duration,
    handle: FunctionHandle,
}

/// What became of an event.
struct Fate {
    /// As Lambda calls it.
    condition: &'static str,
    /// How often the function got it.
    tries: u32,
    /// What the function did with it at last.
    done: Option<Done>,
}

impl Delivery {
    async fn run(self) {
        let Some(fate) = self.fate().await else {
            return;
        };
        let is_success = fate.condition == "Success";
        let end = if is_success {
            "is done".to_owned()
        } else {
            format!("is given up: {}", self.reason(&fate))
        };
        let destination = if is_success {
            &self.settings.on_success
        } else {
            &self.settings.on_failure
        };
        let told = match destination {
            None if is_success => return,
            None => String::new(),
            Some(destination) => self.tell(destination, &fate).await,
        };
        let id = &self.id;
        self.handle
            .note(STREAM, format!("mlfn: event {id} {end}{told}"));
    }

    /// Tries until it is done or given up; none if there is nobody to try it on any more.
    ///
    /// An event ages as in the cloud, while the pauses between its tries may be shorter here.
    async fn fate(&self) -> Option<Fate> {
        let (mut tries, mut age) = (0, Duration::ZERO);
        let mut patience = Duration::from_secs(1).min(self.first_pause);
        loop {
            let emulator = self.emulator.upgrade()?;
            let sent = emulator.invoke_as(self.id.clone(), self.call.clone()).await;
            // It may end while this waits.
            drop(emulator);
            let (done, pause) = match sent {
                Ok(done) if done.ending.is_success() => {
                    return Some(Fate {
                        condition: "Success",
                        tries: tries + 1,
                        done: Some(done),
                    });
                }
                Ok(done) => {
                    tries += 1;
                    age += MINUTE * tries;
                    (Some(done), self.first_pause * tries)
                }
                Err(InvokeError::Throttled(_)) => {
                    patience = (patience * 2).min(LONGEST_PAUSE);
                    age += patience;
                    (None, patience)
                }
                Err(InvokeError::NotFound(_)) => return None,
            };
            let condition = if tries >= self.settings.tries {
                "RetriesExhausted"
            } else if age > self.settings.max_age {
                "EventAgeExceeded"
            } else {
                sleep(pause).await;
                continue;
            };
            return Some(Fate {
                condition,
                tries,
                done,
            });
        }
    }

    /// Why an event is not tried again.
    fn reason(&self, fate: &Fate) -> String {
        let age = self.settings.max_age.as_secs();
        match (fate.condition, fate.tries) {
            ("RetriesExhausted", 1) => "the function failed on it".to_owned(),
            ("RetriesExhausted", tries) => format!("the function failed on it {tries} times"),
            (_, 0) => format!("it found no free instance for {age} s"),
            (_, tries) => format!(
                "the function failed on it {tries} times, and it would be older than {age} s"
            ),
        }
    }

    /// Sends the record to a queue or topic; what to say about that.
    async fn tell(&self, destination: &str, fate: &Fate) -> String {
        let Some(emulator) = self.emulator.upgrade() else {
            return String::new();
        };
        let now = emulator.options().clock.now();
        let record = self.record(fate, &iso(now)).to_string();
        match emulator.sources().tell(destination, record).await {
            Ok(()) => format!("; `{destination}` is told"),
            Err(why) => format!("; `{destination}` is not told: {why}"),
        }
    }

    /// What a destination gets.
    fn record(&self, fate: &Fate, time: &str) -> Json {
        let mut record = json!({
            "version": "1.0",
            "timestamp": time,
            "requestContext": {
                "requestId": self.id,
                "functionArn": self.arn,
                "condition": fate.condition,
                "approximateInvokeCount": fate.tries,
            },
            "requestPayload": parsed(&self.call.payload),
        });
        if let Some(done) = &fate.done {
            record["responseContext"] = json!({
                "statusCode": 200,
                "executedVersion": done.version,
            });
            if !done.ending.is_success() {
                record["responseContext"]["functionError"] = json!("Unhandled");
            }
            record["responsePayload"] = parsed(&done.body);
        }
        record
    }
}

/// What is no JSON is text.
fn parsed(bytes: &[u8]) -> Json {
    let text = || String::from_utf8_lossy(bytes).into_owned().into();
    serde_json::from_slice(bytes).unwrap_or_else(|_| text())
}
