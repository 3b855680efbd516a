//! The Lambda Runtime API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::support::{self, Package, RuntimeApi, Shim};

const GOOD: &str = r#"{"x": [[1, 2]]}"#;
const PREDICTION: &str = r#"{"prediction":[[1.0,2.0]]}"#;

fn start(package: &Package) -> (RuntimeApi, Shim) {
    let api = RuntimeApi::start();
    let shim = Shim::with(package, &[("AWS_LAMBDA_RUNTIME_API", api.address())]);
    (api, shim)
}

fn identity() -> (RuntimeApi, Shim) {
    start(&Package::of("identity_float32"))
}

#[test]
fn an_event_is_a_request() {
    let (mut api, mut shim) = identity();
    assert_eq!(api.invoke(GOOD).expect("an answer"), PREDICTION);
    assert_eq!(api.invoke(GOOD).expect("an answer"), PREDICTION);
    let first = shim.wait_for("answered");
    assert_eq!(first["request_id"], "request-1");
    assert_eq!(first["cold"], true);
    assert_eq!(first["trace_id"], "Root=1");
    let second = shim.wait_for("answered");
    assert_eq!(second["request_id"], "request-2");
    assert_eq!(second["cold"], false);
    shim.stopped();
}

#[test]
fn a_bad_event_is_an_error_of_the_function_and_the_next_one_works() {
    let (mut api, _shim) = identity();
    for (event, code) in [
        ("", "empty_body"),
        ("null", "not_an_object"),
        ("{", "not_json"),
        (r#"{"y": 1}"#, "unknown_input"),
        (r#"{"x": [["a"]]}"#, "wrong_type"),
        // Almost an HTTP event.
        (r#"{"version": "2.0", "body": "{}"}"#, "unknown_input"),
        (r#"{"Records": []}"#, "unknown_input"),
    ] {
        let post = api.invoke(event).expect_err("it is refused");
        assert_eq!(post.error_type.as_deref(), Some(code), "{event}");
        let body = support::json(&post.body);
        assert_eq!(body["errorType"], code);
        assert!(body["errorMessage"].is_string());
        assert_eq!(body["expected"]["inputs"][0]["name"], "x");
        assert_eq!(api.invoke(GOOD).expect("an answer"), PREDICTION);
    }
}

/// The event of an HTTP API or a function URL.
fn http_2(method: &str, path: &str, stage: &str, body: &str) -> Json {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"Content-Type": "application/json", "host": "x.lambda-url.eu-west-1.on.aws"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1"},
            "stage": stage,
            "timeEpoch": 1_700_000_000_000_u64,
        },
        "body": body,
        "isBase64Encoded": false,
    })
}

/// The event of a REST API.
fn http_1(method: &str, path: &str, body: &str) -> Json {
    json!({
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": null,
        "multiValueHeaders": {},
        "requestContext": {"stage": "dev", "httpMethod": method, "identity": {}},
        "body": body,
        "isBase64Encoded": false,
    })
}

#[track_caller]
fn check_http(api: &mut RuntimeApi, event: &Json, status: u16, body: &str) -> Json {
    let answer = support::json(&api.invoke(&event.to_string()).expect("an answer"));
    assert_eq!(answer["statusCode"], status, "{answer}");
    assert_eq!(answer["headers"]["content-type"], "application/json");
    assert_eq!(answer["isBase64Encoded"], false);
    let found = answer["body"].as_str().expect("a text");
    assert!(found.contains(body), "{found}");
    answer
}

#[test]
fn http_comes_in_envelopes() {
    let (mut api, _shim) = identity();
    check_http(
        &mut api,
        &http_2("POST", "/predict", "$default", GOOD),
        200,
        PREDICTION,
    );
    check_http(
        &mut api,
        &http_2("POST", "/dev/predict", "dev", GOOD),
        200,
        PREDICTION,
    );
    check_http(&mut api, &http_1("POST", "/predict", GOOD), 200, PREDICTION);
    let mut encoded = http_2("POST", "/predict", "$default", &STANDARD.encode(GOOD));
    encoded["isBase64Encoded"] = true.into();
    check_http(&mut api, &encoded, 200, PREDICTION);
    let mut without_type = http_2("POST", "/predict", "$default", GOOD);
    without_type["headers"] = json!({});
    check_http(&mut api, &without_type, 200, PREDICTION);
}

#[test]
fn bad_http_is_answered_in_http() {
    let (mut api, mut shim) = identity();
    let event = http_2("POST", "/predict", "$default", "{}");
    check_http(&mut api, &event, 400, "missing_input");
    let line = shim.wait_for("the input is missing");
    assert_eq!(line["status"], 400);
    check_http(
        &mut api,
        &http_2("POST", "/other", "$default", GOOD),
        404,
        "not_found",
    );
    let answer = check_http(
        &mut api,
        &http_2("GET", "/predict", "$default", ""),
        405,
        "method",
    );
    assert_eq!(answer["headers"]["allow"], "POST");
    let mut event = http_2("POST", "/predict", "$default", GOOD);
    event["headers"]["Content-Type"] = "text/csv".into();
    check_http(&mut api, &event, 415, "wrong_content_type");
    event = http_2("POST", "/predict", "$default", "not base64!");
    event["isBase64Encoded"] = true.into();
    check_http(&mut api, &event, 400, "not base64");
    event = http_1("POST", "/predict", "");
    event["body"] = Json::Null;
    check_http(&mut api, &event, 400, "empty_body");
    check_http(&mut api, &http_1("POST", "/predict", GOOD), 200, PREDICTION);
}

#[test]
fn an_input_may_be_called_like_a_part_of_an_envelope() {
    let mut package = Package::of("identity_float32").names(&["body", "path"]);
    package.config.routes.clear();
    let (mut api, _shim) = start(&package);
    let answer = api.invoke(r#"{"body": 1, "path": 2}"#).expect("an answer");
    assert_eq!(answer, r#"{"prediction":[1.0,2.0]}"#);
}

#[test]
fn an_answer_that_is_too_large_is_an_error() {
    let mut package = Package::of("identity_float32");
    package.config.max_response = 30;
    let (mut api, _shim) = start(&package);
    let post = api
        .invoke(r#"{"x": [[1, 2, 3, 4, 5]]}"#)
        .expect_err("too large");
    assert_eq!(post.error_type.as_deref(), Some("response_too_large"));
    // The envelope around this one is larger than the answer itself.
    let event = http_2("POST", "/predict", "$default", GOOD);
    check_http(&mut api, &event, 500, "response_too_large");
    assert_eq!(api.invoke(GOOD).expect("an answer"), PREDICTION);
}

#[test]
fn a_model_that_cannot_be_loaded_is_an_init_error() {
    let (api, shim) = start(&Package::of("broken"));
    let post = api.post();
    assert_eq!(post.path, "/init/error");
    assert_eq!(post.error_type.as_deref(), Some("model_not_loaded"));
    let body = support::json(&post.body);
    assert_eq!(body["errorType"], "model_not_loaded");
    let message = body["errorMessage"].as_str().expect("a message");
    assert!(message.contains("cannot load the model"), "{message}");
    let (status, log) = shim.ended();
    assert_eq!(status.code(), Some(1));
    assert!(log.iter().any(|line| line["level"] == "error"), "{log:#?}");
}

#[test]
fn a_missing_package_is_an_init_error() {
    let api = RuntimeApi::start();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_mlfn-shim"));
    let variables = [
        ("AWS_LAMBDA_RUNTIME_API", api.address()),
        ("MLFN_ROOT", "/nonexistent"),
    ];
    let shim = Shim::start(binary, &variables);
    let post = api.post();
    assert_eq!(post.path, "/init/error");
    assert!(
        post.body.contains("no mlfn.json in /nonexistent"),
        "{}",
        post.body
    );
    assert_eq!(shim.ended().0.code(), Some(1));
}

#[test]
fn a_broken_connection_is_made_again() {
    let (mut api, _shim) = identity();
    assert_eq!(api.invoke(GOOD).expect("an answer"), PREDICTION);
    api.hang_up();
    assert_eq!(api.invoke(GOOD).expect("an answer"), PREDICTION);
}

#[test]
fn without_a_runtime_api_it_ends() {
    // A port that was free a moment ago, and that nobody listens on.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let package = Package::of("scalar");
    let shim = Shim::with(&package, &[("AWS_LAMBDA_RUNTIME_API", &address)]);
    let (status, log) = shim.ended();
    assert_eq!(status.code(), Some(1));
    let last = log.last().expect("a line")["message"].to_string();
    assert!(
        last.contains("cannot reach the Lambda Runtime API"),
        "{last}"
    );
}

#[test]
fn the_end_waits_for_the_event_in_flight() {
    let (mut api, shim) = start(&Package::of("slow"));
    let id = api.begin(r#"{"n": 300000}"#);
    api.wait_until_taken(&id);
    shim.terminate();
    let post = api.post();
    assert_eq!(post.path, format!("/invocation/{id}/response"));
    assert_eq!(post.body, r#"{"prediction":300000}"#);
    let (status, log) = shim.ended();
    assert_eq!(status.code(), Some(0), "{log:#?}");
}
