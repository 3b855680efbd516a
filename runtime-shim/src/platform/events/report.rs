//! What became of records, as Lambda and the log are told.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::{Event, Outcome, Record, Source};
use crate::codec::failure::{Failure, to_bytes};
use crate::log::{self, Level};

/// The answer to an event. For queues and streams it names what has to come again:
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>. A notification
/// comes again by an error of the function, and so does an event about objects; if all is well,
/// the answers are the answer.
pub(super) fn answer(event: &Event<'_>, outcomes: Vec<Outcome>) -> Result<Vec<u8>, Failure> {
    let records = event.records.iter();
    let of = records.zip(&outcomes);
    let failed =
        of.filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_) | Outcome::HeldBack));
    let failed = failed.map(|(record, _)| &*record.id);
    match event.source {
        Source::Sqs => Ok(failures(failed)),
        // A stream is read again from the lowest number on. Records of a shard come in order.
        Source::Kinesis | Source::DynamoDb => Ok(failures(failed.take(1))),
        Source::Sns => answers("notification ", &event.records, outcomes),
        Source::S3 => answers("", &event.records, outcomes),
    }
}

fn failures<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Report<'a> {
        batch_item_failures: Vec<Item<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Item<'a> {
        item_identifier: &'a str,
    }
    let items = ids.map(|item_identifier| Item { item_identifier });
    let mut items: Vec<_> = items.collect();
    // A message with several objects has a record for each.
    items.dedup_by_key(|item| item.item_identifier);
    to_bytes(&Report {
        batch_item_failures: items,
    })
}

/// `what` the records are goes before their names in the message of a failure.
fn answers(what: &str, records: &[Record<'_>], outcomes: Vec<Outcome>) -> Result<Vec<u8>, Failure> {
    #[derive(Serialize)]
    struct Delivered<'a> {
        output: &'a str,
    }
    let mut answers = Vec::new();
    for (record, outcome) in records.iter().zip(outcomes) {
        match outcome {
            Outcome::Predicted(answer) => answers.push(answer),
            Outcome::Delivered(address) => {
                let output = &*address;
                answers.push(to_bytes(&Delivered { output }).into());
            }
            Outcome::Failed(failure) => {
                let message = format!("{what}{}: {}", record.id, failure.message);
                return Err(Failure { message, ..failure });
            }
            Outcome::Skipped | Outcome::HeldBack => {}
        }
    }
    let answers = answers.iter().map(|answer| serde_json::from_slice(answer));
    let answers: Vec<&RawValue> = answers.filter_map(Result::ok).collect();
    Ok(to_bytes(&answers))
}

/// Logs a line for each record: its prediction, where that is, or why there is none.
pub(super) fn write(request_id: &str, records: &[Record<'_>], outcomes: &[Outcome]) {
    for (record, outcome) in records.iter().zip(outcomes) {
        let mut fields = vec![
            ("request_id", Json::from(request_id)),
            ("record_id", (*record.id).into()),
        ];
        let (level, message) = match outcome {
            Outcome::Predicted(answer) => {
                fields.push(("prediction", prediction(answer)));
                (Level::Info, "predicted")
            }
            Outcome::Delivered(address) => {
                fields.push(("output", (**address).into()));
                (Level::Info, "predicted")
            }
            Outcome::Failed(failure) => {
                fields.push(("error", failure.code.name().into()));
                (Level::Warn, &*failure.message)
            }
            Outcome::Skipped => (Level::Debug, "there is nothing to predict on"),
            Outcome::HeldBack => (Level::Debug, "comes again, after one that failed"),
        };
        log::write(level, message, &fields);
    }
}

fn prediction(answer: &[u8]) -> Json {
    #[derive(Deserialize)]
    struct Answer {
        prediction: Json,
    }
    serde_json::from_slice(answer).map_or(Json::Null, |answer: Answer| answer.prediction)
}
