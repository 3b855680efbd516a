//! What AWS tells of queues, topics and streams, behind the Lambda Runtime API.

use std::path::Path;

use mlfn_shim_contract::Batching;
use serde_json::{Value as Json, json};

use crate::support::{self, Package, RuntimeApi, Shim};

fn start(model: &str) -> (RuntimeApi, Shim) {
    start_package(&Package::of(model))
}

fn start_package(package: &Package) -> (RuntimeApi, Shim) {
    let api = RuntimeApi::start();
    let variables = [
        ("AWS_LAMBDA_RUNTIME_API", api.address()),
        ("MLFN_LOG", "debug"),
    ];
    let shim = Shim::with(package, &variables);
    (api, shim)
}

/// One of the events that the unit tests answer too.
fn event(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/events");
    fs_err::read_to_string(folder.join(name)).expect("the file is there")
}

/// An event of a queue with these bodies.
fn queue(bodies: &[String]) -> String {
    let record = |(number, body): (usize, &String)| {
        json!({
            "messageId": number.to_string(),
            "body": body,
            "attributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:210987654321:jobs",
        })
    };
    let records: Vec<_> = bodies.iter().enumerate().map(record).collect();
    json!({"Records": records}).to_string()
}

#[test]
fn a_bad_message_is_reported_and_the_others_are_predicted_in_the_log() {
    let (mut api, mut shim) = start("identity_float32");
    let answer = support::json(&api.invoke(&event("sqs-bad.json")).expect("an answer"));
    let failed = |id| json!({"itemIdentifier": id});
    // This model takes rows of any width.
    let expected = ["message-2", "message-5", "message-6"].map(failed);
    assert_eq!(answer, json!({"batchItemFailures": expected}));
    for (id, prediction) in [
        ("message-1", json!([1.0, 2.0])),
        ("message-3", json!([1.0, 2.0, 3.0])),
        ("message-4", json!([3.0, 4.0])),
    ] {
        let line = shim.wait_for("predicted");
        assert_eq!(line["request_id"], "request-1");
        assert_eq!(line["record_id"], id);
        assert_eq!(line["prediction"], prediction);
    }
    let answered = shim.wait_for("answered");
    assert_eq!(answered["status"], 200);
    assert_eq!(answered["request_id"], "request-1");
}

#[test]
fn a_record_of_a_stream_that_fails_is_where_reading_goes_on() {
    let (mut api, mut shim) = start("identity_float32");
    for (name, failed) in [
        ("kinesis.json", None),
        ("dynamodb.json", None),
        (
            "kinesis-bad.json",
            Some("49600000000000000000000000000000000000000000000000000002"),
        ),
        ("dynamodb-bad.json", Some("700000000000000000002")),
    ] {
        let answer = support::json(&api.invoke(&event(name)).expect("an answer"));
        let failed: Vec<_> = failed
            .into_iter()
            .map(|id| json!({"itemIdentifier": id}))
            .collect();
        assert_eq!(answer, json!({"batchItemFailures": failed}), "{name}");
    }
    let held_back = shim.wait_for("comes again");
    assert_eq!(held_back["level"], "debug");
}

#[test]
fn a_notification_that_fails_is_an_error_of_the_function() {
    let (mut api, mut shim) = start("identity_float32");
    let post = api.invoke(&event("sns-bad.json")).expect_err("one is bad");
    assert_eq!(post.error_type.as_deref(), Some("wrong_type"));
    let error = support::json(&post.body);
    let message = error["errorMessage"].as_str().expect("a message");
    assert!(
        message.starts_with("notification notification-2: "),
        "{message}"
    );
    assert_eq!(error["expected"]["inputs"][0]["name"], "x");
    // The others have been run nevertheless.
    for id in ["notification-1", "notification-3"] {
        assert_eq!(shim.wait_for("predicted")["record_id"], id);
    }
    let answer = api.invoke(&event("sns.json")).expect("an answer");
    assert_eq!(answer, r#"[{"prediction":[1.0,2.0]}]"#);
}

#[test]
fn schedules_and_rules_carry_a_request_and_mails_do_not() {
    let (mut api, _shim) = start("identity_float32");
    for name in ["schedule.json", "rule.json"] {
        let answer = api.invoke(&event(name)).expect("an answer");
        assert_eq!(answer, r#"{"prediction":[1.0,2.0]}"#, "{name}");
    }
    let post = api.invoke(&event("mail.json")).expect_err("it is refused");
    assert_eq!(post.error_type.as_deref(), Some("unsupported_event"));
}

/// What the log says of a run for several messages.
const SHARED: &str = "requests shared a run";

/// The function has a queue that sends several messages at once.
fn batches(model: &str) -> Package {
    let mut package = Package::of(model);
    package.config.record_batches = true;
    package
}

/// Sends a hundred requests one by one, and then in one event, again and again until `is_enough` says
/// so of the times and the log. In events they must get the bits that they got alone.
#[track_caller]
fn check_same_bits(
    package: &Package,
    request: impl Fn(usize) -> Json,
    is_enough: impl Fn(usize, &Shim) -> bool,
) {
    let model = &package.config.model;
    let (mut api, mut shim) = start_package(package);
    let requests: Vec<String> = (0..100).map(|n| request(n).to_string()).collect();
    let alone: Vec<Json> = requests
        .iter()
        .map(|request| support::json(&api.invoke(request).expect("an answer")))
        .collect();
    let mut times = 0;
    while !is_enough(times, &shim) {
        times += 1;
        let answer = api.invoke(&queue(&requests)).expect("an answer");
        assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
        for (number, alone) in alone.iter().enumerate() {
            let line = shim.wait_for("predicted");
            assert_eq!(line["record_id"], number.to_string());
            assert_eq!(line["prediction"], alone["prediction"], "{model}");
        }
    }
}

/// The same, and some of the messages of an event must have been run together in the end.
#[track_caller]
fn check_shared(model: &str, request: impl Fn(usize) -> Json) {
    check_same_bits(&batches(model), request, |times, shim| {
        // ONNX Runtime's code for this processor may add up otherwise for a hundred rows than for a
        // few. Each time another half is tried.
        assert!(times < 12, "{model} shares no run");
        shim.has_said(SHARED)
    });
}

/// Two numbers with many digits.
fn numbers(n: usize) -> Vec<f64> {
    let n = f64::from(u32::try_from(n).expect("small"));
    vec![(n + 0.1).sin() * 9.0, (n + 0.7).cos() * 6.0]
}

#[test]
fn messages_in_one_event_share_a_run_and_get_the_bits_that_they_get_alone() {
    for model in [
        "classifier_int",
        "classifier_tensor",
        "classifier_string",
        "regressor",
        "kmeans",
    ] {
        check_shared(model, |n| json!({"features": numbers(n)}));
    }
    let two = |n| json!({"a": [numbers(n), numbers(n + 1)], "b": [n, 2]});
    check_shared("two_inputs", two);
    check_shared("identity_float32", |n| json!({"x": numbers(n)}));
    check_shared(
        "identity_string",
        |n| json!({"x": [format!("{n}"), "text"]}),
    );
}

#[test]
fn messages_get_their_bits_where_no_batches_were_announced() {
    // It depends on ONNX Runtime's code for this processor whether they can be run together.
    let package = Package::of("classifier_int");
    let request = |n| json!({"features": numbers(n)});
    check_same_bits(&package, request, |times, _| times == 2);
}

#[test]
fn messages_in_one_event_are_run_together_where_rounding_may_differ() {
    let mut package = Package::of("classifier_int");
    package.config.batching = Some(Batching {
        max: 32,
        wait_us: 0,
        exact: false,
    });
    let (mut api, mut shim) = start_package(&package);
    let request = |n| json!({"features": numbers(n)}).to_string();
    let requests: Vec<String> = (0..100).map(request).collect();
    let mut predictions = Vec::new();
    // The first time all are answered as they would be alone.
    for _ in 0..2 {
        let answer = api.invoke(&queue(&requests)).expect("an answer");
        assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
        let lines = requests.iter().map(|_| shim.wait_for("predicted"));
        predictions.push(lines.map(|line| line["prediction"].clone()).collect());
    }
    let log = shim.stopped();
    let shared = log.iter().find(|line| line["message"] == SHARED);
    assert_eq!(shared.expect("they do")["requests"], 100);
    let [alone, together]: [Vec<Json>; 2] = predictions.try_into().expect("two");
    for (one, other) in alone.iter().zip(&together) {
        assert_eq!(one["label"], other["label"]);
        let first = |prediction: &Json| {
            let classes = prediction["probabilities"].as_object();
            let mut classes = classes.expect("has classes").values();
            classes.next().and_then(Json::as_f64).expect("a number")
        };
        assert!((first(one) - first(other)).abs() < 1e-5, "{one} {other}");
    }
}

/// Ensembles of trees are summed up in another order from some number of rows on.
#[test]
fn messages_in_one_event_get_their_bits_from_trees_too() {
    for model in [
        "trees_forest",
        "trees_boosted",
        "trees_two",
        "trees_average",
    ] {
        let row = |n: usize| {
            let [a, b] = numbers(n)[..] else {
                panic!("two numbers")
            };
            json!({"X": [a / 9.0, b / 6.0, a * b / 54.0]})
        };
        check_shared(model, row);
    }
}
