//! `InvokeWithResponseStream`: the answer as events
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html>) in the binary
//! form of AWS's event streams
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>). A function that answers at once, as the
//! shim does, sends its answer in one event, here as there.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::StatusCode;
use serde_json::{Value as Json, json};

use super::{ApiError, Asked, Reply, carry_out, dry};
use crate::Emulator;
use crate::front::{reply, set};
use crate::pool::Done;

/// The answer to the call.
pub(super) async fn invoke(
    emulator: &Arc<Emulator>,
    asked: Asked,
    id: &str,
) -> Result<Reply, ApiError> {
    match asked.kind.as_str() {
        "RequestResponse" => {
            let done = carry_out(emulator, asked.call, id).await?;
            let kind = "application/vnd.amazon.eventstream";
            let mut reply = reply(StatusCode::OK, kind, events(&done));
            set(&mut reply, "x-amz-executed-version", &done.version);
            Ok(reply)
        }
        "DryRun" => Ok(dry(&asked)),
        _ => Err(asked.unknown_kind("RequestResponse or DryRun")),
    }
}

/// The answer, and the end of it.
fn events(done: &Done) -> Vec<u8> {
    let mut complete = json!({});
    if let Some(tail) = &done.tail {
        complete["LogResult"] = BASE64.encode(tail).into();
    }
    if done.ending.is_success() {
        let chunk = message("PayloadChunk", "application/octet-stream", &done.body);
        return [chunk, end(&complete)].concat();
    }
    let error: Json = serde_json::from_slice(&done.body).unwrap_or_default();
    complete["ErrorCode"] = error["errorType"].clone();
    complete["ErrorDetails"] = String::from_utf8_lossy(&done.body).into();
    end(&complete)
}

fn end(complete: &Json) -> Vec<u8> {
    let complete = complete.to_string();
    message("InvokeComplete", "application/json", complete.as_bytes())
}

/// An event: two lengths and their checksum, headers, payload, and the checksum of all that.
fn message(event: &str, content_type: &str, payload: &[u8]) -> Vec<u8> {
    let headers = [
        header(":event-type", event),
        header(":content-type", content_type),
        header(":message-type", "event"),
    ]
    .concat();
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    // Twelve bytes before the headers, and four at the end.
    let total = 12 + headers.len() + payload.len() + 4;
    let mut message = [length(total), length(headers.len())].concat();
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(headers);
    message.extend(payload);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

/// A header whose value is a text, which is type 7.
fn header(name: &str, value: &str) -> Vec<u8> {
    let name_length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let value_length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let mut header = vec![name_length];
    header.extend(name.bytes());
    header.push(7);
    header.extend(value_length.to_be_bytes());
    header.extend(value.bytes());
    header
}
