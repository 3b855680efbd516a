//! The Lambda Runtime API: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. The
//! shim asks for the next invocation, answers it, and asks again.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use super::aws::cloud::AwsCloud;
use super::aws::{model, secrets};
use super::events::cloud::Cloud;
use super::http::header;
use super::web::target::Target;
use super::{Caller, Reply, Service, Terms, envelope, events, routes, web};
use crate::codec::failure::{Code, Failure, to_bytes};
use crate::config::{Environment, Package};
use crate::handler::{Handler, Timings};
use crate::log::{self, Level};
use crate::shutdown::Shutdown;
use crate::trace::{self, Phase};

/// What every path of the API begins with: its version.
const ROOT: &str = "/2018-06-01/runtime";

/// Pauses between tries to reach the Runtime API, which is a process on the same machine.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];

/// Why the shim cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum LambdaError {
    /// Nobody listens there, or the connection broke again and again.
    #[error("cannot reach the Lambda Runtime API at {address}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What went wrong the last time.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It answers something that the protocol does not have, or that the process shall end.
    #[error(
        "the Lambda Runtime API answered {status} to {path}; the environment has to be replaced"
    )]
    Refused {
        /// The status.
        status: u16,
        /// What was asked for.
        path: String,
    },
    /// The package has no usable model; the platform has been told.
    #[error("{0}")]
    Init(String),
}

/// Serves until the platform ends the process.
pub(super) async fn serve(
    environment: &Environment,
    address: &str,
    mut shutdown: Shutdown,
) -> Result<(), Box<dyn Error>> {
    let mut api = Api::new(address);
    let started = tokio::select! {
        () = shutdown.requested() => return Ok(()),
        (started, ()) = async { tokio::join!(start(environment), api.prepare()) } => started,
    };
    let service = match started {
        Ok(service) => service,
        Err(failure) => return Err(report_init(&mut api, &failure).await.into()),
    };
    let cloud = Arc::new(AwsCloud::default());
    loop {
        let invocation = tokio::select! {
            () = shutdown.requested() => return Ok(()),
            invocation = api.next() => invocation?,
        };
        let id = invocation.id.clone();
        let reply = answer(&service, &cloud, invocation).await;
        api.answer(&id, reply).await?;
        if shutdown.is_requested() {
            return Ok(());
        }
    }
}

async fn start(environment: &Environment) -> Result<Arc<Service>, Failure> {
    secrets::settle(environment.secrets()).await?;
    let package = Package::find(environment)
        .map_err(|error| Failure::new(Code::ModelNotLoaded, crate::chain(&error)))?;
    let package = model::settle(package).await?;
    let terms = Terms {
        keeps_time: false,
        at_once: false,
        refuse: function_error,
    };
    let service = Service::start(package, environment.threads(), terms);
    service.handler().await?;
    Ok(service)
}

async fn report_init(api: &mut Api, failure: &Failure) -> LambdaError {
    let path = format!("{ROOT}/init/error");
    match api
        .post(
            &path,
            Some(failure.code.name()),
            failure.to_lambda_json(None),
        )
        .await
    {
        Ok(_) => LambdaError::Init(failure.message.clone()),
        Err(error) => error,
    }
}

async fn answer(service: &Arc<Service>, cloud: &Arc<AwsCloud>, invocation: Invocation) -> Reply {
    let mut fields = Vec::new();
    if let Some(trace) = invocation.trace {
        fields.push(("trace_id", trace.into()));
    }
    let id = invocation.id.clone();
    let caller = Caller {
        id: invocation.id,
        size: invocation.payload.len(),
        fields,
    };
    let payload = invocation.payload;
    if !events::may_ask_cloud(&payload) {
        let work = |handler: &Handler, timings: &mut Timings| {
            reply(handler, timings, &**cloud, &id, &payload)
        };
        return service.answer_here(caller, work).await;
    }
    let cloud = Arc::clone(cloud);
    service
        .answer(caller, move |handler, timings| {
            reply(handler, timings, &*cloud, &id, &payload)
        })
        .await
}

/// An event, and what the headers say of it.
struct Invocation {
    id: String,
    trace: Option<String>,
    payload: Bytes,
}

/// A connection to the Runtime API, made again when it breaks.
struct Api {
    address: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Api {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            sender: None,
        }
    }

    /// Connects while the model is loaded. Asking for an event has to wait until it is: with that,
    /// the platform takes the start for done, and gives the process less of a processor.
    async fn prepare(&mut self) {
        // Whoever needs the connection tries again, and can say what is wrong.
        self.sender = self.connect().await.ok();
        trace::mark(Phase::Platform);
    }

    /// Waits for the next event, for hours if need be: the platform freezes the process meanwhile.
    async fn next(&mut self) -> Result<Invocation, LambdaError> {
        let path = format!("{ROOT}/invocation/next");
        let response = self.call(&Method::GET, &path, None, Bytes::new()).await?;
        let status = response.status().as_u16();
        let id = header(response.headers(), "lambda-runtime-aws-request-id").map(str::to_owned);
        let (200, Some(id)) = (status, id) else {
            return Err(LambdaError::Refused { status, path });
        };
        Ok(Invocation {
            id,
            trace: header(response.headers(), "lambda-runtime-trace-id").map(str::to_owned),
            payload: response.into_body(),
        })
    }

    /// Hands in an answer. That the platform does not take it (too late, too large) is logged: the
    /// next event may fare better.
    async fn answer(&mut self, id: &str, reply: Reply) -> Result<(), LambdaError> {
        let error = reply.failure.filter(|_| !reply.wrapped);
        let status = match error {
            None => {
                let path = format!("{ROOT}/invocation/{id}/response");
                self.post(&path, None, reply.body).await?
            }
            Some(failure) => {
                let path = format!("{ROOT}/invocation/{id}/error");
                self.post(&path, Some(failure.code.name()), reply.body)
                    .await?
            }
        };
        if status >= 500 {
            let path = format!("{ROOT}/invocation/{id}");
            return Err(LambdaError::Refused { status, path });
        }
        if status >= 400 {
            let fields = [("request_id", id.into()), ("status", status.into())];
            log::write(
                Level::Error,
                "the Lambda Runtime API did not take the answer",
                &fields,
            );
        }
        Ok(())
    }

    async fn post(
        &mut self,
        path: &str,
        error_type: Option<&str>,
        body: Vec<u8>,
    ) -> Result<u16, LambdaError> {
        let response = self
            .call(&Method::POST, path, error_type, body.into())
            .await?;
        Ok(response.status().as_u16())
    }

    /// One call, tried again if the connection breaks. Handing in an answer twice does no harm:
    /// the second one is refused.
    async fn call(
        &mut self,
        method: &Method,
        path: &str,
        error_type: Option<&str>,
        body: Bytes,
    ) -> Result<Response<Bytes>, LambdaError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, &self.address);
            if let Some(error_type) = error_type {
                request = request.header("lambda-runtime-function-error-type", error_type);
            }
            let sent = match request.body(Full::new(body.clone())) {
                Ok(request) => self.send(request).await,
                Err(error) => Err(error.into()),
            };
            match (sent, pauses.next()) {
                (Ok(response), _) => return Ok(response),
                (Err(source), None) => {
                    let address = self.address.clone();
                    return Err(LambdaError::Unreachable { address, source });
                }
                (Err(_), Some(pause)) => tokio::time::sleep(pause).await,
            }
        }
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        sender.ready().await?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok(Response::from_parts(head, body))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors reach whoever waits for the answer.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// An HTTP request as API Gateway and function URLs pass it on. Payload 2.0 has
/// `requestContext.http`, payload 1.0 (REST APIs, load balancers) has `httpMethod` and `path`:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpEvent<'a> {
    request_context: Option<RequestContext>,
    raw_path: Option<String>,
    http_method: Option<String>,
    path: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct RequestContext {
    http: Option<HttpContext>,
    stage: Option<String>,
}

#[derive(Deserialize)]
struct HttpContext {
    method: String,
}

impl HttpEvent<'_> {
    /// Method and path, if this is an HTTP request at all.
    fn target(&self) -> Option<(&str, &str)> {
        let context = self.request_context.as_ref()?;
        if let (Some(http), Some(path)) = (&context.http, &self.raw_path) {
            return Some((&http.method, without_stage(path, context.stage.as_deref())));
        }
        Some((self.http_method.as_deref()?, self.path.as_deref()?))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter().flatten();
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn body(&self) -> Result<Cow<'_, [u8]>, Failure> {
        let body = self.body.as_deref().unwrap_or_default();
        envelope::bytes(body.into(), self.is_base64_encoded, "the body")
    }
}

/// HTTP APIs put the stage before the path, unless it is the default one.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    stage
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}

/// The keys that HTTP events have at their top.
const HTTP_KEYS: [&str; 17] = [
    "version",
    "routeKey",
    "rawPath",
    "rawQueryString",
    "cookies",
    "headers",
    "queryStringParameters",
    "requestContext",
    "body",
    "pathParameters",
    "isBase64Encoded",
    "stageVariables",
    "resource",
    "path",
    "httpMethod",
    "multiValueHeaders",
    "multiValueQueryStringParameters",
];

pub(super) fn reply(
    handler: &Handler,
    timings: &mut Timings,
    cloud: &dyn Cloud,
    id: &str,
    payload: &[u8],
) -> Reply {
    let key = envelope::first_key(payload).unwrap_or_default();
    if HTTP_KEYS.contains(&key)
        && !handler.knows(key)
        && let Ok(event) = serde_json::from_slice::<HttpEvent<'_>>(payload)
        && event.target().is_some()
    {
        return http_reply(handler, timings, &event);
    }
    match events::answer(handler, timings, cloud, id, payload) {
        Ok(body) => Reply::success(body),
        Err(failure) => Reply {
            body: failure.to_lambda_json(handler.expected()),
            ..function_error(failure)
        },
    }
}

/// A failure as the Runtime API wants it.
fn function_error(failure: Failure) -> Reply {
    let body = failure.to_lambda_json(None);
    Reply {
        failure: Some(failure),
        ..Reply::success(body)
    }
}

fn http_reply(handler: &Handler, timings: &mut Timings, event: &HttpEvent<'_>) -> Reply {
    let (method, path) = event.target().unwrap_or_default();
    let target = Target::of(handler.config(), method, path);
    let reply = match target {
        Err(refusal) => not_there(path, &refusal),
        Ok(target) => match event.body() {
            Ok(body) => {
                let body = Bytes::from(body.into_owned());
                web::answer(handler, timings, target, &|name| event.header(name), &body)
            }
            Err(failure) => web::refused(target, failure, Some(handler)),
        },
    };
    // The quotes of the inner JSON count twice: what has fitted may do so no longer.
    let (body, reply) = match handler.limit(http_answer(&reply)) {
        Ok(body) => (body, reply),
        Err(failure) => {
            let reply = Reply {
                body: web::refusal(path, &failure),
                ..super::refused(failure)
            };
            (http_answer(&reply), reply)
        }
    };
    Reply {
        body,
        wrapped: true,
        ..reply
    }
}

fn not_there(path: &str, refusal: &routes::Refusal) -> Reply {
    let allow = refusal.allow.clone();
    let allow = allow.map(|allow| ("allow", allow.into()));
    Reply {
        headers: allow.into_iter().collect(),
        failure: Some(refusal.failure.clone()),
        ..Reply::success(web::refusal(path, &refusal.failure))
    }
}

/// What the gateway makes an HTTP answer of.
fn http_answer(reply: &Reply) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'a> {
        status_code: u16,
        headers: BTreeMap<&'a str, &'a str>,
        body: Cow<'a, str>,
        is_base64_encoded: bool,
    }
    let mut headers = BTreeMap::from([("content-type", "application/json")]);
    headers.extend(reply.headers.iter().map(|(name, value)| (*name, &**value)));
    to_bytes(&Answer {
        status_code: reply.status(),
        headers,
        body: if reply.is_text {
            String::from_utf8_lossy(&reply.body)
        } else {
            envelope::to_base64(&reply.body).into()
        },
        is_base64_encoded: !reply.is_text,
    })
}
