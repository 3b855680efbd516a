//! The server side of the Runtime API, version 2018-06-01
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::awake::awake;
use super::{Event, MAX_BYTES};

const PREFIX: &str = "/2018-06-01/runtime/";

/// A request for the function, with what the runtime is told about it.
#[derive(Debug)]
pub(super) struct Handout {
    pub(super) event: Event,
    /// Since 1970.
    pub(super) deadline: Duration,
    pub(super) trace: String,
}

/// What the runtime posted for an event.
#[derive(Debug)]
pub(super) enum Reply {
    Response(Bytes),
    Error(Bytes),
    TooLarge,
}

/// How far the runtime has come.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    Starting,
    /// It has asked for an event.
    Ready,
    /// It has reported that it cannot start.
    Failed(Bytes),
}

/// A server for one runtime. Ends when dropped.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::Sender<Handout>,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    events: tokio::sync::Mutex<mpsc::Receiver<Handout>>,
    phase: watch::Sender<Phase>,
    running: Mutex<Option<Running>>,
}

/// The event that the runtime has, and who waits for the reply.
#[derive(Debug)]
struct Running {
    id: String,
    reply: oneshot::Sender<Reply>,
}

impl RuntimeApi {
    /// Serves on a free port of this machine.
    pub(super) async fn serve() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (events, receiver) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            events: tokio::sync::Mutex::new(receiver),
            phase: watch::Sender::new(Phase::Starting),
            running: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            events,
            shared,
            _server: server,
        })
    }

    /// `host:port`, as the runtime wants it.
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits until the runtime has started, or said that it cannot.
    pub(super) async fn started(&self) -> Phase {
        let mut phase = self.shared.phase.subscribe();
        let started = phase
            .wait_for(|phase| !matches!(phase, Phase::Starting))
            .await;
        started.map_or(Phase::Starting, |phase| phase.clone())
    }

    /// Gives `event` to the runtime and waits for its reply; for ever, if it does not reply.
    pub(super) async fn hand_out(&self, handout: Handout) -> Reply {
        let (reply, replied) = oneshot::channel();
        self.shared.set_running(Some(Running {
            id: handout.event.id.clone(),
            reply,
        }));
        // Both ends live as long as this does, and the sender of the reply is only ever used.
        let _ = self.events.send(handout).await;
        match awake(replied).await {
            Ok(reply) => reply,
            Err(_) => std::future::pending().await,
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // An error here is about one connection that went away again.
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve_connection(stream, Arc::clone(&shared)));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    // An error is the end of the runtime, which is noticed by its exit.
    let _ = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let steps: Vec<&str> = match path.strip_prefix(PREFIX) {
            Some(rest) => rest.split('/').collect(),
            None => Vec::new(),
        };
        match (request.method(), steps.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => {
                self.reply(id, request, Reply::Response).await
            }
            (&Method::POST, ["invocation", id, "error"]) => {
                self.reply(id, request, Reply::Error).await
            }
            (&Method::POST, ["init", "error"]) => self.init_error(request).await,
            _ => refusal(
                StatusCode::NOT_FOUND,
                "InvalidPath",
                "there is no such call",
            ),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let ready = |phase: &mut Phase| {
            let starting = matches!(phase, Phase::Starting);
            if starting {
                *phase = Phase::Ready;
            }
            starting
        };
        self.phase.send_if_modified(ready);
        let Some(handout) = self.events.lock().await.recv().await else {
            return refusal(
                StatusCode::GONE,
                "Shutdown",
                "the function is being stopped",
            );
        };
        let Handout {
            event,
            deadline,
            trace,
        } = handout;
        let mut response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", event.id)
            .header(
                "lambda-runtime-deadline-ms",
                deadline.as_millis().to_string(),
            )
            .header("lambda-runtime-invoked-function-arn", event.arn)
            .header("lambda-runtime-trace-id", trace);
        if let Some(context) = event.client_context {
            response = response.header("lambda-runtime-client-context", context);
        }
        let response = response.body(Full::from(event.payload));
        response.unwrap_or_else(|error| {
            let message = error.to_string();
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &message)
        })
    }

    async fn reply(
        &self,
        id: &str,
        request: Request<Incoming>,
        form: fn(Bytes) -> Reply,
    ) -> Response<Full<Bytes>> {
        let body = match read(request).await {
            Ok(body) => body,
            Err(response) => return *response,
        };
        let Some(running) = self.take_running(id) else {
            return refusal(
                StatusCode::BAD_REQUEST,
                "InvalidRequestID",
                "Invalid request ID",
            );
        };
        let (reply, response) = match body {
            Some(body) => (form(body), accepted()),
            None => (Reply::TooLarge, too_large()),
        };
        // Nobody waits any more after a time-out.
        let _ = running.reply.send(reply);
        response
    }

    async fn init_error(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match read(request).await {
            Ok(Some(body)) => {
                self.phase.send_replace(Phase::Failed(body));
                accepted()
            }
            Ok(None) => too_large(),
            Err(response) => *response,
        }
    }

    fn set_running(&self, running: Option<Running>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    fn take_running(&self, id: &str) -> Option<Running> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.take_if(|running| running.id == id)
    }
}

/// The body; none if it is over the limit; a refusal if it ends in the middle.
async fn read(request: Request<Incoming>) -> Result<Option<Bytes>, Box<Response<Full<Bytes>>>> {
    match Limited::new(request.into_body(), MAX_BYTES).collect().await {
        Ok(body) => Ok(Some(body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(None),
        Err(error) => {
            let message = error.to_string();
            Err(Box::new(refusal(
                StatusCode::BAD_REQUEST,
                "InvalidRequest",
                &message,
            )))
        }
    }
}

fn accepted() -> Response<Full<Bytes>> {
    json_response(
        StatusCode::ACCEPTED,
        Bytes::from_static(br#"{"status":"OK"}"#),
    )
}

fn too_large() -> Response<Full<Bytes>> {
    let message = format!("Exceeded maximum allowed payload size ({MAX_BYTES} bytes).");
    refusal(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLarge",
        &message,
    )
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    let body = json!({ "errorType": kind, "errorMessage": message });
    json_response(status, Bytes::from(body.to_string()))
}

fn json_response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let json = hyper::header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, json);
    response
}
