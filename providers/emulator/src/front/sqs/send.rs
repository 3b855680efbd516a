//! `SendMessage` and `SendMessageBatch`.

use std::collections::BTreeMap;

use mlfn_core::Digest;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::batch::{Batch, check_batch};
use super::error::{self, ApiError};
use super::{Answer, Desk};
use crate::identifiers::uuid;
use crate::sources::queue::Queue;
use crate::sources::queue::message::{self, Attribute, md5_of, md5_of_attributes};
use crate::sources::queue::state::Draft;

/// Bytes of a message, and of all messages of a batch
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MAX_BYTES: usize = 1024 * 1024;

/// Attributes of a message, and seconds that it may be delayed (the same page).
const MAX_ATTRIBUTES: usize = 10;
const MAX_DELAY: u64 = 900;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    queue_url: String,
    #[serde(flatten)]
    message: Message,
}

/// A message, alone or in a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the protocol"
)]
pub(super) struct Message {
    message_body: String,
    #[serde(default)]
    delay_seconds: Option<u64>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
    #[serde(default)]
    message_system_attributes: BTreeMap<String, Attribute>,
    #[serde(default)]
    message_group_id: Option<String>,
    #[serde(default)]
    message_deduplication_id: Option<String>,
}

impl Desk<'_> {
    pub(super) async fn send(&self, request: SendMessage) -> Answer {
        let (name, queue) = self.find(&request.queue_url)?;
        let (draft, mut answer) = request.message.draft(&queue)?;
        let sent = self.queues.send(name, vec![draft]).await?;
        if let Some(sent) = sent.first() {
            complete(&mut answer, sent);
        }
        Ok(answer)
    }

    pub(super) async fn send_batch(&self, request: Batch<Message>) -> Answer {
        let (name, queue) = self.find(&request.queue_url)?;
        check_batch(&request)?;
        let bytes = request.entries.iter().map(|entry| entry.request.bytes());
        if bytes.sum::<usize>() > MAX_BYTES {
            return Err(error::too_long());
        }
        let (mut drafts, mut answers, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for entry in request.entries {
            match entry.request.draft(&queue) {
                Ok((draft, mut answer)) => {
                    answer["Id"] = entry.id.into();
                    drafts.push(draft);
                    answers.push(answer);
                }
                Err(error) => failed.push(error.entry(&entry.id)),
            }
        }
        let sent = self.queues.send(name, drafts).await?;
        for (answer, sent) in answers.iter_mut().zip(&sent) {
            complete(answer, sent);
        }
        Ok(super::batch::answer(&answers, &failed))
    }
}

fn complete(answer: &mut Json, (id, sequence): &(String, Option<u64>)) {
    answer["MessageId"] = id.clone().into();
    if let Some(sequence) = sequence {
        answer["SequenceNumber"] = message::number(*sequence).into();
    }
}

impl Message {
    fn bytes(&self) -> usize {
        message::size(&self.message_body, &self.message_attributes)
    }

    /// What is sent, and what its sender is told besides its id.
    fn draft(self, queue: &Queue) -> Result<(Draft, Json), ApiError> {
        self.check()?;
        let order = self.order(queue)?;
        let delay = self.delay_seconds.unwrap_or_default();
        if delay > MAX_DELAY {
            let reason = "DelaySeconds must be >= 0 and <= 900";
            return Err(error::out_of_range(delay, "DelaySeconds", reason));
        }
        if order.is_some() && delay > 0 {
            let reason = "The request include parameter that is not valid for this queue type";
            return Err(error::out_of_range(delay, "DelaySeconds", reason));
        }
        let mut answer = json!({ "MD5OfMessageBody": md5_of(&self.message_body) });
        for (name, attributes) in [
            ("MD5OfMessageAttributes", &self.message_attributes),
            (
                "MD5OfMessageSystemAttributes",
                &self.message_system_attributes,
            ),
        ] {
            if let Some(digest) = md5_of_attributes(attributes) {
                answer[name] = digest.into();
            }
        }
        let mut system = self.message_system_attributes;
        let trace = system.remove("AWSTraceHeader");
        let draft = Draft {
            id: uuid(),
            body: self.message_body,
            attributes: self.message_attributes,
            trace: trace.and_then(|attribute| attribute.string_value),
            delay: delay * 1000,
            fifo: order,
        };
        Ok((draft, answer))
    }

    fn check(&self) -> Result<(), ApiError> {
        if self.message_body.is_empty() {
            return Err(error::missing("MessageBody"));
        }
        if self.bytes() > MAX_BYTES {
            let message = "One or more parameters are invalid. Reason: Message must be shorter \
                 than 1048576 bytes.";
            return Err(error::invalid(message));
        }
        if self.message_attributes.len() > MAX_ATTRIBUTES {
            let message = format!(
                "Number of message attributes [{}] exceeds the allowed maximum [10].",
                self.message_attributes.len()
            );
            return Err(error::invalid(&message));
        }
        if !self.message_body.chars().all(is_allowed) {
            let message = "The message contains characters outside the allowed set.";
            let kind = "InvalidMessageContents";
            return Err(ApiError::new(kind, kind, message));
        }
        Ok(())
    }

    /// Group and what tells duplicates.
    fn order(&self, queue: &Queue) -> Result<Option<(String, String)>, ApiError> {
        let Some(order) = queue.settings.order else {
            return Ok(None);
        };
        let group = self.message_group_id.clone();
        let group = group.ok_or_else(|| error::missing("MessageGroupId"))?;
        let by_content = || {
            let digest = Digest::of(self.message_body.as_bytes());
            order.by_content.then(|| digest.as_str().to_owned())
        };
        let deduplication = self.message_deduplication_id.clone().or_else(by_content);
        let deduplication = deduplication.ok_or_else(|| {
            error::invalid(
                "The queue should either have ContentBasedDeduplication enabled or \
                 MessageDeduplicationId provided explicitly",
            )
        })?;
        Ok(Some((group, deduplication)))
    }
}

/// The characters of XML 1.0.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
