//! What calls a function: schedules, topics and buckets.

use std::collections::{BTreeMap, BTreeSet};

use mlfn_core::{
    Function, Resource, ResourceId, ScheduleTrigger, Service, StorageTrigger, TopicTrigger,
    Trigger, Value,
};

use super::policy::{Statement, document, object, trust};
use super::{asynchronous, callee, found, is_arn, names, permission, tagged};
use crate::{kinds, schedule};

/// What S3 calls the making of an object, by whatever call.
const CREATED: &str = "s3:ObjectCreated:*";

/// What calls one function.
pub(super) fn resources(service: &Service, function: &Function) -> Vec<Resource> {
    let mut all = schedules(service, function);
    for topic in topics(function) {
        all.push(subscription(service, function, topic));
        all.push(called_by_topic(service, function, topic));
    }
    let sources: BTreeSet<&str> = storages(function).map(|s| s.bucket.as_str()).collect();
    all.extend(
        sources
            .into_iter()
            .map(|bucket| called_by_bucket(service, function, bucket)),
    );
    all
}

/// What several functions may share.
pub(super) fn shared(service: &Service) -> Vec<Resource> {
    let functions = || service.functions.iter();
    let mut all = Vec::new();
    if functions().any(|function| rates(function).next().is_some()) {
        all.push(tagged(service, schedule_group(), names::service(service)));
    }
    let ours = |topic: &&TopicTrigger| !is_arn(&topic.name);
    let topics = functions().flat_map(topics).filter(ours);
    let mut topics: BTreeSet<&str> = topics.map(|topic| topic.name.as_str()).collect();
    topics.extend(functions().flat_map(asynchronous::topics));
    all.extend(topics.into_iter().map(|name| {
        let id = names::id(kinds::TOPIC, name);
        tagged(service, id, service.cloud_name(name))
    }));
    let storages = functions().flat_map(storages);
    let buckets = storages.flat_map(|s| [Some(&s.bucket), s.output_bucket.as_ref()]);
    let buckets: BTreeSet<&String> = buckets.flatten().collect();
    all.extend(
        buckets
            .into_iter()
            .map(|name| Resource::new(names::id(kinds::BUCKET, name), name)),
    );
    all.extend(notifications(service));
    all
}

/// What the role must be allowed to read what it is called about.
pub(super) fn needs(function: &Function) -> impl Iterator<Item = Statement> {
    storages(function).map(|s| {
        let objects = objects(&s.bucket, s.prefix.as_deref(), s.suffix.as_deref());
        Statement::new("ReadObjects", &["s3:GetObject"], objects)
    })
}

/// The ARN of a topic.
pub(super) fn topic_arn(name: &str) -> Value {
    found(kinds::TOPIC, name)
}

/// The ARN of a bucket.
pub(super) fn bucket_arn(name: &str) -> Value {
    Value::output(&names::id(kinds::BUCKET, name), "arn")
}

/// A pattern for the ARNs of the objects of a bucket whose keys start and end so.
pub(super) fn objects(bucket: &str, prefix: Option<&str>, suffix: Option<&str>) -> Value {
    let [prefix, suffix] = [prefix, suffix].map(|text| literal(text.unwrap_or_default()));
    let keys = format!("/{prefix}*{suffix}");
    Value::Text(vec![bucket_arn(bucket), keys.into()])
}

/// The text as a policy's pattern for itself (IAM User Guide, "Policy variables": `${*}`).
fn literal(text: &str) -> String {
    let escaped = |c: char| match c {
        '*' | '?' | '$' => format!("${{{c}}}"),
        other => other.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn topics(function: &Function) -> impl Iterator<Item = &TopicTrigger> {
    function
        .triggers
        .iter()
        .filter_map(|trigger| match trigger {
            Trigger::Topic(topic) => Some(topic),
            _ => None,
        })
}

fn storages(function: &Function) -> impl Iterator<Item = &StorageTrigger> {
    function
        .triggers
        .iter()
        .filter_map(|trigger| match trigger {
            Trigger::Storage(storage) => Some(storage),
            _ => None,
        })
}

/// The schedules of a function with their expressions. `check` has refused what has none.
fn rates(function: &Function) -> impl Iterator<Item = (&ScheduleTrigger, String)> {
    function
        .triggers
        .iter()
        .filter_map(|trigger| match trigger {
            Trigger::Schedule(trigger) => {
                Some((trigger, schedule::expression(&trigger.schedule).ok()?))
            }
            _ => None,
        })
}

fn schedule_group() -> ResourceId {
    names::id(kinds::SCHEDULE_GROUP, "schedules")
}

fn schedule_role_id(function: &Function) -> ResourceId {
    names::id(kinds::ROLE, names::part(function, "schedule"))
}

/// Numbered as they stand in the manifest: every field of a schedule can change in place.
fn schedules(service: &Service, function: &Function) -> Vec<Resource> {
    let mut all: Vec<Resource> = rates(function)
        .zip(1_u32..)
        .map(|((trigger, expression), number)| {
            let id = names::id(kinds::SCHEDULE, names::part(function, &number.to_string()));
            let group = names::service(service);
            Resource::new(id, format!("{group}/{}-{number}", function.name))
                .within(schedule_group())
                .with("expression", expression)
                .with("timezone", trigger.timezone.as_deref().unwrap_or("UTC"))
                .with("input", input(trigger, function))
                .with("function", callee(function))
                .with("role", Value::output(&schedule_role_id(function), "arn"))
        })
        .collect();
    if !all.is_empty() {
        all.push(schedule_role(service, function));
    }
    all
}

/// The request as JSON text. Without one, the example; an empty one is better than the default of
/// EventBridge, an envelope that no model knows.
fn input(trigger: &ScheduleTrigger, function: &Function) -> String {
    let request = trigger.input.as_ref().or(function.example.as_ref());
    request.map_or_else(|| "{}".to_owned(), ToString::to_string)
}

fn schedule_role(service: &Service, function: &Function) -> Resource {
    let call = Statement::new("CallFunction", &["lambda:InvokeFunction"], callee(function));
    let group = Value::output(&schedule_group(), "arn");
    let name = names::role(service, function, "_schedule");
    tagged(service, schedule_role_id(function), name)
        .with("trust", trust("scheduler.amazonaws.com", Some(group)))
        .with("policy", document(&[call]))
}

fn subscription(service: &Service, function: &Function, topic: &TopicTrigger) -> Resource {
    let id = names::id(kinds::SUBSCRIPTION, names::part(function, &topic.name));
    let ours = !is_arn(&topic.name);
    let remote_topic = if ours {
        service.cloud_name(&topic.name)
    } else {
        topic.name.clone()
    };
    let remote_name = format!("{remote_topic}/{}", names::alias(service, function));
    let subscription = Resource::new(id, remote_name)
        .with("topic", found(kinds::TOPIC, &topic.name))
        .with("function", callee(function))
        .after(called_by_topic(service, function, topic).id);
    if ours {
        return subscription.within(names::id(kinds::TOPIC, &topic.name));
    }
    subscription
}

fn called_by_topic(service: &Service, function: &Function, topic: &TopicTrigger) -> Resource {
    let statement = names::statement("topic", &topic.name);
    permission(service, function, &statement)
        .with("principal", "sns.amazonaws.com")
        .with("source_arn", found(kinds::TOPIC, &topic.name))
}

/// The ARN of a bucket does not tell whose it is, so the account does.
fn called_by_bucket(service: &Service, function: &Function, bucket: &str) -> Resource {
    let id = names::id(kinds::BUCKET, bucket);
    permission(service, function, &names::statement("bucket", bucket))
        .with("principal", "s3.amazonaws.com")
        .with("source_arn", Value::output(&id, "arn"))
        .with("source_account", Value::output(&id, "account"))
}

fn notifications(service: &Service) -> Vec<Resource> {
    let mut buckets: BTreeMap<&str, Notification> = BTreeMap::new();
    for function in &service.functions {
        for (storage, number) in storages(function).zip(1_u32..) {
            let notification = buckets.entry(&storage.bucket).or_default();
            let (id, entry) = entry(service, function, storage, number);
            notification.entries.insert(id, entry);
            let allowed = called_by_bucket(service, function, &storage.bucket);
            notification.permissions.insert(allowed.id);
        }
    }
    let resource = |(bucket, notification): (&str, Notification)| {
        let id = names::id(kinds::BUCKET_NOTIFICATION, bucket);
        let mut resource = Resource::new(id, format!("{bucket}/{}", entry_prefix(service)))
            .within(names::id(kinds::BUCKET, bucket))
            .with(
                "entries",
                Value::List(notification.entries.into_values().collect()),
            );
        // S3 tries whether it may call what it is told to call.
        resource.after = notification.permissions;
        resource
    };
    buckets.into_iter().map(resource).collect()
}

#[derive(Default)]
struct Notification {
    /// By their ids: S3 promises no order.
    entries: BTreeMap<String, Value>,
    permissions: BTreeSet<ResourceId>,
}

/// With what the ids of our entries begin.
fn entry_prefix(service: &Service) -> String {
    format!("mlfn/{}/{}", service.name, service.stage)
}

/// The id of an entry, and the entry.
fn entry(
    service: &Service,
    function: &Function,
    storage: &StorageTrigger,
    number: u32,
) -> (String, Value) {
    let id = format!("{}/{}/{number}", entry_prefix(service), function.name);
    let text = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
    let entry = object([
        ("id", id.clone().into()),
        ("function", callee(function)),
        ("event", CREATED.into()),
        ("prefix", text(&storage.prefix)),
        ("suffix", text(&storage.suffix)),
    ]);
    (id, entry)
}
