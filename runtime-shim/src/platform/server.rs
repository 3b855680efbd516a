//! An HTTP/1.1 server with bounds: on connections, requests, bytes and time.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::awake::Awake;
use super::pace::Connection;
use super::{Reply, web};
use crate::codec::failure::{Code, Failure};
use crate::log::{self, Level};
use crate::shutdown::Shutdown;
use crate::trace::{self, Phase};

/// A request with its body, or with why that was not read.
pub(crate) type Request = hyper::Request<Result<Bytes, Failure>>;

/// An answer.
pub(crate) type Response = hyper::Response<Full<Bytes>>;

/// Bounds.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// For the head of a request, and for how long a connection may be idle.
    pub(crate) head: Duration,
    /// For the body of a request.
    pub(crate) body: Duration,
    /// Connections at a time; more wait to be accepted.
    pub(crate) connections: usize,
    /// Requests with bodies at a time; more wait to be read.
    pub(crate) requests: usize,
    /// Bytes of a body.
    pub(crate) bytes: u64,
}

impl Limits {
    /// What suits the platforms. `bytes` is the largest body.
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            // Longer than the front ends of the platforms keep idle connections (a minute), or
            // their next request would meet a closed one.
            head: Duration::from_secs(75),
            body: Duration::from_mins(1),
            connections: 512,
            requests: 64,
            bytes,
        }
    }
}

/// Of the numbers of tensors, in bytes: no engine asks for more.
const ALIGNMENT: usize = 64;

/// An answer with JSON.
pub(crate) fn json(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let value = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

/// An answer to a request of which the body was not read.
pub(crate) fn unread(path: &str, failure: &Failure) -> Response {
    json(failure.code.status(), web::refusal(path, failure))
}

/// An answer as the rest of the shim has it.
pub(crate) fn response(reply: Reply) -> Response {
    let mut response = json(reply.status(), reply.body);
    for (name, value) in reply.headers {
        let name = HeaderName::from_static(name);
        let Ok(value) = HeaderValue::try_from(value.as_ref()) else {
            continue;
        };
        if name == VARY {
            response.headers_mut().append(name, value);
        } else {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The port is taken, or the address is not one of this machine's.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub(crate) struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// Opens a port, and tells the log where.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let failed = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    trace::mark(Phase::Platform);
    let at = listener.local_addr().map_err(failed)?.to_string();
    log::write(Level::Info, "listening", &[("address", at.into())]);
    Ok(listener)
}

/// Answers requests until the platform wants the process to end, and then those that have come.
pub(crate) async fn serve<R, F>(
    listener: TcpListener,
    limits: Limits,
    mut shutdown: Shutdown,
    respond: R,
) where
    R: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let connections = Arc::new(Semaphore::new(limits.connections));
    let requests = Arc::new(Semaphore::new(limits.requests));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            Some(_) = tasks.join_next() => continue,
            accepted = accept(&listener, &connections) => accepted,
        };
        let Ok((stream, permit)) = accepted else {
            continue;
        };
        let requests = Arc::clone(&requests);
        let (limits, respond, shutdown) = (limits.clone(), respond.clone(), shutdown.clone());
        tasks.spawn(async move {
            connection(stream, limits, requests, shutdown, respond).await;
            drop(permit);
        });
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let permit = Arc::clone(connections)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    match listener.accept().await {
        Ok((stream, _)) => Ok((stream, permit)),
        Err(error) => {
            // The client is gone again, or the process has no more file descriptors: then
            // accepting goes on as soon as connections have ended.
            log::write(
                Level::Warn,
                &format!("cannot accept a connection: {error}"),
                &[],
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
            Err(error)
        }
    }
}

async fn connection<R, F>(
    stream: TcpStream,
    limits: Limits,
    requests: Arc<Semaphore>,
    mut shutdown: Shutdown,
    respond: R,
) where
    R: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    // Answers are small and complete: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let head = limits.head;
    let awake = Awake::new();
    let _open = Connection::open();
    let service = service_fn(move |request| {
        let (limits, requests, respond) = (limits.clone(), Arc::clone(&requests), respond.clone());
        async move {
            let response = call(request, &limits, &requests, respond).await;
            awake.answered();
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // Errors of a connection (closed in the middle, nonsense, too slow) are the client's: hyper
    // has answered what can be answered.
    tokio::select! {
        _ = awake.during(connection.as_mut()) => {}
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn call<R, F>(
    request: hyper::Request<Incoming>,
    limits: &Limits,
    requests: &Semaphore,
    respond: R,
) -> Response
where
    R: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    let (head, body) = request.into_parts();
    // Questions for the health of the process do not queue.
    let is_question = matches!(head.method, Method::GET | Method::HEAD);
    let _permit = if is_question {
        None
    } else {
        requests.acquire().await.ok()
    };
    let body = read(body, limits, lead(&head.headers)).await;
    let is_unread = body.is_err();
    let mut response = respond(Request::from_parts(head, body)).await;
    if is_unread {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// How many bytes of a body stand before those of a tensor.
fn lead(headers: &HeaderMap) -> usize {
    let length = headers.get(web::JSON_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    length.unwrap_or(0)
}

async fn read(body: Incoming, limits: &Limits, lead: usize) -> Result<Bytes, Failure> {
    let size = body.size_hint().lower();
    if size > limits.bytes {
        discard(body, limits);
        return Err(too_large(limits, Some(size)));
    }
    let slow = || {
        let message = "the body of the request did not arrive in time";
        Failure::new(Code::SlowRequest, message)
    };
    match timeout(limits.body, collect(body, limits, lead)).await {
        Ok(result) => result.map_err(|broken| broken.unwrap_or_else(slow)),
        Err(_) => Err(slow()),
    }
}

/// The whole body; no failure means that the connection broke. What follows the first `lead` bytes
/// is where a processor likes numbers to be.
async fn collect(
    mut body: Incoming,
    limits: &Limits,
    lead: usize,
) -> Result<Bytes, Option<Failure>> {
    // What is announced is within the bounds.
    let size = usize::try_from(body.size_hint().lower()).unwrap_or(0);
    let mut bytes = BytesMut::new();
    let mut padding = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| None)?;
        let data = frame.into_data().unwrap_or_default();
        if bytes.is_empty() {
            // What came in one piece, often with the head, stays where it is.
            if data.len() == size && body.is_end_stream() {
                return Ok(data);
            }
            bytes.reserve(size + ALIGNMENT);
            padding = bytes.as_ptr().addr().wrapping_add(lead).wrapping_neg() % ALIGNMENT;
            bytes.resize(padding, 0);
        }
        if (bytes.len() - padding + data.len()) as u64 > limits.bytes {
            discard(body, limits);
            return Err(Some(too_large(limits, None)));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze().slice(padding..))
}

/// Reads on for a while without keeping anything: a client that is still sending when the
/// connection closes may never see the answer.
fn discard(mut body: Incoming, limits: &Limits) {
    let (mut left, time) = (
        limits.bytes.max(1 << 20),
        limits.body.min(Duration::from_secs(5)),
    );
    tokio::spawn(timeout(time, async move {
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len) as u64;
            left = left.saturating_sub(size);
            if left == 0 {
                break;
            }
        }
    }));
}

fn too_large(limits: &Limits, size: Option<u64>) -> Failure {
    let found = match size {
        Some(size) => format!("has {size} bytes"),
        None => "is larger".to_owned(),
    };
    let message = format!(
        "the body of the request {found}, but at most {} are read; send fewer samples in one \
         request",
        limits.bytes
    );
    Failure::new(Code::RequestTooLarge, message)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn limits() -> Limits {
        Limits {
            head: Duration::from_millis(50),
            body: Duration::from_millis(50),
            connections: 1,
            requests: 1,
            bytes: 10,
        }
    }

    /// A server that answers the size of the body, asked with these bytes on one connection that
    /// stays open: everything that it says before it closes the connection.
    async fn ask(request: &str) -> String {
        let size = |body: &Bytes| body.len();
        ask_about(limits(), request, size).await
    }

    /// The same with other bounds, and a server that answers something else of the body.
    async fn ask_about(limits: Limits, request: &str, what: fn(&Bytes) -> usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address");
        let (stop, shutdown) = Shutdown::by_hand();
        let answer = move |request: Request| async move {
            match request.body() {
                Ok(body) => json(200, what(body).to_string().into_bytes()),
                Err(failure) => unread("/", failure),
            }
        };
        let server = tokio::spawn(serve(listener, limits, shutdown, answer));
        let mut client = TcpStream::connect(address).await.expect("connects");
        client.write_all(request.as_bytes()).await.expect("writes");
        let mut said = String::new();
        client.read_to_string(&mut said).await.expect("reads");
        stop.send_replace(true);
        server.await.expect("the server ends");
        said
    }

    #[track_caller]
    fn check(said: &str, status: &str, body: &str) {
        let (head, rest) = said.split_once("\r\n").unwrap_or((said, ""));
        assert_eq!(head, status, "{said}");
        assert!(rest.contains(body), "{said}");
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_head_is_cut_off() {
        let said = ask("POST / HTTP/1.1\r\nhost: x\r\n").await;
        assert_eq!(said, "");
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_body_is_told_and_cut_off() {
        let said = ask("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n123").await;
        check(&said, "HTTP/1.1 408 Request Timeout", "slow_request");
    }

    #[tokio::test]
    async fn a_body_that_is_announced_too_large_is_refused() {
        let said = ask("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\n").await;
        check(
            &said,
            "HTTP/1.1 413 Payload Too Large",
            "has 11 bytes, but at most 10",
        );
    }

    #[tokio::test]
    async fn a_body_that_grows_too_large_is_refused() {
        let chunk = "8\r\n12345678\r\n";
        let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        let said = ask(&format!("{head}{chunk}{chunk}")).await;
        check(&said, "HTTP/1.1 413 Payload Too Large", "at most 10");
    }

    #[tokio::test]
    async fn what_follows_the_json_lies_where_numbers_lie() {
        let bounds = Limits {
            bytes: 1 << 20,
            ..limits()
        };
        // Larger than what comes in one piece.
        let body = "1".repeat(300_000);
        for lead in 0..3 {
            let request = format!(
                "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\
                 inference-header-content-length: {}\r\n\r\n{body}",
                200 + lead
            );
            let place = |body: &Bytes| body.as_ptr().addr() % ALIGNMENT;
            let said = ask_about(bounds.clone(), &request, place).await;
            let expected = (ALIGNMENT - (200 + lead) % ALIGNMENT) % ALIGNMENT;
            check(&said, "HTTP/1.1 200 OK", &format!("\r\n\r\n{expected}"));
        }
    }

    #[tokio::test]
    async fn one_connection_carries_many_requests() {
        let request = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n123";
        let said = ask(&format!("{request}{request}")).await;
        assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 2, "{said}");
    }

    #[tokio::test]
    async fn nonsense_is_a_bad_request() {
        let said = ask("\x16\x03\x01\x02\r\n\r\n").await;
        check(&said, "HTTP/1.1 400 Bad Request", "");
        let said = ask(&format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(1000)
        ))
        .await;
        check(&said, "HTTP/1.1 431 Request Header Fields Too Large", "");
    }
}
