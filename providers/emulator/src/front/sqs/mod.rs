//! The part of the SQS API that sends, receives and looks, in its JSON protocol, so that the AWS SDKs
//! and command line work against the queues of a local cloud
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html>).
//! Queues are made by deploying. Signatures are not checked.

mod attributes;
mod batch;
mod error;
mod receive;
mod send;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use self::error::ApiError;
use super::{BodyError, Reply, read, reply, set};
use crate::Emulator;
use crate::identifiers::uuid;
use crate::platform::ACCOUNT;
use crate::sources::queue::{Queue, Queues};

/// With what the names of its calls begin.
const PREFIX: &str = "AmazonSQS.";

/// Mlfn's own call: the oldest messages of a queue, which are not received by that.
pub(crate) const PEEK: &str = "AmazonSQS.MlfnPeek";

/// Bytes of a request: ten messages of the largest size, as JSON may write them.
const MAX_REQUEST: usize = 64 * 1024 * 1024;

/// The content type of the protocol.
const JSON: &str = "application/x-amz-json-1.0";

/// Whether a request is a call of the API.
pub(super) fn is_for(head: &hyper::HeaderMap) -> bool {
    target(head).is_some()
}

fn target(headers: &hyper::HeaderMap) -> Option<&str> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    target.strip_prefix(PREFIX)
}

pub(super) async fn answer(emulator: &Arc<Emulator>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let id = uuid();
    let mut answer = match read(body, MAX_REQUEST).await {
        Ok(body) => respond(emulator, &head, &body).await,
        Err(BodyError::TooLarge) => error::too_long().reply(),
        Err(BodyError::Broken) => error::invalid("the body ended early").reply(),
    };
    set(&mut answer, "x-amzn-requestid", &id);
    answer
}

async fn respond(emulator: &Arc<Emulator>, head: &Parts, body: &[u8]) -> Reply {
    let desk = Desk {
        queues: emulator.sources().queues(),
        base: emulator.url(),
    };
    let call = target(&head.headers).unwrap_or_default();
    match desk.dispatch(call, body).await {
        Ok(Json::Null) => reply(StatusCode::OK, JSON, ""),
        Ok(answer) => reply(StatusCode::OK, JSON, answer.to_string()),
        Err(error) => error.reply(),
    }
}

/// Where calls are answered.
struct Desk<'a> {
    queues: &'a Arc<Queues>,
    /// The address of the cloud.
    base: String,
}

type Answer = Result<Json, ApiError>;

impl Desk<'_> {
    async fn dispatch(&self, call: &str, body: &[u8]) -> Answer {
        match call {
            "SendMessage" => self.send(parse(body)?).await,
            "SendMessageBatch" => self.send_batch(parse(body)?).await,
            "ReceiveMessage" => self.receive(parse(body)?).await,
            "DeleteMessage" => self.delete(parse(body)?).await,
            "DeleteMessageBatch" => self.delete_batch(parse(body)?).await,
            "ChangeMessageVisibility" => self.hide(&parse(body)?),
            "ChangeMessageVisibilityBatch" => self.hide_batch(parse(body)?),
            "GetQueueAttributes" => self.attributes(&parse(body)?),
            "GetQueueUrl" => self.url(&parse(body)?),
            "ListQueues" => self.list(&parse(body)?),
            "ListDeadLetterSourceQueues" => self.dead_letter_sources(&parse(body)?),
            "PurgeQueue" => self.purge(&parse(body)?).await,
            "MlfnPeek" => self.peek(&parse(body)?),
            _ => Err(error::unsupported(call)),
        }
    }

    /// The queue with this URL, and its name.
    fn find<'u>(&self, url: &'u str) -> Result<(&'u str, Queue), ApiError> {
        let name = url.trim_end_matches('/').rsplit('/').next();
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| error::missing("QueueUrl"))?;
        Ok((name, self.queues.find(name)?))
    }

    fn url_of(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.base)
    }

    fn url(&self, request: &NamedQueue) -> Answer {
        self.queues.find(&request.queue_name)?;
        Ok(json!({ "QueueUrl": self.url_of(&request.queue_name) }))
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is one of the calls")]
    fn list(&self, request: &ListQueues) -> Answer {
        let prefix = request.queue_name_prefix.as_deref().unwrap_or_default();
        let all = self.queues.all();
        let names = all.keys().filter(|name| name.starts_with(prefix));
        let urls: Vec<String> = names.map(|name| self.url_of(name)).collect();
        Ok(json!({ "QueueUrls": urls }))
    }

    fn dead_letter_sources(&self, request: &OneQueue) -> Answer {
        let (name, _) = self.find(&request.queue_url)?;
        let all = self.queues.all();
        let sources = all.iter().filter(|(_, queue)| {
            let redrive = queue.settings.redrive.as_ref();
            redrive.is_some_and(|(to, _)| to == name)
        });
        let urls: Vec<String> = sources.map(|(name, _)| self.url_of(name)).collect();
        Ok(json!({ "queueUrls": urls }))
    }

    async fn purge(&self, request: &OneQueue) -> Answer {
        let (name, _) = self.find(&request.queue_url)?;
        self.queues.purge(name).await?;
        Ok(Json::Null)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneQueue {
    queue_url: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedQueue {
    queue_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListQueues {
    queue_name_prefix: Option<String>,
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    serde_json::from_slice(body).map_err(|error| error::invalid(&error.to_string()))
}
