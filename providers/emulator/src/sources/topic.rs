//! Topics: each message is handed over to all functions that subscribe
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::{Source, Surroundings};
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

/// All topics of a cloud.
#[derive(Debug)]
pub(crate) struct Topics {
    surroundings: Surroundings,
    /// The ARNs of the functions that subscribe, by the ARN of the topic.
    subscribers: RwLock<BTreeMap<String, Vec<String>>>,
}

impl Topics {
    pub(super) fn new(surroundings: Surroundings) -> Arc<Self> {
        Arc::new(Self {
            surroundings,
            subscribers: RwLock::default(),
        })
    }

    /// The ARNs of all topics.
    pub(crate) fn all(&self) -> Vec<String> {
        self.subscribers().keys().cloned().collect()
    }

    /// Hands a message over to all who subscribe. Answers its id; none if there is no such topic.
    pub(crate) fn publish(&self, topic: &str, publication: &Publication) -> Option<String> {
        let functions = self.subscribers().get(topic)?.clone();
        let id = uuid();
        for arn in functions {
            let Some(function) = self.surroundings.function(&arn) else {
                continue;
            };
            let time = self.surroundings.clock().now();
            let event = event((topic, &id), publication, &identifiers::iso(time));
            let name = topic.rsplit(':').next().unwrap_or_default();
            function.note(STREAM, format!("mlfn: topic {name} sends message {id}"));
            function.hand_over(Bytes::from(event.to_string()));
        }
        Some(id)
    }

    fn subscribers(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Vec<String>>> {
        self.subscribers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle for [`Sources`](super::Sources).
#[derive(Debug, Clone)]
pub(super) struct TopicSource(pub(super) Arc<Topics>);

#[async_trait]
impl Source for TopicSource {
    fn refresh(&self, record: &Record) {
        let wanted = subscribers(record);
        *self
            .0
            .subscribers
            .write()
            .unwrap_or_else(PoisonError::into_inner) = wanted;
    }

    /// What was published is handed over already.
    async fn stop(&self) {}
}

/// Topics that exist somewhere else have a stand-in here, if somebody subscribes to them.
fn subscribers(record: &Record) -> BTreeMap<String, Vec<String>> {
    let region = record.region.as_deref().unwrap_or(REGION);
    let arn = |topic: &Thing| format!("arn:aws:sns:{region}:{ACCOUNT}:{}", topic.name);
    let topics = record.of_kind("aws:topic");
    let mut all: BTreeMap<String, Vec<String>> =
        topics.map(|topic| (arn(topic), Vec::new())).collect();
    for subscription in record.of_kind("aws:subscription") {
        let ends = (subscription.text("topic"), subscription.text("function"));
        if let (Some(topic), Some(function)) = ends {
            let functions = all.entry(topic.to_owned()).or_default();
            functions.push(function.to_owned());
        }
    }
    all
}

fn event((topic, id): (&str, &str), publication: &Publication, time: &str) -> Json {
    json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": format!("{topic}:{id}"),
        "Sns": {
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": topic,
            "Subject": publication.subject,
            "Message": publication.message,
            "Timestamp": time,
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertUrl": "",
            "UnsubscribeUrl": "",
            "MessageAttributes": publication.attributes,
        },
    }] })
}
