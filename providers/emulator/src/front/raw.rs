//! HTTP that is passed on to a function as it is: Azure and Google.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, StatusCode, Uri};

use super::{BodyError, Reply, message, read};
use crate::identifiers::{trace_parent, uuid};
use crate::platform::Work;
use crate::pool::{Ask, Done};
use crate::{Emulator, InvokeError};

/// Bytes of a request; the platforms themselves take less or a little more, and judge it.
const MAX_REQUEST: usize = 210 * 1024 * 1024;

/// What is about one connection and not about the request (RFC 9110, 7.6.1).
const OF_CONNECTIONS: [HeaderName; 6] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    CONTENT_LENGTH,
];

/// Passes a request on to `function`, with `path` for the request's own.
pub(super) async fn pass_on(
    emulator: &Arc<Emulator>,
    function: &str,
    path: &str,
    head: Parts,
    body: Incoming,
) -> Reply {
    let body = match read(body, MAX_REQUEST).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        Err(BodyError::Broken) => return message(StatusCode::BAD_REQUEST, "the body ended early"),
    };
    let id = uuid();
    let ask = Ask {
        id,
        wants_tail: false,
        work: Work::Http(request(path, head, body)),
    };
    match emulator.pass_on(function, ask).await {
        Ok(done) => answer(done),
        Err(InvokeError::NotFound(_)) => message(StatusCode::NOT_FOUND, "Not Found"),
        Err(InvokeError::Throttled(_)) => message(StatusCode::TOO_MANY_REQUESTS, "Rate exceeded."),
    }
}

fn request(path: &str, head: Parts, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = head.method;
    let query = head
        .uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    // Both come from an address that was read as one.
    if let Ok(target) = format!("{path}{query}").parse::<PathAndQuery>() {
        *request.uri_mut() = Uri::from(target);
    }
    *request.headers_mut() = without_connection(head.headers);
    let headers = request.headers_mut();
    headers.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    if let Ok(trace) = HeaderValue::from_str(&trace_parent()) {
        headers.entry("traceparent").or_insert(trace);
    }
    request
}

fn without_connection(mut headers: HeaderMap) -> HeaderMap {
    for name in OF_CONNECTIONS {
        headers.remove(name);
    }
    headers
}

fn answer(done: Done) -> Reply {
    let mut reply = Response::new(Full::new(done.body));
    let status = done
        .status
        .and_then(|status| StatusCode::from_u16(status).ok());
    *reply.status_mut() = status.unwrap_or(StatusCode::BAD_GATEWAY);
    *reply.headers_mut() = without_connection(done.headers);
    reply
}
