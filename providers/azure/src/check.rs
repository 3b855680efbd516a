//! A service against the limits of Azure, before anything is built or sent.

use std::collections::BTreeMap;

use mlfn_core::common::{self, PrefixFilter, SameSettings};
use mlfn_core::{
    AzureOptions, Diagnostic, FieldPath, Function, HttpAuth, HttpTrigger, QueueTrigger,
    ScheduleTrigger, Service, StreamSource, StreamTrigger, TopicTrigger, Trigger, check_schedule,
};

use crate::{limits, schedule};

/// Everything in `service` that Azure would refuse or cannot do, in the order of the manifest.
pub fn check(service: &Service) -> Vec<Diagnostic> {
    let own = common::region_and_tags(service, &limits::REGION, &limits::TAGS);
    let functions = service.functions.iter().flat_map(|f| function(service, f));
    own.into_iter().chain(functions).collect()
}

fn function(service: &Service, function: &Function) -> Vec<Diagnostic> {
    let at = function.at();
    let mut found = Vec::new();
    found.extend(common::function_name_length(
        service,
        function,
        "Azure Functions",
        limits::APP_NAME,
    ));
    found.extend(memory(function, at.key("memory")));
    found.extend(timeout(function, &at.key("timeout")));
    found.extend(common::only_x86(function, "Azure Functions on this plan"));
    found.extend(common::no_traffic(function, "Azure"));
    found.extend(common::no_async(function, "Azure"));
    found.extend(limits::ENVIRONMENT_NAMES.check(function));
    found.extend(names_alike(function));
    found.extend(common::endless_loops(function, PrefixFilter::ByCloud));
    found.extend(triggers(service, function));
    found.extend(settings_of_the_app(function));
    found.extend(options(&function.azure, &at.key("azure")));
    found
}

fn memory(function: &Function, at: FieldPath) -> Option<Diagnostic> {
    let wanted = function.memory.as_mib();
    if limits::MEMORY.contains(&wanted) {
        return None;
    }
    let size = limits::MEMORY.into_iter().find(|size| *size > wanted);
    let size = mlfn_core::Memory::mib(size.unwrap_or(limits::MEMORY[2]));
    let detail = format!(
        "Azure Functions has instances of 512MB, 2GB and 4GB, none of `{}`.",
        function.memory
    );
    Some(
        Diagnostic::error("memory-not-offered", "memory size not offered", at, detail)
            .help(format!("Write `{size}`.")),
    )
}

fn timeout(function: &Function, at: &FieldPath) -> Vec<Diagnostic> {
    let seconds = function.timeout.get();
    let has_http = function
        .triggers
        .iter()
        .any(|t| matches!(t, Trigger::Http(_)));
    let capped = has_http.then(|| limits::HTTP_TIMEOUT.warn(seconds, at.clone()));
    match limits::TIMEOUT.check(seconds, at.clone()) {
        Some(error) => vec![error],
        None => capped.flatten().into_iter().collect(),
    }
}

/// App settings do not tell capitals from small letters.
fn names_alike(function: &Function) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    let mut found = Vec::new();
    for name in function.environment.keys() {
        if let Some(other) = seen.insert(name.to_ascii_uppercase(), name) {
            let detail = format!(
                "`{name}` and `{other}` differ in capitals only, and to Azure Functions they are the same setting."
            );
            let at = function.at().key("environment").key(name);
            found.push(
                Diagnostic::error(
                    "environment-names-alike",
                    "environment names alike",
                    at,
                    detail,
                )
                .help(format!(
                    "Remove one of the two, or write for example `{name}_2`."
                )),
            );
        }
    }
    found
}

fn triggers(service: &Service, function: &Function) -> Vec<Diagnostic> {
    let check = |(at, trigger): (FieldPath, &Trigger)| match trigger {
        Trigger::Http(trigger) => http(trigger, &at).into_iter().collect(),
        Trigger::Schedule(trigger) => schedules(trigger, &at),
        Trigger::Queue(trigger) => queue(service, trigger, &at),
        Trigger::Topic(trigger) => topic(service, function, trigger, &at),
        Trigger::Storage(trigger) => common::bucket_names(trigger, &at, &limits::CONTAINER_NAME),
        Trigger::Stream(trigger) => stream(trigger, &at),
    };
    function.triggers_at().flat_map(check).collect()
}

fn http(http: &HttpTrigger, at: &FieldPath) -> Option<Diagnostic> {
    (http.auth == HttpAuth::Iam).then(|| {
        Diagnostic::error(
            "auth-not-offered",
            "authentication not offered",
            at.key("auth"),
            "Azure Functions does not check Azure's own identities for single functions, so `iam` cannot be had.",
        )
        .help("Use `auth: key` for callers who have the function's key, or `auth: {jwt: {issuer, audience}}` for users.")
    })
}

fn schedules(trigger: &ScheduleTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let zone = trigger.timezone.as_deref();
    let zone = zone.filter(|zone| !matches!(*zone, "UTC" | "Etc/UTC" | "Z"));
    let zone = zone.map(|zone| no_time_zones(zone, at.key("timezone")));
    check_schedule(trigger, at, schedule::expression)
        .into_iter()
        .chain(zone)
        .collect()
}

fn no_time_zones(zone: &str, at: FieldPath) -> Diagnostic {
    Diagnostic::error(
        "timezone-not-offered",
        "time zone not offered",
        at,
        format!("Timers of Azure Functions run in UTC on this plan, not in `{zone}`."),
    )
    .help("Remove `timezone` and write the cron expression in UTC, for example `0 5 * * *` for six o'clock in winter in Berlin.")
}

fn queue(service: &Service, queue: &QueueTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(queue_name(service, &queue.name, at.key("name")));
    let output = queue.output.iter();
    found.extend(output.filter_map(|name| queue_name(service, name, at.key("output"))));
    found.extend(limits::QUEUE_BATCH.check(queue.batch, at.key("batch")));
    found.extend(limits::QUEUE_TRIES.check(queue.max_tries, at.key("max_tries")));
    found.extend(common::window_ignored(queue, at, "Azure Queue Storage"));
    found
}

fn queue_name(service: &Service, name: &str, at: FieldPath) -> Option<Diagnostic> {
    match limits::resource_name(name) {
        Some(_) => resource_of("queues", "a storage queue", name, at),
        None => limits::QUEUE_NAME.check_joined(&service.cloud_prefix(), name, at),
    }
}

fn topic(
    service: &Service,
    function: &Function,
    topic: &TopicTrigger,
    at: &FieldPath,
) -> Vec<Diagnostic> {
    let at = at.key("name");
    let name = match limits::resource_name(&topic.name) {
        Some(_) => resource_of("topics", "a Service Bus topic", &topic.name, at),
        None => limits::TOPIC_NAME.check_joined(&service.cloud_prefix(), &topic.name, at),
    };
    // The subscription is named as the function.
    let owner =
        "Azure Service Bus, where the function's subscription to the topic has the same name,";
    let subscription =
        common::function_name_length(service, function, owner, limits::SUBSCRIPTION_NAME);
    name.into_iter().chain(subscription).collect()
}

fn stream(stream: &StreamTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let window = stream.window.map_or(0, mlfn_core::Seconds::get);
    let mut found = Vec::new();
    found.extend(stream_source(&stream.source, at));
    found.extend(limits::STREAM_BATCH.check(stream.batch, at.key("batch")));
    found.extend(limits::STREAM_WINDOW.check(window, at.key("window")));
    found
}

fn stream_source(source: &StreamSource, at: &FieldPath) -> Option<Diagnostic> {
    match source {
        StreamSource::EventHub(name) if limits::resource_name(name).is_some() => {
            resource_of("eventhubs", "an event hub", name, at.key("eventhub"))
        }
        StreamSource::EventHub(name) => limits::EVENT_HUB_NAME.check(name, at.key("eventhub")),
        StreamSource::Kinesis(_) => Some(no_stream("kinesis", "Kinesis data streams", at)),
        StreamSource::DynamoDb(_) => Some(no_stream("dynamodb", "DynamoDB streams", at)),
    }
}

fn no_stream(key: &str, what: &str, at: &FieldPath) -> Diagnostic {
    Diagnostic::error(
        "stream-not-offered",
        "stream not offered",
        at.key(key),
        format!("{what} are a service of AWS; Azure Functions cannot read them."),
    )
    .help("Use `eventhub:`, or the provider `aws`.")
}

/// An error unless the resource id `id` has `kind` before its last part.
fn resource_of(kind: &str, what: &str, id: &str, at: FieldPath) -> Option<Diagnostic> {
    let mut parts = id.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let fits = !last.is_empty() && parts.next().is_some_and(|p| p.eq_ignore_ascii_case(kind));
    (!fits).then(|| {
        Diagnostic::error(
            "reference-invalid",
            "invalid reference",
            at,
            format!("`{id}` is not the resource id of {what}."),
        )
        .help(format!(
            "Copy the resource id from the Azure portal (it ends with `/{kind}/<name>`), or write a plain name."
        ))
    })
}

/// `host.json` and the app's authentication hold for all triggers of a function.
fn settings_of_the_app(function: &Function) -> Vec<Diagnostic> {
    let queues = SameSettings {
        kind: "queue",
        keys: "`batch` and `max_tries`",
        ..OF_THE_APP
    };
    let streams = SameSettings {
        kind: "stream",
        keys: "`batch`, `window` and `start`",
        ..OF_THE_APP
    };
    let mut found = Vec::new();
    found.extend(queues.check(function, |trigger| match trigger {
        Trigger::Queue(queue) => Some((queue.batch, queue.max_tries)),
        _ => None,
    }));
    found.extend(streams.check(function, |trigger| match trigger {
        Trigger::Stream(stream) => Some((stream.batch, stream.window, stream.start)),
        _ => None,
    }));
    found.extend(OF_THE_APP.check(function, |trigger| match trigger {
        Trigger::Http(http) => Some(match &http.auth {
            HttpAuth::Jwt { .. } => Some(&http.auth),
            HttpAuth::None | HttpAuth::Key | HttpAuth::Iam => None,
        }),
        _ => None,
    }));
    found
}

const OF_THE_APP: SameSettings = SameSettings {
    owner: "Azure Functions",
    kind: "http",
    keys: "`auth`, if one of them is `jwt`,",
};

fn options(azure: &AzureOptions, at: &FieldPath) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(
        azure
            .concurrency
            .and_then(|concurrency| limits::CONCURRENCY.check(concurrency, at.key("concurrency"))),
    );
    found.extend(
        azure
            .max_instances
            .and_then(|instances| max_instances(instances, at.key("max_instances"))),
    );
    found.extend(always_ready(azure, at.key("always_ready")));
    found
}

fn max_instances(instances: u32, at: FieldPath) -> Option<Diagnostic> {
    if let Some(error) = limits::MAX_INSTANCES.check(instances, at.clone()) {
        return Some(error);
    }
    let lowest = limits::DOCUMENTED_MAX_INSTANCES;
    let detail = format!(
        "Azure documents {lowest} as the lowest maximum; {instances} is accepted in practice, which may change."
    );
    (instances < lowest).then(|| {
        Diagnostic::warning(
            "max-instances-low",
            "maximum of instances below the documented one",
            at,
            detail,
        )
        .help(format!("Write `{lowest}` to be safe."))
    })
}

fn always_ready(azure: &AzureOptions, at: FieldPath) -> Option<Diagnostic> {
    let ready = azure.always_ready?;
    let most = azure.max_instances.unwrap_or(limits::DEFAULT_MAX_INSTANCES);
    let detail = format!("{ready} instances are to be kept warm, but there may be only {most}.");
    (ready > most).then(|| {
        Diagnostic::error(
            "always-ready-too-high",
            "more warm instances than instances",
            at,
            detail,
        )
        .help(format!("Write `{most}` or less, or raise `max_instances`."))
    })
}
