//! How packages look on Azure.

use std::collections::BTreeMap;

use expect_test::expect_file;
use mlfn_azure::Azure;
use mlfn_core::{ArchiveFormat, PackageSpec, Provider as _, ProviderName, Service};
use mlfn_testkit::{contract, service, trigger};
use serde_json::{Value as Json, json};

fn package(change: impl FnOnce(&mut Service)) -> PackageSpec {
    let service = service(ProviderName::Azure, change);
    let found = Azure.check(&service);
    assert!(found.is_empty(), "{}", mlfn_testkit::listing(&found));
    let spec = Azure.package(&service, &service.functions[0]);
    contract::layout(&spec);
    spec
}

/// All files as one text.
fn listing(spec: &PackageSpec) -> String {
    let files = spec.files.iter();
    let texts: Vec<String> = files
        .map(|file| format!("=== {}\n{}", file.path, file.contents))
        .collect();
    texts.concat()
}

#[test]
fn every_kind_of_trigger_has_its_function() {
    let spec = package(|s| {
        s.functions[0].triggers = vec![
            trigger(
                "http",
                json!({"path": "/predict/{id}", "method": "ANY", "auth": "key"}),
            ),
            trigger(
                "schedule",
                json!({"schedule": {"cron": "*/5 8-17 * * 1-5"}}),
            ),
            trigger("queue", json!({"output": "results"})),
            trigger("topic", json!({})),
            trigger(
                "storage",
                json!({"prefix": "in/", "suffix": ".json", "output_bucket": "predictions", "output_prefix": "out/"}),
            ),
            trigger(
                "stream",
                json!({"source": {"eventhub": "clicks"}, "window": 5, "start": "oldest"}),
            ),
        ];
    });
    let expected = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/triggers.txt");
    expect_file![expected].assert_eq(&listing(&spec));
}

/// The functions of the shim's own routes, and who may call them, for routes with these paths and
/// keys of the manifest.
#[track_caller]
fn check_own(routes: &[(&str, &str)], expected: &[(&str, &str)]) {
    let spec = package(|s| {
        let http =
            |(path, auth): &(&str, &str)| trigger("http", json!({"path": path, "auth": auth}));
        s.functions[0].triggers = routes.iter().map(http).collect();
    });
    let own = spec.files.iter().filter_map(|file| {
        let name = file.path.strip_suffix("/function.json")?;
        let function: Json = serde_json::from_str(&file.contents).unwrap_or_default();
        let level = function["bindings"][0]["authLevel"].as_str()?.to_owned();
        (!name.contains("-http-")).then_some((name, level))
    });
    let own: Vec<_> = own.collect();
    let own: Vec<_> = own
        .iter()
        .map(|(name, level)| (*name, level.as_str()))
        .collect();
    assert_eq!(own, expected, "{routes:?}");
}

#[test]
fn the_open_inference_protocol_is_open_to_those_to_whom_a_route_is() {
    let [openapi, v2] = ["classifier-openapi", "classifier-v2"];
    let open = [(openapi, "anonymous"), (v2, "anonymous")];
    check_own(&[("/predict", "none")], &open);
    check_own(
        &[("/predict", "key")],
        &[(openapi, "function"), (v2, "function")],
    );
    check_own(&[("/predict", "key"), ("/open", "none")], &open);
    check_own(&[("/openapi.json", "none")], &open[1..]);
}

#[test]
fn a_model_without_http_gets_a_door_for_invoke() {
    let spec = package(|_| ());
    let expected = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/door.txt");
    expect_file![expected].assert_eq(&listing(&spec));
}

#[test]
fn the_inputs_of_schedules_go_by_the_names_of_their_functions() {
    let input = json!({"features": [1, 2]});
    let spec = package(|s| {
        s.functions[0].triggers = vec![
            trigger("schedule", json!({"input": input})),
            trigger("http", json!({})),
            trigger("schedule", json!({"input": null})),
        ];
    });
    let expected = [
        ("classifier-schedule-0".to_owned(), Some(input)),
        ("classifier-schedule-2".to_owned(), None),
    ];
    assert_eq!(spec.schedules, BTreeMap::from(expected));
    for name in spec.schedules.keys() {
        let path = format!("{name}/function.json");
        assert!(spec.files.iter().any(|file| file.path == path), "{path}");
    }
}

#[test]
fn what_is_there_already_is_reached_by_settings_of_its_own() {
    let id = "/subscriptions/1/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/a/queueServices/default/queues/theirs";
    let spec = package(|s| {
        let http = trigger("http", json!({}));
        s.functions[0].triggers = vec![
            http,
            trigger("queue", json!({"name": id, "output": "ours"})),
        ];
    });
    let file = spec
        .files
        .iter()
        .find(|file| file.path == "classifier-queue-1/function.json");
    let json: Json = serde_json::from_str(&file.expect("is there").contents).expect("JSON");
    let bindings = &json["bindings"];
    assert_eq!(bindings[0]["queueName"], "theirs");
    assert_eq!(bindings[0]["connection"], "AzureWebJobsStorage1");
    assert_eq!(bindings[1]["queueName"], "iris-dev-ours");
    assert_eq!(bindings[1]["connection"], "AzureWebJobsStorage");
}

#[test]
fn every_file_is_json() {
    let spec = package(|s| s.functions[0].triggers = vec![trigger("http", json!({"path": "/"}))]);
    for file in &spec.files {
        let json: Result<Json, _> = serde_json::from_str(&file.contents);
        assert!(json.is_ok(), "{}: {json:?}", file.path);
    }
}

#[test]
fn the_package_is_a_zip_with_a_handler() {
    let spec = package(|_| ());
    assert_eq!(spec.formats, [ArchiveFormat::Zip]);
    assert_eq!(spec.shim, "handler");
    assert_eq!(spec.target.libc.glibc, (2, 36));
    assert_eq!(spec.max_request, 220_200_960);
}
