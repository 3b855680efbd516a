//! Queues: what Lambda reads from them, and what everybody may do with them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mlfn_core::Trigger;
use mlfn_emulator::{Clock, EventClient, Limits, QueuedMessage};
use mlfn_testkit::trigger;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

use crate::local::{Local, json_of, post};

/// Six times the function's time-out, which is 20 s.
const VISIBILITY: Duration = Duration::from_mins(2);

/// How long a function that had no free instance is let alone at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const JOBS: &str = "iris-dev-jobs";
const DEAD: &str = "iris-dev_queue_jobs-dead";

/// A clock that stands still.
pub(crate) fn clock() -> Clock {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Clock::manual(now.expect("is after 1970"))
}

pub(crate) async fn local(triggers: Vec<Trigger>) -> Local {
    Local::at(clock(), Limits::default(), |service| {
        service.functions[0].triggers = triggers;
    })
    .await
}

fn queue(given: Json) -> Trigger {
    trigger("queue", given)
}

fn client(local: &Local) -> EventClient {
    EventClient::at(&local.cloud.emulator().url()).expect("is an address")
}

fn url(local: &Local, queue: &str) -> String {
    format!("{}/123456789012/{queue}", local.cloud.emulator().url())
}

async fn send(local: &Local, body: &Json) -> String {
    let (client, url) = (client(local), url(local, JOBS));
    client.send(&url, &body.to_string()).await.expect("sends")
}

async fn peek(local: &Local, queue: &str) -> Vec<QueuedMessage> {
    let (client, url) = (client(local), url(local, queue));
    client.peek(&url, 100).await.expect("looks")
}

/// A call of the SQS API: the status and the answer.
async fn call(local: &Local, name: &str, request: Json) -> (u16, Json) {
    let target = format!("AmazonSQS.{name}");
    let answer = local
        .http(post(
            "/",
            &[("x-amz-target", &target)],
            &request.to_string(),
        ))
        .await;
    let body = match answer.body().as_ref() {
        b"" => Json::Null,
        _ => json_of(answer.body()),
    };
    (answer.status().as_u16(), body)
}

/// Waits until something is so of the lines of the function's log.
pub(crate) async fn until(local: &Local, is_so: impl Fn(&[String]) -> bool) {
    let wait = async {
        while !is_so(&local.log().await) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), wait).await;
    assert!(waited.is_ok(), "{:#?}", local.log().await);
}

pub(crate) fn count(log: &[String], text: &str) -> usize {
    log.iter().filter(|line| line.contains(text)).count()
}

/// Waits until so many lines have a text in them.
pub(crate) async fn until_lines(local: &Local, text: &str, lines: usize) {
    until(local, |log| count(log, text) >= lines).await;
    assert_eq!(count(&local.log().await, text), lines, "{text}");
}

/// The events that the function got.
pub(crate) async fn events(local: &Local) -> Vec<Json> {
    let log = local.log().await;
    let events = log.iter().filter_map(|line| line.strip_prefix("event "));
    events
        .map(|text| serde_json::from_str(text).expect("is JSON"))
        .collect()
}

#[tokio::test]
async fn a_message_comes_as_it_does_in_the_cloud_and_is_gone() {
    let local = local(vec![queue(json!({}))]).await;
    let attributes = json!({"kind": {"DataType": "String", "StringValue": "x"}});
    let request = json!({
        "QueueUrl": url(&local, JOBS),
        "MessageBody": "{\"features\": [1]}",
        "MessageAttributes": attributes,
    });
    let (status, sent) = call(&local, "SendMessage", request).await;
    assert_eq!(status, 200, "{sent}");
    assert_eq!(sent["MD5OfMessageBody"], "a9cc0181341e61774ef8e71d16fb68ef");
    until_lines(&local, "mlfn: 1 message of iris-dev-jobs done", 1).await;
    let mut event = events(&local).await.remove(0);
    let record = &mut event["Records"][0];
    let receipt = record["receiptHandle"].take();
    assert!(
        receipt.as_str().is_some_and(|text| text.len() > 20),
        "{receipt}"
    );
    let now = local.clock.now().as_millis().to_string();
    let expected = json!({
        "messageId": sent["MessageId"],
        "receiptHandle": null,
        "body": "{\"features\": [1]}",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": now,
            "SenderId": record["attributes"]["SenderId"],
            "ApproximateFirstReceiveTimestamp": now,
        },
        "messageAttributes": {"kind": {
            "stringValue": "x",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        }},
        "md5OfBody": sent["MD5OfMessageBody"],
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:iris-dev-jobs",
        "awsRegion": "eu-west-1",
    });
    assert_eq!(*record, expected);
    assert_eq!(peek(&local, JOBS).await, []);
    local.cloud.shut_down().await;
}

/// Whatever goes wrong, a message is tried three times and is a dead letter then.
async fn check_dead(request: Json) {
    let local = local(vec![queue(json!({"max_tries": 3}))]).await;
    let id = send(&local, &request).await;
    for tries in 1..=3 {
        let line = "mlfn: 1 of 1 message of iris-dev-jobs failed; tried again in 120 s";
        until_lines(&local, line, tries).await;
        assert_eq!(peek(&local, JOBS).await[0].received, tries as u64);
        assert_eq!(peek(&local, DEAD).await, []);
        local.clock.advance(VISIBILITY);
    }
    let line = format!("mlfn: message {id} of {JOBS} was tried too often and is in {DEAD}");
    until_lines(&local, &line, 1).await;
    assert_eq!(peek(&local, JOBS).await, []);
    let dead = peek(&local, DEAD).await;
    let found: Vec<&str> = dead.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(found, [&id], "{request}");
    assert_eq!(events(&local).await.len(), 3, "{request}");
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn an_error_of_the_function_ends_with_the_dead_letters() {
    check_dead(json!({"do": "error"})).await;
}

#[tokio::test]
async fn a_reported_failure_ends_with_the_dead_letters() {
    check_dead(json!({"do": "fail"})).await;
}

#[tokio::test]
async fn of_a_batch_only_what_failed_comes_again() {
    let local = local(vec![queue(json!({}))]).await;
    let entries = [("a", "ok"), ("b", "fail"), ("c", "ok")];
    let entries = entries.map(|(id, what)| {
        let body = json!({"do": what, "id": id}).to_string();
        json!({"Id": id, "MessageBody": body})
    });
    let request = json!({"QueueUrl": url(&local, JOBS), "Entries": entries});
    let (_, sent) = call(&local, "SendMessageBatch", request).await;
    assert_eq!(
        sent["Successful"].as_array().map(Vec::len),
        Some(3),
        "{sent}"
    );
    until_lines(&local, "mlfn: 1 of 3 messages of iris-dev-jobs failed", 1).await;
    local.clock.advance(VISIBILITY);
    until_lines(&local, "mlfn: 1 of 1 message of iris-dev-jobs failed", 1).await;
    let events = events(&local).await;
    let bodies = |event: &Json| -> Vec<String> {
        let records = event["Records"].as_array().expect("is a list").iter();
        let bodies = records.filter_map(|record| record["body"].as_str());
        bodies.map(str::to_owned).collect()
    };
    assert_eq!(bodies(&events[0]).len(), 3);
    assert_eq!(
        bodies(&events[1]),
        [json!({"do": "fail", "id": "b"}).to_string()]
    );
    assert_eq!(
        events[1]["Records"][0]["attributes"]["ApproximateReceiveCount"],
        "2"
    );
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn what_no_instance_is_free_for_waits_and_is_not_counted() {
    let mut local = local(vec![queue(json!({"max_tries": 1}))]).await;
    local.service.functions[0].aws.reserved_concurrency = Some(0);
    local.deploy().await.expect("deploys");
    send(&local, &json!({"do": "ok"})).await;
    for _ in 0..100 {
        local.clock.advance(Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
    assert_eq!(peek(&local, JOBS).await.len(), 1);
    local.service.functions[0].aws.reserved_concurrency = None;
    local.deploy().await.expect("deploys");
    local.clock.advance(LONGEST_PAUSE);
    until_lines(&local, "mlfn: 1 message of iris-dev-jobs done", 1).await;
    let event = events(&local).await.remove(0);
    assert_eq!(
        event["Records"][0]["attributes"]["ApproximateReceiveCount"],
        "1"
    );
    assert_eq!(peek(&local, DEAD).await, []);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn messages_are_there_again_after_the_process_has_ended() {
    let mut local = local(vec![queue(json!({"output": "results"}))]).await;
    local.service.functions[0].aws.reserved_concurrency = Some(0);
    local.deploy().await.expect("deploys");
    send(&local, &json!({"do": "ok"})).await;
    let results = url(&local, "iris-dev-results");
    client(&local).send(&results, "kept").await.expect("sends");
    let mut local = local.restart().await;
    assert_eq!(peek(&local, "iris-dev-results").await[0].body, "kept");
    local.service.functions[0].aws.reserved_concurrency = None;
    local.deploy().await.expect("deploys");
    local.clock.advance(LONGEST_PAUSE);
    until_lines(&local, "mlfn: 1 message of iris-dev-jobs done", 1).await;
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn new_code_and_other_settings_lose_no_message() {
    let mut local = local(vec![queue(json!({"batch": 1}))]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("has an address").port();
    send(&local, &json!({"do": "wait", "port": port})).await;
    let running = listener.accept().await.expect("arrives");
    local.service.functions[0].triggers = vec![queue(json!({"batch": 7}))];
    local.deploy_code("new").await.expect("deploys");
    send(&local, &json!({"do": "ok"})).await;
    until_lines(&local, "mlfn: 1 message of iris-dev-jobs done", 1).await;
    assert_eq!(peek(&local, JOBS).await.len(), 1, "one is under way");
    drop(running);
    until_lines(&local, "mlfn: 1 message of iris-dev-jobs done", 2).await;
    assert_eq!(peek(&local, JOBS).await, []);
    assert_eq!(events(&local).await.len(), 2, "each came once");
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn a_batch_waits_for_its_window_or_until_it_is_full() {
    let local = local(vec![queue(json!({"batch": 3, "window": 60}))]).await;
    send(&local, &json!({"do": "ok"})).await;
    send(&local, &json!({"do": "ok"})).await;
    let both_taken = async {
        while peek(&local, JOBS)
            .await
            .iter()
            .any(|message| message.received == 0)
        {
            tokio::task::yield_now().await;
        }
    };
    both_taken.await;
    assert_eq!(events(&local).await.len(), 0, "the window is open");
    local.clock.advance(Duration::from_mins(1));
    until_lines(&local, "mlfn: 2 messages of iris-dev-jobs done", 1).await;
    for _ in 0..3 {
        send(&local, &json!({"do": "ok"})).await;
    }
    until_lines(&local, "mlfn: 3 messages of iris-dev-jobs done", 1).await;
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn queues_are_listed_looked_into_and_emptied() {
    let local = local(vec![queue(json!({"output": "results"}))]).await;
    let client = client(&local);
    let all = client.queues().await.expect("lists");
    let names: Vec<(&str, Option<&str>)> = all
        .iter()
        .map(|queue| (queue.name.as_str(), queue.dead_letters.as_deref()))
        .collect();
    assert_eq!(
        names,
        [(JOBS, Some(DEAD)), ("iris-dev-results", None), (DEAD, None)]
    );
    let results = all[1].url.clone();
    for body in ["one", "two"] {
        client.send(&results, body).await.expect("sends");
    }
    for _ in 0..2 {
        let bodies = client.peek(&results, 10).await.expect("looks");
        let bodies: Vec<String> = bodies.into_iter().map(|message| message.body).collect();
        assert_eq!(bodies, ["one", "two"], "a look changes nothing");
    }
    assert_eq!(client.queues().await.expect("lists")[1].visible, 2);
    client.purge(&results).await.expect("empties");
    assert_eq!(client.queues().await.expect("lists")[1].visible, 0);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn a_message_is_received_by_one_at_a_time_and_deleted_by_whom_has_it() {
    let local = local(vec![queue(json!({"output": "results"}))]).await;
    let url = url(&local, "iris-dev-results");
    let receive = async |seconds: u64| {
        let request = json!({
            "QueueUrl": url, "VisibilityTimeout": seconds, "MaxNumberOfMessages": 10,
        });
        let (_, answer) = call(&local, "ReceiveMessage", request).await;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        messages
            .into_iter()
            .map(|message| message["ReceiptHandle"].clone())
            .collect::<Vec<_>>()
    };
    client(&local).send(&url, "one").await.expect("sends");
    let first = receive(30).await;
    assert_eq!((first.len(), receive(30).await.len()), (1, 0));
    local.clock.advance(Duration::from_secs(30));
    let second = receive(30).await;
    let delete = async |receipt: &Json| {
        let request = json!({"QueueUrl": url, "ReceiptHandle": receipt});
        call(&local, "DeleteMessage", request).await.0
    };
    assert_eq!(delete(&first[0]).await, 200);
    assert_eq!(
        peek(&local, "iris-dev-results").await.len(),
        1,
        "an old receipt deletes nothing"
    );
    let hide = json!({"QueueUrl": url, "ReceiptHandle": second[0], "VisibilityTimeout": 0});
    assert_eq!(call(&local, "ChangeMessageVisibility", hide).await.0, 200);
    let third = receive(30).await;
    assert_eq!(delete(&third[0]).await, 200);
    assert_eq!(peek(&local, "iris-dev-results").await, []);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn who_waits_for_a_message_gets_it_when_it_is_sent() {
    let local = local(vec![queue(json!({"output": "results"}))]).await;
    let url = url(&local, "iris-dev-results");
    let request = json!({"QueueUrl": url, "WaitTimeSeconds": 20});
    let client = client(&local);
    let receive = call(&local, "ReceiveMessage", request.clone());
    let ((_, answer), sent) = tokio::join!(receive, client.send(&url, "late"));
    sent.expect("sends");
    assert_eq!(answer["Messages"][0]["Body"], "late");
    let mut receive = std::pin::pin!(call(&local, "ReceiveMessage", request));
    let (status, nothing) = loop {
        tokio::select! {
            answer = &mut receive => break answer,
            () = tokio::task::yield_now() => local.clock.advance(Duration::from_secs(1)),
        }
    };
    assert_eq!((status, nothing), (200, json!({})));
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn what_the_api_of_queues_refuses_has_the_names_of_the_api() {
    let fifo = trigger("queue", json!({"name": "o.fifo", "batch": 1}));
    let local = local(vec![queue(json!({"output": "results"})), fifo]).await;
    let results = url(&local, "iris-dev-results");
    let large = "x".repeat(1024 * 1024 + 1);
    for (name, request, kind) in [
        (
            "GetQueueUrl",
            json!({"QueueName": "none"}),
            "QueueDoesNotExist",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url(&local, "none"), "MessageBody": "x"}),
            "QueueDoesNotExist",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": results, "MessageBody": ""}),
            "MissingParameter",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": results, "MessageBody": large}),
            "InvalidParameterValue",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": results, "MessageBody": "\u{1}"}),
            "InvalidMessageContents",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": results, "MessageBody": "x", "DelaySeconds": 901}),
            "InvalidParameterValue",
        ),
        (
            "SendMessage",
            json!({"QueueUrl": url(&local, "iris-dev-o.fifo"), "MessageBody": "x"}),
            "MissingParameter",
        ),
        (
            "ReceiveMessage",
            json!({"QueueUrl": results, "MaxNumberOfMessages": 11}),
            "InvalidParameterValue",
        ),
        (
            "DeleteMessage",
            json!({"QueueUrl": results, "ReceiptHandle": "x"}),
            "ReceiptHandleIsInvalid",
        ),
        (
            "SendMessageBatch",
            json!({"QueueUrl": results, "Entries": []}),
            "EmptyBatchRequest",
        ),
        (
            "CreateQueue",
            json!({"QueueName": "x"}),
            "UnsupportedOperation",
        ),
    ] {
        let (status, answer) = call(&local, name, request).await;
        assert_eq!(status, 400, "{name}: {answer}");
        assert_eq!(
            answer["__type"],
            format!("com.amazonaws.sqs#{kind}"),
            "{name}: {answer}"
        );
    }
    local.cloud.shut_down().await;
}
