//! Messages of queues: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Record;
use crate::handler::Handler;
use crate::platform::envelope;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "messageId")]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    body: Cow<'a, str>,
    #[serde(borrow, default)]
    attributes: Attributes<'a>,
    #[serde(borrow, default, rename = "eventSourceARN")]
    queue: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes<'a> {
    #[serde(borrow)]
    message_group_id: Option<Cow<'a, str>>,
}

/// A message, whose body is a request, or tells of objects that are.
pub(super) fn read<'a>(
    handler: &Handler,
    record: &'a RawValue,
) -> serde_json::Result<Vec<Record<'a>>> {
    let message: Message<'a> = serde_json::from_str(record.get())?;
    // Messages of other queues may have groups too, which say nothing of their order.
    let is_fifo = message.queue.ends_with(".fifo");
    let group = message.attributes.message_group_id.unwrap_or_default();
    let body = envelope::bytes(message.body, false, "the body");
    let group = is_fifo.then_some(&group);
    let requests = body.and_then(|body| super::requests(handler, body));
    Ok(Record::each(
        &message.id,
        group,
        Some(&message.queue),
        requests,
    ))
}
