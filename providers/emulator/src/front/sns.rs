//! The part of the SNS API that publishes, and lets queues have what is published, in its query
//! protocol, so that the AWS SDKs and command line work against the topics of a local cloud
//! (<https://docs.aws.amazon.com/sns/latest/api/API_Operations.html>). Topics and the subscriptions
//! of functions are made by deploying. Signatures are not checked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};

use super::{Reply, read, reply, set};
use crate::Emulator;
use crate::identifiers::uuid;
use crate::platform::ACCOUNT;
use crate::sources::topic::{Publication, Subscription, Topics};

/// Bytes of a message (`Publish`), three times as many when they are encoded, and what is around.
const MAX_MESSAGE: usize = 256 * 1024;
const MAX_REQUEST: usize = 10 * 3 * MAX_MESSAGE + 64 * 1024;

/// The namespace of answers.
const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// Whether a request is signed for the API; nothing else in it tells.
pub(super) fn is_for(path: &str, headers: &HeaderMap) -> bool {
    let signed = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    path == "/" && signed.is_some_and(|value| value.contains("/sns/aws4_request"))
}

pub(super) async fn answer(emulator: &Arc<Emulator>, request: Request<Incoming>) -> Reply {
    let id = uuid();
    let answered = match read(request.into_body(), MAX_REQUEST).await {
        Ok(body) => dispatch(emulator.sources().topics(), &fields(&body)).await,
        Err(_) => Err(ApiError::invalid(
            "the request is too large, or ended early",
        )),
    };
    let mut reply = match answered {
        Ok((call, result)) => xml(StatusCode::OK, &success(call, &result, &id)),
        Err(error) => xml(error.status, &error.text(&id)),
    };
    set(&mut reply, "x-amzn-requestid", &id);
    reply
}

fn xml(status: StatusCode, text: &str) -> Reply {
    reply(status, "text/xml", text.to_owned())
}

type Fields = BTreeMap<String, String>;

/// Those of a form.
fn fields(body: &[u8]) -> Fields {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// An error as the API tells it.
struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn invalid(message: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "InvalidParameter",
            message: message.to_owned(),
        }
    }

    fn text(&self, id: &str) -> String {
        let (code, message) = (self.code, escaped(&self.message));
        format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
        )
    }
}

fn success(call: &str, result: &str, id: &str) -> String {
    format!(
        "<{call}Response xmlns=\"{NAMESPACE}\"><{call}Result>{result}</{call}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{call}Response>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The name of the call, and what is in its result.
async fn dispatch(topics: &Topics, fields: &Fields) -> Result<(&'static str, String), ApiError> {
    let call = fields.get("Action").map(String::as_str);
    Ok(match call {
        Some("Publish") => ("Publish", publish(topics, fields).await?),
        Some("PublishBatch") => ("PublishBatch", publish_batch(topics, fields).await?),
        Some("ListTopics") => ("ListTopics", list(topics)),
        Some("GetTopicAttributes") => ("GetTopicAttributes", about_topic(topics, fields)?),
        Some("ListSubscriptions") => ("ListSubscriptions", all_subscriptions(topics)?),
        Some("ListSubscriptionsByTopic") => {
            let found = subscriptions(topics, field(fields, "TopicArn")?)?;
            ("ListSubscriptionsByTopic", found)
        }
        Some("Subscribe") => ("Subscribe", subscribe(topics, fields)?),
        Some("Unsubscribe") => {
            topics.unsubscribe(field(fields, "SubscriptionArn")?);
            ("Unsubscribe", String::new())
        }
        other => {
            return Err(ApiError {
                status: StatusCode::BAD_REQUEST,
                code: "InvalidAction",
                message: format!(
                    "`{}` is not a call that the local twin knows; topics are made and removed by \
                     deploying",
                    other.unwrap_or_default()
                ),
            });
        }
    })
}

/// A field that must have something in it.
fn field<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, ApiError> {
    let value = fields.get(name).filter(|value| !value.is_empty());
    let missing = || ApiError::invalid(&format!("Invalid parameter: {name}"));
    value.map(String::as_str).ok_or_else(missing)
}

fn no_topic() -> ApiError {
    ApiError {
        status: StatusCode::NOT_FOUND,
        code: "NotFound",
        message: "Topic does not exist".to_owned(),
    }
}

async fn publish(topics: &Topics, fields: &Fields) -> Result<String, ApiError> {
    let topic = field(fields, "TopicArn").or_else(|_| field(fields, "TargetArn"));
    let topic = topic.map_err(|_| ApiError::invalid("Invalid parameter: TopicArn"))?;
    let publication = publication(fields, "")?;
    let id = topics.publish(topic, &publication).await;
    let id = id.ok_or_else(no_topic)?;
    Ok(format!("<MessageId>{id}</MessageId>"))
}

async fn publish_batch(topics: &Topics, fields: &Fields) -> Result<String, ApiError> {
    const MOST: u32 = 10;
    let topic = field(fields, "TopicArn")?;
    topics.subscriptions(topic).ok_or_else(no_topic)?;
    let (mut good, mut bad) = (String::new(), String::new());
    for number in 1..=MOST {
        let entry = format!("PublishBatchRequestEntries.member.{number}.");
        let Some(name) = fields.get(&format!("{entry}Id")).map(|id| escaped(id)) else {
            break;
        };
        let published = match publication(fields, &entry) {
            Ok(publication) => {
                let id = topics.publish(topic, &publication).await;
                id.ok_or_else(no_topic)
            }
            Err(error) => Err(error),
        };
        // Writing to a string cannot fail.
        let _ = match published {
            Ok(id) => write!(
                good,
                "<member><Id>{name}</Id><MessageId>{id}</MessageId></member>"
            ),
            Err(ApiError { code, message, .. }) => write!(
                bad,
                "<member><Id>{name}</Id><Code>{code}</Code><Message>{}</Message>\
                 <SenderFault>true</SenderFault></member>",
                escaped(&message)
            ),
        };
    }
    Ok(format!(
        "<Successful>{good}</Successful><Failed>{bad}</Failed>"
    ))
}

/// What is published, in fields whose names begin with `of`.
fn publication(fields: &Fields, of: &str) -> Result<Publication, ApiError> {
    let given = |name: &str| {
        let value = fields.get(&format!("{of}{name}"));
        value.filter(|value| !value.is_empty())
    };
    let message = given("Message");
    let message = message.ok_or_else(|| ApiError::invalid("Invalid parameter: Empty message"))?;
    if message.len() > MAX_MESSAGE {
        return Err(ApiError::invalid("Invalid parameter: Message too long"));
    }
    let message = match given("MessageStructure").map(String::as_str) {
        Some("json") => default_of(message)?,
        _ => message.clone(),
    };
    Ok(Publication {
        message,
        subject: given("Subject").cloned(),
        attributes: attributes(fields, of),
    })
}

/// The message for all protocols, of one that has several.
fn default_of(message: &str) -> Result<String, ApiError> {
    let parsed = serde_json::from_str::<Json>(message).ok();
    let default = parsed.and_then(|parsed| Some(parsed.get("default")?.as_str()?.to_owned()));
    default.ok_or_else(|| {
        let why = "Invalid parameter: Message Structure - No default entry in JSON message body";
        ApiError::invalid(why)
    })
}

fn about_topic(topics: &Topics, fields: &Fields) -> Result<String, ApiError> {
    let topic = field(fields, "TopicArn")?;
    let count = topics.subscriptions(topic).ok_or_else(no_topic)?.len();
    let entries = [
        ("TopicArn", topic.to_owned()),
        ("Owner", ACCOUNT.to_owned()),
        ("DisplayName", String::new()),
        ("SubscriptionsConfirmed", count.to_string()),
        ("SubscriptionsPending", "0".to_owned()),
        ("SubscriptionsDeleted", "0".to_owned()),
    ];
    let entries = entries.map(|(name, value)| {
        let value = escaped(&value);
        format!("<entry><key>{name}</key><value>{value}</value></entry>")
    });
    Ok(format!("<Attributes>{}</Attributes>", entries.concat()))
}

fn all_subscriptions(topics: &Topics) -> Result<String, ApiError> {
    let all = topics.all().into_iter();
    let members: Result<String, ApiError> = all.map(|topic| members(topics, &topic)).collect();
    Ok(format!("<Subscriptions>{}</Subscriptions>", members?))
}

fn subscriptions(topics: &Topics, topic: &str) -> Result<String, ApiError> {
    let members = members(topics, topic)?;
    Ok(format!("<Subscriptions>{members}</Subscriptions>"))
}

fn members(topics: &Topics, topic: &str) -> Result<String, ApiError> {
    let all = topics.subscriptions(topic).ok_or_else(no_topic)?;
    let member = |Subscription { arn, endpoint }| {
        let (protocol, endpoint) = endpoint.parts();
        let (arn, topic) = (escaped(&arn), escaped(topic));
        let endpoint = escaped(endpoint);
        format!(
            "<member><SubscriptionArn>{arn}</SubscriptionArn><Owner>{ACCOUNT}</Owner>\
             <Protocol>{protocol}</Protocol><Endpoint>{endpoint}</Endpoint>\
             <TopicArn>{topic}</TopicArn></member>"
        )
    };
    Ok(all.into_iter().map(member).collect())
}

fn subscribe(topics: &Topics, fields: &Fields) -> Result<String, ApiError> {
    let topic = field(fields, "TopicArn")?;
    topics.subscriptions(topic).ok_or_else(no_topic)?;
    if field(fields, "Protocol")? != "sqs" {
        let why = "Invalid parameter: Protocol: the local twin lets queues (`sqs`) subscribe; \
                   functions do so by deploying";
        return Err(ApiError::invalid(why));
    }
    let queue = field(fields, "Endpoint")?;
    let is_raw = |number: u32| {
        let of = |what: &str| fields.get(&format!("Attributes.entry.{number}.{what}"));
        of("key").is_some_and(|key| key == "RawMessageDelivery")
            && of("value").is_some_and(|value| value == "true")
    };
    let subscribed = topics.subscribe(topic, queue, (1..=10).any(is_raw));
    let subscribed = subscribed.ok_or_else(|| {
        ApiError::invalid("Invalid parameter: Endpoint: there is no such queue here")
    })?;
    Ok(format!(
        "<SubscriptionArn>{}</SubscriptionArn>",
        escaped(&subscribed)
    ))
}

/// `MessageAttributes.entry.1.Name`, `.Value.DataType`, `.Value.StringValue`.
fn attributes(fields: &Fields, of: &str) -> BTreeMap<String, Json> {
    let field = |number: u32, name: &str| {
        fields
            .get(&format!("{of}MessageAttributes.entry.{number}.{name}"))
            .cloned()
    };
    let attribute = |number| {
        let name = field(number, "Name")?;
        let value = field(number, "Value.StringValue");
        let value = value.or_else(|| field(number, "Value.BinaryValue"));
        Some((
            name,
            json!({ "Type": field(number, "Value.DataType"), "Value": value }),
        ))
    };
    (1..).map_while(attribute).collect()
}

fn list(topics: &Topics) -> String {
    let members = topics
        .all()
        .into_iter()
        .fold(String::new(), |mut text, arn| {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "<member><TopicArn>{}</TopicArn></member>",
                escaped(&arn)
            );
            text
        });
    format!("<Topics>{members}</Topics>")
}
