//! Azure's custom handler:
//! <https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>. The host passes
//! HTTP requests on as they are; every other event comes in an envelope.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hyper::Method;
use mlfn_shim_contract::ShimConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::http::{header, health, web_response};
use super::server::{self, Limits, Request, Response, json};
use super::{Caller, Reply, Service, Terms, envelope, reply, routes};
use crate::codec::failure::{Code, Failure, json_problem, to_bytes};
use crate::config::{Environment, Package};
use crate::handler::{Handler, Timings};
use crate::shutdown::Shutdown;

/// The host's name for a call.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";

/// The prefix of the routes of HTTP triggers (`extensions.http.routePrefix` of host.json).
const PREFIX: &str = "/api";

/// Serves until the host ends the process. The port is open at once, because the host takes any
/// answer to `GET /` for a start and gives up after 30 s; requests wait for the model. A model
/// that cannot be loaded is the answer to every request: if the process ended, the host would
/// start it again and again.
pub(super) async fn serve(
    environment: &Environment,
    port: u16,
    shutdown: Shutdown,
) -> Result<(), Box<dyn Error>> {
    let package = Package::find(environment)?;
    let listener = server::listen((Ipv4Addr::LOCALHOST, port).into()).await?;
    let limits = Limits::new(package.config.max_request);
    let service = Service::start(package, environment.threads(), Terms::HTTP);
    server::serve(listener, limits, shutdown, move |request| {
        respond(Arc::clone(&service), request)
    })
    .await;
    Ok(())
}

async fn respond(service: Arc<Service>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let body = match body {
        Ok(body) => body,
        Err(failure) => return server::unread(&path, &failure),
    };
    if matches!(head.method, Method::GET | Method::HEAD) && path == "/" {
        return health(&service);
    }
    let id = header(&head.headers, INVOCATION_ID).map(str::to_owned);
    let caller = Caller {
        id: id.unwrap_or_else(|| service.next_id()),
        size: body.len(),
        fields: Vec::new(),
    };
    let route = path
        .strip_prefix(PREFIX)
        .filter(|route| route.starts_with('/'));
    let Some(route) = route else {
        let reply = service
            .answer(caller, move |handler, timings| {
                let function = path.trim_start_matches('/');
                invocation(handler, timings, function, &body)
            })
            .await;
        return json(if reply.wrapped { 200 } else { reply.status() }, reply.body);
    };
    let route = route.to_owned();
    web_response(&service, caller, &route, head, body).await
}

/// The envelope.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Invocation<'a> {
    #[serde(borrow)]
    data: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

/// The data of an HTTP trigger in an envelope.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HttpData<'a> {
    url: String,
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, Vec<String>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// What the data of a trigger is, told by its shape: besides it, the host says only the function's
/// name.
enum Event<'a> {
    Http(HttpData<'a>),
    Timer,
    One(Cow<'a, [u8]>),
    Many(Vec<Cow<'a, [u8]>>),
}

/// A call of the host for the function of this name.
pub(super) fn invocation(
    handler: &Handler,
    timings: &mut Timings,
    function: &str,
    body: &[u8],
) -> Reply {
    let event = match read(body) {
        Ok(event) => event,
        Err(failure) => return reply(handler, Err(failure)),
    };
    let result = match event {
        Event::Http(data) => return http_reply(handler, timings, &data),
        Event::Timer => scheduled(handler.config(), function)
            .and_then(|request| handler.handle(&to_bytes(request), timings)),
        Event::One(body) => handler.handle(&body, timings),
        Event::Many(bodies) => many(handler, timings, &bodies),
    };
    match result {
        Ok(answer) => Reply::success(returned(&answer)),
        // The host counts a call as failed by its status, and tries events again.
        Err(failure) => reply(handler, Err(failure)),
    }
}

fn read(body: &[u8]) -> Result<Event<'_>, Failure> {
    let invocation: Invocation<'_> = serde_json::from_slice(body).map_err(|error| {
        let problem = json_problem(&error);
        let message = format!("this is not a call of the Functions host: {problem}");
        Failure::new(Code::NotJson, message)
    })?;
    let data = invocation.data;
    // Functions that mlfn deploys have one input, the trigger.
    match data.get("req").or_else(|| data.values().next()) {
        Some(data) => event(data),
        None => Err(Failure::new(Code::EmptyBody, "the call has no data")),
    }
}

fn event(data: &RawValue) -> Result<Event<'_>, Failure> {
    let text = data.get();
    if text.starts_with('[') {
        let items: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| malformed(&error))?;
        let bodies = items.into_iter().map(message).collect::<Result<_, _>>()?;
        return Ok(Event::Many(bodies));
    }
    if let Ok(data) = serde_json::from_str::<HttpData<'_>>(text) {
        return Ok(Event::Http(data));
    }
    let body = message(data)?;
    Ok(if is_timer(&body) {
        Event::Timer
    } else {
        Event::One(body)
    })
}

/// A request: an object, or a text that holds JSON, or a text that holds a text that holds JSON
/// (the host quotes texts twice), or base64.
fn message(data: &RawValue) -> Result<Cow<'_, [u8]>, Failure> {
    if !data.get().starts_with('"') {
        return Ok(Cow::Borrowed(data.get().as_bytes()));
    }
    let mut text: String = serde_json::from_str(data.get()).map_err(|error| malformed(&error))?;
    if let Ok(inner) = serde_json::from_str::<String>(&text) {
        text = inner;
    }
    if text.trim_start().starts_with('{') {
        return Ok(Cow::Owned(text.into_bytes()));
    }
    // Not JSON: either base64 or a mistake, about which the request's reader has more to say.
    let decoded = envelope::from_base64(&text, "the data");
    Ok(Cow::Owned(decoded.unwrap_or_else(|_| text.into_bytes())))
}

fn is_timer(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    #[expect(dead_code, reason = "only whether they are there counts")]
    struct Timer {
        schedule: Option<serde::de::IgnoredAny>,
        schedule_status: Option<serde::de::IgnoredAny>,
        is_past_due: bool,
    }
    serde_json::from_slice::<Timer>(body).is_ok()
}

/// What a schedule asks the model: its own input, or else the model's example.
fn scheduled<'a>(config: &'a ShimConfig, function: &str) -> Result<&'a Json, Failure> {
    let input = config.schedules.get(function).and_then(Option::as_ref);
    input.or(config.example.as_ref()).ok_or_else(|| {
        let message = format!(
            "`{function}` is a schedule without a request: give it an `input:`, or the model an \
             `example:`, in the manifest",
        );
        Failure::new(Code::UnsupportedEvent, message)
    })
}

fn malformed(error: &serde_json::Error) -> Failure {
    Failure::new(
        Code::NotJson,
        format!("the data of the call is not JSON: {}", json_problem(error)),
    )
}

/// All or nothing: the host takes a batch as a whole.
fn many(
    handler: &Handler,
    timings: &mut Timings,
    bodies: &[Cow<'_, [u8]>],
) -> Result<Vec<u8>, Failure> {
    let mut answers = b"[".to_vec();
    for (index, body) in bodies.iter().enumerate() {
        let answer = handler.handle(body, timings).map_err(|failure| Failure {
            message: format!("event {index} of the batch: {}", failure.message),
            ..failure
        })?;
        if index > 0 {
            answers.push(b',');
        }
        answers.extend(answer);
    }
    answers.push(b']');
    Ok(answers)
}

/// What the host reads: an output binding named `$return` gets the answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome<'a> {
    outputs: Outputs<'a>,
    logs: [&'a str; 0],
    return_value: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Outputs<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    res: Option<HttpResult<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpResult<'a> {
    /// A text, as in the documentation's examples.
    status_code: String,
    headers: BTreeMap<&'a str, &'a str>,
    body: Cow<'a, str>,
}

fn returned(answer: &[u8]) -> Vec<u8> {
    to_bytes(&Outcome {
        outputs: Outputs { res: None },
        logs: [],
        return_value: serde_json::from_slice(answer).ok(),
    })
}

fn http_reply(handler: &Handler, timings: &mut Timings, data: &HttpData<'_>) -> Reply {
    let path = path_of(&data.url);
    let route = path.strip_prefix(PREFIX).unwrap_or(path);
    let (allow, result) = match routes::check(handler.config(), &data.method, route) {
        Err(refusal) => (refusal.allow, Err(refusal.failure)),
        Ok(()) => (None, predict(handler, timings, data)),
    };
    let reply = reply(handler, result);
    let mut headers = BTreeMap::from([("content-type", "application/json")]);
    headers.extend(allow.as_deref().map(|allow| ("allow", allow)));
    let res = HttpResult {
        status_code: reply.status().to_string(),
        headers,
        body: String::from_utf8_lossy(&reply.body),
    };
    Reply {
        body: to_bytes(&Outcome {
            outputs: Outputs { res: Some(res) },
            logs: [],
            return_value: None,
        }),
        wrapped: true,
        ..reply
    }
}

fn predict(
    handler: &Handler,
    timings: &mut Timings,
    data: &HttpData<'_>,
) -> Result<Vec<u8>, Failure> {
    let mut headers = data.headers.iter();
    let content_type = headers
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .and_then(|(_, values)| values.first());
    envelope::check_content_type(content_type.map(String::as_str))?;
    let body = data.body.map(message).transpose()?.unwrap_or_default();
    handler.handle(&body, timings)
}

/// The path of `https://host/path?query`.
fn path_of(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after.find('/').map_or("/", |start| &after[start..]);
    path.split(['?', '#']).next().unwrap_or(path)
}
