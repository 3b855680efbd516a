//! Asynchronous requests: how often they are tried, and who is told what became of them.

use std::time::Duration;

use mlfn_core::{AsyncSettings, Destination, Seconds};
use mlfn_emulator::{EventClient, Limits};
use serde_json::{Value as Json, json};

use crate::local::{Local, NAME, json_of, post, request};
use crate::queues::{clock, until_lines};

const DONE: &str = "iris-dev-done";

fn queue(name: &str) -> Destination {
    Destination::Queue(name.to_owned())
}

async fn local(settings: AsyncSettings) -> Local {
    let limits = Limits {
        event_pause: Duration::from_millis(1),
        ..Limits::default()
    };
    Local::at(clock(), limits, |service| {
        service.functions[0].asynchronous = Some(settings);
    })
    .await
}

/// Sends a request that nobody waits for; its id.
async fn send(local: &Local, payload: &Json) -> String {
    let path = format!("/2015-03-31/functions/{NAME}/invocations?Qualifier=live");
    let headers = [("x-amz-invocation-type", "Event")];
    let answer = local
        .http(post(&path, &headers, &payload.to_string()))
        .await;
    assert_eq!(answer.status(), 202);
    let id = answer.headers()["x-amzn-requestid"].to_str();
    id.expect("is text").to_owned()
}

/// The first message of a queue.
async fn first(local: &Local, queue: &str) -> Json {
    let url = local.cloud.emulator().url();
    let client = EventClient::at(&url).expect("is an address");
    let url = format!("{url}/123456789012/{queue}");
    let wait = async {
        loop {
            if let Some(message) = client.peek(&url, 1).await.expect("looks").pop() {
                return message.body;
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(Duration::from_mins(1), wait).await;
    let Ok(body) = told else {
        panic!("nobody told {queue}: {:#?}", local.log().await)
    };
    json_of(&body.into())
}

#[tokio::test]
async fn a_queue_is_told_what_was_done() {
    let local = local(AsyncSettings {
        on_success: Some(queue("done")),
        on_failure: Some(queue("failed")),
        ..AsyncSettings::default()
    })
    .await;
    let payload = json!({"features": [1, 2]});
    let id = send(&local, &payload).await;
    let record = first(&local, DONE).await;
    let expected = json!({
        "version": "1.0",
        "timestamp": record["timestamp"],
        "requestContext": {
            "requestId": id,
            "functionArn": format!("arn:aws:lambda:eu-west-1:123456789012:function:{NAME}:live"),
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "executedVersion": "1"},
        "responsePayload": payload,
    });
    assert_eq!(record, expected);
    let time = record["timestamp"].as_str().expect("is text");
    assert!(time.ends_with('Z') && time.len() == 24, "{time}");
}

/// Sends what the function fails on, and looks at the record.
async fn check_given_up(settings: AsyncSettings, condition: &str, tries: u32) {
    let local = local(AsyncSettings {
        on_failure: Some(queue("done")),
        ..settings
    })
    .await;
    let payload = json!({"do": "error"});
    send(&local, &payload).await;
    let record = first(&local, DONE).await;
    let context = &record["requestContext"];
    let found = (&context["condition"], &context["approximateInvokeCount"]);
    assert_eq!(found, (&json!(condition), &json!(tries)), "{record}");
    assert_eq!(record["requestPayload"], payload);
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorType"], "wrong_shape");
    let reports = |log: Vec<String>| log.iter().filter(|line| line.starts_with("REPORT")).count();
    assert_eq!(reports(local.log().await), tries as usize);
}

#[tokio::test]
async fn a_request_that_always_fails_is_given_up_after_its_tries() {
    check_given_up(AsyncSettings::default(), "RetriesExhausted", 3).await;
    let once = AsyncSettings {
        max_tries: Some(1),
        ..AsyncSettings::default()
    };
    check_given_up(once, "RetriesExhausted", 1).await;
}

#[tokio::test]
async fn a_request_is_given_up_when_the_next_try_would_come_too_late() {
    // In the cloud, the tries come after one minute and three.
    let young = AsyncSettings {
        max_age: Some(Seconds::new(60)),
        ..AsyncSettings::default()
    };
    check_given_up(young, "EventAgeExceeded", 2).await;
}

#[tokio::test]
async fn a_topic_is_told_and_all_who_subscribe_to_it() {
    let local = local(AsyncSettings {
        on_success: Some(queue("done")),
        on_failure: Some(Destination::Topic("alerts".to_owned())),
        max_tries: Some(1),
        ..AsyncSettings::default()
    })
    .await;
    let arn =
        |service: &str, name: &str| format!("arn:aws:{service}:eu-west-1:123456789012:{name}");
    let subscribe = format!(
        "Action=Subscribe&Protocol=sqs&TopicArn={}&Endpoint={}",
        arn("sns", "iris-dev-alerts"),
        arn("sqs", DONE)
    );
    let signed = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=a/b/c/sns/aws4_request",
    );
    let answer = local.http(post("/", &[signed], &subscribe)).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    send(&local, &json!({"do": "error"})).await;
    let notification = first(&local, DONE).await;
    assert_eq!(notification["TopicArn"], arn("sns", "iris-dev-alerts"));
    let record = notification["Message"].as_str().expect("is text");
    let record: Json = serde_json::from_str(record).expect("is JSON");
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
}

#[tokio::test]
async fn queues_and_topics_of_others_have_stand_ins() {
    let theirs = |service: &str| format!("arn:aws:{service}:eu-west-1:111122223333:theirs");
    let local = local(AsyncSettings {
        on_success: Some(queue(&theirs("sqs"))),
        on_failure: Some(Destination::Topic(theirs("sns"))),
        max_tries: Some(1),
        ..AsyncSettings::default()
    })
    .await;
    send(&local, &json!({})).await;
    let record = first(&local, "theirs").await;
    assert_eq!(record["requestContext"]["condition"], "Success");
    send(&local, &json!({"do": "error"})).await;
    let told = format!("the function failed on it; `{}` is told", theirs("sns"));
    until_lines(&local, &told, 1).await;
}

#[tokio::test]
async fn the_settings_can_be_read() {
    let local = local(AsyncSettings {
        max_tries: Some(2),
        max_age: Some(Seconds::new(3600)),
        on_failure: Some(queue("failed")),
        ..AsyncSettings::default()
    })
    .await;
    let path = format!("/2019-09-25/functions/{NAME}/event-invoke-config");
    let read = |query: &'static str| local.http(request("GET", &(path.clone() + query), &[], ""));
    let live = json_of(read("?Qualifier=live").await.body());
    assert_eq!(live["MaximumRetryAttempts"], 1);
    assert_eq!(live["MaximumEventAgeInSeconds"], 3600);
    let to = &live["DestinationConfig"]["OnFailure"]["Destination"];
    assert_eq!(to, "arn:aws:sqs:eu-west-1:123456789012:iris-dev-failed");
    let newest = read("").await;
    assert_eq!(newest.status(), 404, "{:?}", newest.body());
}
