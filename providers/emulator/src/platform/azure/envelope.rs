//! The JSON around requests and answers of everything that is not passed on as plain HTTP.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::{HeaderMap, Response};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::bindings::Binding;
use crate::identifiers::uuid;
use crate::platform::Answer;
use crate::{Failure, Outcome};

/// The request that the handler gets when `payload` arrives at a trigger.
pub(super) fn wrap(function: &str, trigger: &Binding, payload: &[u8]) -> Vec<u8> {
    let mut data = serde_json::Map::new();
    data.insert(trigger.name.clone(), value(function, trigger, payload));
    let envelope = json!({
        "Data": data,
        "Metadata": { "sys": { "MethodName": function, "RandGuid": uuid() } },
    });
    envelope.to_string().into_bytes()
}

/// The value of a binding, by the rules of the host: text is a JSON string of a JSON string,
/// bytes are base64.
fn value(function: &str, trigger: &Binding, payload: &[u8]) -> Json {
    let text = String::from_utf8_lossy(payload);
    match (trigger.kind.as_str(), trigger.data_type.as_deref()) {
        ("httpTrigger", _) => json!({
            "Url": format!("http://127.0.0.1/api/{function}"),
            "Method": "POST",
            "Query": {},
            "Headers": { "Content-Type": ["application/json"] },
            "Params": {},
            "Identities": [],
            "Body": text,
        }),
        ("timerTrigger", _) => json!({
            "Schedule": { "AdjustForDST": true },
            "ScheduleStatus": null,
            "IsPastDue": false,
        }),
        (_, Some("binary")) => Json::from(BASE64.encode(payload)),
        _ => Json::from(Json::from(text).to_string()),
    }
}

/// What the handler answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Returned {
    outputs: BTreeMap<String, Json>,
    logs: Vec<String>,
    return_value: Json,
}

/// The answer inside what the handler sent.
pub(super) fn unwrap(response: &Response<Bytes>) -> Answer {
    let status = response.status().as_u16();
    let bytes = response.body();
    if !response.status().is_success() {
        return Answer::failed(Failure::Reported, Some(status), bytes.clone());
    }
    match serde_json::from_slice::<Returned>(bytes) {
        Ok(returned) => returned.answer(),
        Err(error) => {
            let why = format!("the handler's answer is not the JSON that the host reads ({error})");
            Answer::failed(Failure::BadAnswer(why), Some(500), "")
        }
    }
}

impl Returned {
    fn answer(self) -> Answer {
        let http = self
            .outputs
            .values()
            .find(|output| output.get("statusCode").is_some());
        let (status, body) = match http {
            Some(http) => (status_code(&http["statusCode"]), &http["body"]),
            None if self.return_value.is_null() => (Some(200), &Json::Null),
            None => (Some(200), &self.return_value),
        };
        let body = match body {
            Json::Null if http.is_none() => serde_json::to_vec(&self.outputs).unwrap_or_default(),
            Json::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        };
        let outcome = match status {
            Some(..400) => Outcome::Success,
            _ => Outcome::FunctionError(Failure::Reported),
        };
        Answer {
            outcome,
            body: body.into(),
            status,
            headers: HeaderMap::new(),
            logs: self.logs,
        }
    }
}

/// The host takes it as a number and as text.
fn status_code(value: &Json) -> Option<u16> {
    match value {
        Json::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|code| code.try_into().ok()),
    }
}
