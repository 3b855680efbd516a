//! What the templates become, and that it is JSON, YAML or what else it should be.

#![expect(clippy::expect_used, reason = "a failing helper is a failing test")]

use std::collections::BTreeSet;
use std::path::Path;

use expect_test::expect_file;
use mlfn_templates::azure::{self, Host, HostEventHubs, HostQueues};
use mlfn_templates::ci::CiService;
use mlfn_templates::gcp;
use mlfn_templates::scaffold::{
    self, OwnModel, RenderedFile, SCHEMA_FILE, Scaffold, ScaffoldContext, scaffolds,
};
use mlfn_templates::{RenderError, Template};
use serde::Serialize;
use serde_json::{Value as Json, json};

/// A text that breaks whatever does not escape.
const AWKWARD: &str = "a \"b\"\n\\ {{ c }} %d% é";

/// Holds a text against a file of `tests/expected`; `UPDATE_EXPECT=1` writes it anew.
#[track_caller]
fn expect(file: &str, found: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected");
    expect_file![folder.join(file)].assert_eq(found);
}

#[track_caller]
fn render_json<C: Serialize>(template: &Template<C>, context: &C) -> (String, Json) {
    let text = template.text(context);
    match serde_json::from_str(&text) {
        Ok(json) => (text, json),
        Err(error) => panic!("{error}:\n{text}"),
    }
}

fn host() -> Host {
    Host {
        function_timeout: "00:00:30".to_owned(),
        executable: "handler".to_owned(),
        route_prefix: "api".to_owned(),
        bundle_versions: Vec::new(),
        queues: Vec::new(),
        event_hubs: Vec::new(),
    }
}

#[test]
fn the_host_file_of_an_http_function_has_no_extensions() {
    let (text, json) = render_json(&azure::HOST, &host());
    assert_eq!(json.get("extensionBundle"), None);
    expect("azure/host.json", &text);
}

#[test]
fn the_host_file_can_have_everything() {
    let host = Host {
        bundle_versions: vec!["[4.*, 5.0.0)".to_owned()],
        queues: vec![HostQueues {
            batch: 16,
            max_tries: 5,
        }],
        event_hubs: vec![HostEventHubs {
            batch: 100,
            min_batch: 100,
            window: "00:00:05".to_owned(),
            start: "fromEnd",
        }],
        ..host()
    };
    let (text, _) = render_json(&azure::HOST, &host);
    expect("azure/host_with_everything.json", &text);
}

#[test]
fn every_function_file_is_json_whatever_the_names() {
    let text = || AWKWARD.to_owned();
    let (_, http) = render_json(
        &azure::HTTP,
        &azure::HttpFunction {
            auth_level: "anonymous",
            methods: vec!["post".to_owned()],
            route: text(),
        },
    );
    assert_eq!(http["bindings"][0]["route"], AWKWARD);
    let (_, schedule) = render_json(
        &azure::SCHEDULE,
        &azure::ScheduleFunction { schedule: text() },
    );
    assert_eq!(schedule["bindings"][0]["schedule"], AWKWARD);
    let (_, topic) = render_json(
        &azure::TOPIC,
        &azure::TopicFunction {
            topic: text(),
            subscription: text(),
            connection: text(),
        },
    );
    assert_eq!(topic["bindings"][0]["subscriptionName"], AWKWARD);
    let stream = azure::StreamFunction {
        event_hub: text(),
        connection: text(),
    };
    let (_, stream) = render_json(&azure::STREAM, &stream);
    assert_eq!(stream["bindings"][0]["eventHubName"], AWKWARD);
}

#[test]
fn answers_are_bound_where_there_is_a_place_for_them() {
    let queue = |outputs: Vec<azure::QueueOutput>| azure::QueueFunction {
        queue: "jobs".to_owned(),
        connection: "AzureWebJobsStorage".to_owned(),
        outputs,
    };
    let results = azure::QueueOutput {
        queue: "results".to_owned(),
        connection: "AzureWebJobsStorage".to_owned(),
    };
    let (_, none) = render_json(&azure::QUEUE, &queue(Vec::new()));
    assert_eq!(none["bindings"].as_array().map(Vec::len), Some(1));
    let (text, _) = render_json(&azure::QUEUE, &queue(vec![results]));
    expect("azure/queue_with_output.json", &text);

    let storage = |output_paths: Vec<String>| azure::StorageFunction {
        path: "in/{name}.json".to_owned(),
        connection: "AzureWebJobsStorage".to_owned(),
        output_paths,
    };
    let (_, none) = render_json(&azure::STORAGE, &storage(Vec::new()));
    assert_eq!(none["bindings"].as_array().map(Vec::len), Some(1));
    let (text, _) = render_json(
        &azure::STORAGE,
        &storage(vec!["out/{name}.json".to_owned()]),
    );
    expect("azure/storage_with_output.json", &text);
}

#[test]
fn the_launcher_is_python_text() {
    let boot = gcp::BOOT.text(&gcp::Boot {
        program: "bootstrap".to_owned(),
    });
    assert!(boot.contains("\nPROGRAM = \"bootstrap\"\n"), "{boot}");
    let main = gcp::MAIN.text(&gcp::Main {
        entry_point: "handler".to_owned(),
    });
    assert!(main.contains("\ndef handler(*_request):\n"), "{main}");
    let all = [boot, main, gcp::SITE.text(&gcp::Site {})].concat();
    assert!(
        !all.contains("{{") && !all.contains("{%"),
        "a hole is left: {all}"
    );
}

fn context(model: Option<OwnModel>) -> ScaffoldContext {
    ScaffoldContext {
        service: "flowers".to_owned(),
        provider: "gcp".to_owned(),
        schema: "{\"type\": \"object\"}\n".to_owned(),
        model,
    }
}

fn own_model() -> OwnModel {
    OwnModel {
        file: "my \"best\" model.onnx".to_owned(),
        example: json!({"x": [[1.5, 2.0]]}),
    }
}

#[track_caller]
fn text<'a>(files: &'a [RenderedFile], path: &str) -> &'a str {
    let file = files.iter().find(|file| file.path == path);
    let file = file.unwrap_or_else(|| panic!("no {path}"));
    std::str::from_utf8(&file.contents).expect("UTF-8")
}

fn rendered(scaffold: &Scaffold) -> Vec<RenderedFile> {
    let model = scaffold.needs_model().then(own_model);
    scaffold.render(&context(model)).expect("renders")
}

#[test]
fn every_scaffold_is_a_whole_project() {
    for scaffold in scaffolds() {
        let files = rendered(scaffold);
        let paths: BTreeSet<&str> = files.iter().map(|file| file.path).collect();
        assert_eq!(paths.len(), files.len(), "{}: a path twice", scaffold.name);
        let expected = [
            "serverless.yaml",
            "README.md",
            "request.json",
            ".gitignore",
            SCHEMA_FILE,
        ];
        assert!(
            expected.iter().all(|path| paths.contains(path)),
            "{}: {paths:?}",
            scaffold.name
        );
        assert_eq!(
            paths.contains("model.onnx"),
            !scaffold.needs_model(),
            "{}",
            scaffold.name
        );
        assert!(
            text(&files, ".gitignore")
                .lines()
                .any(|line| line == ".mlfn/")
        );
    }
}

#[test]
fn every_manifest_is_yaml_that_names_its_schema_and_its_model() {
    for scaffold in scaffolds() {
        let files = rendered(scaffold);
        let manifest = text(&files, "serverless.yaml");
        let opening = format!("# yaml-language-server: $schema={SCHEMA_FILE}\n");
        assert!(manifest.starts_with(&opening), "{manifest}");
        let yaml: Json = serde_saphyr::from_str(manifest).expect("YAML");
        assert_eq!(
            (&yaml["service"], &yaml["provider"]),
            (&json!("flowers"), &json!("gcp"))
        );
        let model = yaml["models"]
            .as_object()
            .and_then(|models| models.values().next());
        let model = model.expect("one model");
        let file = if scaffold.needs_model() {
            "my \"best\" model.onnx"
        } else {
            "model.onnx"
        };
        assert_eq!(model["path"], file);
        let request: Json = serde_json::from_str(text(&files, "request.json")).expect("JSON");
        assert_eq!(model["example"], request, "{}", scaffold.name);
    }
}

#[test]
fn the_projects_read_well() {
    let files = rendered(&scaffolds()[0]);
    expect("scaffold/serverless.yaml", text(&files, "serverless.yaml"));
    expect("scaffold/README.md", text(&files, "README.md"));
    expect("scaffold/request.json", text(&files, "request.json"));
}

#[test]
fn a_scaffold_for_a_model_of_ones_own_asks_for_it() {
    let own = scaffolds()
        .iter()
        .find(|s| s.name == scaffold::OWN_MODEL)
        .expect("is there");
    let error = own.render(&context(None)).expect_err("refused");
    assert!(matches!(error, RenderError::ModelMissing { .. }), "{error}");
    assert!(error.to_string().contains("--model FILE"), "{error}");
}

#[test]
fn the_first_scaffold_is_the_default() {
    assert_eq!(scaffolds()[0].name, scaffold::DEFAULT);
}

#[test]
fn the_models_of_the_scaffolds_are_those_of_the_examples() {
    let examples: [&[u8]; 2] = [
        include_bytes!("../../examples/iris/model.onnx"),
        include_bytes!("../../examples/diabetes/model.onnx"),
    ];
    for (scaffold, example) in scaffolds().iter().zip(examples) {
        let files = rendered(scaffold);
        let model = files
            .iter()
            .find(|file| file.path == "model.onnx")
            .expect("a model");
        assert!(
            model.contents == example,
            "copy the example's model to {} again",
            scaffold.name
        );
    }
}

#[test]
fn the_workflow_is_yaml_and_calls_commands_that_exist() {
    let file = CiService::Github.render("flowers").expect("renders");
    assert_eq!(file.path, ".github/workflows/mlfn.yml");
    let text = String::from_utf8(file.contents).expect("UTF-8");
    let yaml: Json = serde_saphyr::from_str(&text).expect("YAML");
    let steps = yaml["jobs"]["package"]["steps"].as_array().expect("steps");
    let runs: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["run"].as_str())
        .collect();
    assert_eq!(runs[1..], ["mlfn validate", "mlfn package"]);
    expect(
        "ci/github.yml",
        &text.replace(env!("CARGO_PKG_VERSION"), "X.Y.Z"),
    );
}
