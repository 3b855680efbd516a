//! The package for Lambda under AWS's own Runtime Interface Emulator.

use mlfn_core::ProviderName;
use serde_json::{Value as Json, json};

use crate::support::golden::{Golden, difference};
use crate::support::mlfn::Project;
use crate::support::rie::Environment;
use crate::support::unpacked::Unpacked;

fn iris() -> Unpacked {
    Unpacked::from(&Project::copy_of("iris"), ProviderName::Aws)
}

#[tokio::test]
async fn predictions_are_those_of_scikit_learn() {
    let package = iris();
    let mut environment = Environment::of(&package);
    let golden = Golden::of("iris");
    for case in &golden.cases {
        let answer = environment.invoke(&case.request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let difference = difference(&answer.json(), &case.response, golden.tolerance);
        assert_eq!(difference, None, "{}", case.name);
    }
    environment.stop();
}

#[tokio::test]
async fn a_bad_request_is_a_function_error_and_the_next_one_works() {
    let package = iris();
    let mut environment = Environment::of(&package);
    let answer = environment
        .invoke(&json!({ "features": [1, 2, 3] }))
        .await
        .json();
    assert_eq!(answer["errorType"], "wrong_shape", "{answer}");
    assert!(answer["errorMessage"].is_string(), "{answer}");
    assert!(answer["expected"]["inputs"].is_array(), "{answer}");
    let answer = environment
        .invoke(&json!({ "features": [5.1, 3.5, 1.4, 0.2] }))
        .await
        .json();
    assert_eq!(answer["prediction"]["label"], "setosa");
    environment.stop();
}

/// A request as function URLs and HTTP APIs pass it on (payload format 2.0).
fn http_event(path: &str, body: &str, is_base64_encoded: bool) -> Json {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": { "content-type": "application/json", "host": "x.lambda-url.example" },
        "requestContext": {
            "accountId": "anonymous",
            "http": { "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1" },
            "requestId": "1",
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": is_base64_encoded,
    })
}

#[tokio::test]
async fn http_requests_in_their_envelope_get_http_answers() {
    let package = iris();
    let mut environment = Environment::of(&package);
    let request = r#"{"features":[5.1,3.5,1.4,0.2]}"#;
    let base64 = "eyJmZWF0dXJlcyI6WzUuMSwzLjUsMS40LDAuMl19";
    for (body, is_base64_encoded) in [(request, false), (base64, true)] {
        let event = http_event("/predict", body, is_base64_encoded);
        let answer = environment.invoke(&event).await.json();
        assert_eq!(answer["statusCode"], 200, "{answer}");
        let body: Json =
            serde_json::from_str(answer["body"].as_str().expect("is text")).expect("is JSON");
        assert_eq!(body["prediction"]["label"], "setosa", "{answer}");
    }
    let bad = http_event("/predict", r#"{"features":"what"}"#, false);
    let answer = environment.invoke(&bad).await.json();
    let status = answer["statusCode"].as_u64().expect("has a status");
    assert!((400..500).contains(&status), "{answer}");
    let answer = environment
        .invoke(&http_event("/elsewhere", request, false))
        .await
        .json();
    assert_eq!(answer["statusCode"], 404, "{answer}");
    environment.stop();
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_an_init_error() {
    let package = iris();
    fs_err::write(package.root().join("model/model.onnx"), "not a model").expect("writes");
    let mut environment = Environment::of(&package);
    let answer = environment
        .invoke(&json!({ "features": [5.1, 3.5, 1.4, 0.2] }))
        .await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.json()["errorType"].is_string(), "{}", answer.text());
    let log = environment.stop();
    assert!(
        log.contains("model.onnx"),
        "the log does not name the model:\n{log}"
    );
}

#[tokio::test]
async fn the_log_has_one_object_a_line_with_the_id_of_the_request() {
    let package = iris();
    let mut environment = Environment::of(&package);
    for _ in 0..2 {
        environment
            .invoke(&json!({ "features": [5.1, 3.5, 1.4, 0.2] }))
            .await;
    }
    let log = environment.stop();
    let ours = log.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Json> = ours
        .map(|line| serde_json::from_str(line).expect("is JSON"))
        .collect();
    let answered: Vec<&Json> = lines
        .iter()
        .filter(|line| line["cold"].is_boolean())
        .collect();
    assert_eq!(answered.len(), 2, "{log}");
    assert_eq!(
        (&answered[0]["cold"], &answered[1]["cold"]),
        (&json!(true), &json!(false))
    );
    for line in answered {
        let id = line["request_id"].as_str().expect("has an id");
        assert!(log.contains(&format!("START RequestId: {id}")), "{log}");
    }
}
