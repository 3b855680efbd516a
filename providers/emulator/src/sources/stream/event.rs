//! Records as Lambda hands them to a function, its answer, and what is told of records that are
//! given up (<https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::Kind;
use super::shard::{Content, Entry, Millis};
use super::table::{ItemChange, KEY};
use crate::identifiers::iso;
use crate::platform::ACCOUNT;
use crate::pool::Done;

/// The only shard of a Kinesis stream, and of that of a table.
pub(crate) const SHARD: &str = "shardId-000000000000";

/// Numbers as the services write them: long, and in the order of their texts.
pub(crate) fn sequence_number(kind: Kind, number: u64) -> String {
    match kind {
        Kind::Kinesis => format!("4959{number:052}"),
        Kind::DynamoDb => format!("{:021}", number + 1),
    }
}

/// Where records come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) kind: Kind,
    /// Of the stream.
    pub(super) arn: &'a str,
}

impl Origin<'_> {
    fn region(&self) -> &str {
        self.arn.split(':').nth(3).unwrap_or_default()
    }
}

/// The event for some records.
pub(super) fn event(origin: Origin<'_>, entries: &[Entry]) -> Bytes {
    let records: Vec<Json> = entries
        .iter()
        .map(|entry| match &entry.content {
            Content::Data { key, data } => data_record(origin, entry, key, data),
            Content::Change(change) => change_record(origin, entry, change),
        })
        .collect();
    Bytes::from(json!({ "Records": records }).to_string())
}

fn data_record(origin: Origin<'_>, entry: &Entry, key: &str, data: &[u8]) -> Json {
    let number = sequence_number(origin.kind, entry.number);
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": number,
            "data": BASE64.encode(data),
            "approximateArrivalTimestamp": seconds(entry.time),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("{SHARD}:{number}"),
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": format!("arn:aws:iam::{ACCOUNT}:role/local"),
        "awsRegion": origin.region(),
        "eventSourceARN": origin.arn,
    })
}

fn change_record(origin: Origin<'_>, entry: &Entry, change: &ItemChange) -> Json {
    let mut told = Map::new();
    told.insert(
        "ApproximateCreationDateTime".to_owned(),
        json!(entry.time / 1000),
    );
    told.insert("Keys".to_owned(), json!({ KEY: change.key }));
    for (name, image) in [("NewImage", &change.new), ("OldImage", &change.old)] {
        if let Some(image) = image {
            told.insert(name.to_owned(), Json::Object(image.clone()));
        }
    }
    let number = sequence_number(origin.kind, entry.number);
    told.insert("SequenceNumber".to_owned(), json!(number));
    told.insert("SizeBytes".to_owned(), json!(change.weight()));
    told.insert("StreamViewType".to_owned(), json!("NEW_AND_OLD_IMAGES"));
    json!({
        "eventID": format!("{:032x}", entry.number),
        "eventName": change.name(),
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": origin.region(),
        "dynamodb": told,
        "eventSourceARN": origin.arn,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the service writes seconds with three decimals"
)]
fn seconds(time: Millis) -> f64 {
    time as f64 / 1000.0
}

/// From which of the records on a function failed, by its answer, as an index; none if all went
/// well. An answer that makes no sense, or names a record that it did not get, fails all.
pub(super) fn failed_from(kind: Kind, answer: &[u8], entries: &[Entry]) -> Option<usize> {
    if answer.trim_ascii().is_empty() {
        return None;
    }
    let Ok(answer) = serde_json::from_slice::<Json>(answer) else {
        return Some(0);
    };
    let failures = match answer.get("batchItemFailures") {
        None | Some(Json::Null) => return None,
        Some(failures) => failures.as_array(),
    };
    let place = |failure: &Json| {
        let number = failure.get("itemIdentifier")?.as_str()?;
        let is_it = |entry: &Entry| sequence_number(kind, entry.number) == number;
        entries.iter().position(is_it)
    };
    let Some(failures) = failures else {
        return Some(0);
    };
    let places = failures.iter().map(|failure| place(failure).unwrap_or(0));
    places.min()
}

/// A batch that is given up.
#[derive(Debug)]
pub(super) struct GivenUp<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) function: &'a str,
    pub(super) done: &'a Done,
    /// How often the function got it.
    pub(super) tries: u32,
    pub(super) now: Millis,
}

/// What the queue of dead letters is told: where the records are, and not what they say.
pub(super) fn dead_letter(origin: Origin<'_>, given_up: &GivenUp<'_>) -> Json {
    let GivenUp {
        entries,
        function,
        done,
        tries,
        now,
    } = given_up;
    let time = |time: Millis| iso(Duration::from_millis(time));
    let ends = (entries.first(), entries.last());
    let number =
        |entry: Option<&Entry>| entry.map(|entry| sequence_number(origin.kind, entry.number));
    let arrival = |entry: Option<&Entry>| entry.map(|entry| time(entry.time));
    let batch = json!({
        "shardId": SHARD,
        "startSequenceNumber": number(ends.0),
        "endSequenceNumber": number(ends.1),
        "approximateArrivalOfFirstRecord": arrival(ends.0),
        "approximateArrivalOfLastRecord": arrival(ends.1),
        "batchSize": entries.len(),
        "streamArn": origin.arn,
    });
    let info = match origin.kind {
        Kind::Kinesis => "KinesisBatchInfo",
        Kind::DynamoDb => "DDBStreamBatchInfo",
    };
    json!({
        "requestContext": {
            "requestId": done.report.request,
            "functionArn": function,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": tries,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": done.version,
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": time(*now),
        info: batch,
    })
}
