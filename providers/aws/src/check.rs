//! A service against the limits of AWS, before anything is built or sent.

use mlfn_core::common::{self, PrefixFilter};
use mlfn_core::{
    AwsOptions, Destination, Diagnostic, EnvironmentValue, FieldPath, Function, HttpAuth,
    HttpTrigger, QueueTrigger, Service, StorageTrigger, StreamSource, StreamTrigger, TopicTrigger,
    Trigger, check_schedule,
};

use crate::{limits, schedule};

/// Everything in `service` that AWS would refuse or cannot do, in the order of the manifest.
pub fn check(service: &Service) -> Vec<Diagnostic> {
    let own = common::region_and_tags(service, &limits::REGION, &limits::TAGS);
    let functions = service.functions.iter().flat_map(|f| function(service, f));
    let overlaps = overlapping_filters(service);
    own.into_iter().chain(functions).chain(overlaps).collect()
}

fn function(service: &Service, function: &Function) -> Vec<Diagnostic> {
    let at = function.at();
    let mut found = Vec::new();
    found.extend(common::function_name_length(
        service,
        function,
        "AWS Lambda",
        limits::FUNCTION_NAME,
    ));
    found.extend(limits::MEMORY.check(function.memory.as_mib(), at.key("memory")));
    found.extend(limits::TIMEOUT.check(function.timeout.get(), at.key("timeout")));
    found.extend(short_steps(function));
    found.extend(asynchronous(service, function));
    found.extend(limits::ENVIRONMENT_NAMES.check(function));
    found.extend(environment_size(function));
    found.extend(common::endless_loops(function, PrefixFilter::ByCloud));
    found.extend(triggers(service, function));
    found.extend(options(&function.aws, &at.key("aws")));
    found
}

/// A warning about steps that nothing can be seen in.
fn short_steps(function: &Function) -> Option<Diagnostic> {
    let traffic = function.traffic.as_ref()?;
    let every = traffic.every;
    let detail = format!(
        "CloudWatch tells errors by the minute, and later, so that `{every}` may show none."
    );
    (every < limits::TRAFFIC_STEP).then(|| {
        Diagnostic::warning(
            "traffic-too-fast",
            "steps too short to see errors",
            function.at().key("traffic").key("every"),
            detail,
        )
        .help(format!("Write `{}` or more.", limits::TRAFFIC_STEP))
    })
}

/// The size of the variables as Lambda measures it: that of a JSON object.
fn environment_size(function: &Function) -> Option<Diagnostic> {
    let values = function
        .environment
        .iter()
        .map(|(name, value)| match value {
            EnvironmentValue::Plain(text) => (name.clone(), text.as_str().into()),
            EnvironmentValue::Secret(secret) => (name.clone(), secret.0.as_str().into()),
        });
    let size = serde_json::Value::Object(values.collect())
        .to_string()
        .len();
    let detail = format!(
        "The environment variables take {size} bytes as JSON; AWS Lambda allows {} for all of them together.",
        limits::ENVIRONMENT
    );
    (size > limits::ENVIRONMENT).then(|| {
        Diagnostic::error(
            "environment-too-large",
            "environment too large",
            function.at().key("environment"),
            detail,
        )
        .help("Put large values beside the model, or into a parameter that `secret:` names.")
    })
}

fn triggers(service: &Service, function: &Function) -> Vec<Diagnostic> {
    let check = |(at, trigger): (FieldPath, &Trigger)| match trigger {
        Trigger::Http(trigger) => http(function, trigger, &at),
        Trigger::Schedule(trigger) => check_schedule(trigger, &at, schedule::expression)
            .into_iter()
            .collect(),
        Trigger::Queue(trigger) => queue(service, trigger, &at),
        Trigger::Topic(trigger) => topic(service, trigger, &at),
        Trigger::Storage(trigger) => common::bucket_names(trigger, &at, &limits::BUCKET_NAME),
        Trigger::Stream(trigger) => stream(trigger, &at),
    };
    function.triggers_at().flat_map(check).collect()
}

fn http(function: &Function, http: &HttpTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    match http.auth {
        HttpAuth::None | HttpAuth::Iam => Vec::new(),
        HttpAuth::Key => vec![no_keys(at.key("auth"))],
        HttpAuth::Jwt { .. } => limits::HTTP_API_TIMEOUT
            .warn(function.timeout.get(), function.at().key("timeout"))
            .into_iter()
            .collect(),
    }
}

/// The settings of requests that nobody waits for. Lambda sends to no FIFO queues and topics
/// (Developer Guide, "Capturing records of Lambda asynchronous invocations").
fn asynchronous(service: &Service, function: &Function) -> Vec<Diagnostic> {
    let Some(settings) = &function.asynchronous else {
        return Vec::new();
    };
    let at = function.at().key("async");
    let tries = settings.max_tries;
    let age = settings.max_age.map(mlfn_core::Seconds::get);
    let mut found = Vec::new();
    found.extend(tries.and_then(|tries| limits::ASYNC_TRIES.check(tries, at.key("max_tries"))));
    found.extend(age.and_then(|age| limits::ASYNC_AGE.check(age, at.key("max_age"))));
    for (key, to) in [
        ("on_success", &settings.on_success),
        ("on_failure", &settings.on_failure),
    ] {
        found.extend(match to {
            Some(Destination::Queue(name)) => {
                let at = at.key(key).key("queue");
                no_fifo(name, &at).or_else(|| queue_name(service, name, at))
            }
            Some(Destination::Topic(name)) => {
                let at = at.key(key).key("topic");
                let loops = || endless_topic(function, name, &at);
                let name_of = || topic_name(service, name, at.clone());
                no_fifo(name, &at).or_else(loops).or_else(name_of)
            }
            None => None,
        });
    }
    found
}

/// Topics call functions as those do whom nobody waits for.
fn endless_topic(function: &Function, name: &str, at: &FieldPath) -> Option<Diagnostic> {
    let mut triggers = function.triggers.iter();
    let is_source =
        triggers.any(|trigger| matches!(trigger, Trigger::Topic(topic) if topic.name == name));
    let detail = format!(
        "What becomes of requests is told to `{name}`, the topic that requests come from: each record would be the next request, without end."
    );
    is_source.then(|| {
        Diagnostic::error("endless-loop", "endless loop", at.clone(), detail)
            .help(format!("Name another topic, for example `{name}-results`."))
    })
}

fn no_fifo(name: &str, at: &FieldPath) -> Option<Diagnostic> {
    let detail = format!(
        "AWS Lambda cannot send to `{name}`: destinations of asynchronous requests are no FIFO queues or topics."
    );
    limits::is_fifo(name).then(|| {
        Diagnostic::error("fifo-not-offered", "FIFO not offered", at.clone(), detail)
            .help("Name one without `.fifo` at its end.")
    })
}

fn no_keys(at: FieldPath) -> Diagnostic {
    Diagnostic::error(
        "auth-not-offered",
        "authentication not offered",
        at,
        "Functions on AWS have no keys of their own, so `key` cannot be checked.",
    )
    .help("Use `auth: iam` for callers with AWS credentials, or `auth: {jwt: {issuer, audience}}` for users.")
}

fn queue(service: &Service, queue: &QueueTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(queue_name(service, &queue.name, at.key("name")));
    found.extend(
        queue
            .output
            .iter()
            .filter_map(|output| queue_name(service, output, at.key("output"))),
    );
    found.extend(queue_batch(queue, at));
    found.extend(limits::QUEUE_TRIES.check(queue.max_tries, at.key("max_tries")));
    found
}

fn queue_name(service: &Service, name: &str, at: FieldPath) -> Option<Diagnostic> {
    if is_arn(name) {
        return arn_of("sqs", "an SQS queue", name, at);
    }
    limits::QUEUE_NAME.check_joined(&service.cloud_prefix(), name, at)
}

fn queue_batch(queue: &QueueTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let window = queue.window.map_or(0, mlfn_core::Seconds::get);
    let fifo = limits::is_fifo(&queue.name);
    let limit = if fifo {
        limits::FIFO_BATCH
    } else {
        limits::QUEUE_BATCH
    };
    let mut found = Vec::new();
    found.extend(limit.check(queue.batch, at.key("batch")));
    found.extend(limits::WINDOW.check(window, at.key("window")));
    if fifo && window > 0 {
        found.push(fifo_window(at.key("window")));
    }
    if !fifo && queue.batch > limits::QUEUE_BATCH_WITHOUT_WINDOW && window == 0 {
        found.push(batch_needs_window(queue.batch, at.key("batch")));
    }
    found
}

fn fifo_window(at: FieldPath) -> Diagnostic {
    Diagnostic::error(
        "window-not-offered",
        "window not offered",
        at,
        "AWS Lambda does not wait for a batch of a FIFO queue to fill.",
    )
    .help("Remove `window`, or use a queue without `.fifo`.")
}

fn batch_needs_window(batch: u32, at: FieldPath) -> Diagnostic {
    let detail = format!(
        "A batch of {batch} messages needs a window: Amazon SQS hands out {} at once, and AWS Lambda has to wait for more.",
        limits::QUEUE_BATCH_WITHOUT_WINDOW
    );
    Diagnostic::error("batch-needs-window", "batch needs a window", at, detail)
        .help("Add `window: 1s` or more, or write `batch: 10`.")
}

fn topic(service: &Service, topic: &TopicTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let found = topic_name(service, &topic.name, at.key("name"));
    found.into_iter().collect()
}

fn topic_name(service: &Service, name: &str, at: FieldPath) -> Option<Diagnostic> {
    if is_arn(name) {
        return arn_of("sns", "an SNS topic", name, at);
    }
    limits::TOPIC_NAME.check_joined(&service.cloud_prefix(), name, at)
}

/// Amazon S3 refuses two notifications of one bucket that the same object could match
/// (`PutBucketNotificationConfiguration`).
fn overlapping_filters(service: &Service) -> Vec<Diagnostic> {
    let mut seen: Vec<(FieldPath, &StorageTrigger)> = Vec::new();
    let mut found = Vec::new();
    for (at, trigger) in service.functions.iter().flat_map(Function::triggers_at) {
        if let Trigger::Storage(storage) = trigger {
            let earlier = seen
                .iter()
                .find(|(_, other)| filters_overlap(storage, other));
            found.extend(earlier.map(|(other, _)| overlap(storage, other, at.clone())));
            seen.push((at, storage));
        }
    }
    found
}

fn filters_overlap(one: &StorageTrigger, other: &StorageTrigger) -> bool {
    let prefixes = [one, other].map(|s| s.prefix.as_deref().unwrap_or_default());
    let suffixes = [one, other].map(|s| s.suffix.as_deref().unwrap_or_default());
    one.bucket == other.bucket
        && (prefixes[0].starts_with(prefixes[1]) || prefixes[1].starts_with(prefixes[0]))
        && (suffixes[0].ends_with(suffixes[1]) || suffixes[1].ends_with(suffixes[0]))
}

fn overlap(storage: &StorageTrigger, other: &FieldPath, at: FieldPath) -> Diagnostic {
    let detail = format!(
        "An object of `{}` can match this trigger and `{other}`; Amazon S3 starts one function for an object.",
        storage.bucket
    );
    Diagnostic::error(
        "storage-filters-overlap",
        "overlapping storage triggers",
        at,
        detail,
    )
    .help("Give the two different prefixes or suffixes, for example `prefix: a/` and `prefix: b/`.")
}

fn stream(stream: &StreamTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(stream_source(&stream.source, at));
    found.extend(limits::STREAM_BATCH.check(stream.batch, at.key("batch")));
    let window = stream.window.map_or(0, mlfn_core::Seconds::get);
    found.extend(limits::WINDOW.check(window, at.key("window")));
    found
}

fn stream_source(source: &StreamSource, at: &FieldPath) -> Option<Diagnostic> {
    match source {
        StreamSource::Kinesis(name) if is_arn(name) => {
            arn_of("kinesis", "a Kinesis data stream", name, at.key("kinesis"))
        }
        StreamSource::Kinesis(name) => limits::KINESIS_NAME.check(name, at.key("kinesis")),
        StreamSource::DynamoDb(name) if is_arn(name) => {
            arn_of("dynamodb", "a DynamoDB table", name, at.key("dynamodb"))
        }
        StreamSource::DynamoDb(name) => limits::TABLE_NAME.check(name, at.key("dynamodb")),
        StreamSource::EventHub(name) => Some(no_event_hubs(name, at.key("eventhub"))),
    }
}

fn no_event_hubs(name: &str, at: FieldPath) -> Diagnostic {
    Diagnostic::error(
        "stream-not-offered",
        "stream not offered",
        at,
        format!("Event hubs are a service of Azure; AWS Lambda cannot read `{name}`."),
    )
    .help("Use `kinesis:` or `dynamodb:`, or the provider `azure`.")
}

fn is_arn(name: &str) -> bool {
    name.starts_with("arn:")
}

/// An error unless `arn` names something of `service`: `arn:<partition>:<service>:<region>:<account>:<name>`.
fn arn_of(service: &str, what: &str, arn: &str, at: FieldPath) -> Option<Diagnostic> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let fits = matches!(parts[..], ["arn", _, found, region, account, name]
        if found == service && !region.is_empty() && !account.is_empty() && !name.is_empty());
    let example = match service {
        "kinesis" => "stream/clicks",
        "dynamodb" => "table/orders/stream/2026-01-01T00:00:00.000",
        _ => "jobs",
    };
    (!fits).then(|| {
        Diagnostic::error(
            "reference-invalid",
            "invalid reference",
            at,
            format!("`{arn}` is not the ARN of {what}."),
        )
        .help(format!(
            "Write for example `arn:aws:{service}:eu-west-1:123456789012:{example}`, or a plain name."
        ))
    })
}

fn options(aws: &AwsOptions, at: &FieldPath) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(aws.ephemeral_storage.and_then(|size| {
        limits::EPHEMERAL_STORAGE.check(size.as_mib(), at.key("ephemeral_storage"))
    }));
    found.extend(concurrency(aws, at));
    found.extend(
        aws.log_retention_days
            .and_then(|days| log_retention(days, at.key("log_retention_days"))),
    );
    found.extend(
        aws.deployment_bucket
            .iter()
            .filter_map(|bucket| limits::BUCKET_NAME.check(bucket, at.key("deployment_bucket"))),
    );
    found
}

fn concurrency(aws: &AwsOptions, at: &FieldPath) -> Option<Diagnostic> {
    let (reserved, provisioned) = (aws.reserved_concurrency?, aws.provisioned_concurrency?);
    let detail = format!(
        "{provisioned} instances are to be kept warm, but only {reserved} are reserved; AWS Lambda keeps no more than the reserved ones."
    );
    (provisioned > reserved).then(|| {
        Diagnostic::error(
            "concurrency-mismatch",
            "more provisioned than reserved concurrency",
            at.key("provisioned_concurrency"),
            detail,
        )
        .help(format!(
            "Write `reserved_concurrency: {provisioned}` or more."
        ))
    })
}

fn log_retention(days: u32, at: FieldPath) -> Option<Diagnostic> {
    if limits::LOG_RETENTION_DAYS.contains(&days) {
        return None;
    }
    let allowed = limits::LOG_RETENTION_DAYS
        .map(|days| days.to_string())
        .join(", ");
    let longer = limits::LOG_RETENTION_DAYS
        .into_iter()
        .find(|allowed| *allowed > days);
    let next = longer.unwrap_or(3653);
    let detail = format!("CloudWatch Logs cannot keep logs for {days} days; it offers {allowed}.");
    Some(
        Diagnostic::error(
            "log-retention-not-offered",
            "log retention not offered",
            at,
            detail,
        )
        .help(format!("Write `{next}`.")),
    )
}
