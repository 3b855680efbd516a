//! The two sides of the connection.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderMap, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Call, Kind, Shared};

type AnyBody = UnsyncBoxBody<Bytes, io::Error>;

/// Hands calls on until the owner has had enough.
pub(super) fn serve(listener: TcpListener, shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a listener");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        tokio::select! {
            () = shared.stop.notified() => (),
            () = accept(&listener, shared) => (),
        }
    });
}

async fn accept(listener: &tokio::net::TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Without it, small packets wait for each other.
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&shared, request));
            let connection = server::conn::http1::Builder::new();
            // A service that fails ends the connection without an answer: that is how to hang up.
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<AnyBody>, io::Error> {
    let (call, request) = look(request).await?;
    let request = kept(shared, request).await?;
    let (number, fault) = shared.arrive(call);
    let meter = shared.clone();
    let request = request.map(|body| metered(body, meter, number));
    let response = with_fault(shared, request, fault).await?;
    let status = response.status().as_u16();
    shared.learn(number, |call| call.status = Some(status));
    Ok(response)
}

/// Counts the bytes that come by.
fn metered(body: AnyBody, shared: Arc<Shared>, number: u32) -> AnyBody {
    let count = move |frame: Frame<Bytes>| {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        shared.learn(number, |call| call.sent += bytes as u64);
        frame
    };
    body.map_frame(count).boxed_unsync()
}

/// Keeps a copy, if that is wanted; its body is then read to its end first.
async fn kept(shared: &Shared, request: Request<AnyBody>) -> io::Result<Request<AnyBody>> {
    if !shared.keeps_requests() {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path_and_query().map(ToString::to_string);
    let headers = head.headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    });
    shared.keep(super::Request {
        method: head.method.to_string(),
        path: path.unwrap_or_else(|| "/".to_owned()),
        headers: headers.collect(),
        body: body.clone(),
    });
    Ok(Request::from_parts(head, whole(body)))
}

/// What a request is about, and the request. Only forms are read for that, which are small.
async fn look(request: Request<Incoming>) -> io::Result<(Call, Request<AnyBody>)> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query();
    let path = path.map_or_else(|| "/".to_owned(), ToString::to_string);
    let target = text(&head.headers, "x-amz-target");
    let of_query = head.uri.query().and_then(action);
    let is_form = text(&head.headers, CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let (of_form, body) = if is_form {
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let form = String::from_utf8_lossy(&bytes);
        (action(&form), whole(bytes.clone()))
    } else {
        (None, body.map_err(io::Error::other).boxed_unsync())
    };
    let call = Call {
        number: 0,
        method: head.method.to_string(),
        path,
        operation: target.or(of_query).or(of_form),
        sent: 0,
        status: None,
        fault: None,
    };
    Ok((call, Request::from_parts(head, body)))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// The parameter `Action`.
fn action(parameters: &str) -> Option<String> {
    let mut pairs = parameters.split('&');
    pairs
        .find_map(|pair| pair.strip_prefix("Action="))
        .map(str::to_owned)
}

async fn with_fault(
    shared: &Shared,
    request: Request<AnyBody>,
    fault: Option<Kind>,
) -> io::Result<Response<AnyBody>> {
    match fault {
        None => forward(shared, request).await,
        Some(Kind::Delay(time)) => {
            tokio::time::sleep(time).await;
            forward(shared, request).await
        }
        Some(Kind::Answer {
            status,
            headers,
            body,
        }) => {
            // A client that is still sending would not look at the answer.
            request.into_body().collect().await?;
            canned(status, &headers, body)
        }
        Some(Kind::HangUp) => Err(hung_up()),
        Some(Kind::LoseAnswer) => {
            take_effect(shared, request).await?;
            Err(hung_up())
        }
        Some(Kind::Truncate) => {
            let (head, body) = take_effect(shared, request).await?.into_parts();
            let half = body.slice(..body.len() / 2);
            Ok(Response::from_parts(head, broken_off(half)))
        }
        Some(Kind::KillBefore) => Err(kill(shared).await),
        Some(Kind::KillAfter) => {
            take_effect(shared, request).await?;
            Err(kill(shared).await)
        }
    }
}

/// The server's answer, whole.
async fn take_effect(shared: &Shared, request: Request<AnyBody>) -> io::Result<Response<Bytes>> {
    let (head, body) = forward(shared, request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// Sends a request over a connection of its own.
async fn forward(shared: &Shared, mut request: Request<AnyBody>) -> io::Result<Response<AnyBody>> {
    let stream = match TcpStream::connect(&shared.upstream).await {
        Ok(stream) => stream,
        Err(error) => return canned(502, &[], format!("{}: {error}", shared.upstream)),
    };
    stream.set_nodelay(true)?;
    let connected = client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(io::Error::other)?;
    // It ends with the exchange. What goes wrong there, the sender hears.
    tokio::spawn(connection);
    own_connection(request.headers_mut());
    let response = sender.send_request(request).await;
    let (mut head, body) = response.map_err(io::Error::other)?.into_parts();
    own_connection(&mut head.headers);
    let body = body.map_err(io::Error::other).boxed_unsync();
    Ok(Response::from_parts(head, body))
}

/// Removes what is about one connection only.
fn own_connection(headers: &mut HeaderMap) {
    for name in [CONNECTION, TRANSFER_ENCODING, EXPECT] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

fn canned(
    status: u16,
    headers: &[(String, String)],
    body: String,
) -> io::Result<Response<AnyBody>> {
    let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response
        .body(whole(Bytes::from(body)))
        .map_err(io::Error::other)
}

fn whole(bytes: Bytes) -> AnyBody {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Some bytes, and then the end of the connection.
fn broken_off(bytes: Bytes) -> AnyBody {
    let end = stream::once(async {
        // What came before is sent while this waits.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Err(hung_up())
    });
    let begin = stream::once(async { Ok(Frame::data(bytes)) });
    StreamBody::new(begin.chain(end)).boxed_unsync()
}

fn hung_up() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted)
}

/// Waits for the victim's name and kills it.
async fn kill(shared: &Shared) -> io::Error {
    let mut victim = shared.victim.subscribe();
    let named = victim.wait_for(Option::is_some).await;
    let process = named.ok().and_then(|process| *process);
    let process = process.and_then(|process| i32::try_from(process).ok());
    if let Some(process) = process.and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
    hung_up()
}
