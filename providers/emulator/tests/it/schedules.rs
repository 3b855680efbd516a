//! Schedules and topics.

use std::time::Duration;

use mlfn_emulator::EventClient;
use mlfn_testkit::trigger;
use serde_json::json;

use crate::queues::{events, local, until_lines};

const FIRES: &str = "mlfn: schedule iris-dev/classifier-1 fires, due 20";

#[tokio::test]
async fn a_rate_fires_at_once_and_after_each_pause_with_its_input() {
    let given = json!({"schedule": {"every": 300}, "input": {"Records": [], "from": "schedule"}});
    let local = local(vec![trigger("schedule", given)]).await;
    local.clock.advance(Duration::from_secs(1));
    until_lines(&local, FIRES, 1).await;
    until_lines(&local, "event ", 1).await;
    assert_eq!(
        events(&local).await[0],
        json!({"Records": [], "from": "schedule"})
    );
    local.clock.advance(Duration::from_secs(298));
    local.clock.advance(Duration::from_secs(2));
    until_lines(&local, FIRES, 2).await;
    until_lines(&local, "event ", 2).await;
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn what_was_missed_fires_once() {
    let given = json!({"schedule": {"cron": "* * * * *"}, "input": {"Records": []}});
    let local = local(vec![trigger("schedule", given)]).await;
    local.clock.advance(Duration::from_hours(5));
    until_lines(&local, "event ", 1).await;
    let local = local.restart().await;
    local.clock.advance(Duration::from_hours(3));
    until_lines(&local, "event ", 2).await;
    let local = local.restart().await;
    local.clock.advance(Duration::from_mins(1));
    until_lines(&local, "event ", 3).await;
    until_lines(&local, FIRES, 3).await;
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn a_schedule_that_is_removed_fires_no_more() {
    let given = json!({"schedule": {"every": 60}, "input": {"Records": []}});
    let mut local = local(vec![trigger("schedule", given)]).await;
    local.clock.advance(Duration::from_secs(1));
    until_lines(&local, "event ", 1).await;
    local.service.functions[0].triggers = vec![trigger("topic", json!({}))];
    local.deploy().await.expect("deploys");
    local.clock.advance(Duration::from_hours(1));
    let arn = "arn:aws:sns:eu-west-1:123456789012:iris-dev-news";
    let client = EventClient::at(&local.cloud.emulator().url()).expect("is an address");
    client.publish(arn, "later").await.expect("publishes");
    until_lines(&local, "event ", 2).await;
    until_lines(&local, FIRES, 1).await;
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn a_topic_sends_to_its_functions_as_it_does_in_the_cloud() {
    let local = local(vec![trigger("topic", json!({}))]).await;
    let client = EventClient::at(&local.cloud.emulator().url()).expect("is an address");
    let topics = client.topics().await.expect("lists");
    assert_eq!(topics, ["arn:aws:sns:eu-west-1:123456789012:iris-dev-news"]);
    let message = "{\"features\": [1, \"a&b=c+d\"]}";
    let id = client
        .publish(&topics[0], message)
        .await
        .expect("publishes");
    until_lines(&local, "event ", 1).await;
    let event = events(&local).await.remove(0);
    let record = &event["Records"][0];
    assert_eq!(record["EventSource"], "aws:sns");
    assert_eq!(record["EventVersion"], "1.0");
    let sns = &record["Sns"];
    assert_eq!(
        (&sns["MessageId"], &sns["Message"]),
        (&json!(id), &json!(message))
    );
    assert_eq!(sns["TopicArn"], topics[0]);
    assert_eq!(
        (&sns["Type"], &sns["Subject"]),
        (&json!("Notification"), &json!(null))
    );
    until_lines(
        &local,
        &format!("mlfn: topic iris-dev-news sends message {id}"),
        1,
    )
    .await;
    let error = client.publish("arn:aws:sns:eu-west-1:1:none", "x").await;
    let error = error.expect_err("is refused").to_string();
    assert_eq!(error, "Topic does not exist");
    local.cloud.shut_down().await;
}
