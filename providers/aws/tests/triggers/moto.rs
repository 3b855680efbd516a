//! The lives of the same kinds on moto, which understands less of Lambda, and more of the limits of
//! everything else: what one imitation lets pass by mistake, the other does not.

use mlfn_aws::kinds;
use mlfn_core::KindSpec;
use serde_json::{Value as Json, json};

use crate::account::Account;
use crate::http;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:iris-dev-classifier:live";

/// Made, not made twice, changed, removed.
async fn check(kind: KindSpec, name: &str, first: Json, second: Json) {
    let aws = Account::elsewhere().await;
    let there = aws.made(kind, name, &first).await;
    aws.is_taken(kind, name, &first).await;
    let there = aws.becomes(kind, &there, &second).await;
    aws.gone(kind, &there).await;
}

/// The tags of the first form, those of the second, and what both have.
async fn check_tags(kind: KindSpec, name: &str, both: &Json) {
    let with = |tags: Json| {
        let mut fields = both.clone();
        fields["tags"] = tags;
        mlfn_core::sorted(fields)
    };
    let (first, second) = (json!({"team": "research"}), json!({"cost": "1"}));
    check(kind, name, with(first), with(second)).await;
}

/// Without authorizers, which moto makes and cannot list.
#[tokio::test]
async fn an_http_api_and_its_parts() {
    let aws = Account::elsewhere().await;
    let cors = http::cors(&["https://a.example"]);
    let first = json!({"cors": cors, "tags": {"team": "research"}});
    let api = aws.made(kinds::HTTP_API, "iris-dev", &first).await;
    let integration = |timeout: u32| json!({"function": FUNCTION, "payload_format": "2.0", "timeout_ms": timeout});
    let kind = kinds::HTTP_INTEGRATION;
    let there = aws
        .made(kind, "iris-dev/classifier", &integration(30_000))
        .await;
    let there = aws.becomes(kind, &there, &integration(10_000)).await;
    let route = |authorization: &str| json!({"authorization_type": authorization, "integration": there.outputs["id"]});
    let name = "iris-dev/POST /predict";
    check(kinds::HTTP_ROUTE, name, route("NONE"), route("AWS_IAM")).await;
    let stage = json!({"auto_deploy": true});
    let stage = aws
        .made(kinds::HTTP_STAGE, "iris-dev/$default", &stage)
        .await;
    aws.gone(kinds::HTTP_STAGE, &stage).await;
    aws.gone(kind, &there).await;
    let api = aws
        .becomes(kinds::HTTP_API, &api, &json!({"tags": {"cost": "1"}}))
        .await;
    aws.gone(kinds::HTTP_API, &api).await;
}

#[tokio::test]
async fn topics_queues_and_log_groups_with_their_tags() {
    check_tags(kinds::TOPIC, "iris-dev-alerts", &json!({})).await;
    let queue = json!({"message_retention": 60, "visibility_timeout": 30});
    check_tags(kinds::QUEUE, "iris-dev-jobs", &queue).await;
    let logs = json!({"retention_days": 14});
    check_tags(kinds::LOG_GROUP, "/aws/lambda/iris-dev-classifier", &logs).await;
}

#[tokio::test]
async fn a_schedule() {
    let aws = Account::elsewhere().await;
    let group = kinds::SCHEDULE_GROUP;
    let group = aws.made(group, "iris-dev", &json!({})).await;
    let form = |expression: &str, timezone: &str| {
        json!({
            "expression": expression, "function": FUNCTION, "input": "{\"features\":[1]}",
            "role": "arn:aws:iam::123456789012:role/any", "timezone": timezone,
        })
    };
    let first = form("cron(0 6 ? * 2-6 *)", "Europe/Berlin");
    let second = form("rate(5 minutes)", "UTC");
    check(kinds::SCHEDULE, "iris-dev/classifier-1", first, second).await;
    aws.gone(kinds::SCHEDULE_GROUP, &group).await;
}
