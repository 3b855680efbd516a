//! Requests of HTTP, wherever they were found: on a port or in the envelope of a gateway.
//!
//! - this file: a request -> an answer
//! - `target`: what a path means
//! - `coding`: bodies that are packed
//! - `media`: forms that are declared and accepted
//! - `cors`: which pages of the web may ask

use std::borrow::Cow;

use bytes::Bytes;

use super::{Reply, envelope};
use crate::codec::content::{Content, Form};
use crate::codec::failure::{Failure, to_bytes};
use crate::codec::open;
use crate::handler::{Handler, Timings};

mod coding;
pub(super) mod cors;
mod media;
pub(super) mod target;

use target::Target;

/// How much of a body is JSON, if tensors follow it.
pub(super) const JSON_LENGTH: &str = "inference-header-content-length";

/// The value of a header by its name in lower case.
pub(super) type Headers<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// Answers a request for something that is there.
pub(super) fn answer(
    handler: &Handler,
    timings: &mut Timings,
    target: Target,
    headers: Headers<'_>,
    body: &Bytes,
) -> Reply {
    let unpacked = coding::unpack(headers, body, handler.config().max_request);
    let content = unpacked.and_then(|body| content(handler, timings, target, headers, &body));
    let reply = match content {
        Ok(content) => success(content),
        Err(failure) => refused(target, failure, Some(handler)),
    };
    coding::pack(headers, reply)
}

fn content(
    handler: &Handler,
    timings: &mut Timings,
    target: Target,
    headers: Headers<'_>,
    body: &Bytes,
) -> Result<Content, Failure> {
    match target {
        Target::Live => Ok(Content::json(to_bytes(&Live { live: true }))),
        Target::Ready | Target::ModelReady => Ok(Content::json(to_bytes(&Ready {
            name: name_for(target, &handler.config().function),
            ready: true,
        }))),
        Target::Server => Ok(Content::json(open::server())),
        Target::Model => Ok(Content::json(handler.metadata())),
        Target::OpenApi => Ok(Content::json(handler.openapi())),
        Target::Infer => handler.infer(body, json_length(headers)?, timings),
        Target::Predict => {
            let form = media::declared(headers("content-type"), body)?;
            let wanted = media::accepted(headers("accept"));
            handler.predict_in(body, form, wanted, timings)
        }
    }
}

fn json_length(headers: Headers<'_>) -> Result<Option<usize>, Failure> {
    let Some(value) = headers(JSON_LENGTH) else {
        return Ok(None);
    };
    match value.trim().parse() {
        Ok(length) => Ok(Some(length)),
        Err(_) => Err(envelope::bad_header(
            JSON_LENGTH,
            value,
            "a number of bytes",
        )),
    }
}

#[derive(serde::Serialize)]
struct Live {
    live: bool,
}

#[derive(serde::Serialize)]
struct Ready<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    ready: bool,
}

fn name_for(target: Target, function: &str) -> Option<&str> {
    (target == Target::ModelReady).then_some(function)
}

/// Whether the process lives and its model is loaded: what is known without waiting for the model.
/// None if something else is asked.
pub(super) fn health(target: Target, function: &str, is_ready: bool) -> Option<(u16, Vec<u8>)> {
    let status = if is_ready { 200 } else { 503 };
    match target {
        Target::Live => Some((200, to_bytes(&Live { live: true }))),
        Target::Ready | Target::ModelReady => {
            let ready = Ready {
                name: name_for(target, function),
                ready: is_ready,
            };
            Some((status, to_bytes(&ready)))
        }
        _ => None,
    }
}

fn success(content: Content) -> Reply {
    let mut headers = vec![("content-type", Cow::Borrowed(content.form.media_type()))];
    if let Some(length) = content.json_length {
        headers.push((JSON_LENGTH, length.to_string().into()));
    }
    Reply {
        headers,
        is_text: content.form == Form::Json,
        ..Reply::success(content.body)
    }
}

/// Why there is no answer, in the form of the protocol that has this path.
pub(super) fn refusal(path: &str, failure: &Failure) -> Vec<u8> {
    if target::is_open(path) {
        failure.to_open_json()
    } else {
        failure.to_json(None)
    }
}

/// A failure in the form of the protocol that was spoken.
pub(super) fn refused(target: Target, failure: Failure, handler: Option<&Handler>) -> Reply {
    if !target.is_open() {
        return match handler {
            Some(handler) => super::reply(handler, Err(failure)),
            None => super::refused(failure),
        };
    }
    Reply {
        body: failure.to_open_json(),
        ..super::refused(failure)
    }
}
