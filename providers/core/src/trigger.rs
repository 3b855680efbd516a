//! What makes a function run.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::Seconds;

/// What makes a function run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A request to a URL.
    Http(HttpTrigger),
    /// The clock.
    Schedule(ScheduleTrigger),
    /// A message in a queue.
    Queue(QueueTrigger),
    /// A message published to a topic.
    Topic(TopicTrigger),
    /// An object written to a bucket.
    Storage(StorageTrigger),
    /// Records of a stream.
    Stream(StreamTrigger),
}

impl Trigger {
    /// The key that the manifest uses for this kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Schedule(_) => "schedule",
            Self::Queue(_) => "queue",
            Self::Topic(_) => "topic",
            Self::Storage(_) => "storage",
            Self::Stream(_) => "stream",
        }
    }
}

/// `http: POST /predict`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpTrigger {
    /// The method.
    pub method: HttpMethod,
    /// The path, with a leading `/`.
    pub path: String,
    /// Who may call it.
    pub auth: HttpAuth,
    /// Origins that browsers may call it from; empty for none.
    pub cors: Vec<String>,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the variants are the methods of RFC 9110")]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    /// Every method.
    Any,
}

impl HttpMethod {
    /// The name in requests, e.g. `POST`; `ANY` for every method.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Any => "ANY",
        }
    }
}

/// Who may call an HTTP trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HttpAuth {
    /// Anybody.
    None,
    /// Whoever the cloud's own identities allow.
    Iam,
    /// Whoever has the function's key (Azure).
    Key,
    /// Whoever has a token of this issuer for one of these audiences.
    Jwt {
        /// The issuer's URL.
        issuer: String,
        /// Accepted audiences.
        audience: Vec<String>,
    },
}

/// `schedule: { every: 5 minutes, input: {..} }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleTrigger {
    /// When.
    pub schedule: Schedule,
    /// An IANA time zone, e.g. `Europe/Berlin`; UTC by default.
    pub timezone: Option<String>,
    /// The request that each run gets; by default the model's example.
    pub input: Option<Json>,
}

/// When a schedule fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Again and again with this pause.
    Every(Seconds),
    /// The five fields of Unix cron: minute, hour, day of month, month, day of week (0 or 7 is
    /// Sunday). Providers translate it into their own dialect.
    Cron(String),
}

/// `queue: { name: jobs, batch: 10, output: results }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueTrigger {
    /// The queue: a name that mlfn makes, or a reference (an ARN, a resource id) to one there is.
    pub name: String,
    /// The most messages in one run.
    pub batch: u32,
    /// How long to wait for a batch to fill.
    pub window: Option<Seconds>,
    /// How often a message is tried before it becomes a dead letter.
    pub max_tries: u32,
    /// The queue that gets the predictions.
    pub output: Option<String>,
}

/// `topic: news`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicTrigger {
    /// The topic: a name that mlfn makes, or a reference to one there is.
    pub name: String,
}

/// `storage: { bucket: uploads, suffix: .json, output: { bucket: predictions } }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageTrigger {
    /// The bucket (on Azure: the container).
    pub bucket: String,
    /// Only objects whose names start so.
    pub prefix: Option<String>,
    /// Only objects whose names end so.
    pub suffix: Option<String>,
    /// The bucket that gets the predictions.
    pub output_bucket: Option<String>,
    /// What their names start with there.
    pub output_prefix: Option<String>,
}

/// `stream: { kinesis: clicks, batch: 100 }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamTrigger {
    /// The stream.
    pub source: StreamSource,
    /// The most records in one run.
    pub batch: u32,
    /// How long to wait for a batch to fill.
    pub window: Option<Seconds>,
    /// Where to begin.
    pub start: StreamStart,
}

/// Which service streams, and the name there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamSource {
    /// A Kinesis data stream (AWS).
    Kinesis(String),
    /// The change stream of a DynamoDB table (AWS).
    DynamoDb(String),
    /// An event hub (Azure).
    EventHub(String),
}

/// Where reading of a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamStart {
    /// With what comes after the deploy.
    #[default]
    Latest,
    /// With the oldest record still kept.
    Oldest,
}
