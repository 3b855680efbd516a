//! The platforms, each with its own wire protocol.

mod azure;
mod gcp;
mod lambda;
mod server;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Request};
use mlfn_core::ProviderName;

use crate::blueprint::{Blueprint, Nest};
use crate::process::Process;
use crate::{EmulatorError, Failure, Outcome};

pub(crate) use lambda::{ACCOUNT, REGION, arn};

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
