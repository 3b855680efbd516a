//! Models that tract runs: they answer what scikit-learn answered, and who runs a model is no matter
//! of chance.

use mlfn_core::ProviderName;
use serde_json::Value as Json;

use crate::support::golden::{Golden, difference};
use crate::support::mlfn::{Mlfn, Project};
use crate::support::place::temporary;
use crate::support::unpacked::{Unpacked, archive_in};

/// The shim with both engines, in the place of the one that only has tract.
const SHIM: &str = env!("CARGO_BIN_EXE_shim-under-test");

/// An example with another engine than ONNX Runtime.
#[track_caller]
pub(crate) fn with_engine(example: &str, engine: &str) -> Project {
    let project = Project::copy_of(example);
    let path = project.folder().join("serverless.yaml");
    let manifest = fs_err::read_to_string(&path).expect("reads");
    let line = "    path: model.onnx\n";
    let changed = manifest.replace(line, &format!("{line}    engine: {engine}\n"));
    assert_ne!(changed, manifest, "`path:` is in the manifest");
    project.with_file("serverless.yaml", changed)
}

/// With the shim for tract.
pub(crate) fn mlfn_with_tract(mlfn: Mlfn) -> Mlfn {
    mlfn.env("MLFN_TRACT_SHIM", SHIM)
}

fn mlfn(project: &Project, arguments: &[&str]) -> Mlfn {
    mlfn_with_tract(project.mlfn(arguments))
}

/// Packs for a cloud.
#[track_caller]
fn unpacked(project: &Project, platform: ProviderName) -> Unpacked {
    let folder = project.folder().join("packages").join(platform.as_str());
    let output = folder.to_str().expect("is text");
    let arguments = ["package", "--platform", platform.as_str(), "-o", output];
    mlfn(project, &arguments).run().success();
    Unpacked::of(&archive_in(&folder, "zip"))
}

/// All recorded requests, answered by tract.
async fn check(example: &str) {
    let golden = Golden::of(example);
    let package = unpacked(&with_engine(example, "tract"), ProviderName::Aws);
    let paths: Vec<&str> = package.entries.iter().map(|entry| &*entry.path).collect();
    assert!(!paths.contains(&"lib/libonnxruntime.so"), "{paths:?}");
    golden.check(&package, ProviderName::Aws).await;
}

#[tokio::test]
async fn linear_models_answer_through_tract() {
    for example in ["iris", "breast-cancer", "diabetes"] {
        check(example).await;
    }
}

#[tokio::test]
async fn networks_answer_through_tract() {
    for example in ["cartpole-policy", "iris-kmeans", "label-spreading"] {
        check(example).await;
    }
}

#[tokio::test]
async fn forests_answer_through_tract() {
    check("wine-forest").await;
}

#[test]
fn every_platform_takes_a_package_for_tract() {
    let golden = Golden::of("iris");
    let project = with_engine("iris", "tract");
    let case = &golden.cases[0];
    let request = case.request.to_string();
    for platform in ProviderName::ALL {
        let name = platform.as_str();
        let arguments = ["invoke", "--local", "--platform", name, "-d", &request];
        let output = mlfn(&project, &arguments).run().success();
        let difference = difference(&output.json(), &case.response, golden.tolerance);
        assert_eq!(difference, None, "{platform}: {output}");
    }
}

#[test]
fn a_model_that_tract_cannot_run_is_an_error_or_left_to_onnx_runtime() {
    let wanted = with_engine("digits-svm", "tract");
    let reason = "tract cannot run the operator SVMClassifier";
    let refused = mlfn(&wanted, &["package"]).run().code(1);
    refused
        .stderr_has(&format!("cannot run with `engine: tract`: {reason}"))
        .stderr_has("engine: auto");
    let open = with_engine("digits-svm", "auto");
    let packed = mlfn(&open, &["package"]).run().success();
    let line = format!("engine onnxruntime: {reason}");
    assert!(packed.stdout.contains(&line), "{packed}");
}

#[test]
fn the_choice_and_the_bytes_are_the_same_each_time() {
    let other = Unpacked::from(&Project::copy_of("iris"), ProviderName::Aws);
    let library = other.root().join("lib/libonnxruntime.so");
    let digests = [0, 1].map(|_| {
        // Nothing is remembered.
        let cache = temporary();
        let project = with_engine("iris", "auto");
        let arguments = ["package", "--json", "--offline"];
        let output = mlfn(&project, &arguments)
            .env("MLFN_ONNXRUNTIME", &library)
            .env("XDG_CACHE_HOME", cache.path())
            .run()
            .success();
        let lines = output.stdout.lines().map(str::to_owned);
        let lines = lines.map(|line| serde_json::from_str::<Json>(&line).expect("is JSON"));
        let mut lines = lines.filter(|line| line["type"] == "artifact");
        let artifact = lines.next().expect("an artifact");
        assert_eq!(artifact["engine"]["engine"], "tract", "{artifact}");
        artifact["digest"].clone()
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn the_table_of_a_package_says_what_was_compared_and_how_closely() {
    let project = with_engine("iris", "auto");
    let packed = mlfn(&project, &["package"]).run().success();
    let mut lines = packed.stdout.lines();
    let said = lines.find_map(|line| line.strip_prefix("engine tract: "));
    let said = said.expect("tells the engine");
    let (count, rest) = said.split_once(' ').expect("has words");
    // The example, its variations, and what is made from the graph.
    assert_eq!(count, "17", "{said}");
    let tolerance =
        "answers are ONNX Runtime's, to 1e-5 plus 1e-4 of a number; the first one comes";
    assert!(rest.starts_with(tolerance), "{said}");
    assert!(rest.ends_with(" ms here"), "{said}");
}

#[test]
fn a_program_without_the_shim_for_tract_says_so() {
    let wanted = with_engine("iris", "tract");
    let refused = wanted.mlfn(["package"]).run().code(1);
    refused.stderr_has("carries no shim that runs models with tract");
    let open = with_engine("iris", "auto");
    let packed = open.mlfn(["package"]).run().success();
    let line = "engine onnxruntime: this mlfn carries no shim that runs models with tract";
    assert!(packed.stdout.contains(line), "{packed}");
}

#[test]
fn a_model_is_said_to_be_one_for_tract_or_not() {
    let table = [
        (
            "iris",
            "tract",
            "answers are ONNX Runtime's, to 1e-5 plus 1e-4 of a number; the first one comes ",
        ),
        (
            "digits-svm",
            "onnxruntime",
            "tract cannot run the operator SVMClassifier",
        ),
    ];
    for (example, engine, reason) in table {
        let project = Project::copy_of(example);
        let inspected = mlfn(&project, &["inspect", "model.onnx", "--json"])
            .run()
            .success();
        let auto = &inspected.json()["engine_auto"];
        assert_eq!(auto["engine"], engine, "{inspected}");
        let said = auto["reason"].as_str().expect("is text");
        assert!(said.contains(reason), "{said}");
        let shown = mlfn(&project, &["inspect", "model.onnx"]).run().success();
        assert!(shown.stdout.contains(said), "{shown}");
    }
}

#[test]
fn a_local_cloud_runs_what_tract_runs() {
    let golden = Golden::of("iris");
    let project = with_engine("iris", "auto");
    let local = ["--provider", "local"];
    let with = |words: &[&str]| mlfn(&project, &[words, &local].concat());
    let deployed = with(&["deploy", "--yes"]).run().success();
    deployed.stderr_has("`classifier` runs with tract: ");
    let case = &golden.cases[0];
    let request = case.request.to_string();
    let output = with(&["invoke", "classifier", "-d", &request])
        .run()
        .success();
    let difference = difference(&output.json(), &case.response, golden.tolerance);
    assert_eq!(difference, None, "{output}");
    with(&["deploy", "--yes"]).run().success();
    with(&["remove", "--yes"]).run().success();
}
