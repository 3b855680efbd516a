//! Calls to functions of a local cloud, through the Lambda API that it has for every imitated
//! cloud (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>).

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mlfn_core::{Answer, Invocation, InvocationKind};
use tokio::net::TcpStream;

/// Asks the local cloud at `url`.
pub(crate) async fn invoke(url: &str, ask: Invocation) -> anyhow::Result<Answer> {
    let place = url.strip_prefix("http://").unwrap_or(url);
    let response = send(place, ask).await;
    let response = response.with_context(|| format!("no answer from the local cloud at {url}"))?;
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let (failed, log) = (header("x-amz-function-error"), header("x-amz-log-result"));
    let log = log.and_then(|text| BASE64.decode(text).ok());
    let refused = !response.status().is_success();
    Ok(Answer {
        failed: refused || failed.is_some(),
        log: String::from_utf8_lossy(&log.unwrap_or_default()).into_owned(),
        body: response.into_body().into(),
    })
}

async fn send(place: &str, ask: Invocation) -> anyhow::Result<Response<Bytes>> {
    let request = Request::post(format!(
        "/2015-03-31/functions/{}/invocations",
        ask.function
    ))
    .header(HOST, place)
    .header(CONTENT_TYPE, "application/json")
    .header("x-amz-invocation-type", name(ask.kind))
    .header("x-amz-log-type", "Tail")
    .body(Full::new(Bytes::from(ask.payload)))?;
    let stream = TcpStream::connect(place).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(head, body))
}

fn name(kind: InvocationKind) -> &'static str {
    match kind {
        InvocationKind::RequestResponse => "RequestResponse",
        InvocationKind::Event => "Event",
        InvocationKind::DryRun => "DryRun",
    }
}
