//! Which pages of the web may ask: <https://fetch.spec.whatwg.org/#http-cors-protocol>. Only where
//! the cloud does not answer browsers itself: there the configuration names no origins.

use std::borrow::Cow;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderValue, VARY,
};
use mlfn_shim_contract::ShimConfig;

use super::JSON_LENGTH;
use crate::platform::routes;

/// How long a browser may believe an answer, in seconds: a day, of which most take two hours.
const MAX_AGE: &str = "86400";

/// What a browser may be told to send.
const HEADERS: &str = "accept, authorization, content-encoding, content-type, \
                       inference-header-content-length, x-request-id";

type Header = (&'static str, Cow<'static, str>);

/// The answer to a browser that asks whether a page may ask, but for what [`allow`] adds to every
/// answer; none if this is something else, or the page may not.
pub(crate) fn preflight<'a>(
    config: &ShimConfig,
    method: &str,
    path: &str,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Option<Vec<Header>> {
    if method != "OPTIONS" || header("access-control-request-method").is_none() {
        return None;
    }
    allowed(config, path, header("origin")?)?;
    Some(vec![
        ("access-control-allow-methods", methods(config, path).into()),
        ("access-control-allow-headers", HEADERS.into()),
        ("access-control-max-age", MAX_AGE.into()),
    ])
}

fn methods(config: &ShimConfig, path: &str) -> String {
    let path = routes::normal(path);
    let routes = config.routes.iter().filter(|route| route.path == path);
    let methods: Vec<&str> = routes.map(|route| route.method.as_str()).collect();
    match methods.as_slice() {
        [] => "GET, POST".to_owned(),
        methods if methods.contains(&"ANY") => "GET, POST, PUT, PATCH, DELETE".to_owned(),
        methods => methods.join(", "),
    }
}

/// The origins of the pages that may ask for something. What is at no route is open to those that
/// some route is open to.
fn origins<'a>(config: &'a ShimConfig, path: &str) -> impl Iterator<Item = &'a str> {
    let path = routes::normal(path);
    let own = config.routes.iter().any(|route| route.path == path);
    let routes = config.routes.iter();
    let routes = routes.filter(move |route| !own || route.path == path);
    routes.flat_map(|route| route.cors.iter().map(String::as_str))
}

/// What lets a page of this origin ask, if something does.
fn allowed<'a>(config: &'a ShimConfig, path: &str, origin: &str) -> Option<&'a str> {
    let mut origins = origins(config, path);
    origins.find(|allowed| *allowed == "*" || *allowed == origin)
}

/// Whether a page of another origin would get another answer, which then must not be kept for it.
fn differs(config: &ShimConfig, path: &str) -> bool {
    let mut origins = origins(config, path).peekable();
    origins.peek().is_some() && origins.all(|origin| origin != "*")
}

/// Tells a browser that the page may read this answer, if it may.
pub(crate) fn allow(
    config: &ShimConfig,
    path: &str,
    origin: Option<&str>,
    headers: &mut HeaderMap,
) {
    if differs(config, path) {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    let allowed = origin.and_then(|origin| allowed(config, path, origin));
    if let Some(Ok(allowed)) = allowed.map(HeaderValue::from_str) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let exposed = HeaderValue::from_static(JSON_LENGTH);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

#[cfg(test)]
mod tests {
    use mlfn_shim_contract::Route;

    use super::*;

    fn config(origins: &[&str]) -> ShimConfig {
        let route = |path: &str, origins: &[&str]| Route {
            method: "POST".to_owned(),
            path: path.to_owned(),
            cors: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        };
        ShimConfig {
            routes: vec![route("/predict", origins), route("/own", &[])],
            ..crate::handler::tests::config()
        }
    }

    /// What an answer at the path says to a page: the origin that it allows, and what it varies by.
    #[track_caller]
    fn check(origins: &[&str], path: &str, origin: Option<&str>, expected: (&str, &str)) {
        let mut headers = HeaderMap::new();
        allow(&config(origins), path, origin, &mut headers);
        let header = |name: &str| {
            let found = headers.get(name).map(HeaderValue::to_str);
            found.map_or("", |value| value.expect("is text"))
        };
        let found = (header("access-control-allow-origin"), header("vary"));
        assert_eq!(found, expected, "{origins:?} {path} {origin:?}");
    }

    #[test]
    fn pages_learn_whether_they_may_ask_and_caches_that_it_depends() {
        let (a, b) = ("https://a.example", "https://b.example");
        check(&[a], "/predict", Some(a), (a, "origin"));
        check(&[a, b], "/predict", Some(b), (b, "origin"));
        check(&[a], "/predict", Some(b), ("", "origin"));
        check(&[a], "/predict", None, ("", "origin"));
        check(&["*"], "/predict", Some(b), ("*", ""));
        check(&[], "/predict", Some(a), ("", ""));
        check(&[a], "/own", Some(a), ("", ""));
        check(&[a], "/own/", Some(a), ("", ""));
        check(&[a], "/v2", Some(a), (a, "origin"));
    }

    #[test]
    fn only_a_browser_s_question_of_an_allowed_page_is_answered() {
        let asks = |method: &str, origin: &'static str, wants: Option<&'static str>| {
            let header = |name: &str| match name {
                "origin" => Some(origin),
                "access-control-request-method" => wants,
                _ => None,
            };
            preflight(&config(&["https://a.example"]), method, "/predict", header)
        };
        let answer = asks("OPTIONS", "https://a.example", Some("POST")).expect("an answer");
        assert!(answer.contains(&("access-control-allow-methods", "POST".into())));
        assert_eq!(asks("OPTIONS", "https://b.example", Some("POST")), None);
        assert_eq!(asks("OPTIONS", "https://a.example", None), None);
        assert_eq!(asks("POST", "https://a.example", Some("POST")), None);
    }
}
