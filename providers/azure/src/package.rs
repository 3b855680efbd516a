//! How a package looks on Azure: `host.json`, one folder with a `function.json` for each trigger,
//! and the shim as the custom handler.
//!
//! What Azure calls a function is one trigger: `classifier-http-0` is the first of the model
//! `classifier`. Connections are the beginnings of names of app settings, which a deploy makes.

use std::collections::BTreeMap;

use mlfn_core::{
    ArchiveFormat, Function, HttpAuth, HttpMethod, HttpTrigger, LibcLimit, PackageFile,
    PackageSpec, QueueTrigger, RouteSpec, Seconds, Service, StorageTrigger, StreamSource,
    StreamStart, StreamTrigger, Target, Trigger,
};
use mlfn_templates::azure::{
    self, Host, HostEventHubs, HostQueues, HttpFunction, QueueFunction, QueueOutput,
    ScheduleFunction, StorageFunction, StreamFunction, TopicFunction,
};
use serde_json::Value as Json;

use crate::{limits, schedule};

/// The custom handler in the package.
const HANDLER: &str = "handler";

/// What all HTTP routes start with; the shim takes it away.
const ROUTE_PREFIX: &str = "api";

/// Routes of the shim's own: what the function is called after the model, its methods and the path.
const OWN_ROUTES: [(&str, &[&str], &str); 2] = [
    ("openapi", &["get", "head"], "openapi.json"),
    ("v2", &["get", "head", "post"], "v2/{*path}"),
];

/// The extensions of all triggers but HTTP and timer: the range that Azure's own tools write.
const BUNDLE_VERSION: &str = "[4.*, 5.0.0)";

/// The layout of the package of `function`.
pub fn package(service: &Service, function: &Function) -> PackageSpec {
    PackageSpec {
        formats: vec![ArchiveFormat::Zip],
        target: Target {
            name: "Azure Functions, Debian 12",
            architecture: function.architecture,
            libc: DEBIAN_12,
        },
        shim: HANDLER.to_owned(),
        files: files(service, function),
        schedules: schedules(function),
        shares_library: false,
        // The front end of the app does, by `siteConfig.cors`.
        tells_browsers: false,
        record_batches: function.triggers.iter().any(hands_batches),
        routes: vec![RouteSpec {
            name: "publish zip",
            max_packed: None,
            max_unpacked: Some(limits::TEMPORARY_STORAGE),
            max_fetched: None,
        }],
        max_request: limits::MAX_REQUEST,
        // No limit is documented. What may go in may come out; more would only fill the memory.
        max_response: limits::MAX_REQUEST,
    }
}

/// Whether several records may come at once. The host hands messages of a queue over one by one.
fn hands_batches(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Stream(stream) if stream.batch > 1)
}

/// The name of the function that gives models without an HTTP trigger a door for `mlfn invoke`.
pub fn door_name(function: &Function) -> String {
    format!("{}-invoke", function.name)
}

/// The name of the function of the trigger at this place in the list.
pub fn function_name(function: &Function, index: usize, trigger: &Trigger) -> String {
    format!("{}-{}-{index}", function.name, trigger.kind())
}

/// The app settings that tell where the app's own storage account is.
pub const STORAGE_CONNECTION: &str = "AzureWebJobsStorage";

/// The app settings that tell where the app's own Service Bus namespace is.
pub const SERVICE_BUS_CONNECTION: &str = "AzureWebJobsServiceBus";

/// The app settings that tell where the app's own Event Hubs namespace is.
pub const EVENT_HUBS_CONNECTION: &str = "AzureWebJobsEventHubs";

/// The image of custom handlers is not documented. The images of Azure Functions were Debian 11
/// until its end in August 2026, have been Debian 12 since, and Ubuntu 24.04 comes next, so that
/// Debian 12 is the oldest that a new app can meet: glibc 2.36, and the libstdc++ of GCC 12, whose
/// newest symbols are `GLIBCXX_3.4.30`.
const DEBIAN_12: LibcLimit = LibcLimit {
    glibc: (2, 36),
    glibcxx: (3, 4, 30),
};

fn files(service: &Service, function: &Function) -> Vec<PackageFile> {
    let mut files = vec![PackageFile {
        path: "host.json".to_owned(),
        contents: azure::HOST.text(&host(function)),
    }];
    if !function
        .triggers
        .iter()
        .any(|t| matches!(t, Trigger::Http(_)))
    {
        files.push(function_file(&door_name(function), door(function)));
    }
    let triggers = function.triggers.iter().enumerate();
    files.extend(triggers.map(|(index, trigger)| {
        let folder = function_name(function, index, trigger);
        function_file(&folder, bindings(service, function, index))
    }));
    files.extend(own_routes(function));
    files
}

/// What the shim answers by itself where the manifest lets HTTP in: the Open Inference Protocol, and
/// the description of the function. The host passes on nothing that no function has a route for.
fn own_routes(function: &Function) -> Vec<PackageFile> {
    let triggers = function.triggers.iter();
    let doors: Vec<HttpFunction> = triggers
        .filter_map(|trigger| match trigger {
            Trigger::Http(http) => Some(http_function(http)),
            _ => None,
        })
        .collect();
    let Some(first) = doors.first() else {
        return Vec::new();
    };
    // Who may have predictions by one route may have them by all.
    let open = doors.iter().find(|door| door.auth_level == "anonymous");
    let auth_level = open.unwrap_or(first).auth_level;
    let own = OWN_ROUTES.iter().filter(|(_, _, route)| {
        let mut taken = doors.iter().map(|door| door.route.as_str());
        !taken.any(|door| door == *route)
    });
    let files = own.map(|(name, methods, route)| {
        let contents = azure::HTTP.text(&HttpFunction {
            auth_level,
            methods: methods.iter().map(|m| (*m).to_owned()).collect(),
            route: (*route).to_owned(),
        });
        function_file(&format!("{}-{name}", function.name), contents)
    });
    files.collect()
}

/// A timer's call has the name of its function and no data.
fn schedules(function: &Function) -> BTreeMap<String, Option<Json>> {
    let triggers = function.triggers.iter().enumerate();
    let schedule = |(index, trigger): (usize, &Trigger)| match trigger {
        Trigger::Schedule(schedule) => {
            let name = function_name(function, index, trigger);
            Some((name, schedule.input.clone()))
        }
        _ => None,
    };
    triggers.filter_map(schedule).collect()
}

fn function_file(folder: &str, contents: String) -> PackageFile {
    PackageFile {
        path: format!("{folder}/function.json"),
        contents,
    }
}

fn host(function: &Function) -> Host {
    let triggers = &function.triggers;
    let needs_bundle = |t: &Trigger| !matches!(t, Trigger::Http(_) | Trigger::Schedule(_));
    let bundle = triggers
        .iter()
        .any(needs_bundle)
        .then(|| BUNDLE_VERSION.to_owned());
    // The check has seen to it that all queues and all event hubs want the same settings.
    let queues = triggers.iter().find_map(|trigger| match trigger {
        Trigger::Queue(queue) => Some(HostQueues {
            batch: queue.batch,
            max_tries: queue.max_tries,
        }),
        _ => None,
    });
    let event_hubs = triggers.iter().find_map(|trigger| match trigger {
        Trigger::Stream(stream) => Some(host_event_hubs(stream)),
        _ => None,
    });
    Host {
        function_timeout: time_span(function.timeout),
        executable: HANDLER.to_owned(),
        route_prefix: ROUTE_PREFIX.to_owned(),
        bundle_versions: bundle.into_iter().collect(),
        queues: queues.into_iter().collect(),
        event_hubs: event_hubs.into_iter().collect(),
    }
}

/// Waits for a whole batch if the manifest has a window, else for nothing; the host's own longest
/// time to wait then does not matter, and is a minute.
fn host_event_hubs(stream: &StreamTrigger) -> HostEventHubs {
    HostEventHubs {
        batch: stream.batch,
        min_batch: stream.window.map_or(1, |_| stream.batch),
        window: time_span(stream.window.unwrap_or(Seconds::new(60))),
        start: match stream.start {
            StreamStart::Latest => "fromEnd",
            StreamStart::Oldest => "fromStart",
        },
    }
}

/// `[d.]hh:mm:ss`, as .NET reads it.
fn time_span(seconds: Seconds) -> String {
    let seconds = seconds.get();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let clock = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    match days {
        0 => clock,
        days => format!("{days}.{clock}"),
    }
}

/// The `function.json` of the trigger at `index`.
fn bindings(service: &Service, function: &Function, index: usize) -> String {
    match &function.triggers[index] {
        Trigger::Http(http) => azure::HTTP.text(&http_function(http)),
        Trigger::Schedule(trigger) => azure::SCHEDULE.text(&ScheduleFunction {
            // The check refuses schedules without a translation before anything is packed.
            schedule: schedule::expression(&trigger.schedule).unwrap_or_default(),
        }),
        Trigger::Queue(queue) => azure::QUEUE.text(&queue_function(service, queue, index)),
        Trigger::Topic(topic) => {
            let place = place(service, &topic.name, SERVICE_BUS_CONNECTION, index);
            azure::TOPIC.text(&TopicFunction {
                topic: place.name,
                subscription: service.cloud_name(function.name.as_str()),
                connection: place.connection,
            })
        }
        Trigger::Storage(storage) => azure::STORAGE.text(&storage_function(storage)),
        Trigger::Stream(stream) => azure::STREAM.text(&stream_function(stream, index)),
    }
}

fn door(function: &Function) -> String {
    azure::HTTP.text(&HttpFunction {
        auth_level: "function",
        methods: vec!["post".to_owned()],
        route: function.name.as_str().to_owned(),
    })
}

fn http_function(http: &HttpTrigger) -> HttpFunction {
    HttpFunction {
        // Tokens are checked before the app is reached, and the app is not told apart from an
        // open one here.
        auth_level: match http.auth {
            HttpAuth::None | HttpAuth::Jwt { .. } => "anonymous",
            HttpAuth::Key | HttpAuth::Iam => "function",
        },
        methods: methods(http.method)
            .iter()
            .map(|m| (*m).to_owned())
            .collect(),
        route: route(&http.path),
    }
}

fn methods(method: HttpMethod) -> &'static [&'static str] {
    match method {
        HttpMethod::Get => &["get"],
        HttpMethod::Post => &["post"],
        HttpMethod::Put => &["put"],
        HttpMethod::Patch => &["patch"],
        HttpMethod::Delete => &["delete"],
        HttpMethod::Any => &["get", "post", "put", "patch", "delete"],
    }
}

/// `/predict/{id}` -> `predict/{id}`. A route must not be empty: that means the function's name.
fn route(path: &str) -> String {
    match path.trim_start_matches('/') {
        "" => "/".to_owned(),
        route => route.to_owned(),
    }
}

/// What the manifest names, as a binding says it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// The name in its account or namespace.
    name: String,
    /// The app settings that tell where that is.
    connection: String,
}

/// What the manifest calls `name`: something of this stage's own behind `connection`, or, if it
/// is a resource id, something that is there behind settings of its own, `<connection><index>`.
fn place(service: &Service, name: &str, connection: &str, index: usize) -> Place {
    match limits::resource_name(name) {
        Some(last) => Place {
            name: last.to_owned(),
            connection: format!("{connection}{index}"),
        },
        None => Place {
            name: service.cloud_name(name),
            connection: connection.to_owned(),
        },
    }
}

fn queue_function(service: &Service, queue: &QueueTrigger, index: usize) -> QueueFunction {
    let own = |name: &str| place(service, name, STORAGE_CONNECTION, index);
    let source = own(&queue.name);
    let output = queue.output.as_deref().map(own).map(|output| QueueOutput {
        queue: output.name,
        connection: output.connection,
    });
    QueueFunction {
        queue: source.name,
        connection: source.connection,
        outputs: output.into_iter().collect(),
    }
}

/// Containers are the user's own, not the stage's, and in the app's storage account.
fn storage_function(storage: &StorageTrigger) -> StorageFunction {
    let suffix = literal(storage.suffix.as_deref());
    let pattern = |container: &str, prefix: Option<&str>| {
        format!("{container}/{}{{name}}{suffix}", literal(prefix))
    };
    let output = storage.output_bucket.as_deref();
    let output = output.map(|container| pattern(container, storage.output_prefix.as_deref()));
    StorageFunction {
        path: pattern(&storage.bucket, storage.prefix.as_deref()),
        connection: STORAGE_CONNECTION.to_owned(),
        output_paths: output.into_iter().collect(),
    }
}

/// Braces stand for themselves when doubled.
fn literal(text: Option<&str>) -> String {
    text.unwrap_or_default()
        .replace('{', "{{")
        .replace('}', "}}")
}

fn stream_function(stream: &StreamTrigger, index: usize) -> StreamFunction {
    let (StreamSource::EventHub(name) | StreamSource::Kinesis(name) | StreamSource::DynamoDb(name)) =
        &stream.source;
    let connection = EVENT_HUBS_CONNECTION;
    match limits::resource_name(name) {
        Some(last) => StreamFunction {
            event_hub: last.to_owned(),
            connection: format!("{connection}{index}"),
        },
        None => StreamFunction {
            event_hub: name.clone(),
            connection: connection.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_those_of_dotnet() {
        let text = |seconds| time_span(Seconds::new(seconds));
        assert_eq!(text(0), "00:00:00");
        assert_eq!(text(30), "00:00:30");
        assert_eq!(text(3725), "01:02:05");
        assert_eq!(text(86_399), "23:59:59");
        assert_eq!(text(86_400), "1.00:00:00");
    }

    #[test]
    fn routes_have_no_leading_slash_and_are_never_empty() {
        assert_eq!(route("/predict"), "predict");
        assert_eq!(route("/a/{id}"), "a/{id}");
        assert_eq!(route("/"), "/");
    }
}
