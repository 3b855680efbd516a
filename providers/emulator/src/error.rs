//! What can go wrong around a function; what goes wrong inside is a
//! [`Failure`](crate::Failure), which is an answer.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use mlfn_core::ProviderName;

use crate::invocation::Exited;

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// The platform could not make sense of the package.
    #[error("the package does not work on {platform}: {problem} ({})", path.display())]
    Package {
        /// The platform.
        platform: ProviderName,
        /// The file or folder that is wrong.
        path: PathBuf,
        /// What is wrong with it, and how to mend it.
        problem: String,
    },
    /// The operating system did not start the executable.
    #[error("cannot start {}{}", path.display(), spawn_hint(source))]
    Spawn {
        /// The executable.
        path: PathBuf,
        /// The reason of the operating system.
        source: io::Error,
    },
    /// The process started, and never became ready for requests.
    #[error(
        "the function did not start on {platform}: {failure}{}",
        last_lines(logs)
    )]
    Start {
        /// The platform.
        platform: ProviderName,
        /// What happened instead.
        failure: StartFailure,
        /// The last lines that it wrote.
        logs: Vec<String>,
    },
    /// The platform would not pass the request on to the function.
    #[error(
        "the request has {size} bytes, {platform} passes at most {limit} on; send fewer rows at a time"
    )]
    RequestTooLarge {
        /// The platform.
        platform: ProviderName,
        /// Bytes of the request.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The instance has ended, by itself or with a time-out: start another one.
    #[error("the function is not running any more ({0}); start it again")]
    Ended(Exited),
    /// The machine did not let us do what the emulator needs, such as opening a port.
    #[error("cannot {action}")]
    Machine {
        /// What was tried.
        action: &'static str,
        /// The reason of the operating system.
        source: io::Error,
    },
}

impl EmulatorError {
    /// With what the process wrote, if it is about a start.
    pub(crate) fn with_logs(mut self, lines: Vec<String>) -> Self {
        if let Self::Start { logs, .. } = &mut self {
            *logs = lines;
        }
        self
    }
}

/// What happened instead of a successful start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartFailure {
    /// The process ended.
    Exited(Exited),
    /// It was not ready in this time.
    NotReady(Duration),
    /// It said by the Runtime API that it cannot start; the payload is what the caller of a
    /// Lambda function gets.
    Reported(Vec<u8>),
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(how) => write!(f, "its process ended with {how} before it was ready"),
            Self::NotReady(limit) => write!(
                f,
                "it was not ready after {} s; use a smaller model",
                limit.as_secs()
            ),
            Self::Reported(payload) => {
                write!(f, "it reported {}", String::from_utf8_lossy(payload))
            }
        }
    }
}

/// Lines shown in the message; the error itself has more.
const LINES_SHOWN: usize = 20;

fn last_lines(logs: &[String]) -> String {
    if logs.is_empty() {
        return "; it wrote nothing to its log".to_owned();
    }
    let skipped = logs.len().saturating_sub(LINES_SHOWN);
    let mut message = "; its last lines were:".to_owned();
    for line in &logs[skipped..] {
        message.push_str("\n  ");
        message.push_str(line);
    }
    message
}

fn spawn_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            ": the file or the loader that it asks for is missing; is it built for this machine?"
        }
        io::ErrorKind::PermissionDenied => ": its executable bit is not set; package it again",
        _ => "; is it built for this machine?",
    }
}
