//! Google: HTTP on `$PORT`.

use mlfn_core::ProviderName;
use mlfn_emulator::{EmulatorError, Exited, Failure, Outcome};
use serde_json::json;

use crate::support::{Lifeline, Package, body};

fn package() -> Package {
    Package::new(ProviderName::Gcp)
}

#[tokio::test]
async fn a_request_is_a_post_to_the_root_with_what_cloud_run_adds() {
    let package = package().env("MODE", "fast");
    let invocation = package.invoke(json!({ "do": "describe" })).await;
    assert_eq!(
        (&invocation.outcome, invocation.status),
        (&Outcome::Success, Some(200))
    );
    assert!(invocation.init_duration.is_some());
    let told = body(&invocation);
    assert_eq!(told["path"], "/");
    assert_eq!(told["headers"]["content-type"], "application/json");
    let environment = &told["environment"];
    for (name, value) in [
        ("K_SERVICE", "iris-dev-classifier"),
        ("FUNCTION_TARGET", "handler"),
        ("MODE", "fast"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    let root = package.root().canonicalize().expect("exists");
    assert_eq!(environment["MLFN_ROOT"], root.to_str().expect("is text"));
    assert!(
        environment.get("CARGO_MANIFEST_DIR").is_none(),
        "{environment}"
    );
}

#[tokio::test]
async fn failures_have_the_statuses_of_cloud_run() {
    for (request, failure, status) in [
        (json!({"do": "error"}), Failure::Reported, 422),
        (
            json!({"do": "exit", "status": 3}),
            Failure::Exited(Exited::Code(3)),
            503,
        ),
        (json!({"do": "hang"}), Failure::TimedOut, 504),
        (
            json!({"do": "large", "bytes": 32 * 1024 * 1024 + 1}),
            Failure::ResponseTooLarge,
            500,
        ),
    ] {
        let invocation = package().timeout(2).invoke(request.clone()).await;
        assert_eq!(
            invocation.outcome,
            Outcome::FunctionError(failure),
            "{request}"
        );
        assert_eq!(invocation.status, Some(status), "{request}");
    }
    let invocation = package().invoke(json!({ "do": "garbage" })).await;
    assert_eq!(invocation.status, Some(503));
    let Outcome::FunctionError(Failure::BadAnswer(why)) = invocation.outcome else {
        panic!("{:?}", invocation.outcome);
    };
    assert!(why.starts_with("the answer is not valid HTTP"), "{why}");
}

#[tokio::test]
async fn a_time_out_does_not_end_the_instance() {
    let function = package().timeout(1).start().await.expect("starts");
    let invocation = function
        .invoke(b"{\"do\":\"hang\"}")
        .await
        .expect("invokes");
    assert_eq!(
        invocation.outcome,
        Outcome::FunctionError(Failure::TimedOut)
    );
    let next = function
        .invoke(b"{\"do\":\"echo\"}")
        .await
        .expect("invokes");
    assert_eq!(next.outcome, Outcome::Success);
    function.stop().await;
}

#[tokio::test]
async fn requests_run_side_by_side() {
    let function = package().timeout(1).start().await.expect("starts");
    let slow = function.invoke(b"{\"do\":\"hang\"}");
    let quick = async {
        let invocation = function
            .invoke(b"{\"do\":\"echo\"}")
            .await
            .expect("invokes");
        invocation.duration
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert!(quick < slow.expect("invokes").duration);
    function.stop().await;
}

#[tokio::test]
async fn it_is_asked_to_end_and_its_last_words_are_kept() {
    let function = package()
        .env("START", "polite")
        .start()
        .await
        .expect("starts");
    let invocation = function.invoke(b"{\"do\":\"log\"}").await.expect("invokes");
    let exit = function.stop().await;
    assert_eq!(exit.how, Exited::Code(0));
    let lines = [invocation.logs, exit.logs].concat();
    assert_eq!(lines[1..], ["a line", "bye"]);
}

#[tokio::test]
async fn dropping_a_function_ends_its_process() {
    let lifeline = Lifeline::new().await;
    let function = package()
        .env("LIFELINE", &lifeline.port())
        .start()
        .await
        .expect("starts");
    drop(function);
    lifeline.cut().await;
}

#[tokio::test]
async fn a_crash_at_the_start_shows_the_last_lines() {
    let message = package().env("START", "crash").start_error().await;
    assert!(
        message.contains("did not start on gcp: its process ended with exit status 7"),
        "{message}"
    );
    assert!(message.contains("\n  no such model"), "{message}");
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused() {
    let function = package().start().await.expect("starts");
    let error = function
        .invoke(&vec![b' '; 32 * 1024 * 1024 + 1])
        .await
        .expect_err("is refused");
    assert!(
        matches!(
            error,
            EmulatorError::RequestTooLarge {
                limit: 33_554_432,
                ..
            }
        ),
        "{error}"
    );
    function.stop().await;
}
