//! What became of a request, and of an instance.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

/// What a request to a function came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Whether the function did its work.
    pub outcome: Outcome,
    /// What the caller gets: the function's answer, or the platform's own message.
    pub body: Vec<u8>,
    /// The HTTP status that the caller gets; none on Lambda, whose raw invocations have none.
    pub status: Option<u16>,
    /// From the moment the platform had the request until it had the answer.
    pub duration: Duration,
    /// From the start of the process until it was ready; only with the first request of an
    /// instance, which is the one that a cold start delays.
    pub init_duration: Option<Duration>,
    /// The lines that the process wrote since the last time somebody took them. Lines that it
    /// writes after its answer come with the next request or with [`Exit::logs`].
    pub logs: Vec<String>,
}

/// Whether the function did its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Success,
    /// It did not, or answered with an error.
    FunctionError(Failure),
}

/// In which way a function failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It reported the error itself: a 4xx or 5xx, or an error by the Runtime API. The body says which.
    Reported,
    /// It took longer than it may. On Lambda the instance has ended with it.
    TimedOut,
    /// The process ended before it answered.
    Exited(Exited),
    /// The answer is larger than the platform passes on.
    ResponseTooLarge,
    /// The answer is not in the form that the platform reads. The text says in what way.
    BadAnswer(String),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exited {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exited {
    pub(crate) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// How an instance ended after [`LocalFunction::stop`](crate::LocalFunction::stop).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// How the process ended.
    pub how: Exited,
    /// The lines that nobody had taken yet.
    pub logs: Vec<String>,
}
