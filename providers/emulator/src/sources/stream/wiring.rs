//! Streams and their readers, as the record has them.

use std::collections::BTreeMap;

use super::Kind;
use super::shard::Millis;
use crate::cloud::record::{Record, Thing};

/// What reads a stream for a function. The stream exists somewhere else, and has a stand-in here.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reader {
    /// Its own name, under which its position is kept.
    pub(super) name: String,
    /// The ARN of the stream.
    pub(super) arn: String,
    pub(super) kind: Kind,
    /// The ARN of the function.
    pub(super) function: String,
    pub(super) start: Start,
    /// The most records at a time.
    pub(super) batch: usize,
    /// How long to wait for a batch to fill.
    pub(super) window: Millis,
    /// Whether the function says from which record on it failed.
    pub(super) reports_failures: bool,
    /// Whether a batch that failed is halved.
    pub(super) bisects: bool,
    /// How often a batch that failed is tried again; none means until its records are too old.
    pub(super) retries: Option<u32>,
    /// The ARN of the queue that is told of what is given up.
    pub(super) on_failure: Option<String>,
}

/// Where a new reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Oldest,
    Latest,
}

/// Records in a batch if nobody says (`CreateEventSourceMapping`, `BatchSize`).
const BATCH: u32 = 100;

/// What reads streams, by name.
pub(super) fn readers(record: &Record) -> BTreeMap<String, Reader> {
    let mappings = record.of_kind("aws:event-source-mapping");
    let readers = mappings.filter_map(|thing| Some((thing.name.clone(), reader(thing)?)));
    readers.collect()
}

fn reader(thing: &Thing) -> Option<Reader> {
    let arn = thing.text("source")?;
    // arn:aws:<service>:<region>:<account>:<name>
    let kind = match arn.split(':').nth(2)? {
        "kinesis" => Kind::Kinesis,
        "dynamodb" => Kind::DynamoDb,
        _ => return None,
    };
    let number = |field: &str| thing.number_of(field);
    Some(Reader {
        name: thing.name.clone(),
        arn: arn.to_owned(),
        kind,
        function: thing.text("function")?.to_owned(),
        start: match thing.text("starting_position") {
            Some("TRIM_HORIZON") => Start::Oldest,
            _ => Start::Latest,
        },
        batch: usize::try_from(number("batch_size").unwrap_or(BATCH).max(1)).unwrap_or(1),
        window: u64::from(number("window").unwrap_or_default()) * 1000,
        reports_failures: thing.flag("report_batch_item_failures"),
        bisects: thing.flag("bisect_on_error"),
        retries: number("max_retries"),
        on_failure: thing.text("on_failure").map(str::to_owned),
    })
}
