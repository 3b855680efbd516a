//! The port of a local cloud. By path:
//!
//! - `/2015-03-31/functions/..`: the Lambda API ([`lambda_api`])
//! - `/lambda-url/<function>/..`: the address of a function ([`http`])
//! - `x-amz-target: AmazonSQS...`, whatever the path: queues ([`sqs`])
//! - `x-amz-target: Kinesis_..` or `DynamoDB_..`: streams ([`streams`])
//! - `/`, signed for SNS: topics ([`sns`])
//! - signed for S3, whatever the path: buckets ([`objects`])
//! - `/_mlfn/..`: mlfn's own ([`Control`])
//! - everything else: routes of HTTP APIs, and the paths that functions answer ([`http`])

mod cors;
mod envelope;
mod events;
mod http;
mod lambda_api;
mod objects;
mod raw;
mod routes;
mod sns;
pub(crate) mod sqs;
pub(crate) mod streams;
mod tokens;

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Emulator;

pub(crate) use events::deliver;

/// An answer of the front.
pub(crate) type Reply = Response<Full<Bytes>>;

/// Mlfn's own requests.
#[async_trait]
pub(crate) trait Control: Send + Sync {
    /// Answers a request to `/_mlfn/<action>`.
    async fn answer(&self, action: &str, request: Request<Incoming>) -> Reply;
}

/// How long connections may take to end when the cloud does.
const GRACE: Duration = Duration::from_secs(2);

/// Answers on `listener` until the cloud ends.
pub(crate) async fn serve(
    listener: TcpListener,
    emulator: Weak<Emulator>,
    control: Option<Arc<dyn Control>>,
    ending: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut end = ending.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = end.wait_for(|ending| *ending) => break,
            accepted = listener.accept() => accepted,
        };
        // An error here is about one connection that went away again.
        if let Ok((stream, _)) = accepted {
            let front = Front {
                emulator: Weak::clone(&emulator),
                control: control.clone(),
            };
            connections.spawn(connection(stream, front, ending.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, all).await;
}

#[derive(Clone)]
struct Front {
    emulator: Weak<Emulator>,
    control: Option<Arc<dyn Control>>,
}

async fn connection(stream: TcpStream, front: Front, mut ending: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { Ok::<_, Infallible>(front.answer(request).await) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    // An error is the client's end of the connection.
    tokio::select! {
        _ = &mut served => return,
        _ = ending.wait_for(|ending| *ending) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let Some(emulator) = self.emulator.upgrade() else {
            return message(StatusCode::SERVICE_UNAVAILABLE, "the local cloud has ended");
        };
        let path = request.uri().path();
        if let (Some(action), Some(control)) = (path.strip_prefix("/_mlfn/"), &self.control) {
            let action = action.to_owned();
            return control.answer(&action, request).await;
        }
        if lambda_api::is_for(path) {
            return lambda_api::answer(&emulator, request).await;
        }
        if sqs::is_for(request.headers()) {
            return sqs::answer(&emulator, request).await;
        }
        if streams::is_for(request.headers()) {
            return streams::answer(&emulator, request).await;
        }
        if sns::is_for(request.uri().path(), request.headers()) {
            return sns::answer(&emulator, request).await;
        }
        if objects::is_for(&request) {
            return objects::answer(&emulator, request).await;
        }
        http::answer(&emulator, request).await
    }
}

/// Why a body was not read.
#[derive(Debug)]
enum BodyError {
    TooLarge,
    /// It ended in the middle; nobody will read an answer.
    Broken,
}

/// A body of at most `limit` bytes.
async fn read(body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Broken),
    }
}

/// An answer of JSON.
pub(crate) fn json_reply(status: StatusCode, body: &Json) -> Reply {
    reply(status, "application/json", body.to_string())
}

/// An answer in the form of API Gateway's errors.
pub(crate) fn message(status: StatusCode, message: &str) -> Reply {
    json_reply(status, &json!({ "message": message }))
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// Sets a header, unless its value cannot be one.
fn set(reply: &mut Reply, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}
