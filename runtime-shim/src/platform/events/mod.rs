//! What AWS tells a function besides HTTP: messages, notifications, records of streams, and events
//! of rules. Each holds a request in the simple format. The forms of the events are those of
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html>.
//!
//! Lambda wants to know which records of a batch failed, and nothing else; it throws an answer
//! away. So predictions go to the log, one line a record, and nowhere else yet.
//!
//! - this file: which event it is, and what becomes of its records
//! - `sqs`, `sns`, `kinesis`, `dynamodb`: a record -> a request
//! - `rule`: the envelope of `EventBridge`
//! - `report`: what became of records, as Lambda and the log are told

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope;
use crate::codec::failure::{Code, Failure, json_problem, shortened};
use crate::handler::{Handler, Timings};

mod dynamodb;
mod kinesis;
mod report;
mod rule;
mod sns;
mod sqs;
#[cfg(test)]
mod tests;

/// Answers a payload that is no HTTP request: an event with records, an event of a rule, or a
/// request by itself. `request_id` is the invocation's, for the log.
pub(super) fn answer(
    handler: &Handler,
    timings: &mut Timings,
    request_id: &str,
    payload: &[u8],
) -> Result<Vec<u8>, Failure> {
    let Some(event) = Event::read(handler, payload)? else {
        let request = rule::unwrap(handler, payload.into())?;
        return handler.handle(&request, timings);
    };
    let outcomes = outcomes(handler, timings, &event.records);
    report::write(request_id, &event.records, &outcomes);
    handler.limit(report::answer(&event, outcomes)?)
}

/// Records of one source.
struct Event<'a> {
    source: Source,
    records: Vec<Record<'a>>,
}

/// Where records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Sqs,
    Sns,
    Kinesis,
    DynamoDb,
}

/// One message or change.
struct Record<'a> {
    /// Its name in reports and in the log.
    id: Cow<'a, str>,
    /// Records of one group must be done in their order.
    group: Option<Cow<'a, str>>,
    /// The request in it, if there is anything to predict on.
    request: Result<Option<Cow<'a, [u8]>>, Failure>,
}

/// What became of a record.
enum Outcome {
    /// The answer.
    Predicted(Vec<u8>),
    /// There is nothing to predict on.
    Skipped,
    /// There is no prediction.
    Failed(Failure),
    /// An earlier record of its group failed, and it has to come again after that one.
    HeldBack,
}

impl Source {
    /// Its own name for itself.
    fn name(self) -> &'static str {
        match self {
            Self::Sqs => "SQS",
            Self::Sns => "SNS",
            Self::Kinesis => "Kinesis",
            Self::DynamoDb => "DynamoDB",
        }
    }
}

impl<'a> Event<'a> {
    /// Reads an event; none if this is no event with records.
    fn read(handler: &Handler, payload: &'a [u8]) -> Result<Option<Self>, Failure> {
        let Some((records, source)) = records(handler, payload) else {
            return Ok(None);
        };
        let source = match &*source {
            "aws:sqs" => Source::Sqs,
            "aws:sns" => Source::Sns,
            "aws:kinesis" => Source::Kinesis,
            "aws:dynamodb" => Source::DynamoDb,
            "aws:s3" => return Err(envelope::storage_event("S3")),
            other => return Err(unsupported(other)),
        };
        let read = |record: &&'a RawValue| match source {
            Source::Sqs => sqs::read(handler, record),
            Source::Sns => sns::read(handler, record),
            Source::Kinesis => kinesis::read(handler, record),
            Source::DynamoDb => dynamodb::read(handler, record),
        };
        let records: serde_json::Result<Vec<_>> = records.iter().map(read).collect();
        let records = records.map_err(|error| {
            let problem = json_problem(&error);
            let message = format!(
                "a record is not of the form that {} gives it: {problem}",
                source.name()
            );
            Failure::new(Code::UnsupportedEvent, message)
        })?;
        Ok(Some(Self { source, records }))
    }
}

/// The records of an event, and where the first one says it is from.
fn records<'a>(handler: &Handler, body: &'a [u8]) -> Option<(Vec<&'a RawValue>, Cow<'a, str>)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Records<'a> {
        #[serde(borrow)]
        records: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Origin<'a> {
        // SNS has a spelling of its own.
        #[serde(borrow, rename = "eventSource", alias = "EventSource")]
        source: Cow<'a, str>,
    }
    let key = envelope::first_key(body).filter(|key| *key == "Records")?;
    if handler.knows(key) {
        return None;
    }
    let Records { records } = serde_json::from_slice(body).ok()?;
    let Origin { source } = serde_json::from_str(records.first()?.get()).ok()?;
    Some((records, source))
}

fn unsupported(source: &str) -> Failure {
    let source = shortened(source);
    let message = format!(
        "these are records of `{source}`; records of SQS, SNS, Kinesis and DynamoDB can be read"
    );
    Failure::new(Code::UnsupportedEvent, message)
}

/// The request in a message, which may have come by a topic or a rule.
fn request<'a>(handler: &Handler, body: Cow<'a, [u8]>) -> Result<Option<Cow<'a, [u8]>>, Failure> {
    let body = sns::unwrap(handler, body);
    let body = rule::unwrap(handler, body)?;
    match records(handler, &body) {
        Some((_, source)) if source == "aws:s3" => Err(envelope::storage_event("S3")),
        _ => Ok(Some(body)),
    }
}

/// Runs the model on all records.
fn outcomes(handler: &Handler, timings: &mut Timings, records: &[Record<'_>]) -> Vec<Outcome> {
    let requests = records
        .iter()
        .filter_map(|record| record.request.as_ref().ok());
    let bodies: Vec<&[u8]> = requests.flatten().map(|body| &**body).collect();
    let mut answers = handler.handle_many(&bodies, timings).into_iter();
    let mut failed = BTreeSet::new();
    let outcomes = records.iter().map(|record| {
        let outcome = match &record.request {
            Err(failure) => Outcome::Failed(failure.clone()),
            Ok(None) => Outcome::Skipped,
            Ok(Some(_)) => match answers.next() {
                Some(Ok(answer)) => Outcome::Predicted(answer),
                Some(Err(failure)) => Outcome::Failed(failure),
                None => Outcome::Failed(Failure::new(Code::Internal, "there is no answer")),
            },
        };
        let Some(group) = &record.group else {
            return outcome;
        };
        if failed.contains(group) {
            return Outcome::HeldBack;
        }
        if matches!(outcome, Outcome::Failed(_)) {
            failed.insert(group);
        }
        outcome
    });
    outcomes.collect()
}
