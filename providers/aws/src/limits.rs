//! What AWS allows. Each constant names where the number is documented; "Developer Guide" is the
//! AWS Lambda Developer Guide, an API name is the page of that operation in its API Reference.

use mlfn_core::common::{EnvironmentRule, TagRule};
use mlfn_core::{Limit, NameRule, Seconds, Unit};

/// Memory in steps of 1 MB (Developer Guide, "Lambda quotas").
pub const MEMORY: Limit = Limit {
    code: "memory-out-of-range",
    summary: "memory out of range",
    owner: "AWS Lambda",
    min: 128,
    max: 10_240,
    unit: Unit::Megabytes,
};

/// 15 minutes (Developer Guide, "Lambda quotas"). A function URL adds no limit of its own.
pub const TIMEOUT: Limit = Limit {
    code: "timeout-out-of-range",
    summary: "timeout out of range",
    owner: "AWS Lambda",
    min: 1,
    max: 900,
    unit: Unit::Seconds,
};

/// The longest answer time of an HTTP API, which is what checks JSON web tokens (API Gateway
/// Developer Guide, "Quotas for configuring and running an HTTP API").
pub const HTTP_API_TIMEOUT: Limit = Limit {
    code: "http-timeout-capped",
    summary: "requests are cut off earlier",
    owner: "Amazon API Gateway, which checks the tokens of `jwt`,",
    min: 1,
    max: 30,
    unit: Unit::Seconds,
};

/// Size of `/tmp` (Developer Guide, "Lambda quotas").
pub const EPHEMERAL_STORAGE: Limit = Limit {
    code: "ephemeral-storage-out-of-range",
    summary: "ephemeral storage out of range",
    owner: "AWS Lambda",
    min: 512,
    max: 10_240,
    unit: Unit::Megabytes,
};

/// Characters of a function's name (`CreateFunction`, `FunctionName`).
pub const FUNCTION_NAME: usize = 64;

/// Bytes of all environment variables together, measured as a JSON object (Developer Guide,
/// "Lambda quotas": 4 KB).
pub const ENVIRONMENT: usize = 4096;

/// The shortest step of a canary in which errors can be seen: metrics of Lambda have periods of a minute and
/// come later than that
/// (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>).
pub const TRAFFIC_STEP: Seconds = Seconds::new(120);

/// Names of environment variables: `[a-zA-Z]([a-zA-Z0-9_])+` (`Environment`, `Variables`); the
/// reserved ones of the Developer Guide, "Defined runtime environment variables". Everything that
/// starts with `AWS_LAMBDA_` is kept clear of: AWS adds names there.
pub const ENVIRONMENT_NAMES: EnvironmentRule = EnvironmentRule {
    owner: "AWS Lambda",
    grammar: "a name has two characters or more, only letters, digits and `_`, and starts with a letter",
    fits: |name| {
        name.len() >= 2
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || is_reserved_start(name))
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    },
    reserved: &[
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    ],
    reserved_prefixes: &["AWS_LAMBDA_"],
};

/// The two reserved names that do not start with a letter: reserved says more than invalid.
fn is_reserved_start(name: &str) -> bool {
    name == "_HANDLER" || name == "_X_AMZN_TRACE_ID"
}

/// How long CloudWatch Logs can keep logs, in days (`PutRetentionPolicy`, `retentionInDays`).
pub const LOG_RETENTION_DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// Messages in one run of a standard queue (`CreateEventSourceMapping`, `BatchSize`).
pub const QUEUE_BATCH: Limit = Limit {
    code: "batch-out-of-range",
    summary: "batch out of range",
    owner: "Amazon SQS",
    min: 1,
    max: 10_000,
    unit: Unit::Pieces,
};

/// Messages in one run of a FIFO queue (`CreateEventSourceMapping`, `BatchSize`).
pub const FIFO_BATCH: Limit = Limit {
    owner: "a FIFO queue",
    max: 10,
    ..QUEUE_BATCH
};

/// Above this batch size a window of at least a second is needed (`CreateEventSourceMapping`).
pub const QUEUE_BATCH_WITHOUT_WINDOW: u32 = 10;

/// How long a batch may fill (`CreateEventSourceMapping`, `MaximumBatchingWindowInSeconds`).
pub const WINDOW: Limit = Limit {
    code: "window-out-of-range",
    summary: "window out of range",
    owner: "AWS Lambda",
    min: 0,
    max: 300,
    unit: Unit::Seconds,
};

/// How often a message is received before it goes to the dead-letter queue
/// (`SetQueueAttributes`, `RedrivePolicy`, `maxReceiveCount`).
pub const QUEUE_TRIES: Limit = Limit {
    code: "max-tries-out-of-range",
    summary: "tries out of range",
    owner: "Amazon SQS",
    min: 1,
    max: 1000,
    unit: Unit::Pieces,
};

/// Tries of a request that nobody waits for, the first included (`PutFunctionEventInvokeConfig`,
/// `MaximumRetryAttempts`).
pub const ASYNC_TRIES: Limit = Limit {
    code: "max-tries-out-of-range",
    summary: "tries out of range",
    owner: "AWS Lambda",
    min: 1,
    max: 3,
    unit: Unit::Pieces,
};

/// Age of a request that nobody waits for (`PutFunctionEventInvokeConfig`,
/// `MaximumEventAgeInSeconds`).
pub const ASYNC_AGE: Limit = Limit {
    code: "max-age-out-of-range",
    summary: "age out of range",
    owner: "AWS Lambda",
    min: 60,
    max: 21_600,
    unit: Unit::Seconds,
};

/// Names of queues (`CreateQueue`, `QueueName`).
pub const QUEUE_NAME: NameRule = NameRule {
    code: "queue-name-invalid",
    summary: "invalid queue name",
    what: "an SQS queue",
    min: 1,
    max: 80,
    grammar: "only letters, digits, `-` and `_`, with `.fifo` at the end of FIFO queues",
    fits: |name| words(name.strip_suffix(".fifo").unwrap_or(name)),
    example: "jobs",
};

/// Names of topics (`CreateTopic`, `Name`).
pub const TOPIC_NAME: NameRule = NameRule {
    code: "topic-name-invalid",
    summary: "invalid topic name",
    what: "an SNS topic",
    min: 1,
    max: 256,
    // Lambda can subscribe to standard topics only, so `.fifo` is not offered.
    grammar: "only letters, digits, `-` and `_`",
    fits: words,
    example: "news",
};

/// Names of buckets (Amazon S3 User Guide, "General purpose bucket naming rules").
pub const BUCKET_NAME: NameRule = NameRule {
    code: "bucket-name-invalid",
    summary: "invalid bucket name",
    what: "an S3 bucket",
    min: 3,
    max: 63,
    grammar: "lower-case letters, digits, `.` and `-`, with a letter or digit at both ends, no `..`, not the form of an IP address, and none of Amazon's own beginnings (`xn--`, `sthree-`, `amzn-s3-demo-`) and ends (`-s3alias`, `--ol-s3`, `.mrap`, `--x-s3`, `--table-s3`)",
    fits: is_bucket_name,
    example: "uploads",
};

/// Names of Kinesis streams (`CreateStream`, `StreamName`).
pub const KINESIS_NAME: NameRule = NameRule {
    code: "stream-name-invalid",
    summary: "invalid stream name",
    what: "a Kinesis data stream",
    min: 1,
    max: 128,
    grammar: "only letters, digits, `.`, `-` and `_`",
    fits: is_stream_name,
    example: "clicks",
};

/// Names of DynamoDB tables (`CreateTable`, `TableName`).
pub const TABLE_NAME: NameRule = NameRule {
    what: "a DynamoDB table",
    min: 3,
    max: 255,
    example: "orders",
    ..KINESIS_NAME
};

/// Records in one run (`CreateEventSourceMapping`, `BatchSize`: Kinesis and DynamoDB streams).
pub const STREAM_BATCH: Limit = Limit {
    owner: "AWS Lambda",
    ..QUEUE_BATCH
};

/// Tags (Developer Guide, "Using tags on Lambda functions").
pub const TAGS: TagRule = TagRule {
    owner: "AWS",
    most: 50,
    key_length: 128,
    value_length: 256,
    key_grammar: "only letters, digits, spaces and `_.:/=+-@` are allowed",
    key_fits: is_tag_text,
    value_grammar: "only letters, digits, spaces and `_.:/=+-@` are allowed",
    value_fits: is_tag_text,
    reserved_prefixes: &["aws:"],
};

/// Names of regions, e.g. `eu-west-1` and `us-gov-west-1` (AWS General Reference).
pub const REGION: NameRule = NameRule {
    code: "region-invalid",
    summary: "invalid region",
    what: "an AWS region",
    min: 9,
    max: 20,
    grammar: "a group, a direction and a number joined with `-`, such as `eu-west-1` or `us-gov-west-1`",
    fits: is_region,
    example: "eu-west-1",
};

/// The largest request and answer of a synchronous call: 6 MB (Developer Guide, "Lambda quotas").
pub const PAYLOAD: u64 = 6 * 1024 * 1024;

/// The largest zip in the request that creates a function: 50 MB (Developer Guide).
pub const ZIP_DIRECT: u64 = 50 * 1024 * 1024;

/// The largest unpacked package, layers included: 250 MB (Developer Guide).
pub const UNPACKED: u64 = 262_144_000;

/// Whether a queue of this name is a FIFO queue.
pub fn is_fifo(queue: &str) -> bool {
    queue.strip_suffix(".fifo").is_some()
}

fn words(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn is_stream_name(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn is_tag_text(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c))
}

fn is_bucket_name(name: &str) -> bool {
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let reserved_starts = ["xn--", "sthree-", "amzn-s3-demo-"];
    let reserved_ends = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    name.chars().all(|c| end(c) || c == '.' || c == '-')
        && name.starts_with(end)
        && name.ends_with(end)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !reserved_starts.iter().any(|start| name.starts_with(start))
        && !reserved_ends.iter().any(|ending| name.ends_with(ending))
}

fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    match parts[..] {
        [group, ref middle @ .., number] => {
            group.len() == 2
                && letters(&group)
                && !middle.is_empty()
                && middle.iter().all(letters)
                && number.len() == 1
                && number.parse::<u8>().is_ok_and(|n| n > 0)
        }
        [] | [_] => false,
    }
}
