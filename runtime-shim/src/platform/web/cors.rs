//! Which pages of the web may ask: <https://fetch.spec.whatwg.org/#http-cors-protocol>. Only where
//! the cloud does not answer browsers itself: there the configuration names no origins.

use std::borrow::Cow;

use mlfn_shim_contract::ShimConfig;

use super::JSON_LENGTH;
use crate::platform::Reply;

/// How long a browser may believe an answer, in seconds: a day, of which most take two hours.
const MAX_AGE: &str = "86400";

/// What a browser may be told to send.
const HEADERS: &str = "accept, authorization, content-encoding, content-type, \
                       inference-header-content-length, x-request-id";

type Header = (&'static str, Cow<'static, str>);

/// The answer to a browser that asks whether a page may ask; none if this is something else.
pub(crate) fn preflight<'a>(
    config: &ShimConfig,
    method: &str,
    path: &str,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Option<Vec<Header>> {
    if method != "OPTIONS" || header("access-control-request-method").is_none() {
        return None;
    }
    let mut headers = headers(config, path, header("origin"))?;
    let methods = methods(config, path);
    headers.push(("access-control-allow-methods", methods.into()));
    headers.push(("access-control-allow-headers", HEADERS.into()));
    headers.push(("access-control-max-age", MAX_AGE.into()));
    Some(headers)
}

fn methods(config: &ShimConfig, path: &str) -> String {
    let routes = config.routes.iter().filter(|route| route.path == path);
    let methods: Vec<&str> = routes.map(|route| route.method.as_str()).collect();
    match methods.as_slice() {
        [] => "GET, POST".to_owned(),
        methods if methods.contains(&"ANY") => "GET, POST, PUT, PATCH, DELETE".to_owned(),
        methods => methods.join(", "),
    }
}

/// What an answer tells a browser; none for pages that may not ask.
fn headers(config: &ShimConfig, path: &str, origin: Option<&str>) -> Option<Vec<Header>> {
    let origin = origin?;
    let own = config.routes.iter().any(|route| route.path == path);
    let routes = config.routes.iter();
    // What is at no route is open to those that some route is open to.
    let mut origins = routes
        .filter(|route| !own || route.path == path)
        .flat_map(|route| &route.cors);
    let allowed = origins.find(|allowed| *allowed == "*" || *allowed == origin)?;
    let mut headers = vec![("access-control-allow-origin", allowed.clone().into())];
    if allowed != "*" {
        headers.push(("vary", "origin".into()));
    }
    Some(headers)
}

/// Tells a browser that the page may read this answer, if it may.
pub(crate) fn allow(config: &ShimConfig, path: &str, origin: Option<&str>, reply: &mut Reply) {
    if let Some(headers) = headers(config, path, origin) {
        reply.headers.extend(headers);
        let exposed = ("access-control-expose-headers", JSON_LENGTH.into());
        reply.headers.push(exposed);
    }
}
