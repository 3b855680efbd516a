//! The settings of asynchronous requests.

use mlfn_aws::Aws;
use mlfn_core::{AsyncSettings, Destination, Seconds, Service};
use mlfn_testkit::{expect, trigger};
use serde_json::json;

use crate::NOTHING;

#[track_caller]
fn check_async(settings: AsyncSettings, expected: &[(&'static str, &str)]) {
    let change = |s: &mut Service| s.functions[0].asynchronous = Some(settings);
    let root = "models.classifier.async.";
    let paths: Vec<String> = expected
        .iter()
        .map(|(_, at)| format!("{root}{at}"))
        .collect();
    let expected = expected.iter().zip(&paths);
    let expected: Vec<(&str, &str)> = expected
        .map(|((code, _), path)| (*code, path.as_str()))
        .collect();
    expect(&Aws, change, &expected);
}

#[test]
fn an_asynchronous_request_is_tried_1_to_3_times_within_a_minute_to_6_hours() {
    let tries = |tries| AsyncSettings {
        max_tries: Some(tries),
        ..AsyncSettings::default()
    };
    let age = |seconds| AsyncSettings {
        max_age: Some(Seconds::new(seconds)),
        ..AsyncSettings::default()
    };
    check_async(AsyncSettings::default(), NOTHING);
    for (number, expected) in [(0, false), (1, true), (3, true), (4, false)] {
        let refusal = [("max-tries-out-of-range", "max_tries")];
        check_async(tries(number), if expected { NOTHING } else { &refusal });
    }
    for (seconds, expected) in [(59, false), (60, true), (21_600, true), (21_601, false)] {
        let refusal = [("max-age-out-of-range", "max_age")];
        check_async(age(seconds), if expected { NOTHING } else { &refusal });
    }
}

#[test]
fn what_became_of_a_request_is_told_to_queues_and_topics_that_are_not_fifo() {
    let queue = |name: &str| AsyncSettings {
        on_success: Some(Destination::Queue(name.to_owned())),
        ..AsyncSettings::default()
    };
    let topic = |name: &str| AsyncSettings {
        on_failure: Some(Destination::Topic(name.to_owned())),
        ..AsyncSettings::default()
    };
    let arn =
        |service: &str, name: &str| format!("arn:aws:{service}:eu-west-1:123456789012:{name}");
    check_async(queue("done"), NOTHING);
    check_async(queue(&arn("sqs", "done")), NOTHING);
    check_async(topic(&arn("sns", "alerts")), NOTHING);
    let (at_queue, at_topic) = ("on_success.queue", "on_failure.topic");
    check_async(queue("a b"), &[("queue-name-invalid", at_queue)]);
    check_async(queue("done.fifo"), &[("fifo-not-offered", at_queue)]);
    check_async(
        queue(&arn("sqs", "done.fifo")),
        &[("fifo-not-offered", at_queue)],
    );
    check_async(
        queue(&arn("sns", "done")),
        &[("reference-invalid", at_queue)],
    );
    check_async(topic("a.b"), &[("topic-name-invalid", at_topic)]);
    check_async(topic("alerts.fifo"), &[("fifo-not-offered", at_topic)]);
    check_async(
        topic(&arn("sqs", "alerts")),
        &[("reference-invalid", at_topic)],
    );
}

#[test]
fn failures_do_not_go_to_the_topic_that_the_requests_come_from() {
    let check = |settings: AsyncSettings, expected: &[(&str, &str)]| {
        let change = |s: &mut Service| {
            s.functions[0].triggers = vec![trigger("topic", json!({"name": "news"}))];
            s.functions[0].asynchronous = Some(settings);
        };
        expect(&Aws, change, expected);
    };
    let news = || Some(Destination::Topic("news".to_owned()));
    let failure = AsyncSettings {
        on_failure: news(),
        ..AsyncSettings::default()
    };
    let success = AsyncSettings {
        on_success: news(),
        ..AsyncSettings::default()
    };
    let other = AsyncSettings {
        on_failure: Some(Destination::Queue("news".to_owned())),
        ..AsyncSettings::default()
    };
    let at = |key| ("endless-loop", key);
    check(failure, &[at("models.classifier.async.on_failure.topic")]);
    check(success, &[at("models.classifier.async.on_success.topic")]);
    check(other, NOTHING);
}
