//! Lambda: the Runtime API and what becomes of an environment.

use std::time::Duration;

use mlfn_core::ProviderName;
use mlfn_emulator::{EmulatorError, Exited, Failure, Outcome, StartFailure};
use serde_json::json;

use crate::support::{Lifeline, Package, body};

fn package() -> Package {
    Package::new(ProviderName::Aws)
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent_and_so_does_the_answer() {
    let function = package().start().await.expect("starts");
    for payload in [
        "{\"do\": \"echo\", \"a\": [1.0,  2]}",
        "not JSON at all",
        "",
    ] {
        let invocation = function.invoke(payload.as_bytes()).await.expect("invokes");
        assert_eq!(invocation.outcome, Outcome::Success);
        assert_eq!(String::from_utf8_lossy(&invocation.body), payload);
        assert_eq!(invocation.status, None);
    }
    assert_eq!(function.stop().await.how, Exited::Signal(15));
}

#[tokio::test]
async fn only_the_first_request_reports_the_init_phase() {
    let function = package().start().await.expect("starts");
    let first = function
        .invoke(b"{\"do\":\"echo\"}")
        .await
        .expect("invokes");
    let second = function
        .invoke(b"{\"do\":\"echo\"}")
        .await
        .expect("invokes");
    assert!(
        first
            .init_duration
            .is_some_and(|init| init > Duration::ZERO)
    );
    assert_eq!(second.init_duration, None);
    function.stop().await;
}

#[tokio::test]
async fn the_runtime_is_told_what_lambda_tells() {
    let package = package().env("MODE", "fast").env("AWS_REGION", "ours wins");
    let told = body(&package.invoke(json!({ "do": "describe" })).await);
    let environment = &told["environment"];
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "iris-dev-classifier"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_REGION", "eu-west-1"),
        ("_HANDLER", "handler"),
        ("MODE", "fast"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    let root = package.root().canonicalize().expect("exists");
    assert_eq!(
        environment["LAMBDA_TASK_ROOT"],
        root.to_str().expect("is text")
    );
    assert!(
        environment.get("CARGO_MANIFEST_DIR").is_none(),
        "{environment}"
    );
    let headers = &told["headers"];
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier";
    assert_eq!(headers["lambda-runtime-invoked-function-arn"], arn);
    let left = told["left"].as_f64().expect("is a number");
    assert!((19.0..=20.0).contains(&left), "{left} s left of 20");
}

#[tokio::test]
async fn an_error_answer_is_a_function_error_and_the_next_request_works() {
    let function = package().start().await.expect("starts");
    let invocation = function
        .invoke(b"{\"do\":\"error\"}")
        .await
        .expect("invokes");
    assert_eq!(
        invocation.outcome,
        Outcome::FunctionError(Failure::Reported)
    );
    assert_eq!(body(&invocation)["errorType"], "wrong_shape");
    let next = function
        .invoke(b"{\"do\":\"echo\"}")
        .await
        .expect("invokes");
    assert_eq!(next.outcome, Outcome::Success);
    function.stop().await;
}

#[tokio::test]
async fn a_process_that_ends_during_a_request_is_reported_as_lambda_does() {
    for (request, how, reason) in [
        (
            json!({"do": "exit", "status": 3}),
            Exited::Code(3),
            "Runtime exited with error: exit status 3",
        ),
        (
            json!({"do": "exit", "status": 0}),
            Exited::Code(0),
            "Runtime exited without providing a reason",
        ),
        (
            json!({"do": "die"}),
            Exited::Signal(11),
            "Runtime exited with error: signal 11",
        ),
    ] {
        let function = package().start().await.expect("starts");
        let invocation = function
            .invoke(request.to_string().as_bytes())
            .await
            .expect("invokes");
        assert_eq!(
            invocation.outcome,
            Outcome::FunctionError(Failure::Exited(how))
        );
        assert_eq!(body(&invocation)["errorType"], "Runtime.ExitError");
        let message = body(&invocation)["errorMessage"].to_string();
        assert!(message.contains(reason), "{message}");
        let error = function.invoke(b"{}").await.expect_err("has ended");
        assert!(
            matches!(error, EmulatorError::Ended(found) if found == how),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends_the_process() {
    let lifeline = Lifeline::new().await;
    let package = package().timeout(1).env("LIFELINE", &lifeline.port());
    let function = package.start().await.expect("starts");
    let invocation = function
        .invoke(b"{\"do\":\"hang\"}")
        .await
        .expect("invokes");
    assert_eq!(
        invocation.outcome,
        Outcome::FunctionError(Failure::TimedOut)
    );
    assert_eq!(body(&invocation)["errorType"], "Sandbox.Timedout");
    let message = body(&invocation)["errorMessage"].to_string();
    assert!(
        message.contains("Task timed out after 1.00 seconds"),
        "{message}"
    );
    lifeline.cut().await;
    let error = function.invoke(b"{}").await.expect_err("has ended");
    assert!(
        matches!(error, EmulatorError::Ended(Exited::Signal(9))),
        "{error}"
    );
}

#[tokio::test]
async fn an_init_error_comes_with_the_payload_that_callers_get() {
    let error = package()
        .env("START", "init-error")
        .start()
        .await
        .expect_err("fails");
    let EmulatorError::Start {
        failure: StartFailure::Reported(payload),
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(
        String::from_utf8_lossy(&payload),
        r#"{"errorType": "broken_model", "errorMessage": "no"}"#
    );
}

/// The clock jumps to the next time-out as soon as nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn a_start_that_never_ends_is_given_up() {
    for (timeout, given_up) in [(1, "10 s"), (25, "25 s")] {
        let message = package()
            .env("START", "never")
            .timeout(timeout)
            .start_error()
            .await;
        assert!(
            message.contains(&format!("it was not ready after {given_up}")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn requests_and_answers_are_limited_as_on_lambda() {
    const LIMIT: usize = 6 * 1024 * 1024 + 100;
    let function = package().start().await.expect("starts");
    let error = function
        .invoke(&vec![b' '; LIMIT + 1])
        .await
        .expect_err("is refused");
    assert_eq!(
        error.to_string(),
        "the request has 6291557 bytes, aws passes at most 6291556 on; send fewer rows at a time"
    );
    let fits = json!({ "do": "large", "bytes": LIMIT }).to_string();
    let invocation = function.invoke(fits.as_bytes()).await.expect("invokes");
    assert_eq!(
        (&invocation.outcome, invocation.body.len()),
        (&Outcome::Success, LIMIT)
    );
    let too_large = json!({ "do": "large", "bytes": LIMIT + 1 }).to_string();
    let invocation = function
        .invoke(too_large.as_bytes())
        .await
        .expect("invokes");
    assert_eq!(
        invocation.outcome,
        Outcome::FunctionError(Failure::ResponseTooLarge)
    );
    assert_eq!(
        body(&invocation)["errorType"],
        "Function.ResponseSizeTooLarge"
    );
    function.stop().await;
}

#[tokio::test]
async fn a_function_that_logs_much_is_not_held_up() {
    let function = package().start().await.expect("starts");
    let invocation = function
        .invoke(b"{\"do\":\"log\",\"lines\":20000}")
        .await
        .expect("invokes");
    assert_eq!(invocation.outcome, Outcome::Success);
    let exit = function.stop().await;
    let lines = [invocation.logs, exit.logs].concat();
    let numbered = lines
        .iter()
        .filter(|line| line.starts_with("line "))
        .count();
    assert_eq!(numbered, 20000);
    assert!(
        lines.iter().any(|line| line == "one"),
        "standard error is collected, too"
    );
}

#[tokio::test]
async fn calls_that_make_no_sense_are_refused_and_change_nothing() {
    let invocation = package().invoke(json!({ "do": "garbage" })).await;
    assert_eq!(invocation.outcome, Outcome::Success);
    assert_eq!(body(&invocation), json!([400, 404]));
}

#[tokio::test]
async fn concurrent_requests_wait_for_their_turn() {
    let function = package().start().await.expect("starts");
    let invoke = |number: u32| {
        let payload = json!({ "do": "echo", "number": number }).to_string();
        let function = &function;
        async move { body(&function.invoke(payload.as_bytes()).await.expect("invokes")) }
    };
    let (one, two, three) = tokio::join!(invoke(1), invoke(2), invoke(3));
    assert_eq!(
        (&one["number"], &two["number"], &three["number"]),
        (&1.into(), &2.into(), &3.into())
    );
    function.stop().await;
}

#[tokio::test]
async fn a_package_without_its_executable_is_refused() {
    let missing = package().without_file("bootstrap");
    let message = missing.start_error().await;
    assert!(
        message.contains("the file that Lambda starts is missing"),
        "{message}"
    );

    let locked = package().with_file("bootstrap", "#!/bin/sh\n", 0o644);
    let message = locked.start_error().await;
    assert!(
        message.ends_with("its executable bit is not set; package it again"),
        "{message}"
    );
}
