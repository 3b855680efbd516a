//! Where the time of a cold start goes: with `MLFN_TRACE_COLD=1`, the first answer is followed by a
//! line of the log that has the milliseconds since the start of the process at which each phase was
//! over.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value as Json};

use crate::log::{self, Level};

/// What ends at a mark, in the usual order. Some go on side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "onnxruntime"),
    expect(dead_code, reason = "not all engines have a library")
)]
pub(crate) enum Phase {
    /// The kernel has started the program, and the linker its libraries.
    Process,
    /// The configuration is read.
    Configuration,
    /// The inference library is opened.
    Library,
    /// The inference library has registered its operators.
    Environment,
    /// The files of the package are asked for.
    ReadAhead,
    /// A model that is not in the package has come.
    Model,
    /// The platform is spoken to.
    Platform,
    /// The model is ready.
    Session,
    /// The first request has come.
    FirstRequest,
    /// The model has run for it.
    FirstRun,
    /// The answer is ready.
    FirstAnswer,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Configuration => "configuration",
            Self::Library => "library",
            Self::Environment => "environment",
            Self::ReadAhead => "read_ahead",
            Self::Model => "model",
            Self::Platform => "platform",
            Self::Session => "session",
            Self::FirstRequest => "first_request",
            Self::FirstRun => "first_run",
            Self::FirstAnswer => "first_answer",
        }
    }
}

/// The marks so far.
struct Trace {
    start: Instant,
    marks: Mutex<Vec<(Phase, Duration)>>,
}

/// Only there if somebody wants to know.
static TRACE: OnceLock<Trace> = OnceLock::new();

/// Begins a trace: the first thing that a process does.
pub(crate) fn begin() {
    let now = Instant::now();
    // What came before cannot be seen on a clock that runs at any time; but a process that has not
    // waited for anything has existed for as long as it used the processor.
    let used = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
    let trace = Trace {
        start: now.checked_sub(used).unwrap_or(now),
        marks: Mutex::new(vec![(Phase::Process, used)]),
    };
    let _ = TRACE.set(trace);
}

/// A phase is over. The first time counts.
pub(crate) fn mark(phase: Phase) {
    let Some(trace) = TRACE.get() else { return };
    let since = trace.start.elapsed();
    let mut marks = trace.marks.lock().unwrap_or_else(PoisonError::into_inner);
    if marks.iter().any(|(marked, _)| *marked == phase) {
        return;
    }
    marks.push((phase, since));
    if phase == Phase::FirstAnswer {
        let milliseconds = milliseconds(&marks).into();
        log::write(Level::Info, "cold start", &[("until_ms", milliseconds)]);
    }
}

/// By the names of the phases, to the microsecond, in the order of the marks.
fn milliseconds(marks: &[(Phase, Duration)]) -> Map<String, Json> {
    let pairs = marks.iter().map(|(phase, since)| {
        let milliseconds = (since.as_secs_f64() * 1e6).round() / 1e3;
        (phase.name().to_owned(), milliseconds.into())
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_told_in_the_order_in_which_they_ended() {
        let marks = [
            (Phase::Process, Duration::from_micros(900)),
            (Phase::Session, Duration::from_nanos(18_250_400)),
        ];
        let text = Json::from(milliseconds(&marks)).to_string();
        assert_eq!(text, r#"{"process":0.9,"session":18.25}"#);
    }
}
