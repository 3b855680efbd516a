//! The envelope that rules and pipes of `EventBridge` put around an event:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>. Its
//! scheduler has none.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::codec::failure::Failure;
use crate::handler::Handler;
use crate::platform::envelope;

/// The keys that the envelope has at its top.
const KEYS: [&str; 9] = [
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
    #[serde(rename = "detail-type")]
    _detail_type: IgnoredAny,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

/// The detail, if this is an event of a rule; else the body as it is.
pub(super) fn unwrap<'a>(handler: &Handler, body: Cow<'a, [u8]>) -> Result<Cow<'a, [u8]>, Failure> {
    let key = envelope::first_key(&body).unwrap_or_default();
    if !KEYS.contains(&key) || handler.knows(key) {
        return Ok(body);
    }
    match serde_json::from_slice::<Event<'_>>(&body) {
        Ok(event) if event.source == "aws.s3" => Err(envelope::storage_event("S3")),
        Ok(event) => Ok(Cow::Owned(event.detail.get().as_bytes().to_vec())),
        Err(_) => Ok(body),
    }
}
