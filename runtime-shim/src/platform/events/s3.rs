//! Objects in buckets: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
//! They reach a function by themselves, by a topic, a queue or a rule.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Record, Request};
use crate::codec::failure::{Code, Failure};
use crate::handler::Handler;
use crate::platform::aws::objects::Object;
use crate::platform::envelope;

/// How the names of events about new objects begin.
const CREATED: &str = "ObjectCreated";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    event_name: Cow<'a, str>,
    #[serde(borrow)]
    s3: About<'a>,
}

/// What an event is about; rules say it in the same words.
#[derive(Deserialize)]
pub(super) struct About<'a> {
    #[serde(borrow)]
    bucket: Bucket<'a>,
    #[serde(borrow)]
    object: Key<'a>,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Key<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    size: Option<u64>,
}

/// A record, whose object is a request.
pub(super) fn read(event: &RawValue) -> serde_json::Result<Record<'static>> {
    request(event).map(record)
}

/// A record, named by its object, if it has one to predict on.
pub(super) fn record(request: Result<Request<'_>, Failure>) -> Record<'_> {
    let id = match &request {
        Ok(Request::Object(object)) => object.uri(),
        _ => "an object".to_owned(),
    };
    Record {
        id: id.into(),
        group: None,
        queue: None,
        request,
    }
}

/// What is to be predicted on. Objects that are removed, or only tagged anew, are nothing.
pub(super) fn request(event: &RawValue) -> serde_json::Result<Result<Request<'static>, Failure>> {
    let event: Event<'_> = serde_json::from_str(event.get())?;
    if !event.event_name.starts_with(CREATED) {
        return Ok(Ok(Request::Nothing));
    }
    let about = event.s3;
    Ok(decoded(&about.object.key).map(|key| Request::Object(object(&about, key))))
}

/// What a rule tells of: there, keys are as people write them.
pub(super) fn request_of_rule(kind: &str, about: &About<'_>) -> Request<'static> {
    if kind == "Object Created" {
        return Request::Object(object(about, about.object.key.clone().into_owned()));
    }
    Request::Nothing
}

fn object(about: &About<'_>, key: String) -> Object {
    Object {
        bucket: about.bucket.name.clone().into_owned(),
        key,
        size: about.object.size,
    }
}

/// Keys are encoded like the values of a form: `+` is a space.
fn decoded(key: &str) -> Result<String, Failure> {
    let key = key.replace('+', " ");
    let decoded = percent_decode_str(&key).decode_utf8();
    let decoded = decoded.map_err(|_| {
        let message = format!("its key, `{key}`, is not UTF-8");
        Failure::new(Code::UnsupportedEvent, message)
    })?;
    Ok(decoded.into_owned())
}

/// Whether this is what S3 sends to a queue or topic when it is told to notify it.
pub(super) fn is_test(handler: &Handler, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Test<'a> {
        #[serde(borrow)]
        event: Cow<'a, str>,
    }
    let key = envelope::first_key(body).unwrap_or_default();
    let test = || serde_json::from_slice::<Test<'_>>(body);
    key == "Service" && !handler.knows(key) && test().is_ok_and(|test| test.event == "s3:TestEvent")
}
