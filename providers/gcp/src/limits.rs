//! What Google Cloud allows. Each constant names the page of the Google Cloud documentation that
//! says so.

use mlfn_core::common::{EnvironmentRule, TagRule};
use mlfn_core::{Limit, Memory, NameRule, Unit};

/// Memory of an instance (Cloud Run functions, "Quotas"; Cloud Run, "Configure memory limits").
pub const MEMORY: Limit = Limit {
    code: "memory-out-of-range",
    summary: "memory out of range",
    owner: "Google Cloud Functions",
    min: 128,
    max: 32_768,
    unit: Unit::Megabytes,
};

/// Memory in the second-generation execution environment (Cloud Run, "Select an execution
/// environment").
pub const CLOUD_RUN_MEMORY: Limit = Limit {
    owner: "Cloud Run",
    min: 512,
    ..MEMORY
};

/// What a number of processors needs (Cloud Run, "Configure CPU limits").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// Thousandths of a virtual CPU, from here up to the next entry.
    pub milli: u32,
    /// The least memory.
    pub least: Memory,
    /// The most memory.
    pub most: Memory,
}

/// All sizes. Up to one CPU there are all thousandths between; above, only whole ones.
pub const CPUS: [Cpu; 7] = [
    cpu(80, 128, 512),
    cpu(500, 128, 1024),
    cpu(ONE_CPU, 128, 4096),
    cpu(2000, 128, 8192),
    cpu(4000, 2048, 16_384),
    cpu(6000, 4096, 24_576),
    cpu(8000, 4096, 32_768),
];

/// Below it, an instance works on one request at a time.
pub const ONE_CPU: u32 = 1000;

const fn cpu(milli: u32, least: u32, most: u32) -> Cpu {
    Cpu {
        milli,
        least: Memory::mib(least),
        most: Memory::mib(most),
    }
}

/// 60 minutes (Cloud Run functions, "Quotas"; Cloud Run, "Set request timeout for services").
pub const TIMEOUT: Limit = Limit {
    code: "timeout-out-of-range",
    summary: "timeout out of range",
    owner: "Google Cloud",
    min: 1,
    max: 3600,
    unit: Unit::Seconds,
};

/// How long Cloud Scheduler waits for an answer (Cloud Scheduler API, `attemptDeadline`).
pub const SCHEDULE_TIMEOUT: Limit = Limit {
    code: "schedule-timeout-capped",
    summary: "scheduled runs are given up earlier",
    owner: "Cloud Scheduler, which takes a longer run for failed,",
    max: 1800,
    ..TIMEOUT
};

/// How long Pub/Sub waits for an answer before it sends an event again (Pub/Sub API,
/// `ackDeadlineSeconds`). Events of buckets come by Pub/Sub, too.
pub const EVENT_TIMEOUT: Limit = Limit {
    code: "event-timeout-capped",
    summary: "events are sent again earlier",
    owner: "Pub/Sub, which sends an event again if there is no answer,",
    max: 600,
    ..TIMEOUT
};

/// Characters of the name of a function (Cloud Functions API, `functionId`).
pub const FUNCTION_NAME: usize = 63;

/// Characters of the name of a service (Cloud Run, "Deploying container images").
pub const SERVICE_NAME: usize = 49;

/// Names of regions, e.g. `europe-west1` (Cloud Run, "Locations").
pub const REGION: NameRule = NameRule {
    code: "region-invalid",
    summary: "invalid region",
    what: "a region of Google Cloud",
    min: 8,
    max: 25,
    grammar: "a continent, a direction and a number such as `europe-west1` or `us-central1`",
    fits: is_region,
    example: "europe-west1",
};

/// Names of environment variables (Cloud Run functions, "Configure environment variables";
/// Cloud Run, "Container runtime contract"). `PYTHONPATH` starts the launcher.
pub const ENVIRONMENT_NAMES: EnvironmentRule = EnvironmentRule {
    owner: "Google Cloud",
    grammar: "a name has only letters, digits and `_`, and does not start with a digit",
    fits: |name| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    },
    reserved: &["PORT", "PYTHONPATH"],
    reserved_prefixes: &["FUNCTION_", "GOOGLE_", "K_", "X_GOOGLE_"],
};

/// Requests that one instance works on at the same time (Cloud Run, "Set maximum concurrent
/// requests per instance").
pub const CONCURRENCY: Limit = Limit {
    code: "concurrency-out-of-range",
    summary: "concurrency out of range",
    owner: "Google Cloud",
    min: 1,
    max: 1000,
    unit: Unit::Pieces,
};

/// Instances (Cloud Run, "Quotas").
pub const MAX_INSTANCES: Limit = Limit {
    code: "max-instances-out-of-range",
    summary: "maximum of instances out of range",
    ..CONCURRENCY
};

/// Instances if the manifest does not say (Cloud Run, "Set maximum instances").
pub const DEFAULT_MAX_INSTANCES: u32 = 100;

/// Names of topics, which is what queues are here, too ("Guidelines to name a topic or
/// subscription").
pub const TOPIC_NAME: NameRule = NameRule {
    code: "topic-name-invalid",
    summary: "invalid topic name",
    what: "a Pub/Sub topic",
    min: 3,
    max: 255,
    grammar: "letters, digits and `-._~+%`, starting with a letter and not with `goog`",
    fits: |name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && !name.starts_with("goog")
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._~+%".contains(c))
    },
    example: "news",
};

/// As [`TOPIC_NAME`].
pub const QUEUE_NAME: NameRule = NameRule {
    code: "queue-name-invalid",
    summary: "invalid queue name",
    example: "jobs",
    ..TOPIC_NAME
};

/// How often a message is tried (Pub/Sub API, `maxDeliveryAttempts`).
pub const QUEUE_TRIES: Limit = Limit {
    code: "max-tries-out-of-range",
    summary: "tries out of range",
    owner: "Pub/Sub",
    min: 5,
    max: 100,
    unit: Unit::Pieces,
};

/// Names of buckets (Cloud Storage, "About Cloud Storage buckets", "Bucket names").
pub const BUCKET_NAME: NameRule = NameRule {
    code: "bucket-name-invalid",
    summary: "invalid bucket name",
    what: "a Cloud Storage bucket",
    min: 3,
    max: 222,
    grammar: "lower-case letters, digits, `-`, `_` and `.`, at most 63 between two dots, with a letter or digit at both ends, not the form of an IP address, not starting with `goog` and without `google`",
    fits: is_bucket_name,
    example: "uploads",
};

/// Labels ("Labels overview", "Requirements for labels").
pub const LABELS: TagRule = TagRule {
    owner: "Google Cloud",
    most: 64,
    key_length: 63,
    value_length: 63,
    key_grammar: "only lower-case letters, digits, `_` and `-` are allowed, and a letter comes first",
    key_fits: |key| is_label(key) && key.starts_with(char::is_alphabetic),
    value_grammar: "only lower-case letters, digits, `_` and `-` are allowed",
    value_fits: is_label,
    reserved_prefixes: &[],
};

/// The largest request (Cloud Run functions, "Quotas": 32 MB).
pub const MAX_REQUEST: u64 = 32 * 1024 * 1024;

/// The largest answer (Cloud Run functions, "Quotas": 32 MB).
pub const MAX_RESPONSE: u64 = 32 * 1024 * 1024;

/// The largest archive that Cloud Run takes without a build (Cloud Run API, `uploadSource`).
pub const NO_BUILD_ARCHIVE: u64 = 262_144_000;

fn is_label(text: &str) -> bool {
    text.chars()
        .all(|c| c == '-' || c == '_' || (c.is_alphanumeric() && !c.is_uppercase()))
}

fn is_region(name: &str) -> bool {
    let place = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let words: Vec<&str> = place.split('-').collect();
    place.len() < name.len()
        && words.len() == 2
        && words
            .iter()
            .all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()))
}

fn is_bucket_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.chars().all(|c| plain(c) || "-_.".contains(c))
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.split('.').all(|part| (1..=63).contains(&part.len()))
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("goog")
        && !name.contains("google")
}
