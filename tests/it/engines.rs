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
    assert!(rest.contains(" ms, and each later one after "), "{said}");
    assert!(rest.ends_with(" ms here"), "{said}");
}

#[test]
fn a_model_that_tract_takes_far_longer_for_is_left_to_onnx_runtime() {
    let other = Unpacked::from(&Project::copy_of("iris"), ProviderName::Aws);
    let library = other.root().join("lib/libonnxruntime.so");
    let cache = temporary();
    let project = |engine: &str| {
        let manifest = format!(
            "mlfn: 1\nservice: pool\nprovider: aws\nmodels:\n  pool:\n    path: model.onnx\n    \
             engine: {engine}\n    example: {{ x: [[[0.5]]] }}\n"
        );
        let project = Project::empty().with_file("model.onnx", onnx::wide_pool());
        project.with_file("serverless.yaml", manifest)
    };
    let packed = |engine: &str| {
        let output = mlfn(&project(engine), &["package", "--offline"])
            .env("MLFN_ONNXRUNTIME", &library)
            .env("XDG_CACHE_HOME", cache.path())
            .run()
            .success();
        let mut lines = output.stdout.lines();
        let said = lines.find_map(|line| line.strip_prefix("engine "));
        said.expect("tells the engine").to_owned()
    };
    let said = packed("auto");
    let reason = "onnxruntime: tract answers the same, but takes ";
    assert!(said.starts_with(reason), "{said}");
    assert!(
        said.contains(" ms for a request where ONNX Runtime takes "),
        "{said}"
    );
    // Who wants it gets it, and is told.
    let said = packed("tract");
    let reason = "tract: 17 answers are ONNX Runtime's, ";
    assert!(said.starts_with(reason), "{said}");
    assert!(said.contains(", and each later one after "), "{said}");
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

/// Models as ONNX has them, field by field: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.
mod onnx {
    /// `FLOAT` and `INT64` of `TensorProto.DataType`.
    const FLOAT: u8 = 1;
    const INT64: u8 = 7;
    /// `INTS` of `AttributeProto.AttributeType`.
    const INTS: u8 = 7;

    /// The largest of 501 neighbours, at 7,500 places, and the largest of those. tract compares all of
    /// them at each place, and ONNX Runtime a few: the trial finds 20 times as long for tract as it is
    /// shipped, and 400 times as long as it is built for tests, 80 ms where 2.2 are the border.
    pub(super) fn wide_pool() -> Vec<u8> {
        let kernel = [text(1, "kernel_shape"), varint(8, 501), number(20, INTS)].concat();
        let nodes = [
            node("Expand", &["x", "length"], "wide", &[]),
            node("MaxPool", &["wide"], "pooled", &kernel),
            node("GlobalMaxPool", &["pooled"], "y", &[]),
        ];
        let length = [
            number(1, 3),
            number(2, INT64),
            varint(7, 1),
            varint(7, 1),
            varint(7, 8000),
            text(8, "length"),
        ];
        let graph = [
            nodes.concat(),
            text(2, "wide_pool"),
            message(5, &length.concat()),
            message(11, &of_one_number("x")),
            message(12, &of_one_number("y")),
        ];
        let opset = number(2, 17);
        [
            number(1, 8),
            message(7, &graph.concat()),
            message(8, &opset),
        ]
        .concat()
    }

    fn node(operator: &str, inputs: &[&str], output: &str, attribute: &[u8]) -> Vec<u8> {
        let mut fields: Vec<Vec<u8>> = inputs.iter().map(|input| text(1, input)).collect();
        fields.extend([text(2, output), text(4, operator)]);
        if !attribute.is_empty() {
            fields.push(message(5, attribute));
        }
        message(1, &fields.concat())
    }

    /// A `ValueInfoProto` of the shape `[1, 1, 1]`.
    fn of_one_number(name: &str) -> Vec<u8> {
        let shape = message(1, &number(1, 1)).repeat(3);
        let tensor = [number(1, FLOAT), message(2, &shape)].concat();
        [text(1, name), message(2, &message(1, &tensor))].concat()
    }

    fn text(field: u8, value: &str) -> Vec<u8> {
        message(field, value.as_bytes())
    }

    fn number(field: u8, value: u8) -> Vec<u8> {
        varint(field, value.into())
    }

    /// A field with a length before its bytes, which Protocol Buffers call type 2.
    fn message(field: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).expect("is short");
        [&tag(field, 2)[..], &encoded(length), bytes].concat()
    }

    fn varint(field: u8, value: u32) -> Vec<u8> {
        [tag(field, 0), encoded(value)].concat()
    }

    fn tag(field: u8, kind: u32) -> Vec<u8> {
        encoded(u32::from(field) << 3 | kind)
    }

    /// Seven bits a byte, the lowest first.
    fn encoded(mut value: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        bytes.push(value.to_le_bytes()[0]);
        bytes
    }
}
