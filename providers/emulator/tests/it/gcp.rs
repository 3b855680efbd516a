//! Google: HTTP on `$PORT`.

use mlfn_core::ProviderName;
use mlfn_emulator::{Exited, Failure, Outcome};
use serde_json::json;

use crate::support::{Package, body};

fn package() -> Package {
    Package::answering(ProviderName::Gcp)
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
