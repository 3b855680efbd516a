//! The platforms, each with its own wire protocol.

mod azure;
mod gcp;
mod lambda;
mod server;

use std::time::Duration;

use mlfn_core::ProviderName;

use crate::process::Process;
use crate::{EmulatorError, Failure, Outcome, Start};

/// What comes back from a function.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) body: Vec<u8>,
    pub(crate) status: Option<u16>,
    /// Lines that came with the answer instead of the process's output.
    pub(crate) logs: Vec<String>,
}

impl Answer {
    fn failed(failure: Failure, status: Option<u16>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            outcome: Outcome::FunctionError(failure),
            body: body.into(),
            status,
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
    pub(crate) async fn start(start: &Start<'_>) -> Result<Self, EmulatorError> {
        Ok(match start.platform {
            ProviderName::Aws => Self::Lambda(lambda::Lambda::start(start).await?),
            ProviderName::Azure => Self::Azure(azure::Azure::start(start).await?),
            ProviderName::Gcp => Self::Gcp(gcp::Gcp::start(start).await?),
        })
    }

    pub(crate) async fn invoke(&self, payload: &[u8]) -> Result<Answer, EmulatorError> {
        match self {
            Self::Lambda(lambda) => lambda.invoke(payload).await,
            Self::Azure(azure) => azure.invoke(payload).await,
            Self::Gcp(gcp) => gcp.invoke(payload).await,
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

/// `start.root` as an absolute path without links, so that the process may have it as its folder.
fn package_root(start: &Start<'_>) -> Result<std::path::PathBuf, EmulatorError> {
    fs_err::canonicalize(start.root).map_err(|error| EmulatorError::Package {
        platform: start.platform,
        path: start.root.to_owned(),
        problem: format!("its folder cannot be opened: {}", error.kind()),
    })
}

/// Refuses what the platform would not pass on.
fn check_size(platform: ProviderName, payload: &[u8], limit: usize) -> Result<(), EmulatorError> {
    if payload.len() <= limit {
        return Ok(());
    }
    Err(EmulatorError::RequestTooLarge {
        platform,
        size: payload.len(),
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
        logs: process.take_logs(),
    }
}
