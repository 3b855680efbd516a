//! What AWS refuses, limit by limit, at both edges.

mod asynchronous;

use expect_test::expect_file;
use mlfn_aws::Aws;
use mlfn_core::{
    Diagnostic, EnvironmentValue, Memory, Provider as _, ProviderName, Seconds, Service,
};
use mlfn_testkit::{
    contract, expect, expect_numbers, expect_regions, expect_tag, expect_trigger, expect_variable,
    listing, service, trigger,
};
use serde_json::{Value as Json, json};

const NOTHING: &[(&str, &str)] = &[];

#[track_caller]
fn check_trigger(kind: &str, given: Json, expected: &[(&'static str, &str)]) {
    expect_trigger(&Aws, kind, given, expected);
}

#[test]
fn the_contract_of_all_providers_is_kept() {
    contract::provider(&Aws);
}

#[test]
fn memory_is_128_mb_to_10_gb() {
    let refusal = ("memory-out-of-range", "models.classifier.memory");
    expect_numbers(
        &Aws,
        refusal,
        |s, number| s.functions[0].memory = Memory::mib(number),
        &[128, 129, 10_240],
        &[0, 127, 10_241],
    );
}

#[test]
fn a_run_takes_1_second_to_15_minutes() {
    let refusal = ("timeout-out-of-range", "models.classifier.timeout");
    expect_numbers(
        &Aws,
        refusal,
        |s, number| s.functions[0].timeout = Seconds::new(number),
        &[1, 900],
        &[0, 901],
    );
}

#[test]
fn ephemeral_storage_is_512_mb_to_10_gb() {
    let refusal = (
        "ephemeral-storage-out-of-range",
        "models.classifier.aws.ephemeral_storage",
    );
    expect_numbers(
        &Aws,
        refusal,
        |s, number| s.functions[0].aws.ephemeral_storage = Some(Memory::mib(number)),
        &[512, 10_240],
        &[511, 10_241],
    );
}

#[test]
fn both_architectures_are_offered() {
    expect(
        &Aws,
        |s| s.functions[0].architecture = mlfn_core::Architecture::Arm64,
        NOTHING,
    );
}

#[test]
fn the_longest_names_of_the_manifest_fit() {
    expect(
        &Aws,
        |s| {
            s.name = "s".repeat(24).parse().expect("a name");
            s.stage = "t".repeat(12).parse().expect("a name");
            s.functions[0].name = "f".repeat(25).parse().expect("a name");
        },
        NOTHING,
    );
}

#[test]
fn environment_names_are_those_of_lambda_and_not_its_own() {
    for good in ["MODE", "TZ", "AWS_PROFILE", "MLFN_LOG"] {
        expect_variable(&Aws, good, None);
    }
    for invalid in ["A", "_MODE", "MY-MODE"] {
        expect_variable(&Aws, invalid, Some("environment-name-invalid"));
    }
    for reserved in [
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_REGION",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_TASK_ROOT",
        "MLFN_ROOT",
    ] {
        expect_variable(&Aws, reserved, Some("environment-name-reserved"));
    }
}

#[test]
fn the_environment_is_4_kb_as_json() {
    let check = |length: usize, expected| {
        let value = EnvironmentValue::Plain("x".repeat(length));
        let environment = [("MODE".to_owned(), value)].into();
        expect(&Aws, |s| s.functions[0].environment = environment, expected);
    };
    let wrapping = r#"{"MODE":""}"#.len();
    check(4096 - wrapping, NOTHING);
    check(
        4097 - wrapping,
        &[("environment-too-large", "models.classifier.environment")],
    );
}

#[test]
fn logs_are_kept_for_days_that_cloudwatch_offers() {
    let refusal = (
        "log-retention-not-offered",
        "models.classifier.aws.log_retention_days",
    );
    expect_numbers(
        &Aws,
        refusal,
        |s, number| s.functions[0].aws.log_retention_days = Some(number),
        &[1, 3, 14, 3653],
        &[0, 2, 15, 3654],
    );
}

#[test]
fn no_more_is_provisioned_than_is_reserved() {
    let check = |reserved, provisioned, expected| {
        let change = |s: &mut Service| {
            s.functions[0].aws.reserved_concurrency = reserved;
            s.functions[0].aws.provisioned_concurrency = provisioned;
        };
        expect(&Aws, change, expected);
    };
    check(None, Some(5), NOTHING);
    check(Some(5), None, NOTHING);
    check(Some(5), Some(5), NOTHING);
    check(
        Some(4),
        Some(5),
        &[(
            "concurrency-mismatch",
            "models.classifier.aws.provisioned_concurrency",
        )],
    );
}

#[test]
fn a_region_looks_like_one_of_aws() {
    let regions = [
        "eu-west-1",
        "us-gov-west-1",
        "ap-southeast-7",
        "me-central-1",
        "cn-north-1",
    ];
    let others = [
        "europe-west1",
        "westeurope",
        "eu-west",
        "eu-west-0",
        "EU-WEST-1",
        "eu-west-11",
        "",
    ];
    expect_regions(&Aws, &regions, &others);
}

#[test]
fn tags_keep_the_rules_of_aws() {
    let (key, value) = (Some("tag-key-invalid"), Some("tag-value-invalid"));
    expect_tag(&Aws, "Cost Centre", "a@b.c", None);
    expect_tag(&Aws, "team", "research & co", value);
    expect_tag(&Aws, &"k".repeat(128), &"v".repeat(256), None);
    expect_tag(&Aws, &"k".repeat(129), "", key);
    expect_tag(&Aws, "team", &"v".repeat(257), value);
    expect_tag(&Aws, "aws:team", "x", key);
    expect_tag(&Aws, "AWS:team", "x", key);
    expect_tag(&Aws, "mlfn:service", "x", key);
    expect_tag(&Aws, "", "x", key);
}

#[test]
fn there_is_room_for_48_tags_beside_those_of_mlfn() {
    let tags = |count: usize| {
        (0..count)
            .map(|n| (format!("t{n}"), String::new()))
            .collect()
    };
    expect(&Aws, |s| s.tags = tags(48), NOTHING);
    expect(&Aws, |s| s.tags = tags(49), &[("too-many-tags", "tags")]);
}

#[test]
fn http_is_open_or_for_aws_identities_or_for_tokens() {
    check_trigger("http", json!({}), NOTHING);
    check_trigger("http", json!({"auth": "iam", "cors": ["*"]}), NOTHING);
    check_trigger(
        "http",
        json!({"auth": {"jwt": {"issuer": "https://a", "audience": ["b"]}}}),
        NOTHING,
    );
    check_trigger(
        "http",
        json!({"auth": "key"}),
        &[("auth-not-offered", "auth")],
    );
}

#[test]
fn requests_with_tokens_are_cut_off_after_30_seconds() {
    let check = |seconds, auth: Json, expected| {
        let change = |s: &mut Service| {
            s.functions[0].timeout = Seconds::new(seconds);
            s.functions[0].triggers = vec![trigger("http", json!({"auth": auth}))];
        };
        expect(&Aws, change, expected);
    };
    let jwt = || json!({"jwt": {"issuer": "https://a", "audience": ["b"]}});
    check(900, json!("none"), NOTHING);
    check(30, jwt(), NOTHING);
    check(
        31,
        jwt(),
        &[("http-timeout-capped", "models.classifier.timeout")],
    );
}

#[test]
fn schedules_are_whole_minutes_or_cron_with_one_restricted_day() {
    let refused = |key| ("schedule-not-expressible", key);
    check_trigger(
        "schedule",
        json!({"schedule": {"every": 59}}),
        &[refused("every")],
    );
    check_trigger("schedule", json!({"schedule": {"every": 60}}), NOTHING);
    check_trigger("schedule", json!({"schedule": {"every": 420}}), NOTHING);
    check_trigger(
        "schedule",
        json!({"schedule": {"every": 90}}),
        &[refused("every")],
    );
    let cron = |text: &str| json!({"schedule": {"cron": text}, "timezone": "Europe/Berlin"});
    check_trigger("schedule", cron("0 6 * * 1-5"), NOTHING);
    check_trigger("schedule", cron("0 6 13 * 5"), &[refused("cron")]);
    check_trigger("schedule", cron("0 6 * *"), &[refused("cron")]);
}

#[test]
fn queues_are_named_as_sqs_wants_it() {
    let name = |text: &str| json!({"name": text, "batch": 1});
    check_trigger("queue", name("Jobs_1"), NOTHING);
    check_trigger("queue", name("jobs.fifo"), NOTHING);
    // `iris-dev-` takes 9 of the 80 characters.
    check_trigger("queue", name(&"q".repeat(71)), NOTHING);
    check_trigger(
        "queue",
        name(&"q".repeat(72)),
        &[("queue-name-invalid", "name")],
    );
    check_trigger("queue", name("my.jobs"), &[("queue-name-invalid", "name")]);
    check_trigger(
        "queue",
        name("arn:aws:sqs:eu-west-1:123456789012:jobs"),
        NOTHING,
    );
    check_trigger(
        "queue",
        name("arn:aws:sns:eu-west-1:123456789012:jobs"),
        &[("reference-invalid", "name")],
    );
    check_trigger(
        "queue",
        name("arn:aws:sqs:eu-west-1"),
        &[("reference-invalid", "name")],
    );
    check_trigger(
        "queue",
        json!({"output": "a b"}),
        &[("queue-name-invalid", "output")],
    );
    check_trigger(
        "queue",
        json!({"output": "jobs"}),
        &[("endless-loop", "output")],
    );
}

#[test]
fn batches_over_10_messages_need_a_window() {
    let batch = |batch: u32, window: u32| json!({"batch": batch, "window": window});
    check_trigger("queue", batch(0, 0), &[("batch-out-of-range", "batch")]);
    check_trigger("queue", batch(1, 0), NOTHING);
    check_trigger("queue", batch(10, 0), NOTHING);
    check_trigger("queue", batch(11, 0), &[("batch-needs-window", "batch")]);
    check_trigger("queue", batch(11, 1), NOTHING);
    check_trigger("queue", batch(10_000, 300), NOTHING);
    check_trigger(
        "queue",
        batch(10_001, 300),
        &[("batch-out-of-range", "batch")],
    );
    check_trigger(
        "queue",
        batch(10, 301),
        &[("window-out-of-range", "window")],
    );
}

#[test]
fn fifo_queues_have_small_batches_and_no_window() {
    let fifo =
        |batch: u32, window: u32| json!({"name": "jobs.fifo", "batch": batch, "window": window});
    check_trigger("queue", fifo(10, 0), NOTHING);
    check_trigger("queue", fifo(11, 0), &[("batch-out-of-range", "batch")]);
    check_trigger("queue", fifo(10, 1), &[("window-not-offered", "window")]);
}

#[test]
fn a_message_is_tried_1_to_1000_times() {
    let tries = |tries: u32| json!({"max_tries": tries});
    check_trigger(
        "queue",
        tries(0),
        &[("max-tries-out-of-range", "max_tries")],
    );
    check_trigger("queue", tries(1), NOTHING);
    check_trigger("queue", tries(1000), NOTHING);
    check_trigger(
        "queue",
        tries(1001),
        &[("max-tries-out-of-range", "max_tries")],
    );
}

#[test]
fn topics_are_named_as_sns_wants_it() {
    let name = |text: &str| json!({"name": text});
    check_trigger("topic", name("News_1"), NOTHING);
    check_trigger("topic", name(&"t".repeat(247)), NOTHING);
    check_trigger(
        "topic",
        name(&"t".repeat(248)),
        &[("topic-name-invalid", "name")],
    );
    check_trigger(
        "topic",
        name("news.fifo"),
        &[("topic-name-invalid", "name")],
    );
    check_trigger(
        "topic",
        name("arn:aws:sns:eu-west-1:123456789012:news"),
        NOTHING,
    );
    check_trigger(
        "topic",
        name("arn:aws:sqs:eu-west-1:123456789012:news"),
        &[("reference-invalid", "name")],
    );
}

#[test]
fn buckets_are_named_as_s3_wants_it() {
    for good in ["abc", "my.bucket-1", "1-a", &"b".repeat(63)] {
        check_trigger("storage", json!({"bucket": good}), NOTHING);
    }
    for bad in [
        "ab",
        &"b".repeat(64),
        "My-bucket",
        "my_bucket",
        "-abc",
        "abc-",
        "a..b",
        "192.168.5.4",
        "xn--abc",
        "sthree-abc",
        "amzn-s3-demo-abc",
        "abc-s3alias",
        "abc--ol-s3",
        "abc.mrap",
        "abc--x-s3",
        "abc--table-s3",
    ] {
        check_trigger(
            "storage",
            json!({"bucket": bad}),
            &[("bucket-name-invalid", "bucket")],
        );
    }
    check_trigger(
        "storage",
        json!({"output_bucket": "A"}),
        &[("bucket-name-invalid", "output.bucket")],
    );
    expect(
        &Aws,
        |s| s.functions[0].aws.deployment_bucket = Some("A".to_owned()),
        &[(
            "bucket-name-invalid",
            "models.classifier.aws.deployment_bucket",
        )],
    );
}

#[test]
fn answers_do_not_start_the_function_again() {
    let loops = &[("endless-loop", "output")];
    check_trigger("storage", json!({"output_bucket": "uploads"}), loops);
    check_trigger(
        "storage",
        json!({"output_bucket": "uploads", "output_prefix": "out/"}),
        loops,
    );
    let apart = json!({"prefix": "in/", "output_bucket": "uploads", "output_prefix": "out/"});
    check_trigger("storage", apart, NOTHING);
}

#[test]
fn two_triggers_of_a_bucket_do_not_match_the_same_object() {
    let check = |one: Json, other: Json, expected| {
        let change = |s: &mut Service| {
            s.functions[0].triggers = vec![trigger("storage", one), trigger("storage", other)];
        };
        expect(&Aws, change, expected);
    };
    let overlap = &[(
        "storage-filters-overlap",
        "models.classifier.triggers[1].storage",
    )];
    check(json!({}), json!({}), overlap);
    check(
        json!({"prefix": "in/"}),
        json!({"suffix": ".json"}),
        overlap,
    );
    check(
        json!({"prefix": "in/"}),
        json!({"prefix": "in/a/"}),
        overlap,
    );
    check(json!({"prefix": "a/"}), json!({"prefix": "b/"}), NOTHING);
    check(
        json!({"suffix": ".json"}),
        json!({"suffix": ".csv"}),
        NOTHING,
    );
    check(json!({}), json!({"bucket": "others"}), NOTHING);
}

#[test]
fn streams_are_those_of_kinesis_and_dynamodb() {
    let source = |kind: &str, name: &str| json!({"source": {kind: name}});
    check_trigger("stream", source("kinesis", "clicks.1"), NOTHING);
    check_trigger("stream", source("kinesis", &"s".repeat(128)), NOTHING);
    check_trigger(
        "stream",
        source("kinesis", &"s".repeat(129)),
        &[("stream-name-invalid", "kinesis")],
    );
    check_trigger(
        "stream",
        source("kinesis", "arn:aws:kinesis:eu-west-1:123456789012:stream/a"),
        NOTHING,
    );
    check_trigger("stream", source("dynamodb", "abc"), NOTHING);
    check_trigger(
        "stream",
        source("dynamodb", "ab"),
        &[("stream-name-invalid", "dynamodb")],
    );
    check_trigger(
        "stream",
        source("dynamodb", "arn:aws:kinesis:a:b:c"),
        &[("reference-invalid", "dynamodb")],
    );
    check_trigger(
        "stream",
        source("eventhub", "clicks"),
        &[("stream-not-offered", "eventhub")],
    );
}

#[test]
fn stream_batches_are_1_to_10000_records_within_300_seconds() {
    let batch = |batch: u32, window: u32| json!({"batch": batch, "window": window});
    check_trigger("stream", batch(0, 0), &[("batch-out-of-range", "batch")]);
    check_trigger("stream", batch(1, 0), NOTHING);
    check_trigger("stream", batch(10_000, 300), NOTHING);
    check_trigger(
        "stream",
        batch(10_001, 0),
        &[("batch-out-of-range", "batch")],
    );
    check_trigger(
        "stream",
        batch(1, 301),
        &[("window-out-of-range", "window")],
    );
}

/// The words, once for each kind of problem.
#[test]
fn every_refusal_says_what_why_and_how_to_mend_it() {
    let change = |s: &mut Service| {
        s.region = Some("europe-west1".to_owned());
        s.tags = [("aws:x".to_owned(), String::new())].into();
        let function = &mut s.functions[0];
        function.memory = Memory::mib(64);
        function.timeout = Seconds::new(1000);
        let huge = EnvironmentValue::Plain("x".repeat(5000));
        function.environment = [
            ("AWS_REGION".to_owned(), huge.clone()),
            ("a-b".to_owned(), huge),
        ]
        .into();
        function.aws.ephemeral_storage = Some(Memory::mib(20_480));
        function.aws.reserved_concurrency = Some(1);
        function.aws.provisioned_concurrency = Some(2);
        function.aws.log_retention_days = Some(10);
        function.triggers = vec![
            trigger("http", json!({"auth": "key"})),
            trigger(
                "http",
                json!({"auth": {"jwt": {"issuer": "i", "audience": []}}}),
            ),
            trigger("schedule", json!({"schedule": {"every": 30}})),
            trigger("schedule", json!({"schedule": {"cron": "0 0 13 * 5"}})),
            trigger(
                "queue",
                json!({"name": "My Jobs", "batch": 11, "output": "My Jobs"}),
            ),
            trigger("queue", json!({"name": "a.fifo", "batch": 1, "window": 5})),
            trigger("topic", json!({"name": "arn:aws:sqs:r:a:n"})),
            trigger("storage", json!({"output_bucket": "uploads"})),
            trigger("stream", json!({"source": {"eventhub": "h"}})),
        ];
    };
    let found: Vec<Diagnostic> = Aws.check(&service(ProviderName::Aws, change));
    contract::diagnostics(&found);
    let expected = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/refusals.txt");
    expect_file![expected].assert_eq(&listing(&found));
}
