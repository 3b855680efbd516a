//! What holds on every platform, each in its own words.

use mlfn_core::ProviderName::{self, Aws, Azure, Gcp};
use mlfn_emulator::{EmulatorError, Exited, Failure, Outcome};
use serde_json::{Value as Json, json};

use crate::support::{Lifeline, Package, body};

/// A request that fails, how, and the status that the caller gets; without one, the type of the
/// error.
async fn check(
    platform: ProviderName,
    request: Json,
    failure: Failure,
    expected: Result<u16, &str>,
) {
    let package = Package::answering(platform).timeout(2);
    let invocation = package.invoke(request.clone()).await;
    let at = format!("{request} on {platform}");
    assert_eq!(invocation.outcome, Outcome::FunctionError(failure), "{at}");
    assert_eq!(invocation.status, expected.ok(), "{at}");
    if let Err(kind) = expected {
        assert_eq!(body(&invocation)["errorType"], kind, "{at}");
    }
}

#[tokio::test]
async fn each_failure_is_told_as_the_platform_does() {
    let exited = || Failure::Exited(Exited::Code(3));
    for (platform, reported, ended, late) in [
        (
            Aws,
            Err("wrong_shape"),
            Err("Runtime.ExitError"),
            Err("Sandbox.Timedout"),
        ),
        (Azure, Ok(422), Ok(500), Ok(500)),
        (Gcp, Ok(422), Ok(503), Ok(504)),
    ] {
        check(
            platform,
            json!({"do": "error"}),
            Failure::Reported,
            reported,
        )
        .await;
        check(
            platform,
            json!({"do": "exit", "status": 3}),
            exited(),
            ended,
        )
        .await;
        check(platform, json!({"do": "hang"}), Failure::TimedOut, late).await;
    }
    let large = json!({"do": "large", "bytes": 32 * 1024 * 1024 + 1});
    check(Gcp, large, Failure::ResponseTooLarge, Ok(500)).await;
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    let package = Package::answering(Gcp);
    let invocation = package.invoke(json!({"do": "garbage"})).await;
    assert_eq!(invocation.status, Some(503));
    let Outcome::FunctionError(Failure::BadAnswer(why)) = invocation.outcome else {
        panic!("{:?}", invocation.outcome);
    };
    assert!(why.starts_with("the answer is not valid HTTP"), "{why}");
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused() {
    for (platform, limit) in [(Aws, 6 * 1024 * 1024 + 100), (Gcp, 32 * 1024 * 1024)] {
        let function = Package::answering(platform).start().await.expect("starts");
        let error = function.invoke(&vec![b' '; limit + 1]).await;
        match error.expect_err("is refused") {
            EmulatorError::RequestTooLarge { limit: found, .. } => assert_eq!(found, limit),
            other => panic!("{other}"),
        }
        function.stop().await;
    }
}

#[tokio::test]
async fn dropping_a_function_ends_its_process_and_the_children_of_that() {
    for (platform, start) in [(Aws, "child"), (Azure, ""), (Gcp, "")] {
        let lifeline = Lifeline::new().await;
        let package = Package::answering(platform)
            .env("LIFELINE", &lifeline.port())
            .env("START", start);
        let function = package.start().await.expect("starts");
        drop(function);
        lifeline.cut().await;
    }
}

#[tokio::test]
async fn a_crash_at_the_start_shows_the_last_lines() {
    for platform in [Aws, Azure, Gcp] {
        let package = Package::answering(platform).env("START", "crash");
        let message = package.start_error().await;
        let expected = format!(
            "the function did not start on {platform}: its process ended with exit status 7 before \
             it was ready; its last lines were:\n"
        );
        assert!(message.starts_with(&expected), "{message}");
        assert!(message.contains("\n  no such model"), "{message}");
    }
}
