//! HTTP to functions. In this order:
//!
//! - `/lambda-url/<function>/..` is the address of a function of Lambda, `/<function>/..` of one of
//!   Google;
//! - the routes of HTTP APIs, which have a host each in the cloud and share one here;
//! - the paths that functions with an address answer, so that `POST /predict` works as it is
//!   written in the manifest (on Azure: `/api/predict`);
//! - `GET /` tells what there is.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use mlfn_core::ProviderName;
use serde_json::{Value as Json, json};

use super::envelope::{self, Context};
use super::{BodyError, Reply, cors, json_reply, message, raw, read, routes, tokens};
use crate::emulator::wiring::{Api, ApiRoute, Url, Wiring};
use crate::emulator::{Call, Live};
use crate::identifiers::uuid;
use crate::platform::{ACCOUNT, LAMBDA_MAX_BYTES};
use crate::{Emulator, Ending, InvokeError};

/// Where the addresses of functions begin.
const URL_PREFIX: &str = "/lambda-url/";

pub(super) async fn answer(emulator: &Arc<Emulator>, request: Request<Incoming>) -> Reply {
    let live = emulator.live();
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    match find(&live, &head.method, &path) {
        Some(Door::Url { url, path }) => by_url(emulator, url, path, (head, body)).await,
        Some(Door::Api(found)) => by_api(emulator, found, (head, body)).await,
        Some(Door::Raw { function, path }) => {
            raw::pass_on(emulator, function, path, head, body).await
        }
        None if path == "/" && head.method == Method::GET => index(emulator, &live),
        None => json_reply(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" })),
    }
}

/// What a request comes in by.
enum Door<'a> {
    Url { url: &'a Url, path: &'a str },
    Api(Found<'a>),
    Raw { function: &'a str, path: &'a str },
}

/// A route of an API.
struct Found<'a> {
    api: &'a Api,
    route: routes::Taken<Option<&'a ApiRoute>>,
}

fn find<'a>(live: &'a Live, method: &Method, path: &'a str) -> Option<Door<'a>> {
    let wiring = &live.wiring;
    if wiring.platform != ProviderName::Aws {
        return find_raw(wiring, path);
    }
    if let Some(rest) = path.strip_prefix(URL_PREFIX) {
        let (name, path) = split_name(rest);
        let url = wiring.urls.iter().find(|url| url.function == name)?;
        return Some(Door::Url { url, path });
    }
    let api = wiring
        .apis
        .iter()
        .find_map(|api| find_route(api, method, path));
    api.map(Door::Api).or_else(|| {
        let url = wiring
            .urls
            .iter()
            .find(|url| answers(wiring, &url.function, path))?;
        Some(Door::Url { url, path })
    })
}

/// The function's name and the rest of the path, which begins with `/`.
fn split_name(text: &str) -> (&str, &str) {
    let end = text.find('/').unwrap_or(text.len());
    let (name, path) = text.split_at(end);
    (name, if path.is_empty() { "/" } else { path })
}

fn find_route<'a>(api: &'a Api, method: &Method, path: &str) -> Option<Found<'a>> {
    let keys = api
        .routes
        .iter()
        .map(|route| (route.key.as_str(), Some(route)));
    let route = routes::choose(keys, method.as_str(), path).or_else(|| {
        // A browser asks before it uses a route.
        let asks = *method == Method::OPTIONS && api.cors.is_some();
        let keys = api
            .routes
            .iter()
            .filter_map(|route| route.key.split_once(' '));
        let is_path = keys.map(|(_, pattern)| format!("ANY {pattern}"));
        let any: Vec<String> = is_path.collect();
        let any = any.iter().map(|key| (key.as_str(), None));
        routes::choose(any, "OPTIONS", path).filter(|_| asks)
    })?;
    Some(Found { api, route })
}

fn find_raw<'a>(wiring: &'a Wiring, path: &'a str) -> Option<Door<'a>> {
    let own = match wiring.platform {
        ProviderName::Azure => path.strip_prefix("/api")?,
        ProviderName::Gcp | ProviderName::Aws => path,
    };
    let mut functions = wiring.functions.keys();
    if let Some(function) = functions.clone().find(|name| answers(wiring, name, own)) {
        return Some(Door::Raw { function, path });
    }
    let (name, rest) = split_name(path.strip_prefix('/')?);
    let function = functions.find(|function| *function == name)?;
    let path = if rest == "/" { "/" } else { rest };
    Some(Door::Raw { function, path })
}

/// Whether a path is one of those of the function's HTTP triggers.
fn answers(wiring: &Wiring, function: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let function = wiring.functions.get(function);
    let revisions = function
        .into_iter()
        .flat_map(|function| function.revisions.values());
    let mut routes = revisions.flat_map(|revision| &revision.routes);
    routes.any(|route| route.path.trim_end_matches('/') == path)
}

/// Function URLs: <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>.
async fn by_url(
    emulator: &Arc<Emulator>,
    url: &Url,
    path: &str,
    (head, body): (Parts, Incoming),
) -> Reply {
    let cors = url.cors.as_ref();
    if let Some(reply) = cors::preflight(cors, &head.method, &head.headers) {
        return reply;
    }
    let id = uuid();
    let context = Context {
        id: &id,
        route: "$default",
        path,
        parameters: std::collections::BTreeMap::new(),
        api: &url.function,
        account: "anonymous",
        claims: None,
    };
    let target = (url.function.as_str(), url.qualifier.as_deref());
    let sent = send(emulator, target, &head, body, &context).await;
    let mut reply = sent.unwrap_or_else(|refusal| match refusal {
        Refusal::TooLarge => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        Refusal::Broken => message(StatusCode::BAD_REQUEST, "the body ended early"),
        Refusal::Throttled => message(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded."),
        Refusal::Gone => message(StatusCode::FORBIDDEN, "Forbidden"),
        Refusal::Failed => super::reply(
            StatusCode::BAD_GATEWAY,
            "application/json",
            "Internal Server Error",
        ),
    });
    finish(&mut reply, &id);
    cors::permit(cors, &head.headers, &mut reply);
    reply
}

/// HTTP APIs: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html>.
async fn by_api(
    emulator: &Arc<Emulator>,
    found: Found<'_>,
    (head, body): (Parts, Incoming),
) -> Reply {
    let cors = found.api.cors.as_ref();
    if let Some(reply) = cors::preflight(cors, &head.method, &head.headers) {
        return reply;
    }
    let id = uuid();
    let mut reply = match found.route.route {
        Some(route) => {
            let parameters = found.route.parameters;
            through(emulator, (found.api, route, parameters), &head, body, &id).await
        }
        None => message(StatusCode::NOT_FOUND, "Not Found"),
    };
    finish(&mut reply, &id);
    cors::permit(cors, &head.headers, &mut reply);
    reply
}

async fn through(
    emulator: &Arc<Emulator>,
    (api, route, parameters): (&Api, &ApiRoute, std::collections::BTreeMap<String, String>),
    head: &Parts,
    body: Incoming,
    id: &str,
) -> Reply {
    let claims = match &route.tokens {
        None => None,
        Some(wanted) => match tokens::claims(wanted, &head.headers) {
            Some(claims) => Some(claims),
            None => return message(StatusCode::UNAUTHORIZED, "Unauthorized"),
        },
    };
    let context = Context {
        id,
        route: &route.key,
        path: head.uri.path(),
        parameters,
        api: &api.id,
        account: ACCOUNT,
        claims,
    };
    let target = (route.function.as_str(), route.qualifier.as_deref());
    let sent = send(emulator, target, head, body, &context);
    match within(route.timeout, sent).await {
        None => message(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out"),
        Some(Ok(reply)) => reply,
        Some(Err(Refusal::TooLarge)) => {
            message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
        }
        Some(Err(Refusal::Broken)) => message(StatusCode::BAD_REQUEST, "Bad Request"),
        Some(Err(Refusal::Throttled)) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        Some(Err(Refusal::Gone | Refusal::Failed)) => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// Why a function's answer is not passed on.
enum Refusal {
    TooLarge,
    Broken,
    Throttled,
    /// The function is not there.
    Gone,
    /// The function failed, or its answer has a form that is refused.
    Failed,
}

async fn send(
    emulator: &Arc<Emulator>,
    (function, qualifier): (&str, Option<&str>),
    head: &Parts,
    body: Incoming,
    context: &Context<'_>,
) -> Result<Reply, Refusal> {
    let body = read(body, LAMBDA_MAX_BYTES)
        .await
        .map_err(|error| match error {
            BodyError::TooLarge => Refusal::TooLarge,
            BodyError::Broken => Refusal::Broken,
        })?;
    let payload = envelope::wrap(head, &body, context);
    if payload.len() > LAMBDA_MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    let call = Call {
        function: function.to_owned(),
        qualifier: qualifier.map(str::to_owned),
        payload,
        ..Call::default()
    };
    match emulator.invoke_as(context.id.to_owned(), call).await {
        Ok(done) if done.ending == Ending::Answered => {
            envelope::unwrap(&done.body).ok_or(Refusal::Failed)
        }
        Ok(_) => Err(Refusal::Failed),
        Err(InvokeError::Throttled(_)) => Err(Refusal::Throttled),
        Err(InvokeError::NotFound(_)) => Err(Refusal::Gone),
    }
}

/// So that the log of a request is found.
fn finish(reply: &mut Reply, id: &str) {
    super::set(reply, "x-amzn-requestid", id);
}

/// What there is.
fn index(emulator: &Arc<Emulator>, live: &Live) -> Reply {
    let base = emulator.url();
    let functions: Vec<Json> = live
        .wiring
        .functions
        .iter()
        .map(|(name, function)| {
            let newest = function.revisions.values().last();
            let routes = newest.iter().flat_map(|revision| &revision.routes);
            let routes: Vec<String> = routes
                .map(|route| format!("{} {}", route.method, route.path))
                .collect();
            let aliases: std::collections::BTreeMap<_, _> = function
                .aliases
                .iter()
                .map(|(name, alias)| (name, &alias.version))
                .collect();
            json!({ "name": name, "routes": routes, "aliases": aliases })
        })
        .collect();
    let body = json!({ "imitates": live.wiring.platform, "url": base, "functions": functions });
    json_reply(StatusCode::OK, &body)
}
