//! What Azure allows. Each constant names the page of the Azure documentation that says so;
//! "Flex Consumption" is the page "Azure Functions Flex Consumption plan hosting".

use mlfn_core::common::{EnvironmentRule, TagRule};
use mlfn_core::{Limit, NameRule, Unit};

/// The sizes of instances, in MB (Flex Consumption, "Instance sizes").
pub const MEMORY: [u32; 3] = [512, 2048, 4096];

/// `functionTimeout` has no upper bound on this plan ("Azure Functions hosting options",
/// "Function app timeout duration").
pub const TIMEOUT: Limit = Limit {
    code: "timeout-out-of-range",
    summary: "timeout out of range",
    owner: "Azure Functions",
    min: 1,
    max: u32::MAX,
    unit: Unit::Seconds,
};

/// The idle time-out of the load balancer before all apps ("Azure Functions hosting options",
/// "Function app timeout duration").
pub const HTTP_TIMEOUT: Limit = Limit {
    code: "http-timeout-capped",
    summary: "requests are cut off earlier",
    owner: "the load balancer before Azure Functions, which cuts off HTTP requests,",
    min: 1,
    max: 230,
    unit: Unit::Seconds,
};

/// Characters of an app's name, which is part of a host name ("Resource name rules",
/// `Microsoft.Web/sites`).
pub const APP_NAME: usize = 60;

/// Names of regions, e.g. `westeurope` and `eastus2` ("List of Azure regions").
pub const REGION: NameRule = NameRule {
    code: "region-invalid",
    summary: "invalid region",
    what: "an Azure region",
    min: 5,
    max: 24,
    grammar: "lower-case letters, with a number at the end where there are several, such as `westeurope` or `eastus2`",
    fits: |name| {
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
        name.len() - letters.len() <= 1
            && !letters.is_empty()
            && letters.chars().all(|c| c.is_ascii_lowercase())
    },
    example: "westeurope",
};

/// Names of app settings, which is what environment variables are here ("App settings reference
/// for Azure Functions"). The reserved ones are those of the host, and those that the plan refuses
/// (Flex Consumption, "Deprecated properties and settings").
pub const ENVIRONMENT_NAMES: EnvironmentRule = EnvironmentRule {
    owner: "Azure Functions",
    grammar: "a name has only letters, digits and `_`, and does not start with a digit",
    fits: |name| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    },
    reserved: &[
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "ENABLE_ORYX_BUILD",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
    ],
    reserved_prefixes: &["AzureWebJobs", "FUNCTIONS_", "WEBSITE_"],
};

/// Instances of an app (Flex Consumption, "Scale").
pub const MAX_INSTANCES: Limit = Limit {
    code: "max-instances-out-of-range",
    summary: "maximum of instances out of range",
    owner: "Azure Functions",
    min: 1,
    max: 1000,
    unit: Unit::Pieces,
};

/// The lowest maximum that the documentation names. Lower ones are accepted in practice.
pub const DOCUMENTED_MAX_INSTANCES: u32 = 40;

/// Instances of an app if the manifest does not say (Flex Consumption, "Scale").
pub const DEFAULT_MAX_INSTANCES: u32 = 100;

/// Requests that one instance works on at the same time (`perInstanceConcurrency`).
pub const CONCURRENCY: Limit = Limit {
    code: "concurrency-out-of-range",
    summary: "concurrency out of range",
    owner: "Azure Functions",
    min: 1,
    max: 1000,
    unit: Unit::Pieces,
};

/// Names of blob containers ("Naming and referencing containers, blobs, and metadata").
pub const CONTAINER_NAME: NameRule = NameRule {
    code: "bucket-name-invalid",
    summary: "invalid bucket name",
    what: "a blob container",
    min: 3,
    max: 63,
    grammar: "lower-case letters, digits and single `-`, with a letter or digit at both ends",
    fits: is_storage_name,
    example: "uploads",
};

/// Names of storage queues ("Naming queues and metadata").
pub const QUEUE_NAME: NameRule = NameRule {
    code: "queue-name-invalid",
    summary: "invalid queue name",
    what: "a storage queue",
    example: "jobs",
    ..CONTAINER_NAME
};

/// Messages that an instance takes from a storage queue at once (`host.json`, `queues.batchSize`).
pub const QUEUE_BATCH: Limit = Limit {
    code: "batch-out-of-range",
    summary: "batch out of range",
    owner: "Azure Queue Storage",
    min: 1,
    max: 32,
    unit: Unit::Pieces,
};

/// How often a message is tried (`host.json`, `queues.maxDequeueCount`).
pub const QUEUE_TRIES: Limit = Limit {
    code: "max-tries-out-of-range",
    summary: "tries out of range",
    owner: "Azure Queue Storage",
    min: 1,
    max: u32::MAX,
    unit: Unit::Pieces,
};

/// Names of Service Bus topics ("Resource name rules", `Microsoft.ServiceBus/namespaces/topics`).
pub const TOPIC_NAME: NameRule = NameRule {
    code: "topic-name-invalid",
    summary: "invalid topic name",
    what: "a Service Bus topic",
    min: 1,
    max: 260,
    grammar: "letters, digits and `.-_/~`, with a letter or digit at both ends",
    fits: |name| has_plain_ends(name) && only(name, "._-/~"),
    example: "news",
};

/// Characters of the name of a subscription to a topic ("Resource name rules",
/// `Microsoft.ServiceBus/namespaces/topics/subscriptions`).
pub const SUBSCRIPTION_NAME: usize = 50;

/// Names of event hubs ("Resource name rules", `Microsoft.EventHub/namespaces/eventhubs`).
pub const EVENT_HUB_NAME: NameRule = NameRule {
    code: "stream-name-invalid",
    summary: "invalid stream name",
    what: "an event hub",
    min: 1,
    max: 256,
    grammar: "letters, digits and `.-_`, with a letter or digit at both ends",
    fits: |name| has_plain_ends(name) && only(name, "._-"),
    example: "clicks",
};

/// Events in one run (`host.json`, `eventHubs.maxEventBatchSize`).
pub const STREAM_BATCH: Limit = Limit {
    owner: "Azure Event Hubs",
    max: u32::MAX,
    ..QUEUE_BATCH
};

/// How long a batch may fill (`host.json`, `eventHubs.maxWaitTime`: at most 10 minutes).
pub const STREAM_WINDOW: Limit = Limit {
    code: "window-out-of-range",
    summary: "window out of range",
    owner: "Azure Event Hubs",
    min: 0,
    max: 600,
    unit: Unit::Seconds,
};

/// Tags ("Use tags to organize your Azure resources": 50 tags, names of 512 characters, of 128
/// for storage accounts, which every app has).
pub const TAGS: TagRule = TagRule {
    owner: "Azure",
    most: 50,
    key_length: 128,
    value_length: 256,
    key_grammar: "`<`, `>`, `%`, `&`, `\\`, `?` and `/` are not allowed",
    key_fits: |key| !key.contains(['<', '>', '%', '&', '\\', '?', '/']),
    value_grammar: "control characters are not allowed",
    value_fits: |value| !value.contains(char::is_control),
    reserved_prefixes: &["azure", "microsoft", "windows"],
};

/// The largest HTTP request: 210 MB ("Azure Functions HTTP triggers and bindings overview",
/// "Limits").
pub const MAX_REQUEST: u64 = 210 * 1024 * 1024;

/// Space for temporary files of an instance, where the package is unpacked: 0.8 GB ("Azure
/// Functions hosting options", "Service limits"). No limit on packages themselves is documented.
pub const TEMPORARY_STORAGE: u64 = 800_000_000;

/// The last part of a resource id; none if `name` is a plain name.
pub fn resource_name(name: &str) -> Option<&str> {
    name.starts_with("/subscriptions/")
        .then(|| name.rsplit('/').next().unwrap_or(name))
}

fn is_storage_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.chars().all(|c| plain(c) || c == '-') && has_plain_ends(name) && !name.contains("--")
}

fn has_plain_ends(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(plain) && name.ends_with(plain)
}

fn only(name: &str, others: &str) -> bool {
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}
