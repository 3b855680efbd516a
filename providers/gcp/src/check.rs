//! A service against the limits of Google Cloud, before anything is built or sent.

use mlfn_core::common::{self, PrefixFilter, SameSettings};
use mlfn_core::{
    Diagnostic, FieldPath, Function, GcpEngine, HttpAuth, HttpTrigger, Memory, NameRule,
    QueueTrigger, Service, Severity, StorageTrigger, StreamSource, StreamTrigger, Trigger,
    check_schedule,
};

use crate::{limits, schedule};

/// Everything in `service` that Google Cloud would refuse or cannot do, in the order of the
/// manifest.
pub fn check(service: &Service) -> Vec<Diagnostic> {
    let own = common::region_and_tags(service, &limits::REGION, &limits::LABELS);
    let functions = service.functions.iter().flat_map(|f| function(service, f));
    own.into_iter().chain(functions).collect()
}

fn function(service: &Service, function: &Function) -> Vec<Diagnostic> {
    let at = function.at();
    let mut found = Vec::new();
    found.extend(name(service, function));
    found.extend(memory(function, at.key("memory")));
    found.extend(limits::TIMEOUT.check(function.timeout.get(), at.key("timeout")));
    found.extend(timeouts_of_senders(function, &at.key("timeout")));
    found.extend(common::only_x86(function, "Google Cloud"));
    found.extend(common::no_traffic(function, "Google Cloud"));
    found.extend(common::no_async(function, "Google Cloud"));
    found.extend(limits::ENVIRONMENT_NAMES.check(function));
    found.extend(common::endless_loops(function, PrefixFilter::None));
    found.extend(triggers(service, function));
    found.extend(one_way_in(function));
    found.extend(ONE_POLICY.check(function, |trigger| match trigger {
        Trigger::Http(http) => Some(&http.auth),
        _ => None,
    }));
    found.extend(options(function, &at.key("gcp")));
    found
}

/// Who may call a service is a policy of the whole service.
const ONE_POLICY: SameSettings = SameSettings {
    owner: "Google Cloud",
    kind: "http",
    keys: "`auth`",
};

fn name(service: &Service, function: &Function) -> Option<Diagnostic> {
    let (owner, most) = match function.gcp.engine {
        GcpEngine::Functions => ("Google Cloud Functions", limits::FUNCTION_NAME),
        GcpEngine::CloudRun => ("Cloud Run", limits::SERVICE_NAME),
    };
    common::function_name_length(service, function, owner, most)
}

fn memory(function: &Function, at: FieldPath) -> Option<Diagnostic> {
    let limit = match function.gcp.engine {
        GcpEngine::Functions => limits::MEMORY,
        GcpEngine::CloudRun => limits::CLOUD_RUN_MEMORY,
    };
    limit.check(function.memory.as_mib(), at)
}

/// Warnings where those who send events wait less long than the function may take.
fn timeouts_of_senders(function: &Function, at: &FieldPath) -> Vec<Diagnostic> {
    let seconds = function.timeout.get();
    let has = |kind: fn(&Trigger) -> bool| function.triggers.iter().any(kind);
    let scheduled = has(|trigger| matches!(trigger, Trigger::Schedule(_)));
    let scheduled = scheduled.then(|| limits::SCHEDULE_TIMEOUT.warn(seconds, at.clone()));
    let events = has(is_event).then(|| limits::EVENT_TIMEOUT.warn(seconds, at.clone()));
    let warnings = [scheduled, events].into_iter().flatten().flatten();
    // A time that is too low is an error already.
    warnings.filter(|_| seconds > 0).collect()
}

fn is_event(trigger: &Trigger) -> bool {
    matches!(
        trigger,
        Trigger::Queue(_) | Trigger::Topic(_) | Trigger::Storage(_)
    )
}

fn triggers(service: &Service, function: &Function) -> Vec<Diagnostic> {
    let check = |(at, trigger): (FieldPath, &Trigger)| match trigger {
        Trigger::Http(trigger) => http(trigger, &at),
        Trigger::Schedule(trigger) => check_schedule(trigger, &at, schedule::expression)
            .into_iter()
            .collect(),
        Trigger::Queue(trigger) => queue(service, trigger, &at),
        Trigger::Topic(trigger) => {
            topic_name(service, &limits::TOPIC_NAME, &trigger.name, at.key("name"))
                .into_iter()
                .collect()
        }
        Trigger::Storage(trigger) => storage(trigger, &at),
        Trigger::Stream(trigger) => vec![no_streams(trigger, &at)],
    };
    function.triggers_at().flat_map(check).collect()
}

fn http(http: &HttpTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let auth = match http.auth {
        HttpAuth::None | HttpAuth::Iam => None,
        HttpAuth::Key => Some("key"),
        HttpAuth::Jwt { .. } => Some("jwt"),
    };
    let auth = auth.map(|auth| {
        Diagnostic::error(
            "auth-not-offered",
            "authentication not offered",
            at.key("auth"),
            format!("Google Cloud checks its own identities for functions, and nothing else, so `{auth}` cannot be had."),
        )
        .help("Use `auth: iam`, or `auth: none` for everybody.")
    });
    let is_asked = http.auth == HttpAuth::None;
    let cors = (!http.cors.is_empty() && !is_asked).then(|| {
        Diagnostic::error(
            "cors-not-offered",
            "cross-origin requests not offered",
            at.key("cors"),
            "Browsers ask for permission without saying who they are, and Google Cloud passes nothing on to this function from somebody it does not know.",
        )
        .help("Use `auth: none`, or remove `cors` and put a load balancer or API Gateway before the function for browsers.")
    });
    auth.into_iter().chain(cors).collect()
}

fn queue(service: &Service, queue: &QueueTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let check = |name: &str, at| topic_name(service, &limits::QUEUE_NAME, name, at);
    let mut found = Vec::new();
    found.extend(check(&queue.name, at.key("name")));
    found.extend(
        queue
            .output
            .as_ref()
            .and_then(|name| check(name, at.key("output"))),
    );
    found.extend(tries(queue.max_tries, at.key("max_tries")));
    found.extend(common::window_ignored(queue, at, "Pub/Sub"));
    found
}

/// Fewer tries than Pub/Sub can count are its fewest; more are an error.
fn tries(tries: u32, at: FieldPath) -> Option<Diagnostic> {
    let error = limits::QUEUE_TRIES.check(tries, at)?;
    let few = (1..limits::QUEUE_TRIES.min).contains(&tries);
    Some(if few {
        fewest_tries(error, tries)
    } else {
        error
    })
}

fn fewest_tries(error: Diagnostic, tries: u32) -> Diagnostic {
    let fewest = limits::QUEUE_TRIES.min;
    Diagnostic {
        code: "max-tries-raised",
        severity: Severity::Warning,
        summary: "tries are raised",
        detail: format!("Pub/Sub tries a message {fewest} times at least, not {tries}."),
        help: Some(format!("Write `max_tries: {fewest}`.")),
        ..error
    }
}

fn topic_name(service: &Service, rule: &NameRule, name: &str, at: FieldPath) -> Option<Diagnostic> {
    if !name.starts_with("projects/") {
        return rule.check_joined(&service.cloud_prefix(), name, at);
    }
    let parts: Vec<&str> = name.split('/').collect();
    let fits = matches!(parts[..], [_, project, "topics", topic] if !project.is_empty() && !topic.is_empty());
    (!fits).then(|| {
        Diagnostic::error(
            "reference-invalid",
            "invalid reference",
            at,
            format!("`{name}` is not the name of a Pub/Sub topic in a project."),
        )
        .help("Write for example `projects/my-project/topics/jobs`, or a plain name.")
    })
}

fn storage(storage: &StorageTrigger, at: &FieldPath) -> Vec<Diagnostic> {
    let mut found = common::bucket_names(storage, at, &limits::BUCKET_NAME);
    let filters = [("prefix", &storage.prefix), ("suffix", &storage.suffix)];
    let filter = filters.into_iter().find(|(_, filter)| filter.is_some());
    found.extend(filter.map(|(key, _)| {
        let detail = format!(
            "Google Cloud starts the function for every object of `{}`; it then looks at the name and answers only those that match.",
            storage.bucket
        );
        Diagnostic::warning("every-object-starts", "every object starts the function", at.key(key), detail)
            .help("Use a bucket of its own if there are many other objects.")
    }));
    found
}

fn no_streams(stream: &StreamTrigger, at: &FieldPath) -> Diagnostic {
    let (key, what) = match stream.source {
        StreamSource::Kinesis(_) => ("kinesis", "Kinesis data streams are a service of AWS"),
        StreamSource::DynamoDb(_) => ("dynamodb", "DynamoDB streams are a service of AWS"),
        StreamSource::EventHub(_) => ("eventhub", "Event hubs are a service of Azure"),
    };
    Diagnostic::error(
        "stream-not-offered",
        "stream not offered",
        at.key(key),
        format!("{what}; functions on Google Cloud cannot read them."),
    )
    .help("Use a `topic` trigger, or another provider.")
}

/// A function of Cloud Functions has one event trigger or a URL (Cloud Functions API,
/// `eventTrigger`); Cloud Run has as many of both as one likes.
fn one_way_in(function: &Function) -> Option<Diagnostic> {
    if function.gcp.engine == GcpEngine::CloudRun {
        return None;
    }
    let mut events = function
        .triggers_at()
        .filter(|(_, trigger)| is_event(trigger));
    let (first, _) = events.next()?;
    if let Some((second, _)) = events.next() {
        return Some(two_ways_in(
            second,
            &first,
            "a function has one event trigger",
        ));
    }
    let by_url = |trigger: &Trigger| matches!(trigger, Trigger::Http(_) | Trigger::Schedule(_));
    let (url, _) = function
        .triggers_at()
        .find(|(_, trigger)| by_url(trigger))?;
    Some(two_ways_in(
        url,
        &first,
        "a function with an event trigger is not called by its URL, which is what http and schedule triggers do",
    ))
}

fn two_ways_in(at: FieldPath, other: &FieldPath, why: &str) -> Diagnostic {
    let detail =
        format!("This trigger cannot be had beside `{other}`: on Google Cloud Functions, {why}.");
    Diagnostic::error("triggers-exclude-each-other", "triggers exclude each other", at, detail)
        .help("Write `gcp: { engine: cloud-run }`, or make a second model of the same `path` for one of the two.")
}

fn options(function: &Function, at: &FieldPath) -> Vec<Diagnostic> {
    let gcp = &function.gcp;
    let mut found = Vec::new();
    found.extend(
        gcp.milli_cpu
            .and_then(|milli| cpu(milli, function.memory, at.key("cpu"))),
    );
    found.extend(instances(function, at));
    found.extend(concurrency(function, at.key("concurrency")));
    found
}

fn cpu(milli: u32, memory: Memory, at: FieldPath) -> Option<Diagnostic> {
    let size = limits::CPUS
        .into_iter()
        .rev()
        .find(|size| size.milli <= milli);
    let whole = |size: &limits::Cpu| milli < limits::ONE_CPU || size.milli == milli;
    let Some(size) = size.filter(whole) else {
        return Some(cpu_not_offered(milli, at));
    };
    if (size.least..=size.most).contains(&memory) {
        return None;
    }
    let detail = format!(
        "{} virtual CPUs go with {} to {} of memory, not with `{memory}`.",
        cpus(milli),
        size.least,
        size.most
    );
    let nearest = memory.clamp(size.least, size.most);
    let fitting = cpus(cpu_for(memory));
    let diagnostic = Diagnostic::error(
        "cpu-memory-mismatch",
        "processors do not fit the memory",
        at,
        detail,
    );
    Some(diagnostic.help(format!("Write `cpu: {fitting}`, or `memory: {nearest}`.")))
}

fn cpu_not_offered(milli: u32, at: FieldPath) -> Diagnostic {
    let larger = limits::CPUS.into_iter().find(|size| size.milli > milli);
    let nearest = larger.map_or(limits::CPUS[limits::CPUS.len() - 1].milli, |size| {
        size.milli
    });
    Diagnostic::error(
        "cpu-not-offered",
        "number of processors not offered",
        at,
        format!(
            "Google Cloud offers 0.08 to 1 virtual CPUs, or 2, 4, 6 or 8, not {}.",
            cpus(milli)
        ),
    )
    .help(format!("Write `{}`.", cpus(nearest)))
}

/// The processors that an instance gets if the manifest does not say, in thousandths: the fewest
/// whole ones that the memory allows. Google's own default is a fraction of one for little memory,
/// in which a model starts slowly.
pub fn cpu_for(memory: Memory) -> u32 {
    let whole = limits::CPUS
        .into_iter()
        .filter(|size| size.milli >= limits::ONE_CPU);
    let mut fitting = whole.filter(|size| memory <= size.most);
    fitting.next().map_or(8000, |size| size.milli)
}

/// Thousandths as the manifest writes them: `0.5`, `2`.
fn cpus(milli: u32) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn instances(function: &Function, at: &FieldPath) -> Vec<Diagnostic> {
    let (least, most) = (function.gcp.min_instances, function.gcp.max_instances);
    let range = most.and_then(|most| limits::MAX_INSTANCES.check(most, at.key("max_instances")));
    let most = most.unwrap_or(limits::DEFAULT_MAX_INSTANCES);
    let warm = least.filter(|least| *least > most).map(|least| {
        Diagnostic::error(
            "min-instances-too-high",
            "more warm instances than instances",
            at.key("min_instances"),
            format!("{least} instances are to be kept warm, but there may be only {most}."),
        )
        .help(format!("Write `{most}` or less, or raise `max_instances`."))
    });
    range.into_iter().chain(warm).collect()
}

fn concurrency(function: &Function, at: FieldPath) -> Option<Diagnostic> {
    let concurrency = function.gcp.concurrency?;
    if let Some(error) = limits::CONCURRENCY.check(concurrency, at.clone()) {
        return Some(error);
    }
    let milli = function
        .gcp
        .milli_cpu
        .filter(|milli| *milli < limits::ONE_CPU)?;
    let detail = format!(
        "An instance with {} of a virtual CPU works on one request at a time, not on {concurrency}.",
        cpus(milli)
    );
    (concurrency > 1).then(|| {
        Diagnostic::error(
            "concurrency-needs-cpu",
            "concurrency needs a whole processor",
            at,
            detail,
        )
        .help("Write `concurrency: 1`, or `cpu: 1`.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_get_the_fewest_whole_processors_that_their_memory_allows() {
        let milli = |mib| cpu_for(Memory::mib(mib));
        assert_eq!(milli(128), 1000);
        assert_eq!(milli(4096), 1000);
        assert_eq!(milli(4097), 2000);
        assert_eq!(milli(16_384), 4000);
        assert_eq!(milli(24_576), 6000);
        assert_eq!(milli(32_768), 8000);
    }

    #[test]
    fn processors_read_as_the_manifest_writes_them() {
        assert_eq!(cpus(80), "0.08");
        assert_eq!(cpus(500), "0.5");
        assert_eq!(cpus(1000), "1");
        assert_eq!(cpus(10_000), "10");
    }
}
