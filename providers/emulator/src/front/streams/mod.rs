//! The parts of the APIs of Kinesis and DynamoDB that put something into a stream, so that the AWS
//! SDKs and command line work against the streams that functions of a local cloud read. Streams and
//! tables exist somewhere else and have stand-ins here. Signatures are not checked.
//!
//! - [`kinesis`]: records of data streams
//! - [`dynamodb`]: items of tables, whose changes are records

mod dynamodb;
mod kinesis;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{HeaderMap, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::{Reply, read, reply, set};
use crate::Emulator;
use crate::identifiers::uuid;

/// Bytes of a request: 500 records of 1 MiB each are more than any client sends here.
const MAX_REQUEST: usize = 64 * 1024 * 1024;

/// One of the two APIs.
#[derive(Debug, Clone, Copy)]
struct Api {
    /// With what the names of its calls begin.
    prefix: &'static str,
    /// The content type of its protocol.
    content: &'static str,
    /// With what the names of its errors begin.
    errors: &'static str,
    call: fn(&Emulator, &str, &[u8]) -> Answer,
}

const APIS: [Api; 2] = [kinesis::API, dynamodb::API];

type Answer = Result<Json, ApiError>;

/// An error as the APIs tell it.
#[derive(Debug)]
struct ApiError {
    kind: &'static str,
    message: String,
}

impl ApiError {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    fn unknown(call: &str) -> Self {
        let message = format!(
            "`{call}` is not a call that the local twin knows; it takes what functions read"
        );
        Self::new("UnknownOperationException", message)
    }
}

fn find(headers: &HeaderMap) -> Option<(Api, &str)> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    let of = |api: &Api| target.strip_prefix(api.prefix).map(|call| (*api, call));
    APIS.iter().find_map(of)
}

/// Whether a request is a call of one of the APIs.
pub(super) fn is_for(headers: &HeaderMap) -> bool {
    find(headers).is_some()
}

pub(super) async fn answer(emulator: &Arc<Emulator>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let Some((api, call)) = find(&head.headers) else {
        return super::message(StatusCode::NOT_FOUND, "there is no such call");
    };
    let answered = match read(body, MAX_REQUEST).await {
        Ok(body) => (api.call)(emulator, call, &body),
        Err(_) => Err(ApiError::new(
            "SerializationException",
            "the request is too large, or ended early",
        )),
    };
    let mut reply = match answered {
        Ok(answer) => reply(StatusCode::OK, api.content, answer.to_string()),
        Err(ApiError { kind, message }) => {
            let body = json!({ "__type": format!("{}{kind}", api.errors), "message": message });
            reply(StatusCode::BAD_REQUEST, api.content, body.to_string())
        }
    };
    set(&mut reply, "x-amzn-requestid", &uuid());
    reply
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::new("SerializationException", error.to_string()))
}
