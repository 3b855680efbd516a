//! What a cloud can refuse, sorted by what the caller can do about it.

use std::error::Error;
use std::time::Duration;

use crate::Ownership;

/// Anything below: what a client library said.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// A call to a cloud that failed.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct ProviderError {
    /// What it means.
    pub failure: Failure,
    /// The cloud's name for the call, which its support asks for.
    pub request_id: Option<String>,
    /// What the client library said.
    #[source]
    pub source: Option<BoxError>,
}

/// What a failed call means. A provider sorts each of its cloud's errors into one of these and
/// does nothing else about it: the engine retries, waits and adopts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no such thing. From a delete, that is success; from a read, prefer `Ok(None)`.
    #[error("there is no `{what}`")]
    NotFound {
        /// The name.
        what: String,
    },
    /// The name is taken.
    #[error("`{what}` exists already and belongs to {owner}")]
    AlreadyExists {
        /// The name.
        what: String,
        /// By whom.
        owner: Ownership,
    },
    /// The credentials are good, but not for this.
    #[error("not allowed to {action} `{resource}`")]
    PermissionDenied {
        /// As the cloud's policies name it, e.g. `lambda:CreateFunction`.
        action: String,
        /// As the cloud names it.
        resource: String,
    },
    /// No credentials, or bad ones, or ones that ended.
    #[error("not signed in: {why}")]
    Unauthenticated {
        /// Without a full stop.
        why: String,
    },
    /// Too many calls; it had no effect.
    #[error("the cloud asks for fewer calls")]
    Throttled {
        /// The time that it asked to wait (`Retry-After`).
        after: Option<Duration>,
    },
    /// A limit of the account.
    #[error("the account's limit is reached: {limit}")]
    Quota {
        /// Which, and how to raise it, as the cloud says it.
        limit: String,
    },
    /// Something else is being done to it at the moment; it had no effect.
    #[error("busy with another change: {why}")]
    Conflict {
        /// Without a full stop.
        why: String,
    },
    /// Something that it needs is not ready yet (a role that is not known everywhere yet, a
    /// function that is still starting); it had no effect.
    #[error("not ready yet: {why}")]
    NotReady {
        /// Without a full stop.
        why: String,
    },
    /// The new revision gave no good answer to the request that it must answer.
    #[error("the new revision failed its health check: {why}")]
    Unhealthy {
        /// What it answered.
        why: String,
    },
    /// The cloud finds the request wrong, now and for ever.
    #[error("refused: {why}")]
    Rejected {
        /// As the cloud says it.
        why: String,
    },
    /// No answer: it may have had an effect or not.
    #[error("no answer from {endpoint}")]
    Unreachable {
        /// Host and port.
        endpoint: String,
    },
    /// An error of the cloud (5xx): it may have had an effect or not.
    #[error("the cloud failed: {why}")]
    Unavailable {
        /// As the cloud says it.
        why: String,
    },
    /// Anything else.
    #[error("{why}")]
    Other {
        /// What happened, without a full stop.
        why: String,
    },
}

/// Whether the same call may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// It would fail again.
    Never,
    /// After a while, longer each time; at least that long if the cloud said so.
    Backoff(Option<Duration>),
    /// It waits for something that is known to take a while: often, and for longer.
    Wait,
}

impl ProviderError {
    /// Without a request id and a cause.
    pub fn new(failure: Failure) -> Self {
        Self {
            failure,
            request_id: None,
            source: None,
        }
    }

    /// Adds the cloud's name for the call.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Adds what the client library said.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether to try again.
    pub fn retry(&self) -> RetryClass {
        match &self.failure {
            Failure::Throttled { after } => RetryClass::Backoff(*after),
            Failure::Conflict { .. }
            | Failure::Unreachable { .. }
            | Failure::Unavailable { .. } => RetryClass::Backoff(None),
            Failure::NotReady { .. } => RetryClass::Wait,
            _ => RetryClass::Never,
        }
    }

    /// Whether every other call would fail in the same way, so that going on is useless.
    pub fn is_general(&self) -> bool {
        matches!(self.failure, Failure::Unauthenticated { .. })
    }

    /// What to do about it, if that can be said.
    pub fn hint(&self) -> Option<String> {
        Some(match &self.failure {
            Failure::PermissionDenied { action, .. } => {
                format!("Allow `{action}` to the identity that deploys, and run the command again.")
            }
            Failure::Unauthenticated { .. } => {
                "Sign in with the cloud's own tool, or set its environment variables.".to_owned()
            }
            Failure::AlreadyExists {
                owner: Ownership::Foreign { .. },
                what,
            } => format!(
                "Rename the service or the model, or remove `{what}` if nobody needs it; mlfn does \
                 not touch what others own."
            ),
            Failure::Quota { .. } => {
                "Ask the cloud for a higher limit, or remove what is unused.".to_owned()
            }
            Failure::Unhealthy { .. } => {
                "The old revision still serves. Try the request with `mlfn invoke --local`."
                    .to_owned()
            }
            Failure::Throttled { .. }
            | Failure::Conflict { .. }
            | Failure::NotReady { .. }
            | Failure::Unavailable { .. } => {
                "Run the command again in a few minutes: it goes on where it stopped.".to_owned()
            }
            Failure::Unreachable { .. } => {
                "Check the network and the region, and run the command again.".to_owned()
            }
            _ => return None,
        })
    }
}

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        Self::new(failure)
    }
}
