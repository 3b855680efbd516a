//! What becomes of records: objects are fetched, the model runs, predictions are delivered.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;

use super::cloud::{Cloud, Delivery, too_large};
use super::{Event, Record, Request};
use crate::codec::failure::{Code, Failure, shortened};
use crate::handler::{Handler, Timings};
use crate::platform::aws::objects::{Content, Object};
use crate::platform::envelope;
use crate::platform::outputs::{Outputs, Place};

/// What became of a record.
pub(super) enum Outcome {
    /// The answer.
    Predicted(Bytes),
    /// The answer is at this address.
    Delivered(String),
    /// There is nothing to predict on.
    Skipped,
    /// There is no prediction.
    Failed(Failure),
    /// An earlier record of its group failed, and it has to come again after that one.
    HeldBack,
}

/// Does all records, and as many at a time as their objects fit into memory.
pub(super) fn outcomes(
    handler: &Handler,
    timings: &mut Timings,
    cloud: &dyn Cloud,
    event: &Event<'_>,
) -> Result<Vec<Outcome>, Failure> {
    let mut outcomes = Vec::with_capacity(event.records.len());
    let (outputs, capacity) = (cloud.outputs()?, cloud.capacity());
    while outcomes.len() < event.records.len() {
        let records = share(&event.records[outcomes.len()..], capacity);
        let answers = predict(handler, timings, cloud, records);
        let start = outcomes.len();
        outcomes.extend(answers);
        hold_back(&event.records, &mut outcomes);
        deliver(cloud, outputs, records, &mut outcomes[start..]);
        hold_back(&event.records, &mut outcomes);
    }
    Ok(outcomes)
}

/// The next records of which the objects are not too much together.
fn share<'a, 'r>(records: &'r [Record<'a>], capacity: usize) -> &'r [Record<'a>] {
    let mut left = capacity as u64;
    let fitting = records.iter().take_while(|record| {
        let size = match &record.request {
            Ok(Request::Object(object)) => object.size.unwrap_or(capacity as u64),
            _ => 0,
        };
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    });
    &records[..fitting.count().max(1)]
}

/// Runs the model on all requests.
fn predict(
    handler: &Handler,
    timings: &mut Timings,
    cloud: &dyn Cloud,
    records: &[Record<'_>],
) -> Vec<Outcome> {
    let bodies: Vec<_> = bodies(cloud, records);
    let wanted = bodies.iter().filter_map(|body| body.as_ref().ok());
    let wanted: Vec<&[u8]> = wanted.flatten().map(|body| &**body).collect();
    let mut answers = handler.handle_many(&wanted, timings).into_iter();
    let outcomes = bodies.into_iter().map(|body| match body {
        Err(failure) => Outcome::Failed(failure),
        Ok(None) => Outcome::Skipped,
        Ok(Some(_)) => match answers.next() {
            Some(Ok(answer)) => Outcome::Predicted(answer.into()),
            Some(Err(failure)) => Outcome::Failed(failure),
            None => Outcome::Failed(Failure::new(Code::Internal, "there is no answer")),
        },
    });
    outcomes.collect()
}

type Body<'r> = Result<Option<Cow<'r, [u8]>>, Failure>;

/// The requests, with those that are in objects.
fn bodies<'r>(cloud: &dyn Cloud, records: &'r [Record<'_>]) -> Vec<Body<'r>> {
    let small = |object: &&Object| fits(cloud, object);
    let objects = records.iter().filter_map(object);
    let objects: Vec<Object> = objects.filter(small).cloned().collect();
    let mut fetched = match objects.as_slice() {
        [] => Vec::new(),
        _ => cloud.fetch(objects),
    }
    .into_iter();
    let bodies = records.iter().map(|record| match &record.request {
        Err(failure) => Err(failure.clone()),
        Ok(Request::Nothing) => Ok(None),
        Ok(Request::Body(body)) => Ok(Some(Cow::Borrowed(&**body))),
        Ok(Request::Object(object)) if !fits(cloud, object) => {
            Err(too_large(cloud.capacity(), object.size))
        }
        Ok(Request::Object(object)) => match fetched.next() {
            Some(content) => content.and_then(|content| request(object, content).map(Some)),
            None => Err(Failure::new(Code::Internal, "the object was not fetched")),
        },
    });
    bodies.collect()
}

fn object<'r>(record: &'r Record<'_>) -> Option<&'r Object> {
    match &record.request {
        Ok(Request::Object(object)) => Some(object),
        _ => None,
    }
}

fn fits(cloud: &dyn Cloud, object: &Object) -> bool {
    object
        .size
        .is_none_or(|size| size <= cloud.capacity() as u64)
}

/// The end of the names of files that are certainly JSON.
const JSON: &str = ".json";

/// What is in an object, if it can be a request: its name counts, because most programs that
/// upload say nothing better of a file than that it has bytes.
fn request(object: &Object, content: Content) -> Result<Cow<'static, [u8]>, Failure> {
    let says_something = |kind: &&str| {
        !kind.starts_with("binary/octet-stream") && !kind.starts_with("application/octet-stream")
    };
    let kind = content.kind.as_deref().filter(says_something);
    if !object.key.ends_with(JSON) && envelope::check_content_type(kind).is_err() {
        let kind = shortened(kind.unwrap_or_default());
        let message = format!(
            "the object is declared to be `{kind}`; upload JSON as `application/json`, or under a \
             name that ends with `.json`"
        );
        return Err(Failure::new(Code::WrongContentType, message));
    }
    Ok(Cow::Owned(content.body.into()))
}

/// What comes after a failure in its group has to come again after it.
fn hold_back(records: &[Record<'_>], outcomes: &mut [Outcome]) {
    let mut failed = BTreeSet::new();
    for (record, outcome) in records.iter().zip(outcomes) {
        let Some(group) = &record.group else { continue };
        if failed.contains(group) {
            *outcome = Outcome::HeldBack;
        } else if matches!(outcome, Outcome::Failed(_)) {
            failed.insert(group);
        }
    }
}

/// Sends predictions where they belong.
fn deliver(cloud: &dyn Cloud, outputs: &Outputs, records: &[Record<'_>], outcomes: &mut [Outcome]) {
    let mut deliveries = Vec::new();
    let mut delivered = Vec::new();
    for (record, outcome) in records.iter().zip(outcomes) {
        if let Outcome::Predicted(body) = outcome
            && let Some(place) = place(outputs, record)
        {
            deliveries.push(Delivery {
                place,
                source: record.id.clone().into_owned(),
                group: record.group.as_deref().map(str::to_owned),
                body: body.clone(),
            });
            delivered.push(outcome);
        }
    }
    if deliveries.is_empty() {
        return;
    }
    let addresses: Vec<String> = deliveries.iter().map(|one| one.place.uri()).collect();
    let results = cloud.deliver(deliveries).into_iter().zip(addresses);
    for (outcome, (result, address)) in delivered.into_iter().zip(results) {
        *outcome = match result {
            Ok(()) => Outcome::Delivered(address),
            Err(failure) => Outcome::Failed(failure),
        };
    }
}

/// The place for a message's prediction is its queue's, or that of the object it names.
fn place(outputs: &Outputs, record: &Record<'_>) -> Option<Place> {
    let of_queue = record
        .queue
        .as_deref()
        .and_then(|arn| outputs.of_queue(arn));
    of_queue.or_else(|| outputs.of_object(object(record)?))
}
