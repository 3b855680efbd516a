//! Where predictions go besides the caller: what the shim is told, and what its role may do.

use mlfn_core::{Function, QueueTrigger, StorageTrigger, Trigger, Value};

use super::policy::{Statement, object};
use super::{events, queue};

/// The environment variable that tells the shim where predictions go: a JSON array. Each entry has
/// `source`, the ARN of the queue or bucket that an event comes from, and either `queue`, the URL
/// of the queue that gets the predictions, or `bucket` and `prefix`, the bucket that gets them and
/// what their keys start with. For a bucket as source, `source_prefix` and `source_suffix` are
/// those of the trigger. `""` is no prefix or suffix.
pub const OUTPUTS_VARIABLE: &str = "MLFN_OUTPUTS";

/// The variable, if the function has any outputs.
pub(super) fn variable(function: &Function) -> Option<(String, Value)> {
    let outputs: Vec<Value> = function.triggers.iter().filter_map(entry).collect();
    // A text of one value is its JSON text, once what it refers to is known.
    let text = || Value::Text(vec![Value::List(outputs.clone())]);
    (!outputs.is_empty()).then(|| (OUTPUTS_VARIABLE.to_owned(), text()))
}

/// What the role must be allowed.
pub(super) fn needs(function: &Function) -> impl Iterator<Item = Statement> {
    function
        .triggers
        .iter()
        .filter_map(|trigger| match trigger {
            Trigger::Queue(queue) => Some(queue::send(queue::arn(queue.output.as_deref()?))),
            Trigger::Storage(storage) => put_objects(storage),
            _ => None,
        })
}

fn entry(trigger: &Trigger) -> Option<Value> {
    match trigger {
        Trigger::Queue(queue) => from_queue(queue),
        Trigger::Storage(storage) => from_bucket(storage),
        _ => None,
    }
}

fn from_queue(queue: &QueueTrigger) -> Option<Value> {
    let output = queue.output.as_deref()?;
    Some(object([
        ("source", queue::arn(&queue.name)),
        ("queue", queue::url(output)),
    ]))
}

fn from_bucket(storage: &StorageTrigger) -> Option<Value> {
    let text = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
    let bucket = storage.output_bucket.as_deref()?;
    Some(object([
        ("source", events::bucket_arn(&storage.bucket)),
        ("source_prefix", text(&storage.prefix)),
        ("source_suffix", text(&storage.suffix)),
        ("bucket", bucket.into()),
        ("prefix", text(&storage.output_prefix)),
    ]))
}

fn put_objects(storage: &StorageTrigger) -> Option<Statement> {
    let bucket = storage.output_bucket.as_deref()?;
    let objects = events::objects(bucket, storage.output_prefix.as_deref(), None);
    Some(Statement::new("WriteObjects", &["s3:PutObject"], objects))
}
