//! The package for Lambda under AWS's own Runtime Interface Emulator, called by everything that calls
//! functions: with the events of `sam local generate-event`; and when it cannot start or takes too
//! long.

use std::net::TcpListener;

use mlfn_core::ProviderName;
use mlfn_testkit::python::{Packages, output};
use mlfn_testkit::servers::Ministack;
use serde_json::{Value as Json, json};

use crate::support::boto3::Boto3;
use crate::support::golden::{Golden, difference};
use crate::support::mlfn::Project;
use crate::support::place::repository;
use crate::support::rie::Environment;
use crate::support::unpacked::Unpacked;

const REQUEST: &str = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;

/// In the place of a JSON text's contents, where SAM puts some values as they are.
fn quoted(text: &str) -> String {
    let quoted = Json::from(text).to_string();
    quoted.trim_matches('"').to_owned()
}

/// As SAM's command line makes them.
fn events(wanted: &[(&str, &str, Json)]) -> Vec<Json> {
    let wanted = json!(wanted).to_string();
    let script = repository().join("tests/it/support/sam_events.py");
    let made = output(Packages::SamEvents.command().arg(script).arg(wanted));
    serde_json::from_str(&made).expect("is a list")
}

/// An event, and what a place in its answer holds.
struct Case {
    service: &'static str,
    event: &'static str,
    values: Json,
    place: &'static str,
    expected: Json,
}

/// What the examples of SAM say of their records.
const MESSAGE: &str = "19dd0b57-b21e-4ac1-bd88-01bbb068cb78";
const NOTIFICATION: &str = "95df01b4-ee98-5cb9-9903-4c221d41eb5e";
const RECORD: &str = "49545115243490985018280067714973144582180062593244200961";
const CHANGE: &str = "4421584500000000017450439091";

fn case(event: (&'static str, &'static str), values: Json, answer: (&'static str, Json)) -> Case {
    Case {
        service: event.0,
        event: event.1,
        values,
        place: answer.0,
        expected: answer.1,
    }
}

fn cases() -> Vec<Case> {
    let queue = ("sqs", "receive-message");
    let topic = ("sns", "notification");
    let stream = ("kinesis", "get-records");
    let table = ("dynamodb", "update");
    let object = ("s3", "put");
    let http = ("apigateway", "http-api-proxy");
    let rest = ("apigateway", "aws-proxy");
    let failed = |record: &str| {
        (
            "",
            json!({"batchItemFailures": [{"itemIdentifier": record}]}),
        )
    };
    let all_well = || ("", json!({"batchItemFailures": []}));
    let setosa = || ("/0/prediction/label", json!("setosa"));
    let error = |code: &str| ("/errorType", json!(code));
    let status = |status: u16| ("/statusCode", json!(status));
    let no_query = json!("{}");
    vec![
        case(queue, json!({"body": quoted(REQUEST)}), all_well()),
        case(queue, json!({}), failed(MESSAGE)),
        case(topic, json!({"message": quoted(REQUEST)}), setosa()),
        case(topic, json!({}), error("not_json")),
        case(stream, json!({"data": REQUEST}), all_well()),
        case(stream, json!({}), failed(RECORD)),
        // The rows of SAM's table are none of iris; the third is removed, and none of ours.
        case(table, json!({}), failed(CHANGE)),
        case(
            object,
            json!({"bucket": "uploads", "key": "in/a b.json"}),
            setosa(),
        ),
        case(
            object,
            json!({"bucket": "uploads", "key": "none"}),
            error("object_not_read"),
        ),
        case(
            ("s3", "delete"),
            json!({"bucket": "uploads", "key": "none"}),
            ("", json!([])),
        ),
        case(
            ("cloudwatch", "scheduled-event"),
            json!({}),
            error("missing_input"),
        ),
        case(
            http,
            json!({"body": REQUEST, "path": "predict"}),
            status(200),
        ),
        case(http, json!({"body": REQUEST}), status(404)),
        case(http, json!({"path": "predict"}), status(400)),
        case(
            rest,
            json!({"body": REQUEST, "path": "predict", "querystringparameters": no_query}),
            status(200),
        ),
    ]
}

fn iris() -> Unpacked {
    Unpacked::from(&Project::copy_of("iris"), ProviderName::Aws)
}

/// The records that the log says were predicted.
fn predicted(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str::<Json>(line).expect("is JSON"));
    let predicted = lines.filter(|line| line["message"] == "predicted");
    let records = predicted.map(|line| line["record_id"].as_str().map(str::to_owned));
    records.map(|id| id.expect("has an id")).collect()
}

#[tokio::test]
async fn events_of_every_source_are_answered_as_the_source_wants() {
    let start = tokio::task::spawn_blocking(Ministack::start);
    let aws = start.await.expect("starts");
    aws.make_bucket("uploads");
    let mut boto3 = Boto3::at(&aws.url()).await;
    let object = json!({"Bucket": "uploads", "Key": "in/a b.json", "Body": REQUEST});
    let put = boto3.ask("s3", "put_object", object).await;
    assert_eq!(put.get("error"), None, "{put}");
    let variables = aws.environment();
    let mut variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    variables.push(("AWS_LAMBDA_FUNCTION_TIMEOUT", "30"));
    let package = iris();
    let mut environment = Environment::with(&package, &variables);

    let cases = cases();
    let wanted = cases
        .iter()
        .map(|case| (case.service, case.event, case.values.clone()));
    let wanted: Vec<_> = wanted.collect();
    for (case, event) in cases.iter().zip(events(&wanted)) {
        let answer = environment.invoke(&event).await.json();
        let name = format!("{} {} {}", case.service, case.event, case.values);
        assert_eq!(
            answer.pointer(case.place),
            Some(&case.expected),
            "{name}: {answer}"
        );
    }
    let log = environment.stop();
    assert_eq!(
        predicted(&log),
        [MESSAGE, NOTIFICATION, RECORD, "s3://uploads/in/a b.json"]
    );
}

#[tokio::test]
async fn a_row_of_a_table_is_a_request() {
    let [event] = &mut events(&[("dynamodb", "update", json!({}))])[..] else {
        panic!("one event")
    };
    let numbers = ["5.1", "3.5", "1.4", "0.2"].map(|number| json!({"N": number}));
    let records = event["Records"].as_array_mut().expect("is a list");
    assert_eq!(records.len(), 3, "inserted, changed, removed");
    for record in records {
        if let Some(image) = record["dynamodb"].get_mut("NewImage") {
            *image = json!({"features": {"L": numbers}});
        }
    }
    let package = iris();
    let mut environment = Environment::of(&package);
    let answer = environment.invoke(event).await.json();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let expected = [CHANGE, "4421584500000000017450439092"];
    assert_eq!(predicted(&environment.stop()), expected);
}

#[tokio::test]
async fn what_takes_too_long_is_ended_and_the_next_request_works() {
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("listens");
    let url = format!("http://{}", silent.local_addr().expect("has an address"));
    let package = iris();
    let variables = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_LAMBDA_FUNCTION_TIMEOUT", "2"),
    ];
    let mut environment = Environment::with(&package, &variables);
    let event = events(&[("s3", "put", json!({"bucket": "uploads", "key": "slow"}))]);
    let answer = environment.invoke(&event[0]).await;
    assert_eq!(answer.text(), "Task timed out after 2.00 seconds");
    let request = serde_json::from_str(REQUEST).expect("is JSON");
    let answer = environment.invoke(&request).await.json();
    assert_eq!(answer["prediction"]["label"], "setosa", "{answer}");
    environment.stop();
}

/// A package that cannot start says why: to Lambda, and in its log.
#[tokio::test]
async fn what_is_missing_at_the_start_is_told_by_name() {
    let request: Json = serde_json::from_str(REQUEST).expect("is JSON");
    for missing in ["lib/libonnxruntime.so", "model/model.onnx", "mlfn.json"] {
        let package = iris();
        fs_err::remove_file(package.root().join(missing)).expect("is there");
        let mut environment = Environment::of(&package);
        // As on Lambda, the second request starts it again.
        for _ in 0..2 {
            let answer = environment.invoke(&request).await;
            assert_eq!(answer.status, 502, "{}", answer.text());
            let answer = answer.json();
            assert_eq!(answer["errorType"], "model_not_loaded", "{answer}");
            let message = answer["errorMessage"].as_str().expect("is text");
            assert!(message.contains(missing), "{missing}: {message}");
        }
        let log = environment.stop();
        let errors = log
            .lines()
            .filter(|line| line.contains(r#""level":"error""#));
        assert!(errors.count() >= 2, "{missing}: {log}");
    }
}

#[tokio::test]
async fn two_functions_side_by_side_answer_for_themselves() {
    let answered = |example: &'static str| async move {
        let package = Unpacked::from(&Project::copy_of(example), ProviderName::Aws);
        let mut environment = Environment::of(&package);
        let golden = Golden::of(example);
        for case in golden.cases.iter().cycle().take(40) {
            let answer = environment.invoke(&case.request).await.json();
            let difference = difference(&answer, &case.response, golden.tolerance);
            assert_eq!(difference, None, "{example}, {}: {answer}", case.name);
        }
        environment.stop()
    };
    let logs = tokio::join!(answered("iris"), answered("diabetes"));
    for log in [logs.0, logs.1] {
        assert_eq!(log.matches("START RequestId").count(), 40, "{log}");
    }
}
