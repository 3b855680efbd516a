//! Functions, versions and instances that are not ready, or will never be.

use mlfn_aws::kinds;
use mlfn_core::{Failure, Observed, RetryClass, Session as _};
use serde_json::{Value as Json, json};

use crate::Subject;
use crate::server::{Answer, Aws};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:iris-dev-classifier";

fn function(fields: &Json) -> Subject {
    Subject::new(kinds::FUNCTION, "iris-dev-classifier", fields)
}

/// `GetFunction`, with what is special about the configuration.
fn there(special: Json) -> Answer {
    let mut configuration = json!({
        "FunctionArn": ARN, "FunctionName": "iris-dev-classifier", "MemorySize": 512,
        "Timeout": 30, "State": "Active", "LastUpdateStatus": "Successful",
        "CodeSha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    });
    let Json::Object(special) = special else {
        panic!("not an object")
    };
    configuration
        .as_object_mut()
        .expect("an object")
        .extend(special);
    let tags = json!({"mlfn:service": "iris", "mlfn:stage": "dev"});
    Answer::json(&json!({"Configuration": configuration, "Tags": tags}))
}

async fn read(special: Json) -> Observed {
    let aws = Aws::answering(vec![there(special)]);
    let found = aws
        .session()
        .await
        .read(&function(&json!({})).address())
        .await;
    found.expect("answers").expect("is there")
}

#[tokio::test]
async fn a_function_waits_with_lambdas_own_reason() {
    let ready = read(json!({})).await;
    assert_eq!(ready.pending, None);
    let empty = mlfn_core::file_mark(&mlfn_core::Digest::of(b""));
    assert_eq!(ready.fields["code"], empty);
    let pending =
        read(json!({"State": "Pending", "StateReason": "The function is being created."}));
    let why = pending.await.pending.expect("waits");
    assert!(why.contains("The function is being created"), "{why}");
    let updating = read(json!({"LastUpdateStatus": "InProgress"})).await;
    assert!(updating.pending.is_some());
    let idle = read(json!({"State": "Inactive", "StateReasonCode": "Idle"})).await;
    assert_eq!(idle.pending, None, "the next request wakes it");
}

#[tokio::test]
async fn what_lambda_could_not_do_is_told_and_done_again() {
    let failed = json!({
        "LastUpdateStatus": "Failed",
        "LastUpdateStatusReason": "The image does not exist.",
    });
    let failed = read(failed).await;
    let why = failed.pending.expect("is not ready");
    assert!(why.contains("The image does not exist"), "{why}");
    assert_eq!(failed.fields["code"], Json::Null);
}

#[tokio::test]
async fn nothing_is_changed_while_something_is_going_on() {
    let wanted = function(&json!({"memory": 1024}));
    let busy = there(json!({"LastUpdateStatus": "InProgress"}));
    let aws = Aws::answering(vec![busy]);
    let changed = ["memory".to_owned()].into();
    let session = aws.session().await;
    let error = session
        .update(&wanted.call(), &wanted.recorded(), &changed)
        .await;
    let error = error.expect_err("has to wait");
    assert_eq!(error.retry(), RetryClass::Wait, "{error:?}");
    assert_eq!(aws.heard().len(), 1);
}

#[tokio::test]
async fn the_code_follows_the_configuration_and_each_is_sent_once() {
    let code = mlfn_core::file_mark(&mlfn_core::Digest::of(b"new"));
    let fields = json!({
        "memory": 1024, "timeout": 30, "architecture": "x86_64", "code": code,
        "code_bucket": "b", "code_key": "k",
    });
    let wanted = function(&fields);
    let changed = ["memory", "code", "code_key"].map(str::to_owned).into();
    let going_on = || Answer::json(&json!({"LastUpdateStatus": "InProgress"}));
    let aws = Aws::answering(vec![
        there(json!({})),
        going_on(),
        there(json!({"MemorySize": 1024})),
        going_on(),
    ]);
    let session = aws.session().await;
    let first = session
        .update(&wanted.call(), &wanted.recorded(), &changed)
        .await;
    let error = first.expect_err("is not done yet");
    assert_eq!(error.retry(), RetryClass::Wait, "{error:?}");
    let second = session
        .update(&wanted.call(), &wanted.recorded(), &changed)
        .await;
    assert!(second.expect("is done").pending.is_some());
    let heard = aws.heard();
    let lines: Vec<&str> = heard.iter().map(|call| call.line.as_str()).collect();
    let path = "/2015-03-31/functions/iris-dev-classifier";
    let expected = [
        format!("GET {path}"),
        format!("PUT {path}/configuration"),
        format!("GET {path}"),
        format!("PUT {path}/code"),
    ];
    assert_eq!(lines, expected);
    let body: Json = serde_json::from_str(&heard[1].body).expect("JSON");
    assert_eq!(body, json!({"MemorySize": 1024}), "nothing else is set");
}

#[tokio::test]
async fn a_version_under_another_revision_is_published_anew() {
    let wanted = Subject::new(
        kinds::FUNCTION_VERSION,
        "iris-dev-classifier@ab",
        &json!({}),
    );
    let old = Answer::json(&json!({"Version": "3", "Description": "aa"}));
    let updated = Answer::json(&json!({"LastUpdateStatus": "InProgress"}));
    let aws = Aws::answering(vec![old.with_status(201), updated]);
    let error = aws.session().await.create(&wanted.call()).await;
    let error = error.expect_err("is not published yet");
    assert!(
        matches!(error.failure, Failure::NotReady { .. }),
        "{error:?}"
    );
    let body: Json = serde_json::from_str(&aws.heard()[1].body).expect("JSON");
    assert_eq!(body, json!({"Description": "ab"}));
}

#[tokio::test]
async fn an_alias_tells_what_it_sends_elsewhere() {
    let answer = json!({
        "AliasArn": format!("{ARN}:live"), "FunctionVersion": "3",
        "RoutingConfig": {"AdditionalVersionWeights": {"4": 0.1}},
        "Tags": {"mlfn:service": "iris", "mlfn:stage": "dev"},
    });
    // The alias and the tags of its function are asked for at once.
    let aws = Aws::answering(vec![Answer::json(&answer), Answer::json(&answer)]);
    let alias = Subject::new(kinds::ALIAS, "iris-dev-classifier:live", &json!({}));
    let found = aws.session().await.read(&alias.address()).await;
    let found = found.expect("answers").expect("is there");
    assert_eq!(found.fields["version"], json!("3"));
    assert_eq!(found.fields["routing"], json!({"4": 0.1}));
}

#[track_caller]
fn instances(status: &str, expected: Json, reason: Option<&str>) -> impl Future<Output = ()> {
    let answer = json!({
        "RequestedProvisionedConcurrentExecutions": 5,
        "AvailableProvisionedConcurrentExecutions": 2,
        "Status": status, "StatusReason": "FUNCTION_ERROR_INIT_FAILURE",
        "Tags": {"mlfn:service": "iris", "mlfn:stage": "dev"},
    });
    let (status, reason) = (status.to_owned(), reason.map(str::to_owned));
    async move {
        let aws = Aws::answering(vec![Answer::json(&answer), Answer::json(&answer)]);
        let name = "iris-dev-classifier:live";
        let warm = Subject::new(kinds::PROVISIONED_CONCURRENCY, name, &json!({}));
        let found = aws.session().await.read(&warm.address()).await;
        let found = found.expect("answers").expect("is there");
        assert_eq!(found.fields["instances"], expected, "{status}");
        assert_eq!(found.pending, reason, "{status}");
    }
}

#[tokio::test]
async fn warm_instances_are_waited_for_and_failures_told() {
    instances("READY", json!(5), None).await;
    instances("IN_PROGRESS", json!(5), Some("2 of 5 instances are warm")).await;
    let why = "Lambda cannot keep them warm: FUNCTION_ERROR_INIT_FAILURE";
    instances("FAILED", Json::Null, Some(why)).await;
}
