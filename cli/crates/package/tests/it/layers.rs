//! The library in an archive of its own, which functions share.

use std::collections::BTreeMap;

use mlfn_core::{ArchiveFormat, Artifact, Layer, PartKind, Route};
use mlfn_package::{Built, Table, table, unpack};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Project, tree};

/// What a project's library is.
const LIBRARY: &[u8] = b"\x7fELF, nearly";

fn project() -> Project {
    let mut project = Project::new(&[]);
    project.cloud.shares_library = true;
    project
}

fn artifact(built: &Built) -> &Artifact {
    built.artifacts.first().expect("an archive")
}

fn layer(built: &Built) -> &Layer {
    artifact(built).layer.as_ref().expect("a layer")
}

fn weigh(project: &Project, artifact: &Artifact) -> Table {
    table(artifact, &project.cloud.routes)
}

#[test]
fn the_library_is_in_the_layer_and_not_in_the_package() {
    let project = project();
    let built = project.build();
    let unpacked = |path, format| {
        let into = TempDir::new().expect("a folder");
        unpack(path, format, into.path()).expect("unpacks");
        tree(into.path())
    };
    let files = unpacked(&layer(&built).path, ArchiveFormat::Zip);
    let library = (0o755, LIBRARY.to_vec());
    let expected = BTreeMap::from([("lib/libonnxruntime.so".to_owned(), library)]);
    assert_eq!(files, expected);
    for artifact in &built.artifacts {
        let files = unpacked(&artifact.path, artifact.format);
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["bootstrap", "mlfn.json", "model/model.onnx"]);
        let config: Json = serde_json::from_slice(&files["mlfn.json"].1).expect("JSON");
        assert_eq!(config["library"], "lib/libonnxruntime.so");
        assert_eq!(config["library_in_layer"], json!(true));
    }
}

#[test]
fn another_model_leaves_the_layer_as_it_is() {
    let project = project();
    let first = project.build();
    assert!(first.fresh && !project.build().fresh);
    project.write("model.onnx", &crate::support::model_with(&[0x4a, 1, 7]));
    let second = project.build();
    assert_ne!(artifact(&first).digest, artifact(&second).digest);
    assert_eq!(layer(&first), layer(&second));
    project.write("library.so", b"another library");
    let third = project.build();
    assert!(third.fresh);
    assert_ne!(layer(&second).digest, layer(&third).digest);
    assert_eq!(artifact(&second).digest, artifact(&third).digest);
}

#[test]
fn the_same_library_gives_the_same_layer_anywhere() {
    let [one, other] = [project(), project()].map(|project| layer(&project.build()).digest.clone());
    assert_eq!(one, other);
}

#[test]
fn a_shim_that_runs_the_model_by_itself_needs_no_layer() {
    let mut project = project();
    project.library = false;
    assert_eq!(artifact(&project.build()).layer, None);
}

#[test]
fn both_archives_are_weighed_and_count_towards_the_limit_together() {
    let mut project = project();
    let built = project.build();
    let artifact = artifact(&built);
    let kinds: Vec<_> = artifact.parts.iter().map(|part| part.kind).collect();
    let expected = [
        PartKind::Config,
        PartKind::Model,
        PartKind::Shim,
        PartKind::Runtime,
    ];
    assert_eq!(kinds, expected);
    let table = weigh(&project, artifact);
    let names: Vec<_> = table.rows.iter().map(|row| row.part).collect();
    let expected = ["config", "model", "shim", "function", "layer", "total"];
    assert_eq!(names, expected);
    let size = |part| {
        table
            .rows
            .iter()
            .find(|row| row.part == part)
            .map(|row| row.size)
    };
    assert_eq!(size("layer"), Some(LIBRARY.len() as u64));
    assert_eq!(size("function"), Some(artifact.unpacked));
    assert_eq!(
        size("total"),
        Some(artifact.unpacked + LIBRARY.len() as u64)
    );

    project.cloud.routes[0].max_unpacked = Some(artifact.unpacked + LIBRARY.len() as u64 - 1);
    let built = project.build();
    let Route::TooLarge { advice } = &built.artifacts[0].route else {
        panic!("{:?}", built.artifacts[0].route);
    };
    assert!(advice.contains("1 byte over"), "{advice}");
    assert_eq!(
        weigh(&project, &built.artifacts[0]).routes[0].unpacked_over,
        1
    );
}
