//! The part of the Lambda API that calls functions and tells what there is, so that the AWS SDKs
//! and command line work against a local cloud
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>). Signatures are not
//! checked.

mod describe;
mod name;
mod stream;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};

use self::name::Target;
use super::{BodyError, Reply, events, read, set};
use crate::emulator::Call;
use crate::identifiers::uuid;
use crate::platform::{LAMBDA_MAX_BYTES, arn};
use crate::pool::Done;
use crate::{Emulator, InvokeError};

/// Each call has the version of the API in which it came, as a date.
const VERSIONS: [&str; 5] = [
    "2015-03-31",
    "2016-08-19",
    "2019-09-25",
    "2019-09-30",
    "2021-11-15",
];

/// What the paths are about, behind the version.
const SUBJECTS: [&str; 2] = ["functions", "account-settings"];

/// Bytes of an event that nobody waits for.
const MAX_EVENT: usize = 1024 * 1024;

/// Whether a path is one of the API.
pub(super) fn is_for(path: &str) -> bool {
    let mut steps = path.split('/').skip(1);
    let [version, subject] = [steps.next(), steps.next()];
    version.is_some_and(|version| VERSIONS.contains(&version))
        && subject.is_some_and(|subject| SUBJECTS.contains(&subject))
}

/// An error as the API tells it.
#[derive(Debug)]
struct ApiError {
    status: StatusCode,
    kind: &'static str,
    body: Json,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: &str) -> Self {
        Self {
            status,
            kind,
            body: json!({ "Type": "User", "message": message }),
        }
    }

    /// Members of this one have a capital `M` in the API's model.
    fn not_found(message: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "ResourceNotFoundException",
            body: json!({ "Type": "User", "Message": message }),
        }
    }
}

pub(super) async fn answer(emulator: &Arc<Emulator>, request: Request<Incoming>) -> Reply {
    let id = uuid();
    let answered = route(emulator, request, &id).await;
    let mut reply = answered.unwrap_or_else(|error| {
        let mut reply = super::json_reply(error.status, &error.body);
        set(&mut reply, "x-amzn-errortype", error.kind);
        reply
    });
    set(&mut reply, "x-amzn-requestid", &id);
    reply
}

async fn route(
    emulator: &Arc<Emulator>,
    request: Request<Incoming>,
    id: &str,
) -> Result<Reply, ApiError> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().split('/');
    let steps: Vec<&str> = path.filter(|step| !step.is_empty()).collect();
    let (name, steps) = match (&head.method, steps.as_slice()) {
        (&Method::GET, ["2015-03-31", "functions"]) => {
            return Ok(describe::functions(emulator, &head));
        }
        (&Method::GET, ["2016-08-19", "account-settings"]) => {
            return Ok(describe::account(emulator));
        }
        (_, [_, "functions", name, steps @ ..]) => (name, steps),
        _ => return Err(unknown(&head)),
    };
    let target = Target::read(name, head.uri.query())?;
    match (&head.method, steps) {
        (&Method::POST, ["invocations"]) => {
            let ask = Asked::read(emulator, &head, body, target).await?;
            invoke(emulator, ask, id).await
        }
        (&Method::POST, ["response-streaming-invocations"]) => {
            let ask = Asked::read(emulator, &head, body, target).await?;
            stream::invoke(emulator, ask, id).await
        }
        (&Method::GET, []) => describe::function(emulator, &target),
        (&Method::GET, ["configuration"]) => describe::configuration(emulator, &target),
        (&Method::GET, ["versions"]) => describe::versions(emulator, &target),
        (&Method::GET, ["aliases"]) => describe::aliases(emulator, &target),
        (&Method::GET, ["aliases", alias]) => describe::alias(emulator, &target, alias),
        (&Method::GET, ["event-invoke-config"]) => describe::asynchronous(emulator, &target),
        (&Method::GET, ["concurrency"]) => describe::concurrency(emulator, &target),
        _ => Err(unknown(&head)),
    }
}

fn unknown(head: &Parts) -> ApiError {
    let message = format!(
        "{} {} is not a call that the local twin knows",
        head.method,
        head.uri.path()
    );
    ApiError::new(StatusCode::NOT_FOUND, "UnknownOperationException", &message)
}

/// A call, and how it shall be carried out.
struct Asked {
    kind: String,
    /// The version that the call is for; of an alias with several, the main one.
    version: String,
    call: Call,
}

impl Asked {
    async fn read(
        emulator: &Arc<Emulator>,
        head: &Parts,
        body: Incoming,
        target: Target,
    ) -> Result<Self, ApiError> {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let kind = header("x-amz-invocation-type").unwrap_or("RequestResponse");
        let limit = match kind {
            "Event" => MAX_EVENT,
            _ => LAMBDA_MAX_BYTES,
        };
        let payload = payload(body, limit).await?;
        let version = target.version(emulator)?;
        let context = header("x-amz-client-context").and_then(|text| BASE64.decode(text).ok());
        Ok(Self {
            kind: kind.to_owned(),
            version,
            call: Call {
                function: target.function,
                qualifier: target.qualifier,
                payload,
                wants_tail: header("x-amz-log-type") == Some("Tail"),
                client_context: context.and_then(|bytes| String::from_utf8(bytes).ok()),
            },
        })
    }

    fn unknown_kind(&self, known: &str) -> ApiError {
        let message = format!("`{}` is no InvocationType; use {known}", self.kind);
        let kind = "InvalidParameterValueException";
        ApiError::new(StatusCode::BAD_REQUEST, kind, &message)
    }
}

/// `Invoke`.
async fn invoke(emulator: &Arc<Emulator>, asked: Asked, id: &str) -> Result<Reply, ApiError> {
    match asked.kind.as_str() {
        "RequestResponse" => carry_out(emulator, asked.call, id).await.map(done_reply),
        "Event" => {
            events::deliver(emulator, id.to_owned(), asked.call);
            Ok(empty(StatusCode::ACCEPTED))
        }
        "DryRun" => Ok(dry(&asked)),
        _ => Err(asked.unknown_kind("RequestResponse, Event or DryRun")),
    }
}

/// The body, which must be JSON or nothing.
async fn payload(body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    let payload = read(body, limit).await.map_err(|error| match error {
        BodyError::TooLarge => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            &format!("Request must be smaller than {limit} bytes for the InvokeFunction operation"),
        ),
        BodyError::Broken => invalid_content("the body ended early"),
    })?;
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => Err(invalid_content(&error.to_string())),
    }
}

fn invalid_content(why: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "InvalidRequestContentException",
        &format!("Could not parse request body into json: {why}"),
    )
}

async fn carry_out(emulator: &Arc<Emulator>, call: Call, id: &str) -> Result<Done, ApiError> {
    let done = emulator.invoke_as(id.to_owned(), call).await;
    done.map_err(|error| match error {
        // It was there a moment ago.
        InvokeError::NotFound(name) => ApiError::not_found(&format!("Function not found: {name}")),
        InvokeError::Throttled(throttled) => ApiError {
            status: StatusCode::TOO_MANY_REQUESTS,
            kind: "TooManyRequestsException",
            body: json!({
                "Reason": throttled.reason,
                "Type": "User",
                "message": "Rate Exceeded.",
            }),
        },
    })
}

fn done_reply(done: Done) -> Reply {
    let mut reply = super::reply(StatusCode::OK, "application/json", done.body);
    set(&mut reply, "x-amz-executed-version", &done.version);
    if !done.ending.is_success() {
        set(&mut reply, "x-amz-function-error", "Unhandled");
    }
    if let Some(tail) = done.tail {
        set(&mut reply, "x-amz-log-result", &BASE64.encode(tail));
    }
    reply
}

fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}

/// The answer to a call that is not carried out.
fn dry(asked: &Asked) -> Reply {
    let mut reply = empty(StatusCode::NO_CONTENT);
    set(&mut reply, "x-amz-executed-version", &asked.version);
    reply
}

impl Target {
    /// The version that it means.
    fn version(&self, emulator: &Arc<Emulator>) -> Result<String, ApiError> {
        let live = emulator.live();
        let function = live.wiring.functions.get(&self.function);
        let version = function.and_then(|function| {
            let version = describe::version(function, self.qualifier.as_deref());
            function.revisions.contains_key(version).then_some(version)
        });
        let version = version.ok_or_else(|| self.not_found(live.wiring.region.as_deref()));
        version.map(str::to_owned)
    }

    fn not_found(&self, region: Option<&str>) -> ApiError {
        let arn = arn(region, &self.function);
        let qualifier = self.qualifier.as_deref().map(|text| format!(":{text}"));
        let qualifier = qualifier.unwrap_or_default();
        ApiError::not_found(&format!("Function not found: {arn}{qualifier}"))
    }
}
