//! `GetQueueAttributes`.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{Answer, Desk};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

impl Desk<'_> {
    /// Numbers are text here.
    pub(super) fn attributes(&self, request: &GetAttributes) -> Answer {
        let (name, queue) = self.find(&request.queue_url)?;
        let counts = self.queues.counts(name)?;
        let settings = &queue.settings;
        let mut all = Map::new();
        let mut add = |name: &str, value: String| drop(all.insert(name.to_owned(), value.into()));
        let seconds = (queue.modified / 1000).to_string();
        for (name, value) in [
            ("QueueArn", queue.arn.clone()),
            ("ApproximateNumberOfMessages", counts.visible.to_string()),
            (
                "ApproximateNumberOfMessagesNotVisible",
                counts.in_flight.to_string(),
            ),
            (
                "ApproximateNumberOfMessagesDelayed",
                counts.delayed.to_string(),
            ),
            ("CreatedTimestamp", seconds.clone()),
            ("LastModifiedTimestamp", seconds),
            (
                "VisibilityTimeout",
                (settings.visibility / 1000).to_string(),
            ),
            (
                "MessageRetentionPeriod",
                (settings.retention / 1000).to_string(),
            ),
            ("MaximumMessageSize", "1048576".to_owned()),
            ("DelaySeconds", "0".to_owned()),
            ("ReceiveMessageWaitTimeSeconds", "0".to_owned()),
        ] {
            add(name, value);
        }
        if let Some((to, most)) = &settings.redrive {
            let policy = json!({
                "deadLetterTargetArn": queue.arn_of(to),
                "maxReceiveCount": most,
            });
            add("RedrivePolicy", policy.to_string());
        }
        if let Some(order) = settings.order {
            add("FifoQueue", "true".to_owned());
            add("ContentBasedDeduplication", order.by_content.to_string());
        }
        let wanted = &request.attribute_names;
        let is_wanted = |name: &str| wanted.iter().any(|one| one == name || one == "All");
        all.retain(|name, _| is_wanted(name));
        if all.is_empty() {
            return Ok(Json::Object(Map::new()));
        }
        Ok(json!({ "Attributes": all }))
    }
}
