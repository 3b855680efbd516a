//! What is in a package, and where.

use mlfn_core::{ArchiveFormat, PartKind, Route};
use mlfn_package::unpack;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Project, model, model_with, tree};

#[test]
fn a_package_holds_the_shim_the_library_the_model_and_the_clouds_files() {
    let project = Project::new(&["weights.bin", "more/of/them.bin"]).file("host.json", "{}");
    project.write("weights.bin", b"one");
    project.write("more/of/them.bin", b"two");
    let built = project.build();
    for artifact in &built.artifacts {
        let into = TempDir::new().expect("a folder");
        unpack(&artifact.path, artifact.format, into.path()).expect("unpacks");
        let mut files = tree(into.path());
        files.remove("mlfn.json").expect("the configuration");
        let expected = [
            ("bootstrap", 0o755, project.shim.clone()),
            ("host.json", 0o644, b"{}".to_vec()),
            ("lib/libonnxruntime.so", 0o755, b"\x7fELF, nearly".to_vec()),
            (
                "model/model.onnx",
                0o644,
                model(&["weights.bin", "more/of/them.bin"]),
            ),
            ("model/more/of/them.bin", 0o644, b"two".to_vec()),
            ("model/weights.bin", 0o644, b"one".to_vec()),
        ]
        .map(|(path, mode, bytes)| (path.to_owned(), (mode, bytes)));
        assert_eq!(files, expected.into());
    }
}

#[test]
fn a_package_for_a_shim_that_runs_models_by_itself_has_no_library() {
    let project = Project {
        library: false,
        ..Project::new(&[])
    };
    let built = project.build();
    let artifact = built.artifacts.first().expect("an archive");
    let into = TempDir::new().expect("a folder");
    unpack(&artifact.path, artifact.format, into.path()).expect("unpacks");
    let mut files = tree(into.path());
    let (_, config) = files.remove("mlfn.json").expect("the configuration");
    let config: Json = serde_json::from_slice(&config).expect("JSON");
    assert_eq!(config.get("library"), None);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["bootstrap", "model/model.onnx"]);
    let kinds: Vec<_> = artifact.parts.iter().map(|part| part.kind).collect();
    assert!(!kinds.contains(&PartKind::Runtime), "{kinds:?}");
}

#[test]
fn large_weights_are_left_in_the_model_and_a_graph_lies_beside_it() {
    let project = Project::new(&[]);
    // The packager looks at sizes only; a tensor of one field is enough for it.
    let large = [vec![0x4a, 0x80, 0x80, 0x40], vec![7; 1 << 20]].concat();
    project.write("model.onnx", &model_with(&large));
    let built = project.build();
    let artifact = built.artifacts.first().expect("an archive");
    let into = TempDir::new().expect("a folder");
    unpack(&artifact.path, artifact.format, into.path()).expect("unpacks");
    let files = tree(into.path());
    let (_, whole) = files.get("model/model.onnx").expect("the model");
    assert_eq!(*whole, model_with(&large));
    let (_, graph) = files.get("model/mlfn-graph.onnx").expect("the graph");
    assert!(graph.len() < 1000, "{}", graph.len());
    let (_, config) = files.get("mlfn.json").expect("the configuration");
    let config: Json = serde_json::from_slice(config).expect("JSON");
    assert_eq!(config["model"], "model/model.onnx");
    assert_eq!(config["graph"], "model/mlfn-graph.onnx");
}

#[test]
fn the_configuration_is_compiled_from_the_manifest_and_the_model() {
    let mut project = Project::new(&[]);
    let function = project.service.functions.first_mut().expect("one model");
    function.example = Some(json!({"features": [1, 2, 3, 4]}));
    let triggers = json!([
        {"http": {"method": "GET", "path": "/score", "auth": "none", "cors": ["*"]}},
        {"topic": {"name": "news"}},
    ]);
    function.triggers = serde_json::from_value(triggers).expect("triggers");
    function.batching = Some(mlfn_core::Batching {
        max: 8,
        wait_us: 500,
        exact: true,
    });
    let artifact = project.build().artifacts.swap_remove(0);
    let into = TempDir::new().expect("a folder");
    unpack(&artifact.path, artifact.format, into.path()).expect("unpacks");
    let text = fs_err::read_to_string(into.path().join("mlfn.json")).expect("the configuration");
    let config: Json = serde_json::from_str(&text).expect("JSON");
    let sha256 = mlfn_core::Digest::of(&model(&[])).to_string();
    let expected = json!({
        "format": 1,
        "service": "iris",
        "stage": "dev",
        "function": "classifier",
        "model": "model/model.onnx",
        "model_sha256": sha256,
        "library": "lib/libonnxruntime.so",
        // The manifest says `features`, which is the input `x`.
        "inputs": {"x": {"names": ["a", "b", "c", "d"]}},
        "output": {"labels": [], "probability": null},
        "example": {"features": [1, 2, 3, 4]},
        "max_request": 6 << 20,
        "max_response": 5 << 20,
        "timeout": 30,
        "routes": [{"method": "GET", "path": "/score", "cors": ["*"]}],
        "schedules": {"timer": {"x": 1}},
        "batching": {"max": 8, "wait_us": 500, "exact": true},
        "steady": true,
    });
    assert_eq!(config, expected);
}

#[test]
fn an_artifact_says_what_is_in_it_and_how_it_gets_to_the_cloud() {
    let project = Project::new(&[]);
    let built = project.build();
    let [zip, tar] = built.artifacts.as_slice() else {
        panic!("{:?}", built.artifacts);
    };
    assert_eq!(
        (zip.format, tar.format),
        (ArchiveFormat::Zip, ArchiveFormat::TarGz)
    );
    assert!(
        zip.path.ends_with("classifier.dev.aws.zip"),
        "{:?}",
        zip.path
    );
    for artifact in [zip, tar] {
        let kinds: Vec<_> = artifact.parts.iter().map(|part| part.kind).collect();
        let all = [
            PartKind::Config,
            PartKind::Model,
            PartKind::Shim,
            PartKind::Runtime,
        ];
        assert_eq!(kinds, all);
        assert_eq!(
            artifact.packed,
            fs_err::metadata(&artifact.path).expect("there").len()
        );
        let unpacked: u64 = artifact.parts.iter().map(|part| part.unpacked).sum();
        assert_eq!(artifact.unpacked, unpacked);
        let packed: u64 = artifact.parts.iter().map(|part| part.packed).sum();
        assert!(
            packed < artifact.packed && artifact.packed - packed < 1100,
            "{packed}"
        );
        assert!(matches!(
            artifact.route,
            Route::Fits {
                name: "direct zip",
                ..
            }
        ));
    }
    let digests = |artifact: &mlfn_core::Artifact| {
        artifact
            .parts
            .iter()
            .map(|part| part.digest.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        digests(zip),
        digests(tar),
        "parts are named by their contents, however packed"
    );
}

#[test]
fn binaries_that_cannot_run_are_found() {
    let built = Project::new(&[]).build();
    let found: Vec<_> = built
        .findings
        .iter()
        .map(|finding| (finding.file.as_str(), finding.code))
        .collect();
    assert_eq!(
        found,
        [
            ("bootstrap", "not-loadable"),
            ("lib/libonnxruntime.so", "not-loadable")
        ]
    );
}
