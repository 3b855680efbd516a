//! What people do with a deployed function besides changing it: ask it, and read its log.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ProviderError;

/// A session that can do so. As with [`Session`](crate::Session), each method is one attempt.
#[async_trait]
pub trait Operate: Send + Sync {
    /// Sends a request to a function. An error is one of the cloud; a function that failed has
    /// [`Answer::failed`].
    async fn invoke(&self, invocation: &Invocation) -> Result<Answer, ProviderError>;

    /// The next lines of a function's log, the oldest first.
    async fn logs(&self, query: &LogQuery) -> Result<LogPage, ProviderError>;
}

/// A request to a deployed function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Its remote name, e.g. `iris-dev-classifier:live`.
    pub function: String,
    /// What is asked for.
    pub kind: InvocationKind,
    /// The bytes of the request.
    pub payload: Vec<u8>,
}

/// What is asked for, in the words of AWS Lambda (`Invoke`, `InvocationType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvocationKind {
    /// The answer.
    RequestResponse,
    /// That the request is taken; it is answered later, to nobody.
    Event,
    /// Whether the request might be sent.
    DryRun,
}

/// What a function answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The bytes of it.
    pub body: Vec<u8>,
    /// Whether the function failed; the body says how.
    pub failed: bool,
    /// The end of its log, where the cloud sends it along.
    pub log: String,
}

/// Which lines of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The remote name of the function.
    pub function: String,
    /// Only lines with this text in them.
    pub filter: Option<String>,
    /// Where to begin.
    pub from: LogCursor,
}

/// A place in a log. Lines may appear late, so it is a time before which all are told, and those
/// told after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogCursor {
    /// Milliseconds since 1970.
    pub time: u64,
    /// The cloud's names of lines from then on that were told already.
    pub told: BTreeSet<String>,
    /// The requests that have begun and are not known to have ended, by the stream of their lines.
    pub open: BTreeMap<String, String>,
}

/// Some lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The oldest first; none if there are no more at the moment.
    pub lines: Vec<LogLine>,
    /// For the next query.
    pub next: LogCursor,
}

/// A line of a function's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Milliseconds since 1970.
    pub time: u64,
    /// Which instance wrote it: the name of its log stream.
    pub stream: String,
    /// The request that it belongs to, if that is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// What it says.
    pub text: String,
}
