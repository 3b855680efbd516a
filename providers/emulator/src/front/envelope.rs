//! HTTP as Lambda gets it from function URLs and HTTP APIs: payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::Reply;
use crate::identifiers::{request_time, since_epoch};

/// What is known of a request beside HTTP.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// The request's name.
    pub(super) id: &'a str,
    /// The route that it took: `POST /predict` or `$default`.
    pub(super) route: &'a str,
    /// The path that the function shall see.
    pub(super) path: &'a str,
    /// What varies in the path.
    pub(super) parameters: BTreeMap<String, String>,
    /// The name of the API, or of the function with a URL.
    pub(super) api: &'a str,
    /// The account, or `anonymous`.
    pub(super) account: &'a str,
    /// What the token says, if one was asked for.
    pub(super) claims: Option<Map<String, Json>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: Cow<'a, str>,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<&'a str>,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Json,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

/// The event that the function gets.
pub(super) fn wrap(head: &Parts, body: &Bytes, context: &Context<'_>) -> Bytes {
    let query = head.uri.query().unwrap_or_default();
    let (text, is_base64_encoded) = body_text(&head.headers, body);
    let envelope = Envelope {
        version: "2.0",
        route_key: context.route,
        raw_path: percent_decode_str(context.path).decode_utf8_lossy(),
        raw_query_string: query,
        cookies: cookies(&head.headers),
        headers: joined(&head.headers),
        query_string_parameters: parameters(query),
        request_context: request_context(head, context),
        path_parameters: &context.parameters,
        body: (!body.is_empty()).then_some(text),
        is_base64_encoded,
    };
    // Texts and maps of texts always have a JSON form.
    serde_json::to_vec(&envelope).unwrap_or_default().into()
}

fn request_context(head: &Parts, context: &Context<'_>) -> Json {
    let now = since_epoch();
    let host = header(&head.headers, "host").unwrap_or_default();
    let mut json = json!({
        "accountId": context.account,
        "apiId": context.api,
        "domainName": host,
        "domainPrefix": host.split('.').next(),
        "http": {
            "method": head.method.as_str(),
            "path": context.path,
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": header(&head.headers, "user-agent").unwrap_or_default(),
        },
        "requestId": context.id,
        "routeKey": context.route,
        "stage": "$default",
        "time": request_time(now),
        "timeEpoch": u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
    });
    if let Some(claims) = &context.claims {
        json["authorizer"] = json!({ "jwt": { "claims": claims, "scopes": null } });
    }
    json
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Bodies of text types come as they are, others in base64.
fn body_text<'a>(headers: &HeaderMap, body: &'a Bytes) -> (Cow<'a, str>, bool) {
    let kind = header(headers, "content-type").unwrap_or("application/json");
    match std::str::from_utf8(body) {
        Ok(text) if is_text(kind) => (Cow::Borrowed(text), false),
        _ => (Cow::Owned(BASE64.encode(body)), true),
    }
}

fn is_text(kind: &str) -> bool {
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            essence.as_str(),
            "application/json"
                | "application/xml"
                | "application/javascript"
                | "application/x-www-form-urlencoded"
        )
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(';'))
        .map(str::trim)
        .collect()
}

/// Several of one name with commas between.
fn joined(headers: &HeaderMap) -> BTreeMap<&str, Cow<'_, str>> {
    let mut joined: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| **name != COOKIE) {
        let value = String::from_utf8_lossy(value.as_bytes());
        match joined.get_mut(name.as_str()) {
            Some(first) => {
                let first = first.to_mut();
                first.push(',');
                first.push_str(&value);
            }
            None => drop(joined.insert(name.as_str(), value)),
        }
    }
    joined
}

/// Several of one name with commas between.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value);
        let entry = parameters.entry(decoded(name));
        entry
            .and_modify(|first| {
                first.push(',');
                first.push_str(&value);
            })
            .or_insert_with(|| value.clone());
    }
    parameters
}

/// What a function answers, if it says what it means for HTTP.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: Status,
    #[serde(default)]
    headers: Option<Map<String, Json>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<Json>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// The number, which may be in quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Status {
    Number(u16),
    Text(String),
}

/// The HTTP answer inside of a function's; none if it has a form that HTTP APIs refuse.
pub(super) fn unwrap(payload: &Bytes) -> Option<Reply> {
    if !has_status(payload) {
        return inferred(payload);
    }
    let answer: Answer = serde_json::from_slice(payload).ok()?;
    let status = match answer.status_code {
        Status::Number(number) => StatusCode::from_u16(number).ok()?,
        Status::Text(text) => text.parse().ok()?,
    };
    let body = match answer.body {
        None | Some(Json::Null) => Bytes::new(),
        Some(Json::String(text)) if answer.is_base64_encoded == Some(true) => {
            BASE64.decode(text).ok()?.into()
        }
        Some(Json::String(text)) => text.into(),
        Some(other) => other.to_string().into(),
    };
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in answer.headers.unwrap_or_default() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.insert(name, HeaderValue::from_str(&text_of(value)).ok()?);
    }
    for cookie in answer.cookies.unwrap_or_default() {
        headers.append(SET_COOKIE, HeaderValue::from_str(&cookie).ok()?);
    }
    Some(reply)
}

fn text_of(value: Json) -> String {
    match value {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// Whether it is an object with a status, without keeping what else is in it.
fn has_status(payload: &Bytes) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        status_code: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Probe>(payload).is_ok_and(|probe| probe.status_code.is_some())
}

/// Any other JSON is the body; a text without its quotes.
fn inferred(payload: &Bytes) -> Option<Reply> {
    serde_json::from_slice::<serde::de::IgnoredAny>(payload).ok()?;
    let body = match serde_json::from_slice::<String>(payload) {
        Ok(text) => text.into(),
        Err(_) => payload.clone(),
    };
    Some(super::reply(StatusCode::OK, "application/json", body))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use hyper::Request;

    use super::*;

    fn wrapped(request: Request<&'static [u8]>) -> Json {
        let (head, body) = request.into_parts();
        let context = Context {
            id: "1",
            route: "POST /p/{x}",
            path: "/p/a b",
            parameters: [("x".to_owned(), "a b".to_owned())].into(),
            api: "api",
            account: "anonymous",
            claims: None,
        };
        let bytes = wrap(&head, &Bytes::from_static(body), &context);
        serde_json::from_slice(&bytes).expect("is JSON")
    }

    #[test]
    fn a_request_becomes_an_event() {
        let request = Request::post("http://h/p/a%20b?k=1&k=a%20b&e&p=x+y")
            .header("host", "h:1")
            .header("X-A", "1")
            .header("x-a", "2")
            .header("cookie", "c=1; d=2")
            .header("content-type", "application/json")
            .body(&b"{\"a\":1}"[..])
            .expect("is a request");
        let event = wrapped(request);
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["rawQueryString"], "k=1&k=a%20b&e&p=x+y");
        assert_eq!(
            event["queryStringParameters"],
            json!({"k": "1,a b", "e": "", "p": "x y"})
        );
        assert_eq!(event["cookies"], json!(["c=1", "d=2"]));
        assert_eq!(
            event["headers"],
            json!({"host": "h:1", "x-a": "1,2", "content-type": "application/json"})
        );
        assert_eq!(event["pathParameters"], json!({"x": "a b"}));
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("{\"a\":1}"), &json!(false))
        );
        assert_eq!(event["requestContext"]["http"]["method"], "POST");
        assert_eq!(event["requestContext"]["routeKey"], "POST /p/{x}");
    }

    #[test]
    fn bytes_that_are_no_text_come_in_base64() {
        for (kind, body) in [
            ("application/octet-stream", &b"ab"[..]),
            ("text/plain", b"\xff"),
        ] {
            let request = Request::post("/").header("content-type", kind).body(body);
            let event = wrapped(request.expect("is a request"));
            assert_eq!(event["isBase64Encoded"], true, "{kind}");
            assert_eq!(event["body"], BASE64.encode(body), "{kind}");
        }
    }

    #[test]
    fn a_request_without_a_body_has_none() {
        let event = wrapped(Request::get("/").body(&b""[..]).expect("is a request"));
        assert_eq!(event.get("body"), None);
    }

    async fn unwrapped(payload: &'static str) -> Option<(u16, Vec<String>, String)> {
        let reply = unwrap(&Bytes::from_static(payload.as_bytes()))?;
        let headers = reply
            .headers()
            .iter()
            .filter(|(name, _)| *name != "content-length");
        let headers =
            headers.map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")));
        let (status, headers) = (reply.status().as_u16(), headers.collect());
        let body = reply
            .into_body()
            .collect()
            .await
            .expect("is there")
            .to_bytes();
        Some((
            status,
            headers,
            String::from_utf8(body.to_vec()).expect("is text"),
        ))
    }

    #[track_caller]
    fn check(found: Option<&(u16, Vec<String>, String)>, expected: Option<(u16, &[&str], &str)>) {
        let found = found.map(|(s, h, b)| (*s, h.iter().map(String::as_str).collect(), b.as_str()));
        assert_eq!(found, expected.map(|(s, h, b)| (s, h.to_vec(), b)));
    }

    #[tokio::test]
    async fn an_answer_says_what_it_means_for_http_or_is_the_body() {
        let json = "content-type: application/json";
        let full = r#"{"statusCode":"201","headers":{"content-type":"text/plain","x-n":5},
            "cookies":["a=1","b=2"],"body":"aGk=","isBase64Encoded":true}"#;
        let headers = [
            "content-type: text/plain",
            "x-n: 5",
            "set-cookie: a=1",
            "set-cookie: b=2",
        ];
        check(unwrapped(full).await.as_ref(), Some((201, &headers, "hi")));
        check(
            unwrapped(r#"{"statusCode":204}"#).await.as_ref(),
            Some((204, &[json], "")),
        );
        let object = r#"{"statusCode":200,"body":{"a":1}}"#;
        check(
            unwrapped(object).await.as_ref(),
            Some((200, &[json], "{\"a\":1}")),
        );
        check(
            unwrapped(r#"{"a": 1}"#).await.as_ref(),
            Some((200, &[json], "{\"a\": 1}")),
        );
        check(
            unwrapped(r#""text""#).await.as_ref(),
            Some((200, &[json], "text")),
        );
        check(
            unwrapped("[1, 2]").await.as_ref(),
            Some((200, &[json], "[1, 2]")),
        );
        check(unwrapped(r#"{"statusCode":"many"}"#).await.as_ref(), None);
        check(
            unwrapped(r#"{"statusCode":200,"headers":{"a b":"c"}}"#)
                .await
                .as_ref(),
            None,
        );
        check(unwrapped("not JSON").await.as_ref(), None);
    }
}
