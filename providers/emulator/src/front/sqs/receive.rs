//! `ReceiveMessage`, and what may be done with a message that somebody has got.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::batch::{Batch, answer_of, check_batch};
use super::error::{self, ApiError};
use super::{Answer, Desk};
use crate::sources::queue::Queue;
use crate::sources::queue::message::{Attribute, Message, md5_of, md5_of_attributes};
use crate::sources::queue::state::Want;

/// Seconds that a message may be kept from others, and that a call may wait (`ReceiveMessage`).
const MAX_VISIBILITY: u64 = 43_200;
const MAX_WAIT: u64 = 20;

/// Messages that [`super::PEEK`] shows at most.
const MAX_PEEK: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    queue_url: String,
    max_number_of_messages: Option<u64>,
    visibility_timeout: Option<u64>,
    wait_time_seconds: Option<u64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receipt {
    receipt_handle: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeVisibility {
    queue_url: String,
    #[serde(flatten)]
    change: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Change {
    receipt_handle: String,
    visibility_timeout: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Peek {
    queue_url: String,
    max_number_of_messages: Option<usize>,
}

impl Desk<'_> {
    pub(super) async fn receive(&self, request: ReceiveMessage) -> Answer {
        let (name, queue) = self.find(&request.queue_url)?;
        let wanted = request.max_number_of_messages.unwrap_or(1);
        if !(1..=10).contains(&wanted) {
            let reason = "Must be between 1 and 10, if provided";
            return Err(error::out_of_range(wanted, "MaxNumberOfMessages", reason));
        }
        let wait = request.wait_time_seconds.unwrap_or_default();
        if wait > MAX_WAIT {
            let reason = "Must be >= 0 and <= 20, if provided";
            return Err(error::out_of_range(wait, "WaitTimeSeconds", reason));
        }
        let want = Want {
            messages: usize::try_from(wanted).unwrap_or(1),
            weight: usize::MAX,
            visibility: request.visibility_timeout.map(milliseconds).transpose()?,
        };
        let received = self
            .queues
            .receive_within(name, want, Duration::from_secs(wait));
        let messages = received.await?;
        if messages.is_empty() {
            return Ok(json!({}));
        }
        let messages: Vec<Json> = messages
            .iter()
            .map(|message| request.show(message, &queue))
            .collect();
        Ok(json!({ "Messages": messages }))
    }

    pub(super) async fn delete(&self, request: DeleteMessage) -> Answer {
        let (name, _) = self.find(&request.queue_url)?;
        let deleted = self.queues.delete(name, &[&request.receipt_handle]).await?;
        deleted.into_iter().collect::<Result<(), _>>()?;
        Ok(Json::Null)
    }

    pub(super) async fn delete_batch(&self, request: Batch<Receipt>) -> Answer {
        let (name, _) = self.find(&request.queue_url)?;
        check_batch(&request)?;
        let entries = request.entries.iter();
        let receipts: Vec<&str> = entries
            .map(|entry| entry.request.receipt_handle.as_str())
            .collect();
        let deleted = self.queues.delete(name, &receipts).await?;
        let deleted = deleted.into_iter().map(|done| done.map_err(ApiError::from));
        let ids = request.entries.iter().map(|entry| entry.id.clone());
        Ok(answer_of(ids.zip(deleted).collect()))
    }

    pub(super) fn hide(&self, request: &ChangeVisibility) -> Answer {
        let (name, _) = self.find(&request.queue_url)?;
        self.hide_one(name, &request.change)?;
        Ok(Json::Null)
    }

    pub(super) fn hide_batch(&self, request: Batch<Change>) -> Answer {
        let (name, _) = self.find(&request.queue_url)?;
        check_batch(&request)?;
        let entries = request.entries.into_iter();
        let hidden = entries.map(|entry| (entry.id, self.hide_one(name, &entry.request)));
        Ok(answer_of(hidden.collect()))
    }

    fn hide_one(&self, queue: &str, change: &Change) -> Result<(), ApiError> {
        let seconds = change.visibility_timeout;
        let time = milliseconds(seconds.ok_or_else(|| error::missing("VisibilityTimeout"))?)?;
        Ok(self.queues.hide(queue, &change.receipt_handle, time)?)
    }

    pub(super) fn peek(&self, request: &Peek) -> Answer {
        let (name, queue) = self.find(&request.queue_url)?;
        let most = request.max_number_of_messages.unwrap_or(10).min(MAX_PEEK);
        let everything = ReceiveMessage {
            queue_url: String::new(),
            max_number_of_messages: None,
            visibility_timeout: None,
            wait_time_seconds: None,
            attribute_names: vec!["All".to_owned()],
            message_system_attribute_names: Vec::new(),
            message_attribute_names: vec!["All".to_owned()],
        };
        let messages = self.queues.peek(name, most)?;
        let messages: Vec<Json> = messages
            .iter()
            .map(|message| {
                let mut shown = everything.show(message, &queue);
                shown["VisibleFrom"] = message.visible.into();
                shown
            })
            .collect();
        Ok(json!({ "Messages": messages }))
    }
}

fn milliseconds(seconds: u64) -> Result<u64, ApiError> {
    if seconds > MAX_VISIBILITY {
        let reason = "VisibilityTimeout must be an integer between 0 and 43200";
        return Err(error::out_of_range(seconds, "VisibilityTimeout", reason));
    }
    Ok(seconds * 1000)
}

impl ReceiveMessage {
    fn show(&self, message: &Message, queue: &Queue) -> Json {
        let mut shown = json!({
            "MessageId": message.id,
            "ReceiptHandle": message.receipt,
            "MD5OfBody": md5_of(&message.body),
            "Body": message.body,
        });
        let system = self.system_attributes(message, queue);
        if !system.is_empty() {
            shown["Attributes"] = system.into();
        }
        let attributes: BTreeMap<&String, &Attribute> = message
            .attributes
            .iter()
            .filter(|(name, _)| is_wanted(&self.message_attribute_names, name))
            .collect();
        if let Some(digest) = md5_of_attributes(attributes.iter().map(|(name, one)| (*name, *one)))
        {
            shown["MD5OfMessageAttributes"] = digest.into();
            shown["MessageAttributes"] = json!(attributes);
        }
        shown
    }

    fn system_attributes(&self, message: &Message, queue: &Queue) -> Map<String, Json> {
        let names = [&self.attribute_names, &self.message_system_attribute_names];
        let is_wanted = |name: &str| {
            let mut names = names.into_iter().flatten();
            names.any(|wanted| wanted == name || wanted == "All")
        };
        let source = message
            .died_in
            .as_deref()
            .map(|source| queue.arn_of(source));
        let all = message.system_attributes(source).into_iter();
        let wanted = all.filter(|(name, _)| is_wanted(name));
        wanted
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }
}

/// By name, by beginning (`name.*`), or all of them.
fn is_wanted(names: &[String], name: &str) -> bool {
    names.iter().any(|wanted| match wanted.strip_suffix(".*") {
        Some(beginning) => name.starts_with(beginning),
        None => wanted == name || wanted == "All",
    })
}
