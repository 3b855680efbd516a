//! The life of each kind.

use expect_test::{ExpectFile, expect_file};
use mlfn_aws::kinds;
use mlfn_core::{Failure, KindSpec};
use serde_json::{Value as Json, json};

use crate::account::{Account, told};

const ALIAS: &str = "arn:aws:lambda:us-east-1:000000000000:function:iris-dev-classifier:live";

/// A thing that becomes one form after the other.
struct Life<'a> {
    kind: KindSpec,
    name: &'a str,
    forms: &'a [Json],
    /// What boto3 is asked for, and by which name.
    seen: (&'a str, &'a str),
    expected: ExpectFile,
}

impl Life<'_> {
    async fn run(&self) {
        let aws = Account::dev().await;
        let [first, others @ ..] = self.forms else {
            panic!("a life has a first form")
        };
        let mut there = aws.made(self.kind, self.name, first).await;
        let mut seen = vec![self.told()];
        aws.is_taken(self.kind, self.name, first).await;
        for form in others {
            there = aws.becomes(self.kind, &there, form).await;
            seen.push(self.told());
        }
        aws.gone(self.kind, &there).await;
        self.expected.assert_eq(&seen.join("\n"));
    }

    fn told(&self) -> String {
        let (what, name) = self.seen;
        told(what, name)
    }
}

#[tokio::test]
async fn a_queue() {
    let life = Life {
        kind: kinds::QUEUE,
        name: "iris-dev-jobs",
        forms: &[
            json!({
                "dead_letter_queue": "arn:aws:sqs:us-east-1:000000000000:of-others",
                "max_receive_count": 5,
                "message_retention": 345_600,
                "tags": {"team": "research"},
                "visibility_timeout": 180,
            }),
            json!({
                "dead_letter_queue": "arn:aws:sqs:us-east-1:000000000000:of-others",
                "max_receive_count": 3,
                "message_retention": 60,
                "tags": {"cost": "1"},
                "visibility_timeout": 30,
            }),
            json!({"message_retention": 60, "visibility_timeout": 30}),
        ],
        seen: ("queue", "iris-dev-jobs"),
        expected: expect_file!["expected/queue.txt"],
    };
    life.run().await;
}

#[tokio::test]
async fn a_fifo_queue() {
    let life = Life {
        kind: kinds::QUEUE,
        name: "iris-dev-jobs.fifo",
        forms: &[json!({
            "content_based_deduplication": true,
            "fifo": true,
            "message_retention": 345_600,
            "visibility_timeout": 30,
        })],
        seen: ("queue", "iris-dev-jobs.fifo"),
        expected: expect_file!["expected/queue-fifo.txt"],
    };
    life.run().await;
}

#[tokio::test]
async fn what_reads_a_queue() {
    let queue = "arn:aws:sqs:us-east-1:000000000000:of-others";
    let life = Life {
        kind: kinds::EVENT_SOURCE_MAPPING,
        name: "iris-dev-classifier:live/sqs/of-others",
        forms: &[
            json!({
                "batch_size": 10, "function": ALIAS, "report_batch_item_failures": true,
                "source": queue, "tags": {"team": "research"}, "window": 0,
            }),
            json!({
                "batch_size": 100, "function": ALIAS, "report_batch_item_failures": true,
                "source": queue, "tags": {"cost": "1"}, "window": 5,
            }),
        ],
        seen: (
            "event_source_mapping",
            "iris-dev-classifier:live/sqs/of-others",
        ),
        expected: expect_file!["expected/mapping-queue.txt"],
    };
    life.run().await;
}

#[tokio::test]
async fn what_reads_a_kinesis_stream() {
    let common = json!({
        "function": ALIAS, "report_batch_item_failures": true, "starting_position": "TRIM_HORIZON",
        "source": "arn:aws:kinesis:us-east-1:000000000000:stream/clicks",
    });
    let life = Life {
        kind: kinds::EVENT_SOURCE_MAPPING,
        name: "iris-dev-classifier:live/kinesis/clicks",
        forms: &[
            with(
                &common,
                json!({
                    "batch_size": 100, "bisect_on_error": true, "max_retries": 4, "window": 2,
                    "on_failure": "arn:aws:sqs:us-east-1:000000000000:of-others",
                }),
            ),
            with(&common, json!({"batch_size": 50, "window": 0})),
        ],
        seen: (
            "event_source_mapping",
            "iris-dev-classifier:live/kinesis/clicks",
        ),
        expected: expect_file!["expected/mapping-kinesis.txt"],
    };
    life.run().await;
}

#[tokio::test]
async fn what_reads_the_stream_of_a_table() {
    let aws = Account::dev().await;
    let stream = aws.read(kinds::DYNAMODB_STREAM, "orders").await;
    let stream = stream.expect("is there").outputs["arn"].clone();
    let life = Life {
        kind: kinds::EVENT_SOURCE_MAPPING,
        name: "iris-dev-classifier:live/dynamodb/orders",
        forms: &[json!({
            "batch_size": 100, "bisect_on_error": true, "function": ALIAS, "max_retries": 4,
            "on_failure": "arn:aws:sqs:us-east-1:000000000000:of-others",
            "report_batch_item_failures": true, "source": stream, "starting_position": "LATEST",
            "window": 0,
        })],
        seen: (
            "event_source_mapping",
            "iris-dev-classifier:live/dynamodb/orders",
        ),
        expected: expect_file!["expected/mapping-dynamodb.txt"],
    };
    life.run().await;
}

#[tokio::test]
async fn a_topic() {
    let life = Life {
        kind: kinds::TOPIC,
        name: "iris-dev-alerts",
        forms: &[
            json!({"tags": {"team": "research"}}),
            json!({"tags": {"cost": "1"}}),
            json!({}),
        ],
        seen: ("topic", "iris-dev-alerts"),
        expected: expect_file!["expected/topic.txt"],
    };
    life.run().await;
}

#[tokio::test]
async fn a_subscription() {
    let aws = Account::dev().await;
    let topic = aws.made(kinds::TOPIC, "iris-dev-news", &json!({})).await;
    let name = "iris-dev-news/iris-dev-classifier:live";
    let fields = json!({"function": ALIAS, "topic": topic.outputs["arn"]});
    let there = aws.made(kinds::SUBSCRIPTION, name, &fields).await;
    let again = aws.create(kinds::SUBSCRIPTION, name, &fields).await;
    let again = again.expect("subscribing twice is one subscription");
    assert_eq!(again.remote_id, there.remote_id);
    expect_file!["expected/subscription.txt"].assert_eq(&told("topic", "iris-dev-news"));
    aws.gone(kinds::SUBSCRIPTION, &there).await;
    aws.gone(kinds::TOPIC, &topic).await;
}

#[tokio::test]
async fn a_schedule_group() {
    let life = Life {
        kind: kinds::SCHEDULE_GROUP,
        name: "iris-dev-alone",
        forms: &[
            json!({"tags": {"team": "research"}}),
            json!({"tags": {"cost": "1"}}),
            json!({}),
        ],
        seen: ("schedule_group", "iris-dev-alone"),
        expected: expect_file!["expected/schedule-group.txt"],
    };
    life.run().await;
}

#[tokio::test]
async fn a_schedule() {
    let aws = Account::dev().await;
    let group = aws
        .made(kinds::SCHEDULE_GROUP, "iris-dev", &json!({}))
        .await;
    let form = |expression: &str, timezone: &str| {
        json!({
            "expression": expression, "function": ALIAS, "input": "{\"features\":[1]}",
            "role": "arn:aws:iam::000000000000:role/any", "timezone": timezone,
        })
    };
    let life = Life {
        kind: kinds::SCHEDULE,
        name: "iris-dev/classifier-1",
        forms: &[
            form("cron(0 6 ? * 2-6 *)", "Europe/Berlin"),
            form("rate(5 minutes)", "UTC"),
        ],
        seen: ("schedule", "iris-dev/classifier-1"),
        expected: expect_file!["expected/schedule.txt"],
    };
    life.run().await;
    aws.gone(kinds::SCHEDULE_GROUP, &group).await;
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_made_and_removed() {
    let aws = Account::dev().await;
    let there = aws.made(kinds::BUCKET, "predictions", &json!({})).await;
    expect_file!["expected/bucket.txt"].assert_eq(&told("bucket", "predictions"));
    aws.gone(kinds::BUCKET, &there).await;
}

#[tokio::test]
async fn what_exists_is_looked_up() {
    let aws = Account::dev().await;
    let found = [
        (kinds::KINESIS_STREAM, "clicks"),
        (kinds::DYNAMODB_STREAM, "orders"),
        (
            kinds::DYNAMODB_STREAM,
            "arn:aws:dynamodb:us-east-1:000000000000:table/orders",
        ),
        (kinds::PARAMETER, "/iris/token"),
        (kinds::SECRET, "token"),
    ];
    for (kind, name) in found {
        let there = aws.read(kind, name).await.expect("is there");
        let arn = there.outputs["arn"].as_str().expect("an ARN");
        assert!(
            arn.contains(name.rsplit([':', '/']).next().expect("a name")),
            "{arn}"
        );
        let recorded = crate::account::recorded(kind, name, there.clone());
        aws.delete(&recorded).await.expect("does nothing");
        assert_eq!(aws.read(kind, name).await, Some(there), "it stays");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_made() {
    let aws = Account::dev().await;
    let missing = [
        (
            kinds::KINESIS_STREAM,
            "nothing",
            "there is no Kinesis stream `nothing`",
        ),
        (kinds::DYNAMODB_STREAM, "nothing", "named `nothing`"),
        (
            kinds::DYNAMODB_STREAM,
            "silent",
            "a stream that is on, named `silent`",
        ),
        (
            kinds::PARAMETER,
            "/nothing",
            "there is no parameter `/nothing`",
        ),
        (
            kinds::SECRET,
            "nothing",
            "there is no secret in Secrets Manager `nothing`",
        ),
    ];
    for (kind, name, expected) in missing {
        assert_eq!(aws.read(kind, name).await, None);
        let refused = aws.create(kind, name, &json!({})).await;
        let Failure::Rejected { why } = refused.expect_err("cannot be made").failure else {
            panic!("{name} is refused otherwise")
        };
        assert!(why.contains(expected), "{why}");
    }
}

fn with(common: &Json, more: Json) -> Json {
    let mut all = common.clone();
    let (Json::Object(all_fields), Json::Object(more)) = (&mut all, more) else {
        panic!("objects")
    };
    all_fields.extend(more);
    mlfn_core::sorted(all)
}
