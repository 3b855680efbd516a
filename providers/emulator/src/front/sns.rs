//! The part of the SNS API that publishes, in its query protocol, so that the AWS SDKs and command
//! line work against the topics of a local cloud
//! (<https://docs.aws.amazon.com/sns/latest/api/API_Operations.html>). Topics are made by deploying.
//! Signatures are not checked.

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
use crate::sources::topic::{Publication, Topics};

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
        Ok(body) => dispatch(emulator.sources().topics(), &fields(&body)),
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
fn dispatch(topics: &Topics, fields: &Fields) -> Result<(&'static str, String), ApiError> {
    match fields.get("Action").map(String::as_str) {
        Some("Publish") => Ok(("Publish", publish(topics, fields)?)),
        Some("ListTopics") => Ok(("ListTopics", list(topics))),
        other => Err(ApiError {
            status: StatusCode::BAD_REQUEST,
            code: "InvalidAction",
            message: format!(
                "`{}` is not a call that the local twin knows; topics are made and removed by deploying",
                other.unwrap_or_default()
            ),
        }),
    }
}

fn publish(topics: &Topics, fields: &Fields) -> Result<String, ApiError> {
    let field = |name: &str| fields.get(name).filter(|value| !value.is_empty());
    let topic = field("TopicArn").or_else(|| field("TargetArn"));
    let topic = topic.ok_or_else(|| ApiError::invalid("Invalid parameter: TopicArn"))?;
    let message = field("Message");
    let message = message.ok_or_else(|| ApiError::invalid("Invalid parameter: Empty message"))?;
    if message.len() > MAX_MESSAGE {
        return Err(ApiError::invalid("Invalid parameter: Message too long"));
    }
    let publication = Publication {
        message: message.clone(),
        subject: field("Subject").cloned(),
        attributes: attributes(fields),
    };
    let id = topics
        .publish(topic, &publication)
        .ok_or_else(|| ApiError {
            status: StatusCode::NOT_FOUND,
            code: "NotFound",
            message: "Topic does not exist".to_owned(),
        })?;
    Ok(format!("<MessageId>{id}</MessageId>"))
}

/// `MessageAttributes.entry.1.Name`, `.Value.DataType`, `.Value.StringValue`.
fn attributes(fields: &Fields) -> BTreeMap<String, Json> {
    let field = |number: u32, name: &str| {
        fields
            .get(&format!("MessageAttributes.entry.{number}.{name}"))
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
