//! ONNX Runtime in a layer: uploaded once, for all models and until there is another one.

use std::path::Path;

use mlfn_testkit::proxy::Call;
use serde_json::{Value as Json, json};

use super::Account;
use crate::support::mlfn::Project;
use crate::support::unpacked::Unpacked;

const REQUEST: &str = r#"{"features": [5.1, 3.5, 1.4, 0.2]}"#;

/// With these models, which are all the same, for functions of so much memory.
fn manifest(models: &[&str], memory: u32) -> String {
    let model = |name: &&str| {
        format!(
            "  {name}:\n    path: model.onnx\n    memory: {memory}MB\n    \
             example: {REQUEST}\n    aws: {{ layers: true }}\n"
        )
    };
    let models: String = models.iter().map(model).collect();
    format!("mlfn: 1\nservice: iris\nprovider: aws\nmodels:\n{models}")
}

fn project(models: &[&str], memory: u32) -> Project {
    Project::copy_of("iris").with_file("serverless.yaml", manifest(models, memory))
}

/// How many layers were sent.
fn published(calls: &[Call]) -> usize {
    let publishes = |call: &&Call| call.method == "POST" && call.path.contains("/layers/");
    calls.iter().filter(publishes).count()
}

/// How many packages replaced others.
fn exchanged(calls: &[Call]) -> usize {
    let exchanges = |call: &&Call| call.method == "PUT" && call.path.ends_with("/code");
    calls.iter().filter(exchanges).count()
}

fn sent(calls: &[Call]) -> u64 {
    calls.iter().map(|call| call.sent).sum()
}

/// The ARNs of a function's layers.
async fn layers(account: &mut Account, function: &str) -> Vec<Json> {
    let which = json!({"FunctionName": format!("iris-dev-{function}"), "Qualifier": "live"});
    let answer = account
        .ask("lambda", "get_function_configuration", which)
        .await;
    let layers = answer["Layers"].as_array().expect("is a list").clone();
    layers
        .into_iter()
        .map(|layer| layer["Arn"].clone())
        .collect()
}

/// A model with another byte at its end, in a field that ONNX readers skip.
fn changed(model: &[u8]) -> Vec<u8> {
    [model, &[0xc2, 0x3e, 1, 7]].concat()
}

/// Another library that is as good: the loader does not look at what is behind the last section.
fn with_a_byte_more(project: &Project, library: &Path) -> String {
    let mut bytes = fs_err::read(library).expect("reads");
    bytes.push(0);
    let path = project.folder().join("libonnxruntime.so");
    fs_err::write(&path, bytes).expect("writes");
    path.to_str().expect("is text").to_owned()
}

#[tokio::test]
async fn the_library_is_uploaded_once_whatever_changes_beside_it() {
    let mut account = Account::with_layers(&[]).await.judged();
    let mut project = project(&["classifier"], 256);
    let (_, calls) = account.run(&project, &["deploy", "--yes"]);
    assert_eq!(published(&calls), 1);
    let whole = sent(&calls);
    let arn = layers(&mut account, "classifier").await;
    let (answer, _) = account.run(&project, &["invoke", "classifier", "-d", REQUEST]);

    let model = fs_err::read(project.folder().join("model.onnx")).expect("reads");
    project = project.with_file("model.onnx", changed(&model));
    let (_, calls) = account.run(&project, &["deploy", "--yes"]);
    assert_eq!(published(&calls), 0);
    assert_eq!(exchanged(&calls), 1);
    let part = sent(&calls);
    assert!(part * 2 < whole, "{part} of {whole} bytes");

    project = project.with_file("serverless.yaml", manifest(&["classifier"], 320));
    let (_, calls) = account.run(&project, &["deploy", "--yes"]);
    assert_eq!(exchanged(&calls), 0);
    assert!(sent(&calls) < 100_000, "{} bytes", sent(&calls));

    project = project.with_file("serverless.yaml", manifest(&["classifier", "other"], 320));
    let (_, calls) = account.run(&project, &["deploy", "--yes"]);
    assert_eq!(published(&calls), 0);
    assert!(sent(&calls) < part + 100_000, "{} bytes", sent(&calls));
    for function in ["classifier", "other"] {
        assert_eq!(layers(&mut account, function).await, arn, "{function}");
        let (same, _) = account.run(&project, &["invoke", function, "-d", REQUEST]);
        assert_eq!(same.json(), answer.json(), "{function}");
    }

    // The record is lost.
    fs_err::remove_dir_all(project.folder().join(".mlfn/state")).expect("removes");
    account.run(&project, &["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
    let called = account.called_as_allowed();
    for operation in ["Delete", "List", "Publish"] {
        let name = format!("lambda {operation}LayerVersion");
        let is_called = called
            .iter()
            .any(|called| called.trim_end_matches('s') == name);
        assert!(is_called, "{name}: {called:?}");
    }
}

#[tokio::test]
async fn another_library_takes_the_place_of_the_old_one_which_a_rollback_finds() {
    let mut account = Account::with_layers(&[]).await;
    let project = project(&["classifier"], 256);
    account.run(&project, &["deploy", "--yes"]);
    let old = layers(&mut account, "classifier").await;
    let path = &with_a_byte_more(&project, &account.library());
    let deploy = ["deploy", "--yes", "--onnxruntime", path];
    let (_, calls) = account.run(&project, &deploy);
    assert_eq!(published(&calls), 1);
    let new = layers(&mut account, "classifier").await;
    assert_ne!(old, new);

    let (_, calls) = account.run(&project, &["rollback", "--yes"]);
    assert_eq!(published(&calls), 0);
    assert_eq!(layers(&mut account, "classifier").await, old);
    account.run(&project, &["invoke", "classifier", "-d", REQUEST]);
    account.run(&project, &["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_function_gets_its_layer_when_its_package_is_without_the_library_and_loses_it_before() {
    let mut account = Account::with_layers(&[]).await;
    let layered = manifest(&["classifier"], 256);
    let whole = layered.replace("layers: true", "layers: false");
    assert_ne!(whole, layered);
    let mut project = Project::copy_of("iris").with_file("serverless.yaml", &whole);
    account.run(&project, &["deploy", "--yes"]);
    // Code and configuration are set by calls of their own, and both count towards one limit.
    for (manifest, expected) in [
        (layered, ["code", "configuration"]),
        (whole, ["configuration", "code"]),
    ] {
        project = project.with_file("serverless.yaml", manifest);
        let (_, calls) = account.run(&project, &["deploy", "--yes"]);
        let set = calls.iter().filter(|call| call.method == "PUT");
        let parts = set.filter_map(|call| call.path.rsplit('/').next());
        let parts: Vec<&str> = parts.filter(|part| expected.contains(part)).collect();
        assert_eq!(parts, expected);
        account.run(&project, &["invoke", "classifier", "-d", REQUEST]);
    }
    account.run(&project, &["remove", "--yes"]);
    assert_eq!(account.inventory().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_cloud_without_layers_is_named_as_the_reason() {
    let account = Account::start().await;
    let project = project(&["classifier"], 256);
    let deploy = account.mlfn(&project, &["deploy", "--yes"]).run().code(6);
    deploy
        .stderr_has("it is in a layer, and `/opt/lib/libonnxruntime.so` is not there")
        .stderr_has("without `aws: { layers: true }`");
    let removed = account.mlfn(&project, &["remove", "--yes"]).run();
    removed.success();
}

#[test]
fn on_this_machine_a_function_has_its_layer() {
    let project = project(&["classifier"], 256);
    let words = ["invoke", "--local", "classifier", "-d", REQUEST];
    let answer = project.mlfn(words).run().success().json();
    let local = |words: &[&str]| {
        let words = words.iter().chain(&["--provider", "local"]);
        project.mlfn(words).run().success()
    };
    let invoke = ["invoke", "classifier", "-d", REQUEST];
    local(&["deploy", "--yes"]);
    assert_eq!(local(&invoke).json(), answer);

    let packed = ".mlfn/package/onnxruntime-x86_64.zip";
    let layer = Unpacked::of(&project.folder().join(packed));
    let library = layer.root().join("lib/libonnxruntime.so");
    let other = with_a_byte_more(&project, &library);
    local(&["deploy", "--yes", "--onnxruntime", &other]);
    assert_eq!(local(&invoke).json(), answer);
    local(&["rollback", "--yes"]);
    assert_eq!(local(&invoke).json(), answer);
    local(&["remove", "--yes"]);
    assert!(!project.folder().join(".mlfn/release").exists());
}

#[test]
fn what_is_packed_is_told_with_both_sizes() {
    let packed = project(&["classifier"], 256)
        .mlfn(["package"])
        .run()
        .success();
    let text = packed.stdout + &packed.stderr;
    for word in [
        "function",
        "layer",
        "shared by all models and uploaded once",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
