//! Requests that move to a new version, by the real binary: ministack keeps the weights of an alias
//! and has alarms, though it sends no request elsewhere. And logs that outlive their service.

use serde_json::{Value as Json, json};

use super::Account;
use crate::support::mlfn::Project;

const NAME: &str = "iris-dev-classifier";

/// With that much memory, so that there is a new version, and with that alarm.
fn manifest(memory: u32, alarm: &str) -> String {
    format!(
        "mlfn: 1\nservice: iris\nprovider: aws\nmodels:\n  classifier:\n    path: model.onnx\n    \
         memory: {memory}MB\n    example: {{ features: [5.1, 3.5, 1.4, 0.2] }}\n    \
         traffic: {{ canary: 50%, every: 1s, alarm: {alarm} }}\n"
    )
}

/// The version that serves, and the parts that others get.
async fn alias(account: &mut Account) -> (Json, Json) {
    let which = json!({"FunctionName": NAME, "Name": "live"});
    let alias = account.ask("lambda", "get_alias", which).await;
    let parts = alias["RoutingConfig"]["AdditionalVersionWeights"].clone();
    (alias["FunctionVersion"].clone(), parts)
}

fn is_none(parts: &Json) -> bool {
    parts.as_object().is_none_or(serde_json::Map::is_empty)
}

async fn set_alarm(account: &mut Account, state: &str) {
    let set =
        json!({"AlarmName": "too slow", "StateValue": state, "StateReason": "a test says so"});
    account.ask("cloudwatch", "set_alarm_state", set).await;
}

#[tokio::test]
async fn an_alarm_keeps_requests_where_they_are_and_without_one_they_move() {
    let mut account = Account::start().await.judged();
    let project = Project::copy_of("iris").with_file("serverless.yaml", manifest(256, "errors"));
    account.run(&project, &["deploy", "--yes"]);
    let project = project.with_file("serverless.yaml", manifest(320, "too slow"));
    let deploy = |account: &Account, code: i32, cue: &str| {
        let deploy = account.mlfn(&project, &["deploy", "--yes"]).run();
        deploy.code(code).stderr_has(cue);
    };
    deploy(&account, 6, "there is no alarm `too slow` in ");
    let alarm = json!({
        "AlarmName": "too slow", "Namespace": "AWS/Lambda", "MetricName": "Duration",
        "Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1000,
        "ComparisonOperator": "GreaterThanThreshold",
    });
    account.ask("cloudwatch", "put_metric_alarm", alarm).await;
    set_alarm(&mut account, "ALARM").await;
    deploy(
        &account,
        6,
        "the new revision gets no requests: the alarm `too slow` is on",
    );
    let (version, parts) = alias(&mut account).await;
    assert!(version == "1" && is_none(&parts), "{version} {parts}");
    set_alarm(&mut account, "OK").await;
    deploy(&account, 0, "the new version gets 50 % of the requests");
    let (version, parts) = alias(&mut account).await;
    assert!(version == "2" && is_none(&parts), "{version} {parts}");

    let project = project.with_file("serverless.yaml", manifest(384, "errors"));
    account.run(&project, &["deploy", "--yes"]);
    assert_eq!(alias(&mut account).await.0, "3");
    let called = account.called_as_allowed();
    for operation in [
        "cloudwatch DescribeAlarms",
        "cloudwatch GetMetricData",
        "lambda UpdateAlias",
    ] {
        assert!(called.contains(operation), "{operation}: {called:?}");
    }
}

#[tokio::test]
async fn logs_stay_if_somebody_wants_to_keep_them() {
    let mut account = Account::start().await;
    let project = Project::copy_of("iris").with_file("serverless.yaml", manifest(256, "errors"));
    account.run(&project, &["deploy", "--yes"]);
    let (removed, _) = account.run(&project, &["remove", "--yes", "--keep-logs"]);
    removed.stderr_has("released aws:log-group/classifier");
    let left = account.inventory().await;
    assert_eq!(left, [format!("describe_log_groups: /aws/lambda/{NAME}")]);
    account.run(&project, &["deploy", "--yes"]);
    account.run(&project, &["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
}
