//! Notifications of topics: <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>. They
//! reach a function by themselves, or as messages of a queue that subscribes to the topic:
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Record;
use crate::handler::Handler;
use crate::platform::envelope;

/// The keys that a notification in a queue has at its top.
const KEYS: [&str; 11] = [
    "Type",
    "MessageId",
    "SequenceNumber",
    "TopicArn",
    "Subject",
    "Message",
    "Timestamp",
    "SignatureVersion",
    "Signature",
    "SigningCertURL",
    "UnsubscribeURL",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event<'a> {
    #[serde(borrow)]
    sns: Notification<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// A notification, whose message is a request, or tells of objects that are.
pub(super) fn read<'a>(
    handler: &Handler,
    record: &'a RawValue,
) -> serde_json::Result<Vec<Record<'a>>> {
    let Event { sns } = serde_json::from_str(record.get())?;
    let body = envelope::bytes(sns.message, false, "the message");
    let requests = body.and_then(|body| super::requests(handler, body));
    Ok(Record::each(&sns.message_id, None, None, requests))
}

/// The message, if this is a notification; else the body as it is.
pub(super) fn unwrap<'a>(handler: &Handler, body: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    let key = envelope::first_key(&body).unwrap_or_default();
    if !KEYS.contains(&key) || handler.knows(key) {
        return body;
    }
    match serde_json::from_slice::<Notification<'_>>(&body) {
        Ok(found) if found.r#type == "Notification" => {
            Cow::Owned(found.message.into_owned().into_bytes())
        }
        _ => body,
    }
}
