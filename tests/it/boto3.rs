//! `mlfn emulate` in the hands of AWS's own client: boto3 lists, calls and reads errors as it does in
//! the cloud.

use serde_json::{Value as Json, json};

use crate::support::boto3::Boto3;
use crate::support::mlfn::Project;
use crate::support::place::repository;

/// One function that answers, and one for each way in which functions do not.
const MANIFEST: &str = "
mlfn: 1
service: iris
provider: aws
models:
  classifier:
    path: model.onnx
    memory: 512MB
    timeout: 10s
    output: { labels: [setosa, versicolor, virginica] }
    aws: { reserved_concurrency: 7 }
  slow: { path: slow.onnx, timeout: 1s }
  hungry: { path: hungry.onnx, memory: 128MB }
  closed: { path: model.onnx, aws: { reserved_concurrency: 0 } }
";

const NAME: &str = "iris-dev-classifier";

const REQUEST: &str = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;

fn project() -> Project {
    let model = |name: &str| {
        let folder = repository().join("runtime-shim/tests/models");
        fs_err::read(folder.join(name)).expect("reads")
    };
    Project::copy_of("iris")
        .with_file("serverless.yaml", MANIFEST)
        .with_file("slow.onnx", model("slow.onnx"))
        .with_file("hungry.onnx", model("hungry.onnx"))
}

#[tokio::test]
async fn boto3_lists_calls_and_reads_errors() {
    let project = project();
    let emulation = project.mlfn(["emulate"]).serve().await;
    let mut boto3 = Boto3::at(&emulation.url).await;
    what_there_is(&mut boto3).await;
    calls(&mut boto3).await;
    failures_of_functions(&mut boto3).await;
    refusals(&mut boto3).await;
    emulation.stop().await;
}

async fn what_there_is(boto3: &mut Boto3) {
    let listed = boto3.call("list_functions", json!({})).await;
    let functions = listed["Functions"].as_array().expect("is a list").iter();
    let names: Vec<&str> = functions
        .filter_map(|f| f["FunctionName"].as_str())
        .collect();
    assert_eq!(
        names,
        [NAME, "iris-dev-closed", "iris-dev-hungry", "iris-dev-slow"]
    );
    let function = boto3
        .call("get_function", json!({"FunctionName": NAME}))
        .await;
    let configuration = &function["Configuration"];
    for (key, value) in [
        ("Runtime", json!("provided.al2023")),
        ("Architectures", json!(["x86_64"])),
        ("MemorySize", json!(512)),
        ("Timeout", json!(10)),
        ("State", json!("Active")),
        ("Version", json!("$LATEST")),
        ("LastUpdateStatus", json!("Successful")),
        ("PackageType", json!("Zip")),
    ] {
        assert_eq!(configuration[key], value, "{key}");
    }
    assert_eq!(function["Concurrency"]["ReservedConcurrentExecutions"], 7);
    assert_eq!(function["Tags"]["mlfn:service"], "iris");
    let versions = boto3.call("list_versions_by_function", json!({"FunctionName": NAME}));
    let versions = versions.await["Versions"].take();
    assert_eq!(
        [&versions[0]["Version"], &versions[1]["Version"]],
        ["$LATEST", "1"]
    );
    let alias = boto3.call("get_alias", json!({"FunctionName": NAME, "Name": "live"}));
    assert_eq!(alias.await["FunctionVersion"], "1");
    let reserved = boto3.call("get_function_concurrency", json!({"FunctionName": NAME}));
    assert_eq!(reserved.await["ReservedConcurrentExecutions"], 7);
    let account = boto3.call("get_account_settings", json!({})).await;
    assert_eq!(account["AccountUsage"]["FunctionCount"], 4);
}

async fn calls(boto3: &mut Boto3) {
    // With the name in each form, and each qualifier.
    let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{NAME}");
    for (name, qualifier, version) in [
        (NAME, None, "$LATEST"),
        (NAME, Some("live"), "1"),
        (NAME, Some("1"), "1"),
        (NAME, Some("$LATEST"), "$LATEST"),
        (&arn, None, "$LATEST"),
        (&format!("{arn}:live"), None, "1"),
    ] {
        let mut arguments = json!({"FunctionName": name, "Payload": REQUEST, "LogType": "Tail"});
        if let Some(qualifier) = qualifier {
            arguments["Qualifier"] = qualifier.into();
        }
        let answer = boto3.call("invoke", arguments).await;
        assert_eq!(answer["StatusCode"], 200, "{answer}");
        assert_eq!(answer["ExecutedVersion"], version, "{answer}");
        assert!(answer.get("FunctionError").is_none(), "{answer}");
        assert_eq!(payload(&answer)["prediction"]["label"], "setosa");
        let log = answer["LogResult"].as_str().expect("is text");
        let id = &answer["ResponseMetadata"]["RequestId"];
        let report = format!("REPORT RequestId: {}\t", id.as_str().expect("is text"));
        assert!(log.contains(&report) && log.starts_with("START "), "{log}");
    }
    for (kind, status) in [("Event", 202), ("DryRun", 204)] {
        let arguments = json!({
            "FunctionName": NAME, "Qualifier": "live", "InvocationType": kind, "Payload": REQUEST,
        });
        let answer = boto3.call("invoke", arguments).await;
        assert_eq!(answer["StatusCode"], status, "{answer}");
        assert_eq!(answer["Payload"], "");
    }
    let arguments = json!({"FunctionName": NAME, "Payload": REQUEST, "LogType": "Tail"});
    let answer = boto3.call("invoke_with_response_stream", arguments).await;
    let [chunk, complete] = &answer["EventStream"].as_array().expect("is a list")[..] else {
        panic!("{answer}");
    };
    let chunk = chunk["PayloadChunk"]["Payload"].as_str().expect("is text");
    assert!(chunk.contains("setosa"), "{chunk}");
    let log = complete["InvokeComplete"]["LogResult"]
        .as_str()
        .expect("is text");
    assert!(log.contains("REPORT RequestId: "), "{log}");
}

/// The function's answer.
#[track_caller]
fn payload(answer: &Json) -> Json {
    let text = answer["Payload"].as_str().expect("is text");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

async fn failures_of_functions(boto3: &mut Boto3) {
    let killed = "Error: Runtime exited with error: signal: killed";
    for (function, request, kind, words) in [
        (NAME, r#"{"features": [1]}"#, "wrong_shape", ""),
        (NAME, "[]", "not_an_object", ""),
        (
            "iris-dev-slow",
            r#"{"n": 9000000000000}"#,
            "Sandbox.Timedout",
            "Error: Task timed out after 1.00 seconds",
        ),
        (
            "iris-dev-hungry",
            r#"{"n": [400000000]}"#,
            "Runtime.OutOfMemory",
            killed,
        ),
        // Its next environment works.
        ("iris-dev-slow", r#"{"m": 1}"#, "unknown_input", ""),
        ("iris-dev-hungry", "{", "", ""),
    ] {
        let arguments = json!({"FunctionName": function, "Payload": request, "LogType": "Tail"});
        let answer = boto3.call("invoke", arguments.clone()).await;
        if kind.is_empty() {
            assert_eq!(
                answer["error"], "InvalidRequestContentException",
                "{answer}"
            );
            continue;
        }
        assert_eq!(answer["StatusCode"], 200, "{answer}");
        assert_eq!(answer["FunctionError"], "Unhandled", "{answer}");
        let error = payload(&answer);
        assert_eq!(error["errorType"], kind, "{answer}");
        let message = error["errorMessage"].as_str().expect("is text");
        assert!(message.ends_with(words), "{message}");
        let streamed = boto3.call("invoke_with_response_stream", arguments).await;
        let complete = &streamed["EventStream"][0]["InvokeComplete"];
        assert_eq!(complete["ErrorCode"], kind, "{streamed}");
    }
}

async fn refusals(boto3: &mut Boto3) {
    let large = "1".repeat(6 * 1024 * 1024 + 101);
    for (arguments, status, code) in [
        (
            json!({"FunctionName": "other"}),
            404,
            "ResourceNotFoundException",
        ),
        (
            json!({"FunctionName": NAME, "Qualifier": "9"}),
            404,
            "ResourceNotFoundException",
        ),
        (
            json!({"FunctionName": NAME, "Payload": "{no"}),
            400,
            "InvalidRequestContentException",
        ),
        (
            json!({"FunctionName": NAME, "Payload": large}),
            413,
            "RequestTooLargeException",
        ),
        (
            json!({"FunctionName": "iris-dev-closed", "Payload": "{}"}),
            429,
            "TooManyRequestsException",
        ),
    ] {
        let refusal = boto3.call("invoke", arguments).await;
        assert_eq!(refusal["error"], code, "{refusal}");
        assert_eq!(refusal["status"], status, "{refusal}");
        assert_eq!(
            refusal["type"], code,
            "one of the classes of boto3: {refusal}"
        );
        assert!(refusal["message"].is_string(), "{refusal}");
        let reason = (status == 429).then_some("ReservedFunctionConcurrentInvocationLimitExceeded");
        assert_eq!(refusal["reason"].as_str(), reason, "{refusal}");
    }
    let other = boto3
        .call("get_function", json!({"FunctionName": "other"}))
        .await;
    assert_eq!(other["error"], "ResourceNotFoundException");
}
