//! The queues, topics, buckets and streams of `mlfn emulate` in the hands of AWS's own client.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::support::boto3::Boto3;
use crate::support::mlfn::Project;

const MANIFEST: &str = "
mlfn: 1
service: iris
provider: aws
models:
  classifier:
    path: model.onnx
    output: { labels: [setosa, versicolor, virginica] }
    triggers:
      - queue: { name: jobs, output: results }
      - topic: news
      - storage: { bucket: uploads, suffix: .json, output: { bucket: predictions } }
      - stream: { kinesis: clicks }
      - stream: { dynamodb: flowers }
";

const REQUEST: &str = r#"{"features": [6.7, 3.0, 5.2, 2.3]}"#;

/// Nothing here takes as long, even when the machine has other things to do.
const LIMIT: Duration = Duration::from_mins(1);

#[tokio::test]
async fn boto3_reaches_queues_topics_buckets_and_streams() {
    let project = Project::copy_of("iris").with_file("serverless.yaml", MANIFEST);
    let emulation = project.mlfn(["emulate"]).serve().await;
    let mut boto3 = Boto3::at(&emulation.url).await;
    let results = queues(&mut boto3).await;
    topics(&mut boto3, &results).await;
    objects(&mut boto3).await;
    objects_in_parts(&mut boto3).await;
    streams(&mut boto3, &results).await;
    emulation.stop().await;
}

/// Calls, and answers what is at a place in the answer.
async fn at(boto3: &mut Boto3, (service, method): (&str, &str), given: Json, place: &str) -> Json {
    let answer = boto3.ask(service, method, given).await;
    let found = answer.pointer(place).cloned();
    found.unwrap_or_else(|| panic!("{method} has {place}: {answer}"))
}

/// Calls until there is something at a place in the answer.
async fn until(boto3: &mut Boto3, call: (&str, &str), given: &Json, place: &str) -> Json {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        let answer = boto3.ask(call.0, call.1, given.clone()).await;
        if let Some(found) = answer.pointer(place) {
            return found.clone();
        }
    }
    panic!("{call:?} never has {place}");
}

/// A refusal has a class of its own in boto3.
async fn check_refused(boto3: &mut Boto3, call: (&str, &str), given: Json, class: &str) {
    let answer = boto3.ask(call.0, call.1, given).await;
    assert_eq!(answer["type"], class, "{call:?}: {answer}");
}

/// Answers the URL of a queue that no function reads.
async fn queues(boto3: &mut Boto3) -> Json {
    let given = json!({"QueueNamePrefix": "iris-dev-re"});
    let url = at(boto3, ("sqs", "list_queues"), given, "/QueueUrls/0").await;
    let given = json!({"QueueName": "iris-dev-results"});
    let found = at(boto3, ("sqs", "get_queue_url"), given, "/QueueUrl").await;
    assert_eq!(url, found);
    let given = json!({
        "QueueUrl": url,
        "MessageBody": "h\u{e9}",
        "MessageAttributes": {"a": {"DataType": "String", "StringValue": "x"}},
    });
    let id = at(boto3, ("sqs", "send_message"), given, "/MessageId").await;
    let receive = json!({"QueueUrl": url, "WaitTimeSeconds": 1, "MessageAttributeNames": ["All"]});
    let message = at(boto3, ("sqs", "receive_message"), receive, "/Messages/0").await;
    assert_eq!(
        (&message["MessageId"], &message["Body"]),
        (&id, &json!("h\u{e9}"))
    );
    assert_eq!(message["MessageAttributes"]["a"]["StringValue"], "x");
    let given = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    let attributes = at(boto3, ("sqs", "get_queue_attributes"), given, "/Attributes").await;
    assert_eq!(attributes["ApproximateNumberOfMessagesNotVisible"], "1");
    let given = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
    let status = "/ResponseMetadata/HTTPStatusCode";
    assert_eq!(
        at(boto3, ("sqs", "delete_message"), given, status).await,
        200
    );
    let given = json!({"QueueName": "none"});
    check_refused(boto3, ("sqs", "get_queue_url"), given, "QueueDoesNotExist").await;
    url
}

async fn topics(boto3: &mut Boto3, results: &Json) {
    let arn = at(
        boto3,
        ("sns", "list_topics"),
        json!({}),
        "/Topics/0/TopicArn",
    )
    .await;
    let given = json!({"QueueUrl": results, "AttributeNames": ["QueueArn"]});
    let queue = at(
        boto3,
        ("sqs", "get_queue_attributes"),
        given,
        "/Attributes/QueueArn",
    )
    .await;
    let given = json!({"TopicArn": arn, "Protocol": "sqs", "Endpoint": queue});
    let subscription = at(boto3, ("sns", "subscribe"), given, "/SubscriptionArn").await;
    let given = json!({"TopicArn": arn});
    let all = at(
        boto3,
        ("sns", "list_subscriptions_by_topic"),
        given,
        "/Subscriptions",
    )
    .await;
    let protocols: Vec<&Json> = all.as_array().expect("a list").iter().collect();
    let protocols = protocols.iter().map(|one| one["Protocol"].as_str());
    assert_eq!(protocols.collect::<Vec<_>>(), [Some("lambda"), Some("sqs")]);

    let given = json!({
        "TopicArn": arn, "Message": REQUEST, "Subject": "s",
        "MessageAttributes": {"a": {"DataType": "String", "StringValue": "x"}},
    });
    let id = at(boto3, ("sns", "publish"), given, "/MessageId").await;
    let receive = json!({"QueueUrl": results});
    let body = until(
        boto3,
        ("sqs", "receive_message"),
        &receive,
        "/Messages/0/Body",
    )
    .await;
    let body: Json = serde_json::from_str(body.as_str().expect("is text")).expect("is JSON");
    for (name, value) in [
        ("Type", &json!("Notification")),
        ("MessageId", &id),
        ("TopicArn", &arn),
        ("Subject", &json!("s")),
        ("Message", &json!(REQUEST)),
        (
            "MessageAttributes",
            &json!({"a": {"Type": "String", "Value": "x"}}),
        ),
    ] {
        assert_eq!(&body[name], value, "{name}");
    }
    let given = json!({"SubscriptionArn": subscription});
    boto3.ask("sns", "unsubscribe", given).await;
    let given = json!({"TopicArn": arn, "PublishBatchRequestEntries": [
        {"Id": "good", "Message": REQUEST}, {"Id": "bad", "Message": ""},
    ]});
    let answer = boto3.ask("sns", "publish_batch", given).await;
    assert_eq!(answer["Successful"][0]["Id"], "good", "{answer}");
    assert_eq!(answer["Failed"][0]["Id"], "bad", "{answer}");
    let given = json!({"TopicArn": format!("{}x", arn.as_str().expect("is text")), "Message": "x"});
    check_refused(boto3, ("sns", "publish"), given, "NotFoundException").await;
}

async fn objects(boto3: &mut Boto3) {
    let key = "in/a b+c%&<d>.json";
    let given = json!({"Bucket": "uploads", "Key": key, "Body": REQUEST});
    let tag = at(boto3, ("s3", "put_object"), given, "/ETag").await;
    let given = json!({"Bucket": "uploads", "Key": key});
    let head = boto3.ask("s3", "head_object", given.clone()).await;
    assert_eq!(
        (&head["ETag"], &head["ContentLength"]),
        (&tag, &json!(REQUEST.len()))
    );
    assert_eq!(
        at(boto3, ("s3", "get_object"), given, "/Body").await,
        REQUEST
    );
    let given = json!({"Bucket": "uploads", "Key": key, "Range": "bytes=2-9"});
    assert_eq!(
        at(boto3, ("s3", "get_object"), given, "/Body").await,
        "features"
    );
    let given = json!({
        "Bucket": "uploads", "Key": "copy", "CopySource": {"Bucket": "uploads", "Key": key},
    });
    assert_eq!(
        at(
            boto3,
            ("s3", "copy_object"),
            given,
            "/CopyObjectResult/ETag"
        )
        .await,
        tag
    );
    for method in ["list_objects", "list_objects_v2"] {
        let given = json!({"Bucket": "uploads", "MaxKeys": 1});
        let first = boto3.ask("s3", method, given.clone()).await;
        assert_eq!(
            (&first["Contents"][0]["Key"], &first["IsTruncated"]),
            (&json!("copy"), &json!(true)),
            "{first}"
        );
        let mut given = given;
        match method {
            "list_objects" => given["Marker"] = json!("copy"),
            _ => given["ContinuationToken"] = first["NextContinuationToken"].clone(),
        }
        let second = boto3.ask("s3", method, given).await;
        assert_eq!(
            (&second["Contents"][0]["Key"], &second["IsTruncated"]),
            (&json!(key), &json!(false)),
            "{second}"
        );
        let given = json!({"Bucket": "uploads", "Delimiter": "/"});
        let folder = at(boto3, ("s3", method), given, "/CommonPrefixes/0/Prefix").await;
        assert_eq!(folder, "in/");
    }
    let given = json!({"Bucket": "predictions", "Key": key});
    let prediction = until(boto3, ("s3", "get_object"), &given, "/Body").await;
    assert!(
        prediction
            .as_str()
            .is_some_and(|text| text.contains("virginica")),
        "{prediction}"
    );
    let given =
        json!({"Bucket": "uploads", "Delete": {"Objects": [{"Key": key}, {"Key": "copy"}]}});
    let deleted = at(boto3, ("s3", "delete_objects"), given, "/Deleted").await;
    assert_eq!(deleted, json!([{"Key": key}, {"Key": "copy"}]));
    let given = json!({"Bucket": "uploads", "Key": key});
    check_refused(boto3, ("s3", "get_object"), given, "NoSuchKey").await;
    check_refused(
        boto3,
        ("s3", "list_objects_v2"),
        json!({"Bucket": "none"}),
        "NoSuchBucket",
    )
    .await;
}

async fn objects_in_parts(boto3: &mut Boto3) {
    let given = json!({"Bucket": "uploads", "Key": "large"});
    let upload = at(
        boto3,
        ("s3", "create_multipart_upload"),
        given.clone(),
        "/UploadId",
    )
    .await;
    let mut parts = Vec::new();
    // In any order.
    for (number, content) in [(2, "world"), (1, "hello ")] {
        let mut given = given.clone();
        given["UploadId"] = upload.clone();
        given["PartNumber"] = json!(number);
        given["Body"] = json!(content);
        let tag = at(boto3, ("s3", "upload_part"), given, "/ETag").await;
        parts.insert(0, json!({"PartNumber": number, "ETag": tag}));
    }
    let mut complete = given.clone();
    complete["UploadId"] = upload.clone();
    complete["MultipartUpload"] = json!({"Parts": parts});
    at(
        boto3,
        ("s3", "complete_multipart_upload"),
        complete.clone(),
        "/ETag",
    )
    .await;
    assert_eq!(
        at(boto3, ("s3", "get_object"), given.clone(), "/Body").await,
        "hello world"
    );
    let call = ("s3", "complete_multipart_upload");
    check_refused(boto3, call, complete, "NoSuchUpload").await;
    let mut abort = given.clone();
    abort["UploadId"] = at(boto3, ("s3", "create_multipart_upload"), given, "/UploadId").await;
    let status = "/ResponseMetadata/HTTPStatusCode";
    assert_eq!(
        at(boto3, ("s3", "abort_multipart_upload"), abort, status).await,
        204
    );
}

async fn streams(boto3: &mut Boto3, results: &Json) {
    let given = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": REQUEST});
    at(boto3, ("kinesis", "put_record"), given, "/SequenceNumber").await;
    let given = json!({"StreamName": "none", "PartitionKey": "k", "Data": "x"});
    check_refused(
        boto3,
        ("kinesis", "put_record"),
        given,
        "ResourceNotFoundException",
    )
    .await;
    let numbers: Vec<Json> = ["6.7", "3.0", "5.2", "2.3"]
        .map(|one| json!({"N": one}))
        .into();
    let given = json!({
        "TableName": "flowers",
        "Item": {"id": {"S": "a"}, "features": {"L": numbers}},
    });
    let status = "/ResponseMetadata/HTTPStatusCode";
    assert_eq!(
        at(boto3, ("dynamodb", "put_item"), given, status).await,
        200
    );
    let given = json!({"TableName": "none", "Item": {"id": {"S": "a"}}});
    check_refused(
        boto3,
        ("dynamodb", "put_item"),
        given,
        "ResourceNotFoundException",
    )
    .await;
    // A message for the queue of a function is predicted on, and the prediction is a message.
    let given = json!({"QueueName": "iris-dev-jobs"});
    let jobs = at(boto3, ("sqs", "get_queue_url"), given, "/QueueUrl").await;
    boto3
        .ask("sqs", "purge_queue", json!({"QueueUrl": results}))
        .await;
    let given = json!({"QueueUrl": jobs, "MessageBody": REQUEST});
    boto3.ask("sqs", "send_message", given).await;
    let receive = json!({"QueueUrl": results, "WaitTimeSeconds": 1});
    let prediction = until(
        boto3,
        ("sqs", "receive_message"),
        &receive,
        "/Messages/0/Body",
    )
    .await;
    assert!(
        prediction
            .as_str()
            .is_some_and(|text| text.contains("virginica")),
        "{prediction}"
    );
}
