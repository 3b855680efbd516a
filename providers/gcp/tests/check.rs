//! What Google Cloud refuses, limit by limit, at both edges.

use expect_test::expect_file;
use mlfn_core::{
    Architecture, Diagnostic, GcpEngine, Memory, Provider as _, ProviderName, Seconds, Service,
};
use mlfn_gcp::Gcp;
use mlfn_testkit::{
    contract, expect, expect_numbers, expect_regions, expect_tag, expect_trigger, expect_variable,
    listing, service, trigger,
};
use serde_json::{Value as Json, json};

const NOTHING: &[(&str, &str)] = &[];

#[track_caller]
fn check_trigger(kind: &str, given: Json, expected: &[(&'static str, &str)]) {
    expect_trigger(&Gcp, kind, given, expected);
}

#[track_caller]
fn check_triggers(engine: GcpEngine, triggers: &[(&str, Json)], expected: &[(&str, &str)]) {
    let change = |s: &mut Service| {
        s.functions[0].gcp.engine = engine;
        let triggers = triggers
            .iter()
            .map(|(kind, given)| trigger(kind, given.clone()));
        s.functions[0].triggers = triggers.collect();
    };
    expect(&Gcp, change, expected);
}

#[test]
fn the_contract_of_all_providers_is_kept() {
    contract::provider(&Gcp);
}

#[test]
fn memory_is_128_mb_to_32_gb_and_512_mb_at_least_on_cloud_run() {
    let refusal = ("memory-out-of-range", "models.classifier.memory");
    let functions = |s: &mut Service, number| s.functions[0].memory = Memory::mib(number);
    expect_numbers(&Gcp, refusal, functions, &[128, 32_768], &[127, 32_769]);
    let cloud_run = |s: &mut Service, number| {
        s.functions[0].memory = Memory::mib(number);
        s.functions[0].gcp.engine = GcpEngine::CloudRun;
    };
    expect_numbers(&Gcp, refusal, cloud_run, &[512, 32_768], &[511, 32_769]);
}

#[track_caller]
fn check_cpu(milli: u32, mib: u32, code: Option<&str>) {
    let change = |s: &mut Service| {
        s.functions[0].memory = Memory::mib(mib);
        s.functions[0].gcp.milli_cpu = Some(milli);
    };
    let expected: Vec<_> = code
        .iter()
        .map(|code| (*code, "models.classifier.gcp.cpu"))
        .collect();
    expect(&Gcp, change, &expected);
}

#[test]
fn processors_are_parts_of_one_or_an_even_number() {
    let refused = Some("cpu-not-offered");
    check_cpu(0, 512, refused);
    check_cpu(79, 512, refused);
    check_cpu(80, 512, None);
    check_cpu(333, 512, None);
    check_cpu(1000, 512, None);
    check_cpu(1500, 512, refused);
    check_cpu(2000, 512, None);
    check_cpu(3000, 4096, refused);
    check_cpu(4000, 4096, None);
    check_cpu(6000, 4096, None);
    check_cpu(8000, 4096, None);
    check_cpu(8001, 4096, refused);
    check_cpu(16_000, 4096, refused);
}

#[test]
fn processors_and_memory_fit_each_other() {
    let refused = Some("cpu-memory-mismatch");
    for (milli, least, most) in [
        (80, 128, 512),
        (499, 128, 512),
        (500, 128, 1024),
        (1000, 128, 4096),
        (2000, 128, 8192),
        (4000, 2048, 16_384),
        (6000, 4096, 24_576),
        (8000, 4096, 32_768),
    ] {
        check_cpu(milli, least, None);
        check_cpu(milli, most, None);
        if least > 128 {
            check_cpu(milli, least - 1, refused);
        }
        if most < 32_768 {
            check_cpu(milli, most + 1, refused);
        }
    }
}

#[test]
fn an_instance_gets_1_to_1000_requests_at_once_if_it_has_a_whole_processor() {
    let at = "models.classifier.gcp.concurrency";
    let set = |s: &mut Service, number| s.functions[0].gcp.concurrency = Some(number);
    expect_numbers(
        &Gcp,
        ("concurrency-out-of-range", at),
        set,
        &[1, 1000],
        &[0, 1001],
    );
    let part = |s: &mut Service, number| {
        s.functions[0].gcp.concurrency = Some(number);
        s.functions[0].gcp.milli_cpu = Some(999);
    };
    expect_numbers(&Gcp, ("concurrency-needs-cpu", at), part, &[1], &[2, 1000]);
}

#[test]
fn no_more_instances_are_warm_than_there_may_be() {
    let check = |least, most, expected| {
        let change = |s: &mut Service| {
            s.functions[0].gcp.min_instances = least;
            s.functions[0].gcp.max_instances = most;
        };
        expect(&Gcp, change, expected);
    };
    let high: &[_] = &[(
        "min-instances-too-high",
        "models.classifier.gcp.min_instances",
    )];
    let range: &[_] = &[(
        "max-instances-out-of-range",
        "models.classifier.gcp.max_instances",
    )];
    check(Some(100), None, NOTHING);
    check(Some(101), None, high);
    check(Some(10), Some(10), NOTHING);
    check(Some(11), Some(10), high);
    check(None, Some(0), range);
    check(None, Some(1), NOTHING);
    check(None, Some(1000), NOTHING);
    check(None, Some(1001), range);
}

#[test]
fn a_run_takes_an_hour_unless_the_sender_waits_less_long() {
    let check = |seconds, kind: &str, expected| {
        let change = |s: &mut Service| {
            s.functions[0].timeout = Seconds::new(seconds);
            s.functions[0].triggers = vec![trigger(kind, json!({}))];
        };
        expect(&Gcp, change, expected);
    };
    let at = "models.classifier.timeout";
    let range: &[_] = &[("timeout-out-of-range", at)];
    let scheduled: &[_] = &[("schedule-timeout-capped", at)];
    let event: &[_] = &[("event-timeout-capped", at)];
    check(0, "http", range);
    check(0, "topic", range);
    check(1, "http", NOTHING);
    check(3600, "http", NOTHING);
    check(3601, "http", range);
    check(1800, "schedule", NOTHING);
    check(1801, "schedule", scheduled);
    for kind in ["topic", "storage"] {
        check(600, kind, NOTHING);
        check(601, kind, event);
    }
}

#[test]
fn asynchronous_requests_have_no_settings() {
    expect(
        &Gcp,
        |s| s.functions[0].asynchronous = Some(mlfn_core::AsyncSettings::default()),
        &[("async-not-offered", "models.classifier.async")],
    );
}

#[test]
fn only_x86_is_offered() {
    expect(
        &Gcp,
        |s| s.functions[0].architecture = Architecture::Arm64,
        &[("architecture-not-offered", "models.classifier.architecture")],
    );
}

#[test]
fn names_on_cloud_run_have_49_characters() {
    let check = |engine, function: usize, expected| {
        let change = |s: &mut Service| {
            s.name = "s".repeat(24).parse().expect("a name");
            s.functions[0].name = "f".repeat(function).parse().expect("a name");
            s.functions[0].gcp.engine = engine;
        };
        expect(&Gcp, change, expected);
    };
    check(GcpEngine::Functions, 25, NOTHING);
    check(GcpEngine::CloudRun, 20, NOTHING);
    let longer = format!("models.{}", "f".repeat(21));
    check(
        GcpEngine::CloudRun,
        21,
        &[("function-name-too-long", &longer)],
    );
}

#[test]
fn a_region_looks_like_one_of_google() {
    let regions = [
        "europe-west1",
        "us-central1",
        "northamerica-northeast1",
        "me-west1",
    ];
    let others = [
        "eu-west-1",
        "westeurope",
        "europe-west",
        "Europe-West1",
        "europe-west1-b",
        "",
    ];
    expect_regions(&Gcp, &regions, &others);
}

#[test]
fn environment_names_are_plain_and_not_those_of_the_platform() {
    for good in ["MODE", "_MODE", "mode2", "MLFN_LOG"] {
        expect_variable(&Gcp, good, None);
    }
    for invalid in ["2MODE", "MY-MODE", "MY MODE", ""] {
        expect_variable(&Gcp, invalid, Some("environment-name-invalid"));
    }
    for reserved in [
        "PORT",
        "PYTHONPATH",
        "K_SERVICE",
        "FUNCTION_TARGET",
        "GOOGLE_CLOUD_PROJECT",
        "X_GOOGLE_ENTRY_POINT",
        "MLFN_ROOT",
    ] {
        expect_variable(&Gcp, reserved, Some("environment-name-reserved"));
    }
}

#[test]
fn tags_keep_the_rules_of_labels() {
    let (key, value) = (Some("tag-key-invalid"), Some("tag-value-invalid"));
    expect_tag(&Gcp, "cost-centre_2", "a-b_3", None);
    expect_tag(&Gcp, "team", "", None);
    expect_tag(&Gcp, &"k".repeat(63), &"v".repeat(63), None);
    expect_tag(&Gcp, &"k".repeat(64), "x", key);
    expect_tag(&Gcp, "team", &"v".repeat(64), value);
    expect_tag(&Gcp, "team", "Research", value);
    expect_tag(&Gcp, "team", "a b", value);
    for bad in [
        "Team",
        "2team",
        "-team",
        "my team",
        "a.b",
        "mlfn-service",
        "",
    ] {
        expect_tag(&Gcp, bad, "x", key);
    }
    let labels = |count: usize| {
        (0..count)
            .map(|n| (format!("l{n}"), String::new()))
            .collect()
    };
    expect(&Gcp, |s| s.tags = labels(62), NOTHING);
    expect(&Gcp, |s| s.tags = labels(63), &[("too-many-tags", "tags")]);
}

#[test]
fn http_is_open_or_for_googles_identities() {
    check_trigger("http", json!({}), NOTHING);
    check_trigger("http", json!({"auth": "iam"}), NOTHING);
    check_trigger(
        "http",
        json!({"auth": "key"}),
        &[("auth-not-offered", "auth")],
    );
    let jwt = json!({"auth": {"jwt": {"issuer": "https://a", "audience": ["b"]}}});
    check_trigger("http", jwt, &[("auth-not-offered", "auth")]);
    check_trigger("http", json!({"cors": ["*"]}), &[]);
    check_trigger(
        "http",
        json!({"auth": "iam", "cors": ["*"]}),
        &[("cors-not-offered", "cors")],
    );
    let two = [("http", json!({})), ("http", json!({"auth": "iam"}))];
    let differ = &[("app-settings-differ", "models.classifier.triggers[1].http")];
    check_triggers(GcpEngine::Functions, &two, differ);
}

#[test]
fn schedules_are_cron_in_any_time_zone() {
    let refused = |key| ("schedule-not-expressible", key);
    check_trigger(
        "schedule",
        json!({"schedule": {"every": 59}}),
        &[refused("every")],
    );
    check_trigger("schedule", json!({"schedule": {"every": 60}}), NOTHING);
    check_trigger(
        "schedule",
        json!({"schedule": {"every": 420}}),
        &[refused("every")],
    );
    let cron = |text: &str| json!({"schedule": {"cron": text}, "timezone": "Europe/Berlin"});
    check_trigger("schedule", cron("0 6 13 * 5"), NOTHING);
    check_trigger("schedule", cron("0 6"), &[refused("cron")]);
}

#[test]
fn queues_and_topics_are_named_as_pub_sub_wants_it() {
    let name = |text: &str| json!({"name": text});
    for (kind, code) in [
        ("queue", "queue-name-invalid"),
        ("topic", "topic-name-invalid"),
    ] {
        check_trigger(kind, name("Jobs.1~a+b%c_d"), NOTHING);
        // `iris-dev-` takes 9 of the 255 characters.
        check_trigger(kind, name(&"n".repeat(246)), NOTHING);
        check_trigger(kind, name(&"n".repeat(247)), &[(code, "name")]);
        check_trigger(kind, name("my jobs"), &[(code, "name")]);
        check_trigger(kind, name("projects/p/topics/jobs"), NOTHING);
        check_trigger(
            kind,
            name("projects/p/subscriptions/jobs"),
            &[("reference-invalid", "name")],
        );
    }
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
    let goog = |s: &mut Service| {
        s.name = "goog".parse().expect("a name");
        s.functions[0].triggers = vec![trigger("topic", json!({}))];
    };
    expect(
        &Gcp,
        goog,
        &[(
            "topic-name-invalid",
            "models.classifier.triggers[0].topic.name",
        )],
    );
}

#[test]
fn pub_sub_tries_5_to_100_times_and_does_not_wait() {
    let tries = |tries: u32| json!({"max_tries": tries});
    check_trigger(
        "queue",
        tries(0),
        &[("max-tries-out-of-range", "max_tries")],
    );
    check_trigger("queue", tries(1), &[("max-tries-raised", "max_tries")]);
    check_trigger("queue", tries(4), &[("max-tries-raised", "max_tries")]);
    check_trigger("queue", tries(5), NOTHING);
    check_trigger("queue", tries(100), NOTHING);
    check_trigger(
        "queue",
        tries(101),
        &[("max-tries-out-of-range", "max_tries")],
    );
    check_trigger(
        "queue",
        json!({"window": 5}),
        &[("window-ignored", "window")],
    );
}

#[test]
fn buckets_are_named_as_cloud_storage_wants_it() {
    let long = [
        "a".repeat(63),
        "b".repeat(63),
        "c".repeat(63),
        "d".repeat(30),
    ]
    .join(".");
    for good in ["abc", "my_bucket.1-a", &"b".repeat(63), &long] {
        check_trigger("storage", json!({"bucket": good}), NOTHING);
    }
    let longer = format!("{long}d");
    for bad in [
        "ab",
        &"b".repeat(64),
        &longer,
        "Uploads",
        "_abc",
        "abc-",
        "a..b",
        "192.168.5.4",
        "googbucket",
        "my-google-bucket",
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
fn answers_go_to_another_bucket() {
    let loops = &[("endless-loop", "output.bucket")];
    check_trigger("storage", json!({"output_bucket": "uploads"}), loops);
    check_trigger("storage", json!({"output_bucket": "predictions"}), NOTHING);
    let apart = json!({"prefix": "in/", "output_bucket": "uploads", "output_prefix": "out/"});
    check_trigger(
        "storage",
        apart,
        &[loops[0], ("every-object-starts", "prefix")],
    );
}

#[test]
fn a_filter_by_name_does_not_keep_the_function_from_starting() {
    check_trigger(
        "storage",
        json!({"suffix": ".json"}),
        &[("every-object-starts", "suffix")],
    );
}

#[test]
fn no_stream_of_another_cloud_can_be_read() {
    for kind in ["kinesis", "dynamodb", "eventhub"] {
        check_trigger(
            "stream",
            json!({"source": {kind: "s"}}),
            &[("stream-not-offered", kind)],
        );
    }
}

#[test]
fn a_function_has_one_event_trigger_or_a_url_and_cloud_run_has_all() {
    let none = || json!({});
    let at = |index: usize, kind: &str| format!("models.classifier.triggers[{index}].{kind}");
    let check = |triggers: &[(&str, Json)], index: usize, kind: &str| {
        let at = at(index, kind);
        check_triggers(
            GcpEngine::Functions,
            triggers,
            &[("triggers-exclude-each-other", &at)],
        );
        check_triggers(GcpEngine::CloudRun, triggers, NOTHING);
    };
    check(&[("http", none()), ("topic", none())], 0, "http");
    check(&[("topic", none()), ("schedule", none())], 1, "schedule");
    check(&[("storage", none()), ("topic", none())], 1, "topic");
    check_triggers(
        GcpEngine::Functions,
        &[("http", none()), ("schedule", none())],
        NOTHING,
    );
    check_triggers(
        GcpEngine::Functions,
        &[("http", none()), ("http", none())],
        NOTHING,
    );
}

/// The words, once for each kind of problem that only Google Cloud has.
#[test]
fn every_refusal_says_what_why_and_how_to_mend_it() {
    let change = |s: &mut Service| {
        s.region = Some("eu-west-1".to_owned());
        s.tags = [("Team".to_owned(), "Research".to_owned())].into();
        let function = &mut s.functions[0];
        function.timeout = Seconds::new(2000);
        function.architecture = Architecture::Arm64;
        function.gcp.milli_cpu = Some(4000);
        function.gcp.min_instances = Some(5);
        function.gcp.max_instances = Some(4);
        function.gcp.concurrency = Some(0);
        function.triggers = vec![
            trigger("http", json!({"auth": "key", "cors": ["*"]})),
            trigger("schedule", json!({"schedule": {"every": 30}})),
            trigger("queue", json!({"name": "projects/p/jobs", "max_tries": 3})),
            trigger(
                "storage",
                json!({"suffix": ".json", "output_bucket": "uploads"}),
            ),
            trigger("stream", json!({"source": {"eventhub": "h"}})),
        ];
        let mut second = mlfn_testkit::function("second");
        second.gcp.engine = GcpEngine::CloudRun;
        second.gcp.milli_cpu = Some(500);
        second.gcp.concurrency = Some(8);
        s.functions.push(second);
        let mut third = mlfn_testkit::function("third");
        third.gcp.milli_cpu = Some(3000);
        s.functions.push(third);
    };
    let found: Vec<Diagnostic> = Gcp.check(&service(ProviderName::Gcp, change));
    contract::diagnostics(&found);
    let expected = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/refusals.txt");
    expect_file![expected].assert_eq(&listing(&found));
}
