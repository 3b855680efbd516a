//! The envelope that rules and pipes of `EventBridge` put around an event:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>. Its
//! scheduler has none.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Request, Source, malformed, s3};
use crate::codec::failure::Failure;
use crate::handler::Handler;
use crate::platform::envelope;

/// The keys that the envelope has at its top.
pub(super) const KEYS: [&str; 9] = [
    "version",
    "id",
    "detail-type",
    "source",
    "account",
    "time",
    "region",
    "resources",
    "detail",
];

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "detail-type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

fn read<'a>(handler: &Handler, body: &'a [u8]) -> Option<Event<'a>> {
    let key = envelope::first_key(body).unwrap_or_default();
    if !KEYS.contains(&key) || handler.knows(key) {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// The detail, if this is an event of a rule; else the body as it is.
pub(super) fn unwrap<'a>(handler: &Handler, body: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    match read(handler, &body) {
        Some(event) => Cow::Owned(event.detail.get().as_bytes().to_vec()),
        None => body,
    }
}

/// What to predict on, if this is an event of a rule about an object.
pub(super) fn object(handler: &Handler, body: &[u8]) -> Option<Result<Request<'static>, Failure>> {
    let event = read(handler, body).filter(|event| event.source == "aws.s3")?;
    let about = serde_json::from_str::<s3::About<'_>>(event.detail.get());
    let about = about.map_err(|error| malformed(Source::S3, &error));
    Some(about.map(|about| s3::request_of_rule(&event.kind, &about)))
}
