//! Plain HTTP on `$PORT`: Cloud Run, Cloud Run functions, and everybody else. Events of Google
//! arrive as `CloudEvents` or as Pub/Sub pushes.

use std::borrow::Cow;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::server::{self, Limits, Request, Response, json};
use super::web::cors;
use super::web::target::Target;
use super::{Caller, Reply, Service, Terms, envelope, reply, routes, web};
use crate::codec::failure::{Code, Failure, json_problem, to_bytes};
use crate::config::{Environment, Package};
use crate::handler::{Handler, Timings};
use crate::shutdown::Shutdown;

/// Serves until the platform ends the process. The port is open before the model is loaded:
/// platforms take that for a start, and requests wait.
pub(super) async fn serve(
    environment: &Environment,
    address: SocketAddr,
    shutdown: Shutdown,
) -> Result<(), Box<dyn Error>> {
    let package = Package::find(environment)?;
    let listener = server::listen(address).await?;
    let limits = Limits::new(package.config.max_request);
    let service = Service::start(package, environment.threads(), Terms::HTTP);
    let project = environment.google_project();
    server::serve(listener, limits, shutdown, move |request| {
        respond(Arc::clone(&service), project.clone(), request)
    })
    .await;
    Ok(())
}

/// Every answer tells browsers which pages may read it: one that they may not read is lost to them,
/// and an error is worth reading.
async fn respond(service: Arc<Service>, project: Option<String>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let origin = header(request.headers(), "origin").map(str::to_owned);
    let mut response = answer(&service, project.as_deref(), &path, request).await;
    let headers = response.headers_mut();
    cors::allow(service.config(), &path, origin.as_deref(), headers);
    response
}

async fn answer(
    service: &Arc<Service>,
    project: Option<&str>,
    path: &str,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = match body {
        Ok(body) => body,
        Err(failure) => return server::unread(path, &failure),
    };
    let headers = |name: &str| header(&head.headers, name);
    let method = head.method.as_str();
    if let Some(headers) = cors::preflight(service.config(), method, path, headers) {
        return no_content(headers);
    }
    if is_get(&head.method) && matches!(path, "/" | "/health") {
        return health(service);
    }
    // Events and schedules are posted to the root.
    if path == "/" && head.method == Method::POST {
        let caller = caller(service, &head.headers, &body, project);
        let reply = service
            .answer(caller, move |handler, timings| {
                event(handler, timings, &head.headers, &body)
            })
            .await;
        return server::response(reply);
    }
    let caller = caller(service, &head.headers, &body, project);
    web_response(service, caller, path, head, body).await
}

/// Answers what is not of the platform itself. `path` is what the function has been asked for.
pub(super) async fn web_response(
    service: &Arc<Service>,
    caller: Caller,
    path: &str,
    head: Parts,
    body: Bytes,
) -> Response {
    let config = service.config();
    match Target::of(config, head.method.as_str(), path) {
        Ok(target) => match web::health(target, &config.function, service.is_ready()) {
            Some((status, body)) => json(status, body),
            None => server::response(predict(service, caller, target, head, body).await),
        },
        Err(refusal) => refuse(path, &refusal),
    }
}

async fn predict(
    service: &Arc<Service>,
    caller: Caller,
    target: Target,
    head: Parts,
    body: Bytes,
) -> Reply {
    let work = move |handler: &Handler, timings: &mut Timings| {
        let headers = |name: &str| header(&head.headers, name);
        web::answer(handler, timings, target, &headers, &body)
    };
    let reply = service.answer(caller, work).await;
    match &reply.failure {
        // The model is not there or took too long: nobody knew of which protocol.
        Some(failure) if target.is_open() => web::refused(target, failure.clone(), None),
        _ => reply,
    }
}

fn is_get(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn no_content(headers: Vec<(&'static str, Cow<'static, str>)>) -> Response {
    let reply = Reply {
        headers,
        ..Reply::success(Vec::new())
    };
    let mut response = server::response(reply);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// Whether this is for an event of Google's, and not for one who wants an answer.
pub(super) fn event(
    handler: &Handler,
    timings: &mut Timings,
    headers: &HeaderMap,
    body: &Bytes,
) -> Reply {
    let header = |name: &str| header(headers, name);
    let is_event = ["ce-type", "x-cloudscheduler"]
        .into_iter()
        .any(|name| header(name).is_some());
    let content_type = header("content-type").unwrap_or_default();
    if is_event || content_type.starts_with("application/cloudevents") {
        return reply(handler, predict_event(handler, timings, headers, body));
    }
    match unwrap_push(handler, Cow::Borrowed(body)) {
        Ok(Cow::Owned(data)) => reply(handler, handler.handle(&data, timings)),
        Ok(Cow::Borrowed(_)) => web::answer(handler, timings, Target::Predict, &header, body),
        Err(failure) => reply(handler, Err(failure)),
    }
}

/// `GET /`: what runs here, and whether it works.
pub(super) fn health(service: &Service) -> Response {
    #[derive(Serialize)]
    struct Health<'a> {
        service: &'a str,
        function: &'a str,
        status: &'a str,
        model_sha256: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    }
    let config = service.config();
    let (status, failure) = service.status();
    let health = Health {
        service: &config.service,
        function: &config.function,
        status,
        model_sha256: &config.model_sha256,
        message: failure.as_ref().map(ToString::to_string),
    };
    let code = if failure.is_some() { 503 } else { 200 };
    json(code, to_bytes(&health))
}

/// An answer to a request for something that is not there.
pub(super) fn refuse(path: &str, refusal: &routes::Refusal) -> Response {
    let failure = &refusal.failure;
    let body = web::refusal(path, failure);
    let mut response = json(failure.code.status(), body);
    let allow = refusal.allow.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(allow)) = allow {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// A header's value as text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn caller(service: &Service, headers: &HeaderMap, body: &[u8], project: Option<&str>) -> Caller {
    let trace = header(headers, "x-cloud-trace-context")
        .and_then(|context| context.split(['/', ';']).next())
        .filter(|trace| !trace.is_empty());
    let id = ["function-execution-id", "x-request-id", "ce-id"]
        .into_iter()
        .find_map(|name| header(headers, name))
        .or(trace)
        .map_or_else(|| service.next_id(), str::to_owned);
    let mut fields = Vec::new();
    if let Some(trace) = trace {
        // The field by which Google's log viewer shows the lines of a request together.
        let trace = match project {
            Some(project) => format!("projects/{project}/traces/{trace}"),
            None => trace.to_owned(),
        };
        fields.push(("logging.googleapis.com/trace", trace.into()));
    }
    Caller {
        id,
        size: body.len(),
        fields,
    }
}

fn predict_event(
    handler: &Handler,
    timings: &mut Timings,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let content_type = header(headers, CONTENT_TYPE.as_str());
    let is_structured = content_type.is_some_and(|value| {
        value
            .to_ascii_lowercase()
            .starts_with("application/cloudevents+json")
    });
    let body = if is_structured {
        structured(body)?
    } else {
        // Cloud Scheduler declares every body to be bytes unless it is told better.
        if header(headers, "x-cloudscheduler").is_none() {
            envelope::check_content_type(content_type)?;
        }
        let event = header(headers, "ce-type").unwrap_or_default();
        refuse_storage(event)?;
        Cow::Borrowed(body)
    };
    let body = unwrap_push(handler, body)?;
    handler.handle(&body, timings)
}

/// A `CloudEvent` in structured mode: <https://github.com/cloudevents/spec>, JSON event format.
fn structured(body: &[u8]) -> Result<Cow<'_, [u8]>, Failure> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow, default)]
        r#type: Cow<'a, str>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
        #[serde(borrow)]
        data_base64: Option<Cow<'a, str>>,
    }
    let event: Event<'_> =
        serde_json::from_slice(body).map_err(|error| not_json("event", &error))?;
    refuse_storage(&event.r#type)?;
    match (event.data, event.data_base64) {
        (_, Some(data)) => envelope::bytes(data, true, "`data_base64`"),
        (Some(data), None) => text_or_json(data),
        (None, None) => Err(Failure::new(Code::EmptyBody, "the event has no data")),
    }
}

/// JSON inside a text, or JSON as it is.
fn text_or_json(data: &RawValue) -> Result<Cow<'_, [u8]>, Failure> {
    if !data.get().starts_with('"') {
        return Ok(Cow::Borrowed(data.get().as_bytes()));
    }
    let text: String =
        serde_json::from_str(data.get()).map_err(|error| not_json("data", &error))?;
    Ok(Cow::Owned(text.into_bytes()))
}

/// What Pub/Sub posts: <https://docs.cloud.google.com/pubsub/docs/push>. Through Eventarc the same
/// arrives as the data of a `CloudEvent`.
fn unwrap_push<'a>(handler: &Handler, body: Cow<'a, [u8]>) -> Result<Cow<'a, [u8]>, Failure> {
    #[derive(Deserialize)]
    struct Push<'a> {
        #[serde(borrow)]
        message: Option<Message<'a>>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        data: Option<Cow<'a, str>>,
    }
    let key = envelope::first_key(&body).unwrap_or_default();
    if !matches!(key, "message" | "subscription" | "deliveryAttempt") || handler.knows(key) {
        // An object of Cloud Storage announces itself with this key.
        return match key {
            "kind" if !handler.knows(key) => Err(storage_event()),
            _ => Ok(body),
        };
    }
    let push: Push<'_> =
        serde_json::from_slice(&body).map_err(|error| not_json("message", &error))?;
    let data = push.message.and_then(|message| message.data);
    let data = data.ok_or_else(|| Failure::new(Code::EmptyBody, "the message has no data"))?;
    envelope::from_base64(&data, "`message.data`").map(Cow::Owned)
}

fn refuse_storage(event: &str) -> Result<(), Failure> {
    if event.starts_with("google.cloud.storage.") {
        return Err(storage_event());
    }
    Ok(())
}

fn storage_event() -> Failure {
    envelope::storage_event("Cloud Storage")
}

fn not_json(what: &str, error: &serde_json::Error) -> Failure {
    Failure::new(
        Code::NotJson,
        format!("the {what} is not JSON: {}", json_problem(error)),
    )
}
