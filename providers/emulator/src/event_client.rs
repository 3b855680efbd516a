//! The queues and topics of a local cloud, as other processes reach them: through its doors.

use bytes::Bytes;
use hyper::{Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::front::sqs::PEEK;
use crate::http::{self, Client};

/// The most bytes of an answer: as many messages as a look shows, of the largest size.
const MAX_ANSWER: usize = 2 * 1024 * 1024 * 1024;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there, or not in the language of a local cloud.
    #[error("the local cloud at {url} does not answer; is it still running?")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened instead.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The cloud says why not.
    #[error("{message}")]
    Refused {
        /// In its own words.
        message: String,
    },
}

/// A queue, and how many messages it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueSummary {
    /// Its name in the cloud.
    pub name: String,
    /// Its `QueueUrl`.
    pub url: String,
    /// Messages that anybody could get now.
    pub visible: u64,
    /// Messages that somebody has got.
    pub in_flight: u64,
    /// Messages that nobody may get yet.
    pub delayed: u64,
    /// The queue that gets what was tried too often.
    pub dead_letters: Option<String>,
}

/// A message in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueuedMessage {
    /// Its id.
    pub id: String,
    /// What it says.
    pub body: String,
    /// When it was sent, in milliseconds since 1970.
    pub sent: u64,
    /// How often somebody got it from this queue.
    pub received: u64,
    /// Nobody gets it before, in milliseconds since 1970.
    pub visible: u64,
}

/// Sends to the queues and topics of the local cloud at one address, and looks at them.
#[derive(Debug)]
pub struct EventClient {
    url: String,
    client: Client,
}

impl EventClient {
    /// Of the cloud at an address such as `http://127.0.0.1:4566`; none if that is no address of
    /// this machine.
    pub fn at(url: &str) -> Option<Self> {
        let place = url.trim_end_matches('/').strip_prefix("http://")?;
        let (host, port) = place.split_once(':')?;
        let port = port.parse().ok()?;
        let is_here = ["127.0.0.1", "localhost"].contains(&host);
        is_here.then(|| Self {
            url: format!("http://{place}"),
            client: Client::of(port),
        })
    }

    /// All queues, by name.
    pub async fn queues(&self) -> Result<Vec<QueueSummary>, ClientError> {
        let answer = self.sqs("AmazonSQS.ListQueues", &json!({})).await?;
        let urls = answer["QueueUrls"].as_array().cloned().unwrap_or_default();
        let mut queues = Vec::new();
        for url in urls.iter().filter_map(Json::as_str) {
            queues.push(self.summary(url).await?);
        }
        Ok(queues)
    }

    async fn summary(&self, url: &str) -> Result<QueueSummary, ClientError> {
        let request = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
        let answer = self.sqs("AmazonSQS.GetQueueAttributes", &request).await?;
        let attributes = &answer["Attributes"];
        let redrive = attributes["RedrivePolicy"].as_str().unwrap_or_default();
        let redrive: Json = serde_json::from_str(redrive).unwrap_or_default();
        let dead_letters = redrive["deadLetterTargetArn"].as_str();
        Ok(QueueSummary {
            name: last(url, '/').to_owned(),
            url: url.to_owned(),
            visible: number(&attributes["ApproximateNumberOfMessages"]),
            in_flight: number(&attributes["ApproximateNumberOfMessagesNotVisible"]),
            delayed: number(&attributes["ApproximateNumberOfMessagesDelayed"]),
            dead_letters: dead_letters.map(|arn| last(arn, ':').to_owned()),
        })
    }

    /// Sends a message to the queue of this URL. Answers its id.
    pub async fn send(&self, queue: &str, body: &str) -> Result<String, ClientError> {
        let mut request = json!({ "QueueUrl": queue, "MessageBody": body });
        if queue.ends_with(".fifo") {
            request["MessageGroupId"] = "mlfn".into();
        }
        let answer = self.sqs("AmazonSQS.SendMessage", &request).await?;
        Ok(text(&answer["MessageId"]))
    }

    /// The oldest messages of the queue of this URL, which stay where they are.
    pub async fn peek(&self, queue: &str, most: u32) -> Result<Vec<QueuedMessage>, ClientError> {
        let request = json!({ "QueueUrl": queue, "MaxNumberOfMessages": most });
        let answer = self.sqs(PEEK, &request).await?;
        let messages = answer["Messages"].as_array().into_iter().flatten();
        let messages = messages.map(|message| QueuedMessage {
            id: text(&message["MessageId"]),
            body: text(&message["Body"]),
            sent: number(&message["Attributes"]["SentTimestamp"]),
            received: number(&message["Attributes"]["ApproximateReceiveCount"]),
            visible: message["VisibleFrom"].as_u64().unwrap_or_default(),
        });
        Ok(messages.collect())
    }

    /// Removes all messages of the queue of this URL.
    pub async fn purge(&self, queue: &str) -> Result<(), ClientError> {
        let request = json!({ "QueueUrl": queue });
        self.sqs("AmazonSQS.PurgeQueue", &request).await.map(drop)
    }

    /// The ARNs of all topics.
    pub async fn topics(&self) -> Result<Vec<String>, ClientError> {
        let answer = self.sns(&[("Action", "ListTopics")]).await?;
        let arns = answer.split("<TopicArn>").skip(1);
        let arns = arns.filter_map(|rest| rest.split_once("</TopicArn>"));
        Ok(arns.map(|(arn, _)| arn.to_owned()).collect())
    }

    /// Publishes a message to the topic of this ARN. Answers its id.
    pub async fn publish(&self, topic: &str, message: &str) -> Result<String, ClientError> {
        let fields = [
            ("Action", "Publish"),
            ("TopicArn", topic),
            ("Message", message),
        ];
        let answer = self.sns(&fields).await?;
        Ok(between(&answer, "MessageId").to_owned())
    }

    async fn sqs(&self, call: &'static str, request: &Json) -> Result<Json, ClientError> {
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", call),
        ];
        let answer = self.post(&headers, request.to_string().as_bytes()).await?;
        let body: Json = serde_json::from_slice(answer.body()).unwrap_or_default();
        match answer.status() {
            StatusCode::OK => Ok(body),
            _ => Err(refused(&text(&body["message"]))),
        }
    }

    async fn sns(&self, fields: &[(&str, &str)]) -> Result<String, ClientError> {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let fields = fields.iter();
        let fields: Vec<String> = fields
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            // By this the door knows what the request is for. Nobody checks the signature.
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=mlfn/20260101/us-east-1/sns/aws4_request",
            ),
        ];
        let answer = self.post(&headers, fields.join("&").as_bytes()).await?;
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        match answer.status() {
            StatusCode::OK => Ok(body),
            _ => Err(refused(between(&body, "Message"))),
        }
    }

    async fn post(
        &self,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<Response<Bytes>, ClientError> {
        let unreachable = |source| ClientError::Unreachable {
            url: self.url.clone(),
            source,
        };
        let request = http::request("POST", "/", headers, body);
        let request = request.map_err(|error| unreachable(error.into()))?;
        let answer = self.client.send(request, MAX_ANSWER).await;
        answer.map_err(|error| unreachable(error.into()))
    }
}

fn refused(message: &str) -> ClientError {
    let message = match message {
        "" => "this is not a local cloud of mlfn".to_owned(),
        message => message.to_owned(),
    };
    ClientError::Refused { message }
}

fn last(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or_default()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Numbers are text in the answers of SQS.
fn number(value: &Json) -> u64 {
    let text = value.as_str().unwrap_or_default();
    text.parse().unwrap_or_default()
}

fn between<'a>(text: &'a str, tag: &str) -> &'a str {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let rest = text.split_once(&open).map_or("", |(_, rest)| rest);
    rest.split_once(&close).map_or("", |(inner, _)| inner)
}
