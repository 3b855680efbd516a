//! What browsers are told, as function URLs and HTTP APIs tell it
//! (<https://developer.mozilla.org/docs/Web/HTTP/CORS>).

use hyper::header::{HeaderMap, ORIGIN};
use hyper::{Method, Response, StatusCode};

use super::{Reply, set};
use crate::emulator::wiring::Cors;

/// The answer to a browser that asks first; none if it does not ask.
pub(super) fn preflight(
    cors: Option<&Cors>,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Reply> {
    let cors = cors?;
    let asks = *method == Method::OPTIONS && headers.contains_key("access-control-request-method");
    if !asks {
        return None;
    }
    let mut reply = Response::new(http_body_util::Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    if allow_origin(cors, headers, &mut reply) {
        set(
            &mut reply,
            "access-control-allow-methods",
            &cors.allow_methods.join(","),
        );
        set(
            &mut reply,
            "access-control-allow-headers",
            &cors.allow_headers.join(","),
        );
        if let Some(age) = cors.max_age {
            set(&mut reply, "access-control-max-age", &age.to_string());
        }
    }
    Some(reply)
}

/// Tells a browser whether it may read an answer.
pub(super) fn permit(cors: Option<&Cors>, headers: &HeaderMap, reply: &mut Reply) {
    if let Some(cors) = cors {
        allow_origin(cors, headers, reply);
    }
}

fn allow_origin(cors: &Cors, headers: &HeaderMap, reply: &mut Reply) -> bool {
    let Some(origin) = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    let any = cors.allow_origins.iter().any(|allowed| allowed == "*");
    if !any && !cors.allow_origins.iter().any(|allowed| allowed == origin) {
        return false;
    }
    set(
        reply,
        "access-control-allow-origin",
        if any { "*" } else { origin },
    );
    if !any {
        set(reply, "vary", "Origin");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = hyper::header::HeaderName::from_static(name);
            (name, value.parse().expect("is a value"))
        });
        pairs.collect()
    }

    #[track_caller]
    fn check(allowed: &str, origin: &str, expected: Option<&str>) {
        let cors = Cors {
            allow_origins: vec![allowed.to_owned()],
            allow_methods: vec!["POST".to_owned()],
            ..Cors::default()
        };
        let asked = headers(&[
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ]);
        let reply = preflight(Some(&cors), &Method::OPTIONS, &asked).expect("answers");
        let told = |name: &str| {
            reply
                .headers()
                .get(name)
                .map(|value| value.to_str().expect("text"))
        };
        assert_eq!(told("access-control-allow-origin"), expected);
        assert_eq!(
            told("access-control-allow-methods"),
            expected.map(|_| "POST")
        );
    }

    #[test]
    fn a_browser_is_told_what_it_may() {
        check("*", "https://a.example", Some("*"));
        check(
            "https://a.example",
            "https://a.example",
            Some("https://a.example"),
        );
        check("https://a.example", "https://b.example", None);
    }

    #[test]
    fn an_ordinary_request_is_no_question() {
        let cors = Cors::default();
        assert!(preflight(Some(&cors), &Method::OPTIONS, &HeaderMap::new()).is_none());
        assert!(preflight(None, &Method::OPTIONS, &HeaderMap::new()).is_none());
    }
}
