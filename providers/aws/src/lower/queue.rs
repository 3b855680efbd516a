//! Queues: those that mlfn makes, and what reads them.
//!
//! A queue that a trigger reads has a queue for dead letters. One that exists, and is named by its
//! ARN, is read and written and otherwise left alone: its owner decides about dead letters.

use std::collections::{BTreeMap, BTreeSet};

use mlfn_core::{Function, QueueTrigger, Resource, ResourceId, Seconds, Service, Trigger, Value};

use super::policy::Statement;
use super::{asynchronous, callee, found, is_arn, names, tagged};
use crate::{kinds, limits};

/// Six times the function's timeout, so that Lambda can try again after throttling (Developer
/// Guide, "Using Lambda with Amazon SQS").
const VISIBILITY_FACTOR: u32 = 6;

/// The visibility timeout of queues that mlfn does not read, in seconds: the default of SQS.
const VISIBILITY: u32 = 30;

/// The longest visibility timeout, 12 hours (`CreateQueue`, `VisibilityTimeout`).
const VISIBILITY_MAX: u32 = 43_200;

/// Four days, the default of SQS.
const RETENTION: u32 = 345_600;

/// Dead letters: 14 days, the most that SQS offers. Their age counts from when they were sent
/// first.
const DEAD_RETENTION: u32 = 1_209_600;

/// The ARN of a queue.
pub(super) fn arn(name: &str) -> Value {
    found(kinds::QUEUE, name)
}

/// The URL of a queue, which calls to SQS need.
pub(super) fn url(name: &str) -> Value {
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let ["arn", partition, _, region, account, queue] = parts[..] else {
        return Value::output(&names::id(kinds::QUEUE, name), "url");
    };
    let domain = match partition {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    format!("https://sqs.{region}.{domain}/{account}/{queue}").into()
}

/// What a role needs to send to a queue.
pub(super) fn send(queue: Value) -> Statement {
    Statement::new("SendMessages", &["sqs:SendMessage"], queue)
}

/// What Lambda needs to read queues for a function.
pub(super) fn needs(function: &Function) -> impl Iterator<Item = Statement> {
    triggers(function).map(|queue| {
        let actions = &[
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
        ];
        Statement::new("ReceiveMessages", actions, arn(&queue.name))
    })
}

/// What reads queues for a function.
pub(super) fn mappings(service: &Service, function: &Function) -> Vec<Resource> {
    let mapping = |queue| mapping(service, function, queue);
    triggers(function).map(mapping).collect()
}

/// The queues that mlfn makes.
pub(super) fn shared(service: &Service) -> Vec<Resource> {
    let mut all = Vec::new();
    let mut readers: BTreeMap<&str, Vec<(&Function, &QueueTrigger)>> = BTreeMap::new();
    let mut written = BTreeSet::new();
    for function in &service.functions {
        for queue in triggers(function) {
            readers
                .entry(&queue.name)
                .or_default()
                .push((function, queue));
            written.extend(queue.output.as_deref());
        }
        written.extend(asynchronous::queues(function));
    }
    for (name, readers) in readers.iter().filter(|(name, _)| !is_arn(name)) {
        all.push(read_queue(service, name, readers));
        all.push(dead_letters(service, dead_id(name), "queue", name));
    }
    let only_written = written
        .into_iter()
        .filter(|name| !is_arn(name) && !readers.contains_key(name));
    all.extend(only_written.map(|name| queue(service, name)));
    all
}

/// A queue of ours for what `reader` could not read from `source`.
pub(super) fn dead_letters(
    service: &Service,
    id: ResourceId,
    reader: &str,
    source: &str,
) -> Resource {
    let name = names::dead_letter_queue(service, reader, source);
    let queue = tagged(service, id, &name)
        .with("message_retention", DEAD_RETENTION)
        .with("visibility_timeout", VISIBILITY);
    fifo_if(limits::is_fifo(&name), queue)
}

/// The event source mapping of a source, given by its service and the user's name for it.
pub(super) fn reader(
    service: &Service,
    function: &Function,
    (of, name): (&str, &str),
    remote_source: &str,
) -> Resource {
    let (source, remote_source) = if is_arn(name) {
        (name.to_owned(), name.to_owned())
    } else {
        (format!("{of}:{name}"), format!("{of}/{remote_source}"))
    };
    let id = names::id(kinds::EVENT_SOURCE_MAPPING, names::part(function, &source));
    let remote_name = format!("{}/{remote_source}", names::alias(service, function));
    tagged(service, id, remote_name)
        .with("function", callee(function))
        .with("report_batch_item_failures", true)
}

fn triggers(function: &Function) -> impl Iterator<Item = &QueueTrigger> {
    function
        .triggers
        .iter()
        .filter_map(|trigger| match trigger {
            Trigger::Queue(queue) => Some(queue),
            _ => None,
        })
}

fn dead_id(queue: &str) -> ResourceId {
    names::id(kinds::QUEUE, format!("{queue}:dead"))
}

fn mapping(service: &Service, function: &Function, queue: &QueueTrigger) -> Resource {
    let remote_source = service.cloud_name(&queue.name);
    let mapping = reader(service, function, ("sqs", &queue.name), &remote_source)
        .with("source", arn(&queue.name))
        .with("batch_size", queue.batch);
    // FIFO queues have no window.
    if limits::is_fifo(&queue.name) {
        return mapping;
    }
    mapping.with("window", window(queue))
}

fn window(queue: &QueueTrigger) -> u32 {
    queue.window.map_or(0, Seconds::get)
}

fn queue(service: &Service, name: &str) -> Resource {
    let id = names::id(kinds::QUEUE, name);
    let queue = tagged(service, id, service.cloud_name(name))
        .with("message_retention", RETENTION)
        .with("visibility_timeout", VISIBILITY);
    fifo_if(limits::is_fifo(name), queue)
}

/// If several functions share a queue, it serves the slowest and the most patient.
fn read_queue(service: &Service, name: &str, readers: &[(&Function, &QueueTrigger)]) -> Resource {
    let visibility = |(function, queue): &(&Function, &QueueTrigger)| {
        (function.timeout.get().saturating_mul(VISIBILITY_FACTOR)).saturating_add(window(queue))
    };
    let longest = readers.iter().map(visibility).max().unwrap_or_default();
    let tries = readers.iter().map(|(_, queue)| queue.max_tries).max();
    queue(service, name)
        .with("visibility_timeout", longest.min(VISIBILITY_MAX))
        .with("dead_letter_queue", Value::output(&dead_id(name), "arn"))
        .with("max_receive_count", tries.unwrap_or(1))
}

/// Predictions and requests have no ids of their own, so that their content tells duplicates.
fn fifo_if(fifo: bool, queue: Resource) -> Resource {
    if !fifo {
        return queue;
    }
    queue
        .with("fifo", true)
        .with("content_based_deduplication", true)
}
