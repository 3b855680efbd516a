//! What a function on Lambda asks AWS for: the objects that events name, places for predictions,
//! and the secrets of its environment.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{self, Aws, Package, RuntimeApi, Shim, Stock};

const OUTPUTS: &str = r#"[
    {"source": "arn:aws:s3:::uploads", "source_prefix": "in/", "source_suffix": ".json", "bucket": "predictions", "prefix": "out/"},
    {"source": "arn:aws:sqs:eu-central-1:1:jobs", "queue": "https://sqs.eu-central-1.amazonaws.com/1/results"}
]"#;

fn stock(objects: &[(&str, &str)], secrets: &[(&str, &str)]) -> Stock {
    let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    Stock {
        objects: owned(objects),
        secrets: owned(secrets),
        ..Stock::default()
    }
}

fn start(aws: &Aws, variables: &[(&str, &str)]) -> (RuntimeApi, Shim) {
    let api = RuntimeApi::start();
    let own = [
        ("AWS_LAMBDA_RUNTIME_API", api.address()),
        ("MLFN_OUTPUTS", OUTPUTS),
    ];
    let all = [&own, &aws.variables()[..], variables].concat();
    let shim = Shim::with(&Package::of("identity_float32"), &all);
    (api, shim)
}

fn created(keys: &[&str]) -> String {
    let record = |key: &&str| {
        json!({
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "uploads"}, "object": {"key": key, "size": 15}},
        })
    };
    let records: Vec<_> = keys.iter().map(record).collect();
    json!({"Records": records}).to_string()
}

#[test]
fn the_prediction_on_an_object_is_an_object() {
    let aws = Aws::start(stock(
        &[
            ("/uploads/in/a%20b.json", r#"{"x": [1, 2]}"#),
            ("/uploads/in/c.json", r#"{"x": [[3, 4], [5, 6]]}"#),
        ],
        &[],
    ));
    let (mut api, mut shim) = start(&aws, &[]);
    // The second time the same comes to the same.
    for _ in 0..2 {
        let answer = api.invoke(&created(&["in/a+b.json", "in/c.json"]));
        let outputs = [
            "s3://predictions/out/a b.json",
            "s3://predictions/out/c.json",
        ];
        let expected = outputs.map(|output| json!({"output": output}));
        assert_eq!(support::json(&answer.expect("an answer")), json!(expected));
        for (name, output) in ["a b", "c"].into_iter().zip(outputs) {
            let line = shim.wait_for("predicted");
            assert_eq!(line["record_id"], format!("s3://uploads/in/{name}.json"));
            assert_eq!(line["output"], output);
            assert_eq!(line.get("prediction"), None);
        }
        let stock = aws.stock();
        let written = |path: &str| stock.objects[path].as_str();
        assert_eq!(
            written("/predictions/out/a%20b.json"),
            r#"{"prediction":[1.0,2.0]}"#
        );
        assert_eq!(
            written("/predictions/out/c.json"),
            r#"{"prediction":[[3.0,4.0],[5.0,6.0]]}"#
        );
        assert_eq!((stock.objects.len(), stock.unsigned), (4, 0));
    }
}

#[test]
fn an_object_that_is_not_there_is_an_error_of_the_function_and_the_others_are_predicted() {
    let aws = Aws::start(stock(&[("/uploads/in/a.json", r#"{"x": [1, 2]}"#)], &[]));
    let (mut api, _shim) = start(&aws, &[]);
    let post = api.invoke(&created(&["in/gone.json", "in/a.json"]));
    let post = post.expect_err("one is not there");
    assert_eq!(post.error_type.as_deref(), Some("object_not_read"));
    let message = support::json(&post.body)["errorMessage"].to_string();
    assert!(
        message.contains("s3://uploads/in/gone.json: cannot read"),
        "{message}"
    );
    assert!(aws.stock().objects.contains_key("/predictions/out/a.json"));
}

#[test]
fn the_predictions_on_messages_go_to_their_queue() {
    let aws = Aws::start(Stock::default());
    let (mut api, _shim) = start(&aws, &[]);
    let message = |id: &str, body: &str| {
        json!({
            "messageId": id,
            "body": body,
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:1:jobs",
        })
    };
    let records = [message("m1", r#"{"x": [1, 2]}"#), message("m2", "no")];
    let answer = api.invoke(&json!({"Records": records}).to_string());
    let expected = r#"{"batchItemFailures":[{"itemIdentifier":"m2"}]}"#;
    assert_eq!(answer.expect("an answer"), expected);
    let stock = aws.stock();
    let bodies: Vec<_> = stock
        .messages
        .iter()
        .map(|one| one["MessageBody"].clone())
        .collect();
    assert_eq!(bodies, [r#"{"prediction":[1.0,2.0]}"#]);
}

#[test]
fn the_shim_starts_with_the_values_of_the_secrets_of_its_environment() {
    // The level of the log is something that the shim itself takes from the environment.
    let aws = Aws::start(stock(&[], &[("/zoo/level", "debug"), ("token", "hidden")]));
    let references = [
        ("MLFN_LOG", "mlfn:secret:/zoo/level"),
        ("TOKEN", "mlfn:secret:token"),
    ];
    let (mut api, shim) = start(&aws, &references);
    let body = r#"{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}"#;
    assert_eq!(api.invoke(body).expect("an answer"), "[]");
    assert_eq!(aws.stock().unsigned, 0);
    let environment = fs_err::read(format!("/proc/{}/environ", shim.id())).expect("a process");
    let environment = String::from_utf8_lossy(&environment);
    let has = |variable: &str| environment.split('\0').any(|found| found == variable);
    assert!(has("TOKEN=hidden") && has("MLFN_LOG=debug"));
    let log = shim.stopped();
    assert!(log.iter().any(|line| line["level"] == "debug"), "{log:#?}");
    assert!(
        log.iter().all(|line| !line.to_string().contains("hidden")),
        "{log:#?}"
    );
}

#[test]
fn a_secret_that_is_not_there_is_an_init_error() {
    let aws = Aws::start(stock(&[], &[("token", "hidden")]));
    let references = [
        ("TOKEN", "mlfn:secret:token"),
        ("OTHER", "mlfn:secret:/not/there"),
    ];
    let (api, shim) = start(&aws, &references);
    let post = api.post();
    assert_eq!(post.path, "/init/error");
    assert_eq!(post.error_type.as_deref(), Some("secret_unavailable"));
    let message = support::json(&post.body)["errorMessage"].to_string();
    let expected = "no value for `OTHER` and `TOKEN`: cannot read the secret `/not/there`";
    assert!(message.contains(expected), "{message}");
    let (status, log) = shim.ended();
    assert_eq!(status.code(), Some(1));
    assert!(
        log.iter().all(|line| !line.to_string().contains("hidden")),
        "{log:#?}"
    );
}
