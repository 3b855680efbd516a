//! Messages to queues:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::settings::{AwsService, Endpoint};
use super::{Aws, AwsError};
use crate::codec::failure::{json_problem, to_bytes};

/// Messages in one call, and bytes in all of them. A queue may allow more bytes by now; a message
/// that is larger than this goes alone, and its queue decides.
const MESSAGES: usize = 10;
const BYTES: usize = 256 * 1024;

/// The end of the names of queues that keep an order.
const FIFO: &str = ".fifo";

/// The attribute that tells which message a prediction is for.
const SOURCE: &str = "source_message_id";

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// The body.
    pub(crate) body: String,
    /// What it answers.
    pub(crate) source: String,
    /// Messages of one group arrive in their order, in queues that know groups.
    pub(crate) group: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    queue_url: &'a str,
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    id: String,
    message_body: &'a str,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute<'a> {
    data_type: &'a str,
    string_value: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    #[serde(default)]
    failed: Vec<Unsent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unsent {
    id: String,
    code: String,
    #[serde(default)]
    message: Option<String>,
}

impl Aws {
    /// Sends messages to the queue with this URL: for each, why it was not sent.
    pub(crate) async fn send_messages(
        &self,
        queue: &str,
        messages: &[Message],
    ) -> Vec<Result<(), String>> {
        let mut results = Vec::with_capacity(messages.len());
        while results.len() < messages.len() {
            let batch = next_batch(&messages[results.len()..]);
            match self.send_batch(queue, batch).await {
                Ok(sent) => results.extend(sent),
                Err(error) => {
                    let why = crate::chain(&error);
                    results.extend(batch.iter().map(|_| Err(why.clone())));
                }
            }
        }
        results
    }

    async fn send_batch(
        &self,
        queue: &str,
        messages: &[Message],
    ) -> Result<Vec<Result<(), String>>, AwsError> {
        let is_fifo = queue.ends_with(FIFO);
        let entries = messages.iter().enumerate();
        let entries = entries.map(|(number, message)| entry(number, message, is_fifo));
        let body = to_bytes(&Batch {
            queue_url: queue,
            entries: entries.collect(),
        });
        let mut call = self.json_call(AwsService::Sqs, "AmazonSQS.SendMessageBatch", body);
        // The URL of a queue tells where its service is.
        if self.settings.endpoint(AwsService::Sqs).is_none()
            && let Some(own) = Endpoint::parse(queue)
        {
            call.region = region_of(&own).unwrap_or(&call.region).to_owned();
            call.endpoint = Endpoint {
                base: String::new(),
                ..own
            };
        }
        let answer = self.call(&call).await?;
        let sent: Sent =
            serde_json::from_slice(answer.body()).map_err(|error| AwsError::Strange {
                service: AwsService::Sqs,
                what: json_problem(&error),
            })?;
        let mut results = vec![Ok(()); messages.len()];
        for unsent in sent.failed {
            let place = unsent.id.parse().ok();
            if let Some(result) = place.and_then(|place: usize| results.get_mut(place)) {
                let message = super::after_colon(unsent.message.as_deref().unwrap_or_default());
                *result = Err(format!("Amazon SQS refused it: {}{message}", unsent.code));
            }
        }
        Ok(results)
    }
}

/// `sqs.eu-west-1.amazonaws.com`.
fn region_of(endpoint: &Endpoint) -> Option<&str> {
    let mut parts = endpoint.host.split('.');
    let region = parts.nth(1).filter(|_| endpoint.host.starts_with("sqs."));
    region.filter(|_| parts.next() == Some("amazonaws"))
}

fn next_batch(messages: &[Message]) -> &[Message] {
    let mut bytes = 0;
    let fitting = messages.iter().take(MESSAGES).take_while(|message| {
        bytes += message.body.len() + message.source.len();
        bytes <= BYTES
    });
    &messages[..fitting.count().max(1)]
}

fn entry(number: usize, message: &Message, is_fifo: bool) -> Entry<'_> {
    let source = Attribute {
        data_type: "String",
        string_value: &message.source,
    };
    // Without order of their own, messages need none here. A message that comes twice, because
    // another one failed, has its prediction sent once.
    let group = message.group.as_deref().unwrap_or(&message.source);
    Entry {
        id: number.to_string(),
        message_body: &message.body,
        message_attributes: BTreeMap::from([(SOURCE, source)]),
        message_group_id: is_fifo.then_some(group),
        message_deduplication_id: is_fifo.then_some(&message.source),
    }
}
