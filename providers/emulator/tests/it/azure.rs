//! Azure: custom handlers.

use mlfn_core::ProviderName;
use mlfn_emulator::{Failure, Outcome};
use serde_json::{Value as Json, json};

use crate::support::{Package, body};

fn package() -> Package {
    Package::answering(ProviderName::Azure)
}

fn package_with(trigger: &Json) -> Package {
    Package::new(ProviderName::Azure).with_function("classifier", &json!([trigger]))
}

#[tokio::test]
async fn http_is_passed_on_to_the_route_with_what_the_host_adds() {
    let package = package().env("MODE", "fast");
    let invocation = package.invoke(json!({ "do": "describe" })).await;
    assert_eq!(
        (&invocation.outcome, invocation.status),
        (&Outcome::Success, Some(200))
    );
    let told = body(&invocation);
    assert_eq!(told["path"], "/api/predict");
    let id = told["headers"]["x-azure-functions-invocationid"]
        .as_str()
        .unwrap_or_default();
    assert_eq!(id.len(), 36, "{told}");
    let environment = &told["environment"];
    let port = &environment["FUNCTIONS_CUSTOMHANDLER_PORT"];
    assert_eq!(&environment["FUNCTIONS_HTTPWORKER_PORT"], port);
    assert_eq!(environment["FUNCTIONS_WORKER_RUNTIME"], "custom");
    assert_eq!(environment["MODE"], "fast");
    let root = package.root().canonicalize().expect("exists");
    assert_eq!(
        environment["FUNCTIONS_APP_ROOT_PATH"],
        root.to_str().expect("is text")
    );
    assert!(
        environment.get("CARGO_MANIFEST_DIR").is_none(),
        "{environment}"
    );
}

#[tokio::test]
async fn the_function_with_http_is_the_one_that_is_invoked() {
    let queue =
        json!([{ "type": "queueTrigger", "direction": "in", "name": "msg", "queueName": "q" }]);
    let package = package().with_function("a-queue-before-it", &queue);
    let invocation = package.invoke(json!({ "do": "describe" })).await;
    assert_eq!(body(&invocation)["path"], "/api/predict");
}

#[tokio::test]
async fn the_route_prefix_and_the_name_make_the_path_when_nothing_else_is_said() {
    let host = json!({
        "customHandler": {
            "description": { "defaultExecutablePath": "handler" },
            "enableForwardingHttpRequest": true,
        },
        "extensions": { "http": { "routePrefix": "" } },
    });
    let bindings = json!([
        { "type": "httpTrigger", "direction": "in", "name": "req" },
        { "type": "http", "direction": "out", "name": "res" },
    ]);
    let package = Package::new(ProviderName::Azure)
        .with_function("classifier", &bindings)
        .with_file("host.json", &host.to_string(), 0o644);
    let invocation = package.invoke(json!({ "do": "describe" })).await;
    assert_eq!(body(&invocation)["path"], "/classifier");
}

#[tokio::test]
async fn other_triggers_get_an_envelope_and_their_answer_is_unwrapped() {
    let text = r#"{"features":[1,2]}"#;
    for (kind, data_type, expected) in [
        ("queueTrigger", None, json!(r#""{\"features\":[1,2]}""#)),
        (
            "serviceBusTrigger",
            None,
            json!(r#""{\"features\":[1,2]}""#),
        ),
        (
            "blobTrigger",
            Some("binary"),
            json!("eyJmZWF0dXJlcyI6WzEsMl19"),
        ),
    ] {
        let trigger =
            json!({ "type": kind, "direction": "in", "name": "msg", "dataType": data_type });
        let function = package_with(&trigger).start().await.expect("starts");
        let invocation = function.invoke(text.as_bytes()).await.expect("invokes");
        assert_eq!(invocation.outcome, Outcome::Success, "{kind}");
        let answer = json!({ "path": "/classifier", "data": { "msg": expected } });
        assert_eq!(body(&invocation), answer, "{kind}");
        assert!(
            invocation.logs.contains(&"from the answer".to_owned()),
            "{:?}",
            invocation.logs
        );
        function.stop().await;
    }
}

#[tokio::test]
async fn a_wrapped_answer_that_the_host_would_refuse_is_a_failure() {
    let trigger = json!({ "type": "queueTrigger", "direction": "in", "name": "msg" });
    let function = package_with(&trigger).start().await.expect("starts");
    let refused = function.invoke(b"refuse").await.expect("invokes");
    assert_eq!(refused.outcome, Outcome::FunctionError(Failure::Reported));
    assert_eq!((refused.status, &*refused.body), (Some(500), &b"no"[..]));
    let garbage = function.invoke(b"garbage").await.expect("invokes");
    assert!(
        matches!(
            garbage.outcome,
            Outcome::FunctionError(Failure::BadAnswer(_))
        ),
        "{:?}",
        garbage.outcome
    );
    function.stop().await;
}

/// The clock jumps to the next time-out as soon as nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn a_start_that_never_ends_is_given_up_after_the_time_of_the_host() {
    let message = package().env("START", "never").start_error().await;
    assert!(message.contains("it was not ready after 30 s"), "{message}");
}

#[tokio::test]
async fn a_package_that_the_host_cannot_read_is_refused() {
    let message = package().without_file("host.json").start_error().await;
    assert!(
        message.contains("entity not found") && message.contains("host.json"),
        "{message}"
    );

    let message = package()
        .with_file("host.json", "{}", 0o644)
        .start_error()
        .await;
    assert!(
        message.contains("missing field `customHandler`"),
        "{message}"
    );

    let message = package()
        .without_file("classifier/function.json")
        .start_error()
        .await;
    assert!(
        message.contains("no folder in it has a `function.json`"),
        "{message}"
    );
}
