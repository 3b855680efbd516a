//! Plain HTTP on a port, with the events of Google.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::{self, Connection, Package, Shim, post};

const GOOD: &str = r#"{"x": [[1, 2]]}"#;
const PREDICTION: &str = r#"{"prediction":[[1.0,2.0]]}"#;

fn identity() -> Package {
    Package::of("identity_float32")
}

#[test]
fn the_health_says_what_runs() {
    let shim = Shim::http(&identity());
    assert_eq!(shim.predict(GOOD).body, PREDICTION);
    for path in ["/", "/health"] {
        let answer = shim.connect().get(path);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            answer.body,
            r#"{"service":"zoo","function":"classifier","status":"ready","model_sha256":"abc"}"#
        );
    }
}

#[test]
fn a_broken_model_is_said_to_be_broken_and_the_process_stays() {
    let mut shim = Shim::http(&Package::of("broken"));
    assert_eq!(shim.wait_for("cannot load the model")["level"], "error");
    for _ in 0..2 {
        let answer = shim.predict(GOOD);
        assert_eq!(answer.failure(), "500 model_not_loaded");
        assert!(
            answer.body.contains("cannot load the model"),
            "{}",
            answer.body
        );
    }
    let health = shim.connect().get("/");
    assert_eq!(health.status, 503);
    assert_eq!(support::json(&health.body)["status"], "failed");
    shim.stopped();
}

/// The package's library lies at `lib/other.so`; `damage` is done to it.
#[track_caller]
fn check_damaged_library(damage: impl FnOnce(&Path), expected: &str) {
    let mut package = identity();
    package.config.library = String::from("lib/other.so");
    let folder = package.write();
    let library = folder.path().join("lib/other.so");
    fs_err::remove_file(&library).expect("it was there");
    damage(&library);
    let root = folder.path().to_str().expect("text");
    let binary = Path::new(env!("CARGO_BIN_EXE_mlfn-shim"));
    let mut shim = Shim::start(binary, &[("PORT", "0"), ("MLFN_ROOT", root)]);
    let line = shim.wait_for("cannot load the inference library");
    let message = line["message"].as_str().unwrap_or_default();
    for part in ["lib/other.so", expected] {
        assert!(message.contains(part), "{line}");
    }
}

#[test]
fn a_missing_library_is_named() {
    check_damaged_library(|_| (), "No such file");
}

#[test]
fn why_a_library_cannot_be_loaded_is_told() {
    let text = |library: &Path| fs_err::write(library, "no library").expect("writes");
    check_damaged_library(text, "dlopen failed: ");
}

#[test]
fn routes_are_answered_and_nothing_else() {
    let shim = Shim::http(&identity());
    assert_eq!(shim.post("/predict", GOOD).body, PREDICTION);
    assert_eq!(shim.post("/predict?a=b", GOOD).body, PREDICTION);
    assert_eq!(shim.post("/", GOOD).body, PREDICTION);
    assert_eq!(shim.post("/other", GOOD).failure(), "404 not_found");
    let answer = shim.connect().get("/predict");
    assert_eq!(answer.failure(), "405 method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST"));
}

#[test]
fn bad_requests_are_answered_and_the_next_one_works() {
    let shim = Shim::http(&identity());
    let mut connection = shim.connect();
    for (request, expected) in [
        (post("/predict", &[], ""), "400 empty_body"),
        (post("/predict", &[], "{"), "400 not_json"),
        (post("/predict", &[], r#"{"y": 1}"#), "400 unknown_input"),
        (
            post("/predict", &[], r#"{"x": [[1], [2, 3]]}"#),
            "400 ragged",
        ),
        (
            post("/predict", &[("content-type", "text/plain")], GOOD),
            "415 wrong_content_type",
        ),
        (
            post("/predict", &[("content-type", "image/png")], GOOD),
            "415 wrong_content_type",
        ),
    ] {
        assert_eq!(connection.send(&request).failure(), expected);
        assert_eq!(
            connection.send(&post("/predict", &[], GOOD)).body,
            PREDICTION
        );
    }
}

#[test]
fn a_failure_shows_what_the_model_expects() {
    let shim = Shim::http(&Package::of("classifier_int").names(&["width", "height"]));
    let answer = shim.predict(r#"{"width": 1, "heigth": 2}"#);
    let error = &support::json(&answer.body)["error"];
    assert_eq!(error["code"], "unknown_feature");
    assert_eq!(
        error["message"],
        "`heigth` in the request is not a feature; did you mean `height`?"
    );
    let input =
        json!({"name": "X", "type": "float32", "shape": [null, 2], "names": ["width", "height"]});
    assert_eq!(error["expected"]["inputs"], json!([input]));
    let example = error["expected"]["example"].to_string();
    assert_eq!(shim.predict(&example).status, 200, "{example}");
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let mut package = identity();
    package.config.max_request = 1000;
    let shim = Shim::http(&package);
    let large = format!("{{\"x\": [[{}]]}}", vec!["1.5"; 1000].join(","));
    let answer = shim.predict(&large);
    assert_eq!(answer.failure(), "413 request_too_large");
    assert_eq!(answer.header("connection"), Some("close"));
    // A client that asks first is spared the sending.
    let mut polite = shim.connect();
    polite.write("POST /predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n");
    assert_eq!(polite.read().failure(), "413 request_too_large");
    assert_eq!(shim.predict(GOOD).body, PREDICTION);
}

#[test]
fn an_answer_that_is_too_large_is_an_error() {
    let mut package = identity();
    package.config.max_response = 30;
    let shim = Shim::http(&package);
    assert_eq!(shim.predict(GOOD).body, PREDICTION);
    let answer = shim.predict(r#"{"x": [[1, 2, 3, 4, 5]]}"#);
    assert_eq!(answer.failure(), "500 response_too_large");
}

#[test]
fn events_carry_requests() {
    let shim = Shim::http(&identity());
    let encoded = STANDARD.encode(GOOD);
    let push = json!({"message": {"data": encoded, "messageId": "1"}, "subscription": "s"});
    let binary = [
        ("ce-id", "1"),
        ("ce-specversion", "1.0"),
        ("content-type", "application/json"),
    ];
    let published = [
        binary.as_slice(),
        &[("ce-type", "google.cloud.pubsub.topic.v1.messagePublished")],
    ];
    let custom = [binary.as_slice(), &[("ce-type", "com.example.sent")]];
    let structured = [(
        "content-type",
        "application/cloudevents+json; charset=utf-8",
    )];
    let event = |data: serde_json::Value| {
        let mut event = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t"});
        event
            .as_object_mut()
            .expect("an object")
            .extend(data.as_object().expect("one").clone());
        event.to_string()
    };
    for request in [
        post("/", &[], &push.to_string()),
        post("/", &published.concat(), &push.to_string()),
        post("/", &custom.concat(), GOOD),
        post("/", &structured, &event(json!({"data": {"x": [[1, 2]]}}))),
        post("/", &structured, &event(json!({"data": GOOD}))),
        post("/", &structured, &event(json!({"data_base64": encoded}))),
        post("/", &structured, &event(json!({"data": push}))),
        post(
            "/",
            &[
                ("x-cloudscheduler", "true"),
                ("content-type", "application/octet-stream"),
            ],
            GOOD,
        ),
    ] {
        let answer = shim.connect().send(&request);
        assert_eq!(answer.body, PREDICTION, "{request}");
    }
}

#[test]
fn events_without_data_are_refused() {
    let shim = Shim::http(&identity());
    let structured = [("content-type", "application/cloudevents+json")];
    let finalized = [("ce-type", "google.cloud.storage.object.v1.finalized")];
    let object = r#"{"kind": "storage#object", "name": "a.json", "bucket": "b"}"#;
    let storage = r#"{"type": "google.cloud.storage.object.v1.finalized", "data": {}}"#;
    for (request, expected) in [
        (post("/", &finalized, object), "422 unsupported_event"),
        (post("/", &structured, storage), "422 unsupported_event"),
        (post("/", &[], object), "422 unsupported_event"),
        (
            post("/", &[], r#"{"message": {}, "subscription": "s"}"#),
            "400 empty_body",
        ),
        (
            post(
                "/",
                &[],
                r#"{"message": {"data": "?"}, "subscription": "s"}"#,
            ),
            "400 not_json",
        ),
        (post("/", &[], r#"{"message": 1}"#), "400 not_json"),
        (post("/", &structured, r#"{"type": "t"}"#), "400 empty_body"),
        (post("/", &structured, "x"), "400 not_json"),
    ] {
        assert_eq!(
            shim.connect().send(&request).failure(),
            expected,
            "{request}"
        );
        assert_eq!(shim.predict(GOOD).body, PREDICTION);
    }
}

#[test]
fn two_requests_are_in_flight_at_once() {
    let shim = Shim::http(&identity());
    let (mut first, mut second) = (shim.connect(), shim.connect());
    first.begin("/predict", GOOD);
    second.begin("/predict", GOOD);
    second.write(GOOD);
    assert_eq!(second.read().body, PREDICTION);
    first.write(GOOD);
    assert_eq!(first.read().body, PREDICTION);
}

#[test]
fn the_process_answers_while_the_model_runs_and_gives_up_in_time() {
    let mut package = Package::of("slow");
    package.config.timeout = 1;
    // Requests of the same size need not take the same time.
    package.config.steady = false;
    let mut shim = Shim::http(&package);
    shim.wait_for("model loaded");
    for _ in 0..3 {
        assert_eq!(shim.predict(r#"{"n":             1}"#).status, 200);
    }
    let mut slow = shim.connect();
    // Counts for hours.
    slow.write(&post("/predict", &[], r#"{"n": 9000000000000}"#));
    assert_eq!(shim.connect().get("/").status, 200);
    assert_eq!(shim.predict(r#"{"m": 1}"#).failure(), "400 unknown_input");
    assert_eq!(slow.read().failure(), "504 timed_out");
    // The model is still running; the process ends all the same.
    shim.stopped();
}

#[test]
fn the_end_waits_for_requests_in_flight_and_for_nothing_else() {
    let mut shim = Shim::http(&identity());
    shim.wait_for("model loaded");
    let (mut idle, mut busy) = (shim.connect(), shim.connect());
    assert_eq!(idle.get("/").status, 200);
    busy.begin("/predict", GOOD);
    shim.terminate();
    assert!(idle.is_closed());
    busy.write(GOOD);
    assert_eq!(busy.read().body, PREDICTION);
    assert!(busy.is_closed());
    let (status, log) = shim.ended();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert_eq!(
        log.last().map(|line| line["message"].clone()),
        Some("stopped".into())
    );
}

#[test]
fn the_log_has_one_object_for_each_request() {
    let shim = Shim::http(&identity());
    let with_id = post("/predict", &[("x-request-id", "abc")], GOOD);
    shim.connect().send(&with_id);
    shim.predict("{}");
    let log = shim.stopped();
    let lines: Vec<_> = log
        .iter()
        .filter(|line| line["request_id"].is_string())
        .collect();
    assert_eq!(lines.len(), 2, "{log:#?}");
    let (first, second) = (lines[0], lines[1]);
    assert_eq!(first["request_id"], "abc");
    assert_eq!(first["cold"], true);
    assert_eq!(first["status"], 200);
    assert_eq!(first["level"], "info");
    for field in ["duration_ms", "parse_ms", "run_ms", "write_ms"] {
        assert!(first[field].is_number(), "{first}");
    }
    assert!(first.get("severity").is_none());
    assert_eq!(second["cold"], false);
    assert_eq!(second["status"], 400);
    assert_eq!(second["error"], "missing_input");
    assert_eq!(second["level"], "warn");
}

#[test]
fn google_s_log_finds_severity_and_trace() {
    let variables = [
        ("PORT", "0"),
        ("K_SERVICE", "zoo"),
        ("GOOGLE_CLOUD_PROJECT", "p"),
    ];
    let mut shim = Shim::serving(&identity(), &variables);
    let trace = [(
        "x-cloud-trace-context",
        "105445aa7843bc8bf206b120001000/1;o=1",
    )];
    Connection::to(shim.address()).send(&post("/predict", &trace, GOOD));
    let line = shim.wait_for("answered");
    assert_eq!(line["severity"], "INFO");
    assert_eq!(line["request_id"], "105445aa7843bc8bf206b120001000");
    let name = "projects/p/traces/105445aa7843bc8bf206b120001000";
    assert_eq!(line["logging.googleapis.com/trace"], name);
}
