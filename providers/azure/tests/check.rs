//! What Azure refuses, limit by limit, at both edges.

use expect_test::expect_file;
use mlfn_azure::Azure;
use mlfn_core::{
    Architecture, Diagnostic, EnvironmentValue, Memory, Provider as _, ProviderName, Seconds,
    Service,
};
use mlfn_testkit::{
    contract, expect, expect_numbers, expect_regions, expect_tag, expect_trigger, expect_variable,
    listing, service, trigger,
};
use serde_json::{Value as Json, json};

const NOTHING: &[(&str, &str)] = &[];

#[track_caller]
fn check_trigger(kind: &str, given: Json, expected: &[(&'static str, &str)]) {
    expect_trigger(&Azure, kind, given, expected);
}

#[track_caller]
fn check_triggers(triggers: Vec<(&str, Json)>, expected: &[(&str, &str)]) {
    let triggers = triggers
        .into_iter()
        .map(|(kind, given)| trigger(kind, given));
    expect(
        &Azure,
        |s| s.functions[0].triggers = triggers.collect(),
        expected,
    );
}

#[test]
fn the_contract_of_all_providers_is_kept() {
    contract::provider(&Azure);
}

#[test]
fn memory_is_one_of_three_sizes() {
    let refusal = ("memory-not-offered", "models.classifier.memory");
    expect_numbers(
        &Azure,
        refusal,
        |s, number| s.functions[0].memory = Memory::mib(number),
        &[512, 2048, 4096],
        &[0, 511, 513, 2047, 2049, 4095, 4097],
    );
}

#[test]
fn a_run_takes_as_long_as_it_likes_unless_somebody_waits_for_it() {
    let check = |seconds, kind: &str, expected| {
        let change = |s: &mut Service| {
            s.functions[0].timeout = Seconds::new(seconds);
            s.functions[0].triggers = vec![trigger(kind, json!({}))];
        };
        expect(&Azure, change, expected);
    };
    check(
        0,
        "topic",
        &[("timeout-out-of-range", "models.classifier.timeout")],
    );
    check(
        0,
        "http",
        &[("timeout-out-of-range", "models.classifier.timeout")],
    );
    check(1, "topic", NOTHING);
    check(1_000_000, "topic", NOTHING);
    check(230, "http", NOTHING);
    check(
        231,
        "http",
        &[("http-timeout-capped", "models.classifier.timeout")],
    );
}

#[test]
fn asynchronous_requests_have_no_settings() {
    expect(
        &Azure,
        |s| s.functions[0].asynchronous = Some(mlfn_core::AsyncSettings::default()),
        &[("async-not-offered", "models.classifier.async")],
    );
}

#[test]
fn only_x86_is_offered() {
    expect(
        &Azure,
        |s| s.functions[0].architecture = Architecture::Arm64,
        &[("architecture-not-offered", "models.classifier.architecture")],
    );
}

#[test]
fn the_name_of_the_app_has_60_characters() {
    let check = |function: usize, expected| {
        let change = |s: &mut Service| {
            s.name = "s".repeat(24).parse().expect("a name");
            s.stage = "t".repeat(12).parse().expect("a name");
            s.functions[0].name = "f".repeat(function).parse().expect("a name");
        };
        expect(&Azure, change, expected);
    };
    check(22, NOTHING);
    let longer = format!("models.{}", "f".repeat(23));
    check(23, &[("function-name-too-long", &longer)]);
}

#[test]
fn the_subscription_to_a_topic_has_50_characters() {
    let check = |function: usize, expected| {
        let change = |s: &mut Service| {
            s.name = "s".repeat(24).parse().expect("a name");
            s.functions[0].name = "f".repeat(function).parse().expect("a name");
            s.functions[0].triggers = vec![trigger("topic", json!({}))];
        };
        expect(&Azure, change, expected);
    };
    check(21, NOTHING);
    let longer = format!("models.{}", "f".repeat(22));
    check(22, &[("function-name-too-long", &longer)]);
}

#[test]
fn a_region_looks_like_one_of_azure() {
    let regions = ["westeurope", "eastus2", "uksouth", "germanywestcentral"];
    let others = [
        "West Europe",
        "eu-west-1",
        "europe-west1",
        "eastus22",
        "2",
        "",
    ];
    expect_regions(&Azure, &regions, &others);
}

#[test]
fn app_settings_have_plain_names_that_are_not_the_hosts() {
    for good in ["MODE", "_MODE", "mode2", "MLFN_LOG", "PORT"] {
        expect_variable(&Azure, good, None);
    }
    for invalid in ["2MODE", "MY-MODE", "MY.MODE", "MY MODE", ""] {
        expect_variable(&Azure, invalid, Some("environment-name-invalid"));
    }
    for reserved in [
        "AzureWebJobsStorage",
        "FUNCTIONS_WORKER_RUNTIME",
        "WEBSITE_TIME_ZONE",
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "MLFN_ROOT",
    ] {
        expect_variable(&Azure, reserved, Some("environment-name-reserved"));
    }
}

#[test]
fn app_settings_do_not_differ_in_capitals_only() {
    let value = || EnvironmentValue::Plain("x".to_owned());
    expect(
        &Azure,
        |s| {
            let environment = [("MODE".to_owned(), value()), ("Mode".to_owned(), value())];
            s.functions[0].environment = environment.into();
        },
        &[(
            "environment-names-alike",
            "models.classifier.environment.Mode",
        )],
    );
}

#[test]
fn tags_keep_the_rules_of_azure() {
    let (key, value) = (Some("tag-key-invalid"), Some("tag-value-invalid"));
    expect_tag(&Azure, "Cost Centre", "a <b>", None);
    expect_tag(&Azure, &"k".repeat(128), &"v".repeat(256), None);
    expect_tag(&Azure, &"k".repeat(129), "", key);
    expect_tag(&Azure, "team", &"v".repeat(257), value);
    expect_tag(&Azure, "team", "a\nb", value);
    for bad in [
        "a/b",
        "a?",
        "a%",
        "a&b",
        "a<",
        "a>",
        "a\\b",
        "Microsoft.team",
        "azure-team",
        "windows",
        "",
    ] {
        expect_tag(&Azure, bad, "x", key);
    }
}

#[test]
fn http_is_open_or_for_keys_or_for_tokens() {
    let jwt = json!({"auth": {"jwt": {"issuer": "https://a", "audience": ["b"]}}});
    check_trigger("http", json!({}), NOTHING);
    check_trigger("http", json!({"auth": "key"}), NOTHING);
    check_trigger("http", jwt.clone(), NOTHING);
    check_trigger(
        "http",
        json!({"auth": "iam"}),
        &[("auth-not-offered", "auth")],
    );
    let differ = &[("app-settings-differ", "models.classifier.triggers[1].http")];
    check_triggers(
        vec![("http", json!({})), ("http", json!({"auth": "key"}))],
        NOTHING,
    );
    check_triggers(vec![("http", jwt.clone()), ("http", jwt.clone())], NOTHING);
    check_triggers(vec![("http", jwt), ("http", json!({}))], differ);
}

#[test]
fn schedules_are_ncrontab_in_utc() {
    let refused = |key| ("schedule-not-expressible", key);
    check_trigger("schedule", json!({"schedule": {"every": 30}}), NOTHING);
    check_trigger(
        "schedule",
        json!({"schedule": {"every": 420}}),
        &[refused("every")],
    );
    check_trigger(
        "schedule",
        json!({"schedule": {"every": 5400}}),
        &[refused("every")],
    );
    let cron = |text: &str, zone: Json| json!({"schedule": {"cron": text}, "timezone": zone});
    check_trigger("schedule", cron("0 6 * * 1-5", json!("UTC")), NOTHING);
    check_trigger(
        "schedule",
        cron("0 6 * * 1-5", json!("Europe/Berlin")),
        &[("timezone-not-offered", "timezone")],
    );
    check_trigger(
        "schedule",
        cron("0 6 13 * 5", Json::Null),
        &[refused("cron")],
    );
    check_trigger("schedule", cron("x", Json::Null), &[refused("cron")]);
}

const ACCOUNT: &str =
    "/subscriptions/1/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/a";

#[test]
fn queues_are_named_as_storage_queues() {
    let name = |text: &str| json!({"name": text});
    check_trigger("queue", name("jobs-1"), NOTHING);
    // `iris-dev-` takes 9 of the 63 characters.
    check_trigger("queue", name(&"q".repeat(54)), NOTHING);
    for bad in [
        &"q".repeat(55),
        "Jobs",
        "my_jobs",
        "a--b",
        "jobs-",
        "-jobs",
        "",
    ] {
        check_trigger("queue", name(bad), &[("queue-name-invalid", "name")]);
    }
    check_trigger(
        "queue",
        json!({"output": "Results"}),
        &[("queue-name-invalid", "output")],
    );
    check_trigger(
        "queue",
        json!({"output": "jobs"}),
        &[("endless-loop", "output")],
    );
    check_trigger(
        "queue",
        name(&format!("{ACCOUNT}/queueServices/default/queues/jobs")),
        NOTHING,
    );
    check_trigger("queue", name(ACCOUNT), &[("reference-invalid", "name")]);
}

#[test]
fn a_queue_hands_out_32_messages_at_once_and_does_not_wait() {
    check_trigger(
        "queue",
        json!({"batch": 0}),
        &[("batch-out-of-range", "batch")],
    );
    check_trigger("queue", json!({"batch": 1}), NOTHING);
    check_trigger("queue", json!({"batch": 32}), NOTHING);
    check_trigger(
        "queue",
        json!({"batch": 33}),
        &[("batch-out-of-range", "batch")],
    );
    check_trigger(
        "queue",
        json!({"max_tries": 0}),
        &[("max-tries-out-of-range", "max_tries")],
    );
    check_trigger("queue", json!({"max_tries": 1}), NOTHING);
    check_trigger(
        "queue",
        json!({"window": 5}),
        &[("window-ignored", "window")],
    );
}

#[test]
fn all_queues_of_a_function_have_the_same_settings() {
    let queue = |name: &str, batch: u32| ("queue", json!({"name": name, "batch": batch}));
    check_triggers(vec![queue("one", 10), queue("two", 10)], NOTHING);
    check_triggers(
        vec![queue("one", 10), queue("two", 10), queue("three", 11)],
        &[("app-settings-differ", "models.classifier.triggers[2].queue")],
    );
}

#[test]
fn topics_are_named_as_service_bus_wants_it() {
    let name = |text: &str| json!({"name": text});
    check_trigger("topic", name("News/2026"), NOTHING);
    check_trigger("topic", name(&"t".repeat(251)), NOTHING);
    check_trigger(
        "topic",
        name(&"t".repeat(252)),
        &[("topic-name-invalid", "name")],
    );
    check_trigger("topic", name("news-"), &[("topic-name-invalid", "name")]);
    check_trigger("topic", name("my news"), &[("topic-name-invalid", "name")]);
    let namespace = "/subscriptions/1/resourceGroups/r/providers/Microsoft.ServiceBus/namespaces/n";
    check_trigger("topic", name(&format!("{namespace}/topics/news")), NOTHING);
    check_trigger(
        "topic",
        name(&format!("{namespace}/queues/news")),
        &[("reference-invalid", "name")],
    );
}

#[test]
fn containers_are_named_as_blob_storage_wants_it() {
    for good in ["abc", "a-1", &"b".repeat(63)] {
        check_trigger("storage", json!({"bucket": good}), NOTHING);
    }
    for bad in [
        "ab",
        &"b".repeat(64),
        "Uploads",
        "my_uploads",
        "my.uploads",
        "a--b",
        "-ab",
        "ab-",
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
}

#[test]
fn answers_do_not_start_the_function_again() {
    check_trigger(
        "storage",
        json!({"output_bucket": "uploads"}),
        &[("endless-loop", "output")],
    );
    let apart = json!({"prefix": "in/", "output_bucket": "uploads", "output_prefix": "out/"});
    check_trigger("storage", apart, NOTHING);
}

#[test]
fn streams_are_event_hubs() {
    let source = |kind: &str, name: &str| json!({"source": {kind: name}});
    check_trigger("stream", source("eventhub", "clicks_1"), NOTHING);
    check_trigger("stream", source("eventhub", &"h".repeat(256)), NOTHING);
    check_trigger(
        "stream",
        source("eventhub", &"h".repeat(257)),
        &[("stream-name-invalid", "eventhub")],
    );
    check_trigger(
        "stream",
        source("eventhub", ".clicks"),
        &[("stream-name-invalid", "eventhub")],
    );
    check_trigger(
        "stream",
        source("eventhub", "/subscriptions/1/eventhubs/h"),
        NOTHING,
    );
    check_trigger(
        "stream",
        source("eventhub", "/subscriptions/1/h"),
        &[("reference-invalid", "eventhub")],
    );
    check_trigger(
        "stream",
        source("kinesis", "clicks"),
        &[("stream-not-offered", "kinesis")],
    );
    check_trigger(
        "stream",
        source("dynamodb", "clicks"),
        &[("stream-not-offered", "dynamodb")],
    );
}

#[test]
fn event_hubs_wait_10_minutes_for_a_batch() {
    let batch = |batch: u32, window: u32| json!({"source": {"eventhub": "h"}, "batch": batch, "window": window});
    check_trigger("stream", batch(0, 0), &[("batch-out-of-range", "batch")]);
    check_trigger("stream", batch(1, 0), NOTHING);
    check_trigger("stream", batch(1, 600), NOTHING);
    check_trigger(
        "stream",
        batch(1, 601),
        &[("window-out-of-range", "window")],
    );
    let differ = &[(
        "app-settings-differ",
        "models.classifier.triggers[1].stream",
    )];
    check_triggers(
        vec![("stream", batch(1, 0)), ("stream", batch(1, 0))],
        NOTHING,
    );
    check_triggers(
        vec![("stream", batch(1, 0)), ("stream", batch(1, 5))],
        differ,
    );
}

#[test]
fn an_app_has_1_to_1000_instances() {
    let at = "models.classifier.azure.max_instances";
    let set = |s: &mut Service, number| s.functions[0].azure.max_instances = Some(number);
    expect_numbers(
        &Azure,
        ("max-instances-out-of-range", at),
        set,
        &[40, 1000],
        &[0, 1001],
    );
    expect_numbers(&Azure, ("max-instances-low", at), set, &[], &[1, 39]);
}

#[test]
fn no_more_instances_are_warm_than_there_may_be() {
    let check = |ready, most, expected| {
        let change = |s: &mut Service| {
            s.functions[0].azure.always_ready = Some(ready);
            s.functions[0].azure.max_instances = most;
        };
        expect(&Azure, change, expected);
    };
    let refused: &[_] = &[(
        "always-ready-too-high",
        "models.classifier.azure.always_ready",
    )];
    check(100, None, NOTHING);
    check(101, None, refused);
    check(40, Some(40), NOTHING);
    check(41, Some(40), refused);
}

#[test]
fn an_instance_gets_1_to_1000_requests_at_once() {
    let refusal = (
        "concurrency-out-of-range",
        "models.classifier.azure.concurrency",
    );
    expect_numbers(
        &Azure,
        refusal,
        |s, number| s.functions[0].azure.concurrency = Some(number),
        &[1, 1000],
        &[0, 1001],
    );
}

/// The words, once for each kind of problem that only Azure has.
#[test]
fn every_refusal_says_what_why_and_how_to_mend_it() {
    let change = |s: &mut Service| {
        s.region = Some("West Europe".to_owned());
        let function = &mut s.functions[0];
        function.memory = Memory::mib(1024);
        function.timeout = Seconds::new(600);
        function.architecture = Architecture::Arm64;
        let value = || EnvironmentValue::Plain("x".to_owned());
        let names = ["MODE", "Mode", "WEBSITE_TIME_ZONE"];
        function.environment = names.map(|name| (name.to_owned(), value())).into();
        function.azure.always_ready = Some(7);
        function.azure.max_instances = Some(5);
        function.triggers = vec![
            trigger("http", json!({"auth": "iam"})),
            trigger(
                "schedule",
                json!({"schedule": {"every": 420}, "timezone": "Asia/Tokyo"}),
            ),
            trigger(
                "queue",
                json!({"name": "My_Jobs", "batch": 64, "window": 5}),
            ),
            trigger("queue", json!({"name": ACCOUNT, "batch": 10})),
            trigger("storage", json!({"bucket": "My.Files"})),
            trigger("stream", json!({"source": {"kinesis": "clicks"}})),
        ];
    };
    let found: Vec<Diagnostic> = Azure.check(&service(ProviderName::Azure, change));
    contract::diagnostics(&found);
    let expected = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/refusals.txt");
    expect_file![expected].assert_eq(&listing(&found));
}
