//! Azure's custom handler.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::support::{self, Answer, Package, Shim, post};

const GOOD: &str = r#"{"x": [[1, 2]]}"#;
const PREDICTION: &str = r#"{"prediction":[[1.0,2.0]]}"#;

fn identity() -> Shim {
    Shim::azure(&Package::of("identity_float32"))
}

/// A call of the host for a function whose trigger's binding has this name and value.
fn call(shim: &Shim, binding: &str, value: &Json) -> Answer {
    let metadata = json!({"DequeueCount": 1, "sys": {"MethodName": "classifier-queue"}});
    let body = json!({"Data": {binding: value}, "Metadata": metadata});
    let headers = [
        ("content-type", "application/json"),
        ("x-azure-functions-invocationid", "call-1"),
    ];
    shim.connect()
        .send(&post("/classifier-queue", &headers, &body.to_string()))
}

#[test]
fn it_listens_on_the_loopback_interface_only() {
    let shim = identity();
    assert!(
        shim.address().starts_with("127.0.0.1:"),
        "{}",
        shim.address()
    );
    assert_eq!(shim.connect().get("/").status, 200);
}

#[test]
fn http_arrives_as_it_is() {
    let mut shim = identity();
    let request = post(
        "/api/predict",
        &[("x-azure-functions-invocationid", "call-1")],
        GOOD,
    );
    assert_eq!(shim.connect().send(&request).body, PREDICTION);
    let line = shim.wait_for("answered");
    assert_eq!(line["request_id"], "call-1");
    assert_eq!(line["cold"], true);
    assert_eq!(
        shim.post("/api/predict", "{}").failure(),
        "400 missing_input"
    );
    assert_eq!(shim.post("/api/other", GOOD).failure(), "404 not_found");
    let answer = shim.connect().get("/api/predict");
    assert_eq!(answer.failure(), "405 method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
    let request = post("/api/predict", &[("content-type", "text/csv")], GOOD);
    assert_eq!(
        shim.connect().send(&request).failure(),
        "415 wrong_content_type"
    );
    assert_eq!(shim.post("/api/predict", GOOD).body, PREDICTION);
}

#[test]
fn the_open_inference_protocol_is_behind_the_prefix() {
    let mut shim = identity();
    shim.wait_for("model loaded");
    for (path, key, expected) in [
        ("/api/v2", "name", json!("mlfn")),
        ("/api/v2/health/live", "live", json!(true)),
        ("/api/v2/health/ready", "ready", json!(true)),
        ("/api/v2/models/classifier", "name", json!("classifier")),
        (
            "/api/v2/models/classifier/versions/abc/ready",
            "ready",
            json!(true),
        ),
        ("/api/openapi.json", "openapi", json!("3.1.1")),
    ] {
        let found = shim.connect().get(path);
        assert_eq!(
            support::json(&found.body)[key],
            expected,
            "{path}: {}",
            found.body
        );
    }
    let tensor = json!({
        "name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": { "binary_data_size": 8 },
    });
    let output = json!({ "name": "y", "parameters": { "binary_data": true } });
    let request = json!({ "inputs": [tensor], "outputs": [output] }).to_string();
    let length = request.len().to_string();
    let headers = [("inference-header-content-length", length.as_str())];
    let path = "/api/v2/models/classifier/infer";
    let found = shim
        .connect()
        .send(&post(path, &headers, &format!("{request}abcdefgh")));
    assert_eq!(found.status, 200, "{}", found.body);
    let length = found
        .header("inference-header-content-length")
        .expect("a length");
    let length: usize = length.parse().expect("a number");
    assert_eq!(&found.body[length..], "abcdefgh");
}

#[test]
fn messages_arrive_in_every_wrapping() {
    let shim = identity();
    for value in [
        json!({"x": [[1, 2]]}),
        json!(GOOD),
        json!(json!(GOOD).to_string()),
        json!(STANDARD.encode(GOOD)),
        json!(json!(STANDARD.encode(GOOD)).to_string()),
    ] {
        let answer = call(&shim, "msg", &value);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let expected = format!(r#"{{"Outputs":{{}},"Logs":[],"ReturnValue":{PREDICTION}}}"#);
        assert_eq!(answer.body, expected, "{value}");
    }
}

#[test]
fn a_batch_is_answered_as_a_whole_or_not_at_all() {
    let shim = identity();
    let answer = call(&shim, "events", &json!([{"x": [[1, 2]]}, GOOD]));
    let found = support::json(&answer.body)["ReturnValue"].to_string();
    assert_eq!(found, format!("[{PREDICTION},{PREDICTION}]"));
    let answer = call(&shim, "events", &json!([{"x": [[1, 2]]}, {"y": 1}]));
    assert_eq!(answer.failure(), "400 unknown_input");
    assert!(
        answer.body.contains("event 1 of the batch"),
        "{}",
        answer.body
    );
}

#[test]
fn a_failing_message_fails_the_call_so_that_the_host_tries_again() {
    let shim = identity();
    for (value, expected) in [
        (json!({"y": 1}), "400 unknown_input"),
        (json!("no JSON"), "400 not_json"),
        (json!(""), "400 empty_body"),
        (json!(null), "400 not_an_object"),
        (json!(1), "400 not_an_object"),
    ] {
        assert_eq!(call(&shim, "msg", &value).failure(), expected, "{value}");
        assert_eq!(call(&shim, "msg", &json!(GOOD)).status, 200);
    }
    let answer = shim.post("/classifier-queue", "{}");
    assert_eq!(answer.failure(), "400 not_json");
    assert_eq!(
        shim.post("/classifier-queue", r#"{"Data": {}}"#).failure(),
        "400 empty_body"
    );
}

/// What the host sends when a timer fires: an object, or the same quoted twice.
fn timers() -> [Json; 2] {
    let timer =
        json!({"Schedule": {"AdjustForDST": true}, "ScheduleStatus": null, "IsPastDue": false});
    [timer.clone(), json!(timer.to_string())]
}

#[track_caller]
fn check_timer(shim: &Shim, function: &str, expected: Result<&str, &str>) {
    for timer in timers() {
        let body = json!({"Data": {"timer": timer}, "Metadata": {}}).to_string();
        let answer = shim.post(&format!("/{function}"), &body);
        match expected {
            Ok(prediction) => {
                assert_eq!(answer.status, 200, "{}", answer.body);
                let found = &support::json(&answer.body)["ReturnValue"];
                assert_eq!(found.to_string(), prediction);
            }
            Err(part) => {
                assert_eq!(answer.failure(), "422 unsupported_event");
                assert!(answer.body.contains(part), "{}", answer.body);
            }
        }
    }
}

#[test]
fn a_timer_gets_the_input_of_its_schedule_or_the_example() {
    let mut package = Package::of("identity_float32");
    package.config.schedules = BTreeMap::from([
        (
            "classifier-schedule-0".to_owned(),
            Some(json!({"x": [[3, 4]]})),
        ),
        ("classifier-schedule-1".to_owned(), None),
    ]);
    let shim = Shim::azure(&package);
    let own = r#"{"prediction":[[3.0,4.0]]}"#;
    check_timer(&shim, "classifier-schedule-0", Ok(own));
    let nothing = "`classifier-schedule-1` is a schedule without a request: give it an `input:`";
    check_timer(&shim, "classifier-schedule-1", Err(nothing));
    check_timer(
        &shim,
        "other",
        Err("`other` is a schedule without a request"),
    );

    package.config.example = Some(json!({"x": [[5, 6]]}));
    let shim = Shim::azure(&package);
    check_timer(&shim, "classifier-schedule-0", Ok(own));
    check_timer(
        &shim,
        "classifier-schedule-1",
        Ok(r#"{"prediction":[[5.0,6.0]]}"#),
    );
}

/// An HTTP trigger in an envelope.
fn http(method: &str, path: &str, body: &Json) -> Json {
    json!({
        "Url": format!("https://zoo.azurewebsites.net{path}?code=x"),
        "Method": method,
        "Query": {"code": "x"},
        "Headers": {"Content-Type": ["application/json"]},
        "Params": {},
        "Identities": [],
        "Body": body,
    })
}

#[track_caller]
fn check_http(shim: &Shim, request: &Json, status: &str, body: &str) -> Json {
    let answer = call(shim, "req", request);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let res = support::json(&answer.body)["Outputs"]["res"].clone();
    assert_eq!(res["statusCode"], status, "{res}");
    assert_eq!(res["headers"]["content-type"], "application/json");
    assert!(
        res["body"]
            .as_str()
            .is_some_and(|found| found.contains(body)),
        "{res}"
    );
    res
}

#[test]
fn http_in_an_envelope_is_answered_in_one() {
    let shim = identity();
    let good = json!(GOOD);
    check_http(
        &shim,
        &http("POST", "/api/predict", &good),
        "200",
        PREDICTION,
    );
    check_http(
        &shim,
        &http("POST", "/api/predict", &json!("{}")),
        "400",
        "missing_input",
    );
    check_http(
        &shim,
        &http("POST", "/api/predict", &Json::Null),
        "400",
        "empty_body",
    );
    check_http(
        &shim,
        &http("POST", "/api/other", &good),
        "404",
        "not_found",
    );
    let res = check_http(
        &shim,
        &http("GET", "/api/predict", &good),
        "405",
        "method_not_allowed",
    );
    assert_eq!(res["headers"]["allow"], "POST");
    check_http(
        &shim,
        &http("POST", "/api/predict", &good),
        "200",
        PREDICTION,
    );
}

#[test]
fn a_broken_model_answers_every_call_and_keeps_the_host_calm() {
    let mut shim = Shim::azure(&Package::of("broken"));
    shim.wait_for("cannot load the model");
    for _ in 0..2 {
        assert_eq!(
            shim.post("/api/predict", GOOD).failure(),
            "500 model_not_loaded"
        );
        assert_eq!(
            call(&shim, "msg", &json!(GOOD)).failure(),
            "500 model_not_loaded"
        );
        assert_eq!(shim.connect().get("/").status, 503);
    }
    shim.stopped();
}
