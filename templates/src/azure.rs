//! What the Azure Functions host reads from a package.
//!
//! Sources: Azure Functions documentation, "host.json reference", "Azure Functions custom
//! handlers" and the pages of the triggers' bindings.

use serde::Serialize;

use crate::Template;

/// `host.json`.
pub const HOST: Template<Host> =
    Template::new("azure/host.json", include_str!("../azure/host.json.tera"));

/// Fills [`HOST`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The longest run, as `hh:mm:ss`.
    pub function_timeout: String,
    /// The program that the host starts.
    pub executable: String,
    /// What all HTTP routes start with, without slashes.
    pub route_prefix: String,
    /// Version range of the extension bundle: one if a trigger needs an extension, else none.
    pub bundle_versions: Vec<String>,
    /// Settings of all storage queues of the app: one or none.
    pub queues: Vec<HostQueues>,
    /// Settings of all event hubs of the app: one or none.
    pub event_hubs: Vec<HostEventHubs>,
}

/// Settings of storage queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostQueues {
    /// The most messages that an instance works on at the same time.
    pub batch: u32,
    /// How often a message is tried.
    pub max_tries: u32,
}

/// Settings of event hubs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostEventHubs {
    /// The most events in one run.
    pub batch: u32,
    /// How many events to wait for; 1 for not at all.
    pub min_batch: u32,
    /// How long to wait for that many at most, as `hh:mm:ss`.
    pub window: String,
    /// Where to begin: `fromStart` or `fromEnd`.
    pub start: &'static str,
}

/// `function.json` of an HTTP trigger. One trigger and one output, so that the host passes
/// requests on as they are.
pub const HTTP: Template<HttpFunction> = Template::new(
    "azure/function-http.json",
    include_str!("../azure/function-http.json.tera"),
);

/// Fills [`HTTP`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpFunction {
    /// Who may call: `anonymous` or `function`, for those who have its key.
    pub auth_level: &'static str,
    /// Methods in lower case.
    pub methods: Vec<String>,
    /// The path without the prefix.
    pub route: String,
}

/// `function.json` of a schedule.
pub const SCHEDULE: Template<ScheduleFunction> = Template::new(
    "azure/function-schedule.json",
    include_str!("../azure/function-schedule.json.tera"),
);

/// Fills [`SCHEDULE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduleFunction {
    /// Six fields of NCRONTAB.
    pub schedule: String,
}

/// `function.json` of a storage queue.
pub const QUEUE: Template<QueueFunction> = Template::new(
    "azure/function-queue.json",
    include_str!("../azure/function-queue.json.tera"),
);

/// Fills [`QUEUE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueFunction {
    /// The queue that is read.
    pub queue: String,
    /// The app setting, or the beginning of several, that tells where the queue is.
    pub connection: String,
    /// The queue that gets the answers: one or none.
    pub outputs: Vec<QueueOutput>,
}

/// Where answers go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueOutput {
    /// The queue.
    pub queue: String,
    /// As [`QueueFunction::connection`].
    pub connection: String,
}

/// `function.json` of a Service Bus topic.
pub const TOPIC: Template<TopicFunction> = Template::new(
    "azure/function-topic.json",
    include_str!("../azure/function-topic.json.tera"),
);

/// Fills [`TOPIC`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicFunction {
    /// The topic.
    pub topic: String,
    /// The function's own subscription to it.
    pub subscription: String,
    /// As [`QueueFunction::connection`].
    pub connection: String,
}

/// `function.json` of a blob container.
pub const STORAGE: Template<StorageFunction> = Template::new(
    "azure/function-storage.json",
    include_str!("../azure/function-storage.json.tera"),
);

/// Fills [`STORAGE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorageFunction {
    /// `<container>/<pattern>`.
    pub path: String,
    /// As [`QueueFunction::connection`].
    pub connection: String,
    /// `<container>/<pattern>` of the answers: one or none.
    pub output_paths: Vec<String>,
}

/// `function.json` of an event hub.
pub const STREAM: Template<StreamFunction> = Template::new(
    "azure/function-stream.json",
    include_str!("../azure/function-stream.json.tera"),
);

/// Fills [`STREAM`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamFunction {
    /// The event hub.
    pub event_hub: String,
    /// As [`QueueFunction::connection`].
    pub connection: String,
}
