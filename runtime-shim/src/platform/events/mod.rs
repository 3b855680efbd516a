//! What AWS tells a function besides HTTP: messages, notifications, records of streams, objects in
//! buckets, and events of rules. Each holds a request in the simple format, or names an object that
//! does. The forms of the events are those of
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html>.
//!
//! Lambda wants to know which records of a batch failed, and nothing else; it throws an answer
//! away. So predictions go where the deploy says, or to the log, one line a record.
//!
//! - this file: which event it is
//! - `sqs`, `sns`, `kinesis`, `dynamodb`, `s3`: a record -> a request or an object
//! - `rule`: the envelope of `EventBridge`
//! - `work`: what becomes of records
//! - `report`: what became of them, as Lambda and the log are told
//! - `cloud`: what has to be asked for outside

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::cloud::Cloud;
use self::work::{Outcome, outcomes};
use super::aws::objects::Object;
use super::envelope;
use crate::codec::failure::{Code, Failure, json_problem, shortened};
use crate::handler::{Handler, Timings};

pub(super) mod cloud;
mod dynamodb;
mod kinesis;
mod report;
mod rule;
mod s3;
mod sns;
mod sqs;
#[cfg(test)]
mod tests;
mod work;

/// Answers a payload that is no HTTP request: an event with records, an event of a rule, or a
/// request by itself. `request_id` is the invocation's, for the log.
pub(super) fn answer(
    handler: &Handler,
    timings: &mut Timings,
    cloud: &dyn Cloud,
    request_id: &str,
    payload: &[u8],
) -> Result<Vec<u8>, Failure> {
    let Some(event) = Event::read(handler, payload)? else {
        let request = rule::unwrap(handler, payload.into());
        return handler.handle(&request, timings);
    };
    let outcomes = outcomes(handler, timings, cloud, &event)?;
    report::write(request_id, &event.records, &outcomes);
    handler.limit(report::answer(&event, outcomes)?)
}

/// Whether a payload may be an event for which AWS is asked, and so waited for.
pub(super) fn may_ask_cloud(payload: &[u8]) -> bool {
    let key = envelope::first_key(payload).unwrap_or_default();
    key == RECORDS || rule::KEYS.contains(&key)
}

/// The key that events with records have at their top.
const RECORDS: &str = "Records";

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
    S3,
}

/// One message, change or object.
struct Record<'a> {
    /// Its name in reports and in the log.
    id: Cow<'a, str>,
    /// Records of one group must be done in their order.
    group: Option<Cow<'a, str>>,
    /// The ARN of the queue that it was in.
    queue: Option<Cow<'a, str>>,
    /// What there is to predict on.
    request: Result<Request<'a>, Failure>,
}

/// What there is to predict on.
enum Request<'a> {
    /// Nothing.
    Nothing,
    /// This.
    Body(Cow<'a, [u8]>),
    /// What is in this object.
    Object(Object),
}

/// All that is in one message: usually one request.
type Requests<'a> = Result<Vec<Request<'a>>, Failure>;

impl Source {
    /// Its own name for itself.
    fn name(self) -> &'static str {
        match self {
            Self::Sqs => "SQS",
            Self::Sns => "SNS",
            Self::Kinesis => "Kinesis",
            Self::DynamoDb => "DynamoDB",
            Self::S3 => "S3",
        }
    }
}

impl<'a> Event<'a> {
    /// Reads an event; none if this is no event with records.
    fn read(handler: &Handler, payload: &'a [u8]) -> Result<Option<Self>, Failure> {
        let Some((records, source)) = records(handler, payload) else {
            return Ok(rule::object(handler, payload).map(Self::of_rule));
        };
        let source = match &*source {
            "aws:sqs" => Source::Sqs,
            "aws:sns" => Source::Sns,
            "aws:kinesis" => Source::Kinesis,
            "aws:dynamodb" => Source::DynamoDb,
            "aws:s3" => Source::S3,
            other => return Err(unsupported(other)),
        };
        let read = |record: &&'a RawValue| match source {
            Source::Sqs => sqs::read(handler, record),
            Source::Sns => sns::read(handler, record),
            Source::Kinesis => kinesis::read(handler, record).map(|record| vec![record]),
            Source::DynamoDb => dynamodb::read(handler, record).map(|record| vec![record]),
            Source::S3 => s3::read(record).map(|record| vec![record]),
        };
        let records: serde_json::Result<Vec<_>> = records.iter().map(read).collect();
        let records = records.map_err(|error| malformed(source, &error))?;
        let records = records.into_iter().flatten().collect();
        Ok(Some(Self { source, records }))
    }

    /// The event of a rule is about one object.
    fn of_rule(request: Result<Request<'a>, Failure>) -> Self {
        Self {
            source: Source::S3,
            records: vec![s3::record(request)],
        }
    }
}

impl<'a> Record<'a> {
    /// A record for each request of a message. They share its fate.
    fn each(
        id: &Cow<'a, str>,
        group: Option<&Cow<'a, str>>,
        queue: Option<&Cow<'a, str>>,
        requests: Requests<'a>,
    ) -> Vec<Self> {
        let record = |request| Self {
            id: id.clone(),
            group: group.cloned(),
            queue: queue.cloned(),
            request,
        };
        match requests {
            Err(failure) => vec![record(Err(failure))],
            Ok(requests) if requests.is_empty() => vec![record(Ok(Request::Nothing))],
            Ok(requests) => requests.into_iter().map(|one| record(Ok(one))).collect(),
        }
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
    let key = envelope::first_key(body).filter(|key| *key == RECORDS)?;
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
        "these are records of `{source}`; records of SQS, SNS, Kinesis, DynamoDB and S3 can be read"
    );
    Failure::new(Code::UnsupportedEvent, message)
}

fn malformed(source: Source, error: &serde_json::Error) -> Failure {
    let (problem, source) = (json_problem(error), source.name());
    let message = format!("a record is not of the form that {source} gives it: {problem}");
    Failure::new(Code::UnsupportedEvent, message)
}

/// The requests in a message, which may have come by a topic or a rule, and may be about objects.
fn requests<'a>(handler: &Handler, body: Cow<'a, [u8]>) -> Requests<'a> {
    let body = sns::unwrap(handler, body);
    if let Some(object) = rule::object(handler, &body) {
        return object.map(|object| vec![object]);
    }
    let body = rule::unwrap(handler, body);
    if let Some((records, source)) = records(handler, &body)
        && source == "aws:s3"
    {
        let objects: serde_json::Result<Vec<_>> = records.into_iter().map(s3::request).collect();
        let objects = objects.map_err(|error| malformed(Source::S3, &error))?;
        return objects.into_iter().collect();
    }
    if s3::is_test(handler, &body) {
        return Ok(Vec::new());
    }
    Ok(vec![Request::Body(body)])
}
