//! Schedules: each hands its input over to a function when it is time.
//!
//! What was missed, because the machine slept or nothing ran, fires once when that is noticed,
//! however often it was. When each fired last is in the file `schedules.json` of the cloud.

mod times;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use self::times::{Times, timestamp};
use super::tasks::{Stop, Tasks};
use super::{Source, Surroundings};
use crate::cloud::record::{Record, Thing, replace};

/// Milliseconds since 1970.
type Millis = u64;

/// The file that says when each fired last.
pub(crate) const FILE: &str = "schedules.json";

/// The log stream of what is noted here.
const STREAM: &str = "schedule";

/// A schedule as the record has it.
#[derive(Debug, Clone, PartialEq)]
struct Schedule {
    name: String,
    expression: String,
    zone: String,
    input: String,
    /// The ARN of the function.
    function: String,
    /// When it was set up or changed.
    begin: Millis,
}

/// When a schedule fired last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fired {
    /// When the schedule was set up that did.
    begin: Millis,
    last: Millis,
}

/// All schedules of a cloud.
#[derive(Debug)]
pub(super) struct Schedules {
    surroundings: Surroundings,
    history: Arc<History>,
    tasks: Tasks<Schedule>,
}

impl Schedules {
    /// None yet. A history that cannot be read is none: then what was missed is not known.
    pub(super) fn new(surroundings: Surroundings) -> Self {
        let path = surroundings.folder().join(FILE);
        let fired = fs_err::read(&path).ok();
        let fired = fired.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            surroundings,
            history: Arc::new(History {
                path,
                fired: Mutex::new(fired.unwrap_or_default()),
            }),
            tasks: Tasks::default(),
        }
    }
}

#[async_trait]
impl Source for Schedules {
    fn refresh(&self, record: &Record) {
        let schedules = record.of_kind("aws:schedule").filter_map(schedule);
        let schedules = schedules.map(|schedule| (schedule.name.clone(), schedule));
        self.tasks.bring(schedules.collect(), |schedule, stop| {
            let history = Arc::clone(&self.history);
            run(schedule, history, self.surroundings.clone(), stop)
        });
    }

    async fn stop(&self) {
        self.tasks.stop().await;
    }
}

fn schedule(thing: &Thing) -> Option<Schedule> {
    Some(Schedule {
        name: thing.name.clone(),
        expression: thing.text("expression")?.to_owned(),
        zone: thing.text("timezone").unwrap_or("UTC").to_owned(),
        input: thing.text("input").unwrap_or("{}").to_owned(),
        function: thing.text("function")?.to_owned(),
        begin: thing.modified,
    })
}

/// Fires until it shall stop.
async fn run(schedule: Schedule, history: Arc<History>, around: Surroundings, mut stop: Stop) {
    let Some(function) = around.function(&schedule.function) else {
        return;
    };
    let Schedule {
        name, expression, ..
    } = &schedule;
    let Some(times) = Times::read(expression, &schedule.zone) else {
        let text = format!("mlfn: schedule {name} never fires: {expression} is unknown here");
        return function.note(STREAM, text);
    };
    while let Some(due) = times.next(schedule.begin, history.last(&schedule)) {
        let clock = around.clock();
        tokio::select! {
            biased;
            () = stop.asked() => return,
            () = clock.sleep_until(Duration::from_millis(due)) => (),
        }
        // First, so that it does not fire twice if this is the end of the process.
        if let Err(error) = history.fires(&schedule, clock.milliseconds()) {
            let text = format!("mlfn: schedule {name} does not fire, what it did is lost: {error}");
            return function.note(STREAM, text);
        }
        function.note(STREAM, fires(name, due));
        function.hand_over(Bytes::from(schedule.input.clone()));
    }
}

fn fires(name: &str, due: Millis) -> String {
    let due = timestamp(due).map(|due| due.to_string());
    format!(
        "mlfn: schedule {name} fires, due {}",
        due.unwrap_or_default()
    )
}

/// When each schedule fired last.
#[derive(Debug)]
struct History {
    path: PathBuf,
    fired: Mutex<BTreeMap<String, Fired>>,
}

impl History {
    /// When it fired last; just before it was set up, if it never has.
    fn last(&self, schedule: &Schedule) -> Millis {
        let fired = self.fired().get(&schedule.name).copied();
        let fired = fired.filter(|fired| fired.begin == schedule.begin);
        fired.map_or(schedule.begin.saturating_sub(1), |fired| fired.last)
    }

    fn fires(&self, schedule: &Schedule, now: Millis) -> io::Result<()> {
        let mut all = self.fired();
        let fired = Fired {
            begin: schedule.begin,
            last: now,
        };
        all.insert(schedule.name.clone(), fired);
        replace(&self.path, &serde_json::to_vec(&*all)?)?;
        Ok(())
    }

    fn fired(&self) -> MutexGuard<'_, BTreeMap<String, Fired>> {
        self.fired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
