//! Topics: each message is handed over to all functions that subscribe
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>), and sent to all queues that do
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html>).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::queue::Queues;
use super::queue::state::Draft;
use super::{Source, Surroundings};
use crate::cloud::aws::destinations;
use crate::cloud::record::{Record, Thing};
use crate::identifiers::{self, uuid};
use crate::platform::{ACCOUNT, REGION};

/// The log stream of what is noted here.
const STREAM: &str = "topic";

/// A message to be published.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Publication {
    pub(crate) message: String,
    pub(crate) subject: Option<String>,
    /// By name: `{"Type": .., "Value": ..}`.
    pub(crate) attributes: BTreeMap<String, Json>,
}

/// Who gets the messages of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// Its own ARN.
    pub(crate) arn: String,
    pub(crate) endpoint: Endpoint,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The function of this ARN, as it is deployed.
    Function(String),
    /// The queue of this ARN, with the message as it is (`raw`) or in an envelope.
    Queue { arn: String, raw: bool },
}

impl Endpoint {
    /// The name of its protocol, and its ARN.
    pub(crate) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Function(arn) => ("lambda", arn),
            Self::Queue { arn, .. } => ("sqs", arn),
        }
    }
}

/// All topics of a cloud.
#[derive(Debug)]
pub(crate) struct Topics {
    surroundings: Surroundings,
    queues: Arc<Queues>,
    content: RwLock<Content>,
}

/// By the ARN of the topic.
#[derive(Debug, Default)]
struct Content {
    /// As the record has it.
    deployed: BTreeMap<String, Vec<Subscription>>,
    /// Queues that somebody has subscribed since; as long as this process lives.
    added: BTreeMap<String, Vec<Subscription>>,
}

impl Content {
    fn of(&self, topic: &str) -> impl Iterator<Item = &Subscription> {
        let both = [self.deployed.get(topic), self.added.get(topic)];
        both.into_iter().flatten().flatten()
    }
}

impl Topics {
    pub(super) fn new(surroundings: Surroundings, queues: Arc<Queues>) -> Arc<Self> {
        Arc::new(Self {
            surroundings,
            queues,
            content: RwLock::default(),
        })
    }

    /// The ARNs of all topics.
    pub(crate) fn all(&self) -> Vec<String> {
        self.content().deployed.keys().cloned().collect()
    }

    /// Who gets the messages of a topic; none if there is no such topic.
    pub(crate) fn subscriptions(&self, topic: &str) -> Option<Vec<Subscription>> {
        let content = self.content();
        content.deployed.get(topic)?;
        Some(content.of(topic).cloned().collect())
    }

    /// Lets a queue of this cloud have the messages of a topic. Answers the ARN of the
    /// subscription; none if there is no such topic or queue.
    pub(crate) fn subscribe(&self, topic: &str, queue: &str, raw: bool) -> Option<String> {
        let name = queue.rsplit(':').next().unwrap_or_default();
        let found = self.queues.find(name).ok()?;
        let mut content = self.content_mut();
        content.deployed.get(topic)?;
        let endpoint = Endpoint::Queue {
            arn: found.arn,
            raw,
        };
        let all = content.added.entry(topic.to_owned()).or_default();
        all.retain(|one| one.endpoint.parts() != endpoint.parts());
        let arn = format!("{topic}:{}", uuid());
        all.push(Subscription {
            arn: arn.clone(),
            endpoint,
        });
        Some(arn)
    }

    /// Ends a subscription of a queue. What is deployed stays.
    pub(crate) fn unsubscribe(&self, subscription: &str) {
        let mut content = self.content_mut();
        let all = content.added.values_mut();
        all.for_each(|all| all.retain(|one| one.arn != subscription));
    }

    /// Hands a message over to all who subscribe. Answers its id; none if there is no such topic.
    pub(crate) async fn publish(&self, topic: &str, publication: &Publication) -> Option<String> {
        let id = uuid();
        let time = identifiers::iso(self.surroundings.clock().now());
        let notification = notification((topic, &id), publication, &time);
        for Subscription { arn, endpoint } in self.subscriptions(topic)? {
            match endpoint {
                Endpoint::Function(function) => self.hand_over(topic, &function, &notification),
                Endpoint::Queue { arn: queue, raw } => {
                    let mut enveloped = notification.clone();
                    enveloped["UnsubscribeURL"] = json!(arn);
                    let body = if raw {
                        publication.message.clone()
                    } else {
                        enveloped.to_string()
                    };
                    self.send(&queue, body).await;
                }
            }
        }
        Some(id)
    }

    fn hand_over(&self, topic: &str, function: &str, notification: &Json) {
        let Some(function) = self.surroundings.function(function) else {
            return;
        };
        let name = topic.rsplit(':').next().unwrap_or_default();
        let id = notification["MessageId"].as_str().unwrap_or_default();
        function.note(STREAM, format!("mlfn: topic {name} sends message {id}"));
        let event = event(topic, notification.clone());
        function.hand_over(Bytes::from(event.to_string()));
    }

    async fn send(&self, queue: &str, body: String) {
        let name = queue.rsplit(':').next().unwrap_or_default();
        let draft = Draft {
            id: uuid(),
            body,
            attributes: BTreeMap::new(),
            trace: None,
            delay: 0,
            fifo: None,
        };
        // A queue that has gone gets nothing, as in the cloud.
        let _ = self.queues.send(name, vec![draft]).await;
    }

    fn content(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn content_mut(&self) -> RwLockWriteGuard<'_, Content> {
        self.content.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle for [`Sources`](super::Sources).
#[derive(Debug, Clone)]
pub(super) struct TopicSource(pub(super) Arc<Topics>);

#[async_trait]
impl Source for TopicSource {
    fn refresh(&self, record: &Record) {
        let wanted = subscribers(record);
        let mut content = self.0.content_mut();
        content.added.retain(|topic, _| wanted.contains_key(topic));
        content.deployed = wanted;
    }

    /// What was published is handed over already.
    async fn stop(&self) {}
}

/// Topics that exist somewhere else have a stand-in here, if somebody subscribes to them, or they are
/// told what became of requests.
fn subscribers(record: &Record) -> BTreeMap<String, Vec<Subscription>> {
    let region = record.region.as_deref().unwrap_or(REGION);
    let arn = |topic: &Thing| format!("arn:aws:sns:{region}:{ACCOUNT}:{}", topic.name);
    let topics = record.of_kind("aws:topic");
    let mut all: BTreeMap<String, Vec<Subscription>> =
        topics.map(|topic| (arn(topic), Vec::new())).collect();
    for arn in destinations(record, "sns") {
        all.entry(arn).or_default();
    }
    for subscription in record.of_kind("aws:subscription") {
        let ends = (subscription.text("topic"), subscription.text("function"));
        if let (Some(topic), Some(function)) = ends {
            let subscriptions = all.entry(topic.to_owned()).or_default();
            subscriptions.push(Subscription {
                arn: format!("{topic}:{:036}", subscriptions.len() + 1),
                endpoint: Endpoint::Function(function.to_owned()),
            });
        }
    }
    all
}

/// What a queue gets, and a function in another spelling of some names.
fn notification((topic, id): (&str, &str), publication: &Publication, time: &str) -> Json {
    let mut notification = json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": topic,
        "Message": publication.message,
        "Timestamp": time,
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertURL": "",
        "UnsubscribeURL": "",
    });
    if let Some(subject) = &publication.subject {
        notification["Subject"] = json!(subject);
    }
    if !publication.attributes.is_empty() {
        notification["MessageAttributes"] = json!(publication.attributes);
    }
    notification
}

fn event(topic: &str, mut notification: Json) -> Json {
    let id = notification["MessageId"].clone();
    let id = id.as_str().unwrap_or_default();
    if let Some(fields) = notification.as_object_mut() {
        fields.entry("Subject").or_insert(Json::Null);
        fields.entry("MessageAttributes").or_insert(json!({}));
        for (old, new) in [
            ("SigningCertURL", "SigningCertUrl"),
            ("UnsubscribeURL", "UnsubscribeUrl"),
        ] {
            let value = fields.remove(old).unwrap_or_default();
            fields.insert(new.to_owned(), value);
        }
    }
    json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": format!("{topic}:{id}"),
        "Sns": notification,
    }] })
}
