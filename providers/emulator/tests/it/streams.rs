//! Streams: what Lambda reads from them, and how something gets into them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mlfn_core::Trigger;
use mlfn_emulator::{EventClient, QueuedMessage};
use mlfn_testkit::trigger;
use serde_json::{Value as Json, json};

use crate::local::{Local, json_of, post};
use crate::queues::{count, events, local, until_lines};

const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks";

/// Long enough for each pause between tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

fn kinesis(given: Json) -> Trigger {
    trigger("stream", given)
}

/// A call of an API: the status and the answer.
async fn call(local: &Local, name: &str, request: &Json) -> (u16, Json) {
    let headers = [("x-amz-target", name)];
    let answer = local.http(post("/", &headers, &request.to_string())).await;
    (answer.status().as_u16(), json_of(answer.body()))
}

fn record(body: &Json) -> Json {
    json!({"PartitionKey": "k", "Data": BASE64.encode(body.to_string())})
}

/// Puts records in one call, so that they are one batch.
async fn put(local: &Local, bodies: &[Json]) -> Vec<String> {
    let records: Vec<Json> = bodies.iter().map(record).collect();
    let request = json!({"StreamName": "clicks", "Records": records});
    let (status, put) = call(local, "Kinesis_20131202.PutRecords", &request).await;
    assert_eq!(
        (status, &put["FailedRecordCount"]),
        (200, &json!(0)),
        "{put}"
    );
    let records = put["Records"].as_array().expect("a list").iter();
    let numbers = records.map(|record| record["SequenceNumber"].as_str().expect("is text"));
    numbers.map(str::to_owned).collect()
}

/// The numbers of the records of each event.
async fn numbers(local: &Local) -> Vec<Vec<String>> {
    let of = |event: &Json| {
        let records = event["Records"].as_array().expect("is a list").iter();
        let numbers = records.map(|record| record["kinesis"]["sequenceNumber"].as_str());
        numbers
            .map(|number| number.expect("is text").to_owned())
            .collect()
    };
    events(local).await.iter().map(of).collect()
}

async fn dead(local: &Local) -> Vec<QueuedMessage> {
    let url = local.cloud.emulator().url();
    let client = EventClient::at(&url).expect("is an address");
    let queues = client.queues().await.expect("lists");
    let [queue] = &queues[..] else {
        panic!("one queue: {queues:?}");
    };
    client.peek(&queue.url, 10).await.expect("looks")
}

#[tokio::test]
async fn records_come_as_they_do_in_the_cloud() {
    let local = local(vec![kinesis(json!({}))]).await;
    let body = json!({"features": [1]});
    let mut request = record(&body);
    request["StreamARN"] = json!(STREAM);
    let (status, put) = call(&local, "Kinesis_20131202.PutRecord", &request).await;
    assert_eq!(
        (status, &put["ShardId"]),
        (200, &json!("shardId-000000000000"))
    );
    let number = put["SequenceNumber"].as_str().expect("is text");
    assert_eq!(number.len(), 56, "{number}");
    until_lines(&local, "mlfn: 1 record of clicks done", 1).await;
    let event = events(&local).await.remove(0);
    let now = local.clock.now().as_millis();
    let arrival = &event["Records"][0]["kinesis"]["approximateArrivalTimestamp"];
    let arrival = arrival.as_f64().expect("is a number");
    assert_eq!(format!("{:.0}", arrival * 1000.0), now.to_string());
    let expected = json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "k",
            "sequenceNumber": number,
            "data": BASE64.encode(body.to_string()),
            "approximateArrivalTimestamp": arrival,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("shardId-000000000000:{number}"),
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/local",
        "awsRegion": "eu-west-1",
        "eventSourceARN": STREAM,
    });
    assert_eq!(event["Records"], json!([expected]));
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn a_batch_is_full_or_has_waited_for_its_window() {
    let local = local(vec![kinesis(json!({"batch": 3, "window": 60}))]).await;
    let ok = json!({});
    let all = put(&local, &vec![ok.clone(); 5]).await;
    until_lines(&local, "mlfn: 3 records of clicks done", 1).await;
    assert_eq!(numbers(&local).await, [&all[..3]]);
    local.clock.advance(Duration::from_mins(1));
    until_lines(&local, "mlfn: 2 records of clicks done", 1).await;
    assert_eq!(numbers(&local).await, [&all[..3], &all[3..]]);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn the_bad_record_is_found_by_halves_tried_and_given_up() {
    let local = local(vec![kinesis(json!({}))]).await;
    let (ok, bad) = (json!({}), json!({"do": "error"}));
    let all = put(&local, &[ok.clone(), ok.clone(), bad, ok]).await;
    for tries in 1..=4 {
        until_lines(
            &local,
            "mlfn: 1 record of clicks failed; tried again",
            tries,
        )
        .await;
        local.clock.advance(LONGEST_PAUSE);
    }
    let end = "mlfn: 1 record of clicks was tried too often; ";
    until_lines(&local, end, 1).await;
    // What comes behind it is not lost.
    until_lines(&local, "mlfn: 1 record of clicks done", 1).await;
    let mut expected = vec![&all[..], &all[..2], &all[2..]];
    expected.extend([&all[2..3]; 5]);
    expected.push(&all[3..]);
    assert_eq!(numbers(&local).await, expected);
    let dead = dead(&local).await;
    let letter: Json = serde_json::from_str(&dead[0].body).expect("is JSON");
    assert_eq!(
        letter["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 5);
    let batch = &letter["KinesisBatchInfo"];
    assert_eq!(
        (&batch["startSequenceNumber"], &batch["endSequenceNumber"]),
        (&json!(all[2]), &json!(all[2]))
    );
    assert_eq!(
        (&batch["batchSize"], &batch["streamArn"]),
        (&json!(1), &json!(STREAM))
    );
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn what_comes_before_a_reported_failure_is_done() {
    let local = local(vec![kinesis(json!({}))]).await;
    let (ok, bad) = (json!({}), json!({"do": "fail"}));
    let all = put(&local, &[ok.clone(), ok, bad]).await;
    until_lines(&local, "mlfn: 2 records of clicks done", 1).await;
    until_lines(&local, "mlfn: 1 record of clicks failed; tried again in", 1).await;
    assert_eq!(numbers(&local).await, [&all[..], &all[2..]]);
    // Whoever takes over goes on with what is not done.
    local.deploy_code("new").await.expect("deploys");
    local.clock.advance(LONGEST_PAUSE);
    until_lines(&local, "mlfn: 1 record of clicks failed; tried again in", 2).await;
    assert_eq!(numbers(&local).await[2], all[2..]);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn a_new_reader_begins_where_it_shall() {
    let oldest = || kinesis(json!({"start": "oldest"}));
    let mut local = local(vec![oldest()]).await;
    put(&local, &[json!({})]).await;
    until_lines(&local, "mlfn: 1 record of clicks done", 1).await;
    // Other settings of the same reader are no new reader.
    local.service.functions[0].triggers = vec![kinesis(json!({"start": "oldest", "batch": 7}))];
    local.deploy().await.expect("deploys");
    put(&local, &[json!({})]).await;
    until_lines(&local, "mlfn: 1 record of clicks done", 2).await;
    assert_eq!(count(&local.log().await, "event "), 2);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn changes_of_items_come_as_they_do_in_the_cloud() {
    let given = json!({"source": {"dynamodb": "flowers"}, "batch": 1});
    let local = local(vec![trigger("stream", given)]).await;
    let put = async |item: &Json| {
        let request = json!({"TableName": "flowers", "Item": item});
        let (status, answer) = call(&local, "DynamoDB_20120810.PutItem", &request).await;
        assert_eq!((status, answer), (200, json!({})));
    };
    let (first, second) = (
        json!({"id": {"S": "a"}, "x": {"N": "1"}}),
        json!({"id": {"S": "a"}, "x": {"N": "2"}}),
    );
    put(&first).await;
    put(&second).await;
    put(&second).await;
    let request = json!({"TableName": "flowers", "Key": {"id": {"S": "a"}}});
    call(&local, "DynamoDB_20120810.DeleteItem", &request).await;
    until_lines(&local, "mlfn: 1 record of flowers done", 3).await;
    let events = events(&local).await;
    for (event, (name, old, new)) in events.iter().zip([
        ("INSERT", None, Some(&first)),
        ("MODIFY", Some(&first), Some(&second)),
        ("REMOVE", Some(&second), None),
    ]) {
        let record = &event["Records"][0];
        assert_eq!(
            (&record["eventName"], &record["eventSource"]),
            (&json!(name), &json!("aws:dynamodb"))
        );
        let change = &record["dynamodb"];
        assert_eq!(
            (change.get("OldImage"), change.get("NewImage")),
            (old, new),
            "{record}"
        );
        assert_eq!(change["Keys"], json!({"id": {"S": "a"}}));
    }
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn what_the_apis_of_streams_refuse_has_their_names() {
    let given = json!({"source": {"dynamodb": "flowers"}, "batch": 1});
    let local = local(vec![kinesis(json!({})), trigger("stream", given)]).await;
    let large = BASE64.encode(vec![0; 1024 * 1024]);
    for (name, request, kind) in [
        (
            "Kinesis_20131202.PutRecord",
            json!({"StreamName": "none", "PartitionKey": "k", "Data": ""}),
            "ResourceNotFoundException",
        ),
        (
            "Kinesis_20131202.PutRecord",
            json!({"StreamName": "clicks", "PartitionKey": "k", "Data": large}),
            "ValidationException",
        ),
        (
            "Kinesis_20131202.PutRecords",
            json!({"StreamName": "clicks", "Records": []}),
            "ValidationException",
        ),
        (
            "Kinesis_20131202.CreateStream",
            json!({"StreamName": "new"}),
            "UnknownOperationException",
        ),
        (
            "DynamoDB_20120810.PutItem",
            json!({"TableName": "none", "Item": {"id": {"S": "a"}}}),
            "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
        ),
        (
            "DynamoDB_20120810.PutItem",
            json!({"TableName": "flowers", "Item": {"x": {"S": "a"}}}),
            "com.amazonaws.dynamodb.v20120810#ValidationException",
        ),
    ] {
        let (status, answer) = call(&local, name, &request).await;
        assert_eq!(
            (status, &answer["__type"]),
            (400, &json!(kind)),
            "{name}: {answer}"
        );
    }
    local.cloud.shut_down().await;
}
