//! Queues and their readers, as the record has them.

use std::collections::BTreeMap;

use super::event::{Origin, sibling};
use super::message::Millis;
use super::state::{Order, Settings};
use crate::cloud::aws::destinations;
use crate::cloud::record::{Record, Thing};
use crate::platform::{ACCOUNT, REGION};

/// A queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queue {
    pub(crate) arn: String,
    pub(crate) settings: Settings,
    /// When it was made or changed; 0 if it exists somewhere else, and this one stands for it.
    pub(crate) modified: Millis,
}

impl Queue {
    /// The ARN of another queue of this cloud.
    pub(crate) fn arn_of(&self, queue: &str) -> String {
        sibling(&self.arn, queue)
    }
}

/// What reads a queue for a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reader {
    pub(super) queue: String,
    pub(super) origin: Origin,
    /// The ARN of the function.
    pub(super) function: String,
    /// The most messages at a time.
    pub(super) batch: usize,
    /// How long to wait for a batch to fill.
    pub(super) window: Millis,
    /// Whether the function says which messages failed.
    pub(super) reports_failures: bool,
}

/// What SQS takes if nobody says, in seconds: four days, and half a minute.
const RETENTION: u32 = 345_600;
const VISIBILITY: u32 = 30;

/// Messages in a batch if nobody says (`CreateEventSourceMapping`, `BatchSize`).
const BATCH: u32 = 10;

/// All queues, by name. One that is read, or told what became of requests, and exists somewhere else
/// has a stand-in here.
pub(super) fn queues(record: &Record) -> BTreeMap<String, Queue> {
    let region = record.region.as_deref().unwrap_or(REGION);
    let readers = readers(record).into_values();
    let read = readers.map(|reader| reader.origin.arn);
    let foreign = read.chain(destinations(record, "sqs")).filter_map(|arn| {
        let name = queue_in(&arn)?;
        let queue = Queue {
            settings: settings(&name, None),
            arn,
            modified: 0,
        };
        Some((name, queue))
    });
    let mut all: BTreeMap<String, Queue> = foreign.collect();
    all.extend(record.of_kind("aws:queue").map(|thing| {
        let queue = Queue {
            arn: format!("arn:aws:sqs:{region}:{ACCOUNT}:{}", thing.name),
            settings: settings(&thing.name, Some(thing)),
            modified: thing.modified,
        };
        (thing.name.clone(), queue)
    }));
    all
}

fn settings(name: &str, thing: Option<&Thing>) -> Settings {
    let seconds = |field: &str, default: u32| {
        let seconds = thing.and_then(|thing| thing.number_of(field));
        u64::from(seconds.unwrap_or(default)) * 1000
    };
    let is = |field: &str| thing.is_some_and(|thing| thing.flag(field));
    let dead = thing.and_then(|thing| thing.text("dead_letter_queue"));
    let most = thing.and_then(|thing| thing.number_of("max_receive_count"));
    let is_fifo = is("fifo") || (thing.is_none() && name.ends_with(".fifo"));
    Settings {
        visibility: seconds("visibility_timeout", VISIBILITY),
        retention: seconds("message_retention", RETENTION),
        redrive: dead.and_then(queue_in).zip(most),
        order: is_fifo.then(|| Order {
            by_content: is("content_based_deduplication"),
        }),
    }
}

/// The name at the end of the ARN of a queue.
fn queue_in(arn: &str) -> Option<String> {
    let name = arn.strip_prefix("arn:")?.rsplit_once(':')?.1;
    Some(name.to_owned())
}

/// What reads queues, by name.
pub(super) fn readers(record: &Record) -> BTreeMap<String, Reader> {
    let mappings = record.of_kind("aws:event-source-mapping");
    let readers = mappings.filter_map(|thing| Some((thing.name.clone(), reader(thing)?)));
    readers.collect()
}

fn reader(thing: &Thing) -> Option<Reader> {
    let source = thing.text("source")?;
    // arn:aws:sqs:<region>:<account>:<name>
    let parts: Vec<&str> = source.split(':').collect();
    let [_, _, "sqs", region, _, queue] = parts[..] else {
        return None;
    };
    let number = |field: &str| thing.number_of(field);
    Some(Reader {
        queue: queue.to_owned(),
        origin: Origin {
            arn: source.to_owned(),
            region: region.to_owned(),
        },
        function: thing.text("function")?.to_owned(),
        batch: usize::try_from(number("batch_size").unwrap_or(BATCH).max(1)).unwrap_or(1),
        window: u64::from(number("window").unwrap_or_default()) * 1000,
        reports_failures: thing.flag("report_batch_item_failures"),
    })
}
