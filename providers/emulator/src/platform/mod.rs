//! The platforms, each with its own wire protocol.

mod azure;
mod gcp;
mod lambda;
mod server;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Request};
use mlfn_core::{Memory, ProviderName};
use rustix::process::Signal;

use crate::blueprint::{Blueprint, Nest};
use crate::process::Process;
use crate::{EmulatorError, Exited, Failure, Outcome, StartFailure};

pub(crate) use lambda::{ACCOUNT, MAX_BYTES as LAMBDA_MAX_BYTES, REGION, arn};

/// What a function is asked.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// An event, which the platform wraps as it wraps events.
    Event(Event),
    /// HTTP, which the platform passes on as it is. Not on Lambda, where it is an event.
    Http(Request<Full<Bytes>>),
}

/// An event and what the platform tells about it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The platform's name for the request.
    pub(crate) id: String,
    /// As whom the function was called (Lambda).
    pub(crate) arn: String,
    /// The JSON that the caller passed beside the payload (Lambda).
    pub(crate) client_context: Option<String>,
    /// Usually JSON.
    pub(crate) payload: Bytes,
}

/// What comes back from a function.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) body: Bytes,
    pub(crate) status: Option<u16>,
    /// Those of an HTTP answer.
    pub(crate) headers: HeaderMap,
    /// Lines that came with the answer instead of the process's output.
    pub(crate) logs: Vec<String>,
}

impl Answer {
    pub(crate) fn failed(failure: Failure, status: Option<u16>, body: impl Into<Bytes>) -> Self {
        Self {
            outcome: Outcome::FunctionError(failure),
            body: body.into(),
            status,
            headers: HeaderMap::new(),
            logs: Vec::new(),
        }
    }
}

/// A running instance behind one of the protocols.
#[derive(Debug)]
pub(crate) enum Platform {
    Lambda(lambda::Lambda),
    Azure(azure::Azure),
    Gcp(gcp::Gcp),
}

impl Platform {
    pub(crate) async fn start(blueprint: &Blueprint, nest: Nest) -> Result<Self, EmulatorError> {
        Ok(match blueprint.platform {
            ProviderName::Aws => Self::Lambda(lambda::Lambda::start(blueprint, nest).await?),
            ProviderName::Azure => Self::Azure(azure::Azure::start(blueprint, nest).await?),
            ProviderName::Gcp => Self::Gcp(gcp::Gcp::start(blueprint, nest).await?),
        })
    }

    pub(crate) async fn perform(&self, work: Work) -> Result<Answer, EmulatorError> {
        match (self, work) {
            (Self::Lambda(lambda), Work::Event(event)) => lambda.invoke(event).await,
            (Self::Azure(azure), Work::Event(event)) => azure.invoke(&event).await,
            (Self::Gcp(gcp), Work::Event(event)) => gcp.invoke(&event).await,
            (Self::Azure(azure), Work::Http(request)) => azure.pass_on(request).await,
            (Self::Gcp(gcp), Work::Http(request)) => gcp.pass_on(request).await,
            (Self::Lambda(_), Work::Http(_)) => Ok(Answer::failed(
                Failure::BadAnswer("Lambda functions get events, not HTTP".to_owned()),
                None,
                Bytes::new(),
            )),
        }
    }

    pub(crate) fn process(&self) -> &Process {
        match self {
            Self::Lambda(lambda) => lambda.process(),
            Self::Azure(azure) => azure.process(),
            Self::Gcp(gcp) => gcp.process(),
        }
    }

    /// How long a process that was asked to end may take for it.
    pub(crate) fn grace(&self) -> Duration {
        match self {
            // What Lambda gives a runtime when one internal extension is registered.
            Self::Lambda(_) => Duration::from_millis(500),
            // Cloud Run's termination grace period; the Functions host is no shorter.
            Self::Azure(_) | Self::Gcp(_) => Duration::from_secs(10),
        }
    }
}

/// Where the package is, as an absolute path without links, so that the process may have it as its
/// folder.
fn package_root(blueprint: &Blueprint) -> Result<std::path::PathBuf, EmulatorError> {
    fs_err::canonicalize(&blueprint.root).map_err(|error| EmulatorError::Package {
        platform: blueprint.platform,
        path: blueprint.root.clone(),
        problem: format!("its folder cannot be opened: {}", error.kind()),
    })
}

/// Refuses what the platform would not pass on.
fn check_size(platform: ProviderName, size: usize, limit: usize) -> Result<(), EmulatorError> {
    if size <= limit {
        return Ok(());
    }
    Err(EmulatorError::RequestTooLarge {
        platform,
        size,
        limit,
    })
}

/// What an instance used more of than it may, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overrun {
    Memory { limit: Memory, used: u64 },
    Disk { limit: Memory, used: u64 },
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { limit, used } => write!(
                f,
                "mlfn: the instance used {used} MB of memory and has {}; it was ended",
                limit.as_mib()
            ),
            Self::Disk { limit, used } => write!(
                f,
                "mlfn: the instance wrote {used} MB of temporary files and has room for {}; it was ended",
                limit.as_mib()
            ),
        }
    }
}

/// What the caller gets when an instance was ended for using too much.
pub(crate) fn overrun(blueprint: &Blueprint, id: &str, overrun: Overrun) -> Answer {
    let failure = Failure::Exited(Exited::Signal(Signal::KILL.as_raw()));
    match blueprint.platform {
        ProviderName::Aws => lambda::overrun(id, overrun),
        ProviderName::Azure => Answer::failed(failure, Some(500), ""),
        ProviderName::Gcp => Answer::failed(failure, Some(503), "Service Unavailable"),
    }
}

/// What the caller gets when there is no answer at all.
pub(crate) fn no_answer(blueprint: &Blueprint, id: &str, error: &EmulatorError) -> Answer {
    let failure = match error {
        EmulatorError::Start {
            failure: StartFailure::Exited(how),
            ..
        }
        | EmulatorError::Ended(how) => Failure::Exited(*how),
        EmulatorError::Start {
            failure: StartFailure::NotReady(_),
            ..
        } => Failure::TimedOut,
        EmulatorError::RequestTooLarge { .. } => Failure::BadAnswer(error.to_string()),
        _ => Failure::Reported,
    };
    match (blueprint.platform, error) {
        (ProviderName::Aws, _) => lambda::no_answer(failure, id, error),
        (_, EmulatorError::RequestTooLarge { .. }) => {
            Answer::failed(failure, Some(413), "Request Entity Too Large")
        }
        (ProviderName::Azure, _) => {
            Answer::failed(failure, Some(503), "Function host is not running.")
        }
        (ProviderName::Gcp, _) => Answer::failed(failure, Some(503), "Service Unavailable"),
    }
}

/// How the HTTP platforms see a status.
fn outcome_of(status: u16) -> Outcome {
    if status < 400 {
        Outcome::Success
    } else {
        Outcome::FunctionError(Failure::Reported)
    }
}

/// The end of a start that did not work.
async fn start_failed(
    platform: ProviderName,
    process: &Process,
    failure: crate::StartFailure,
) -> EmulatorError {
    process.kill().await;
    EmulatorError::Start {
        platform,
        failure,
        logs: Vec::new(),
    }
}
