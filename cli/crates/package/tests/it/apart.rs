//! Models that are too large for an archive, on clouds where functions can fetch them.

use mlfn_core::{Artifact, Digest, PartKind, Route, RouteSpec};
use mlfn_package::{Built, table, unpack};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Project, ZIP, model_with, tree};

/// Little, so that the test needs no model of hundreds of MB.
const LIMIT: u64 = 1 << 20;

/// With weights of `length` bytes, which the packager does not look at.
fn weighing(length: usize) -> Vec<u8> {
    model_with(&[vec![0x4a, 0x80, 0x80, 0x40], vec![7; length]].concat())
}

/// A model of some more than a MiB, for a cloud that takes a MiB, or more if the model is fetched.
fn project() -> Project {
    let mut project = Project::new(&[]);
    project.write("model.onnx", &weighing(1 << 20));
    let whole = RouteSpec {
        max_unpacked: Some(LIMIT),
        ..ZIP
    };
    let apart = RouteSpec {
        name: "model apart",
        max_fetched: Some(2 * LIMIT),
        ..whole.clone()
    };
    project.cloud.routes = vec![whole, apart];
    project
}

fn artifact(built: &Built) -> &Artifact {
    built.artifacts.first().expect("an archive")
}

fn model_part(artifact: &Artifact) -> (Digest, u64) {
    let part = artifact
        .parts
        .iter()
        .find(|part| part.kind == PartKind::Model);
    let part = part.expect("a model");
    (part.digest.clone(), part.unpacked)
}

#[test]
fn a_model_that_is_too_large_is_left_out_with_its_graph_in() {
    let project = project();
    let built = project.build();
    let artifact = artifact(&built);
    let into = TempDir::new().expect("a folder");
    unpack(&artifact.path, artifact.format, into.path()).expect("unpacks");
    let files = tree(into.path());
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let library = "lib/libonnxruntime.so";
    let expected = ["bootstrap", library, "mlfn.json", "model/mlfn-graph.onnx"];
    assert_eq!(names, expected);
    let model = weighing(1 << 20);
    let [fetched] = &artifact.fetched[..] else {
        panic!("{:?}", artifact.fetched);
    };
    assert_eq!(fetched.path, "model/model.onnx");
    assert_eq!(fetched.source, project.path("model.onnx"));
    assert_eq!(fetched.digest, Digest::of(&model));
    assert_eq!(fetched.bytes, model.len() as u64);
    let (_, config) = files.get("mlfn.json").expect("the configuration");
    let config: Json = serde_json::from_slice(config).expect("JSON");
    assert_eq!(config["fetched"], json!({"model/model.onnx": model.len()}));
    assert_eq!(config["model_sha256"], fetched.digest.as_str());
}

#[test]
fn the_table_weighs_what_is_fetched_with_the_rest() {
    let project = project();
    let built = project.build();
    let artifact = artifact(&built);
    assert!(matches!(&artifact.route, Route::Fits { name, .. } if *name == "model apart"));
    let (_, bytes) = model_part(artifact);
    assert!(bytes > LIMIT, "{bytes}");
    let table = table(artifact, &project.cloud.routes);
    let total = table.rows.iter().find(|row| row.part == "total");
    let sum: u64 = artifact.parts.iter().map(|part| part.unpacked).sum();
    assert_eq!(total.map(|row| row.size), Some(sum));
    let chosen: Vec<_> = table.routes.iter().map(|route| route.chosen).collect();
    assert_eq!(chosen, [false, true]);
}

#[test]
fn another_model_is_another_part_and_the_same_one_is_reused() {
    let project = project();
    let first = project.build();
    assert!(!project.build().fresh);
    let mut other = weighing(1 << 20);
    *other.last_mut().expect("it has bytes") ^= 1;
    project.write("model.onnx", &other);
    let second = project.build();
    let (first, second) = (artifact(&first), artifact(&second));
    assert_ne!(model_part(first).0, model_part(second).0);
    assert_eq!(
        second.fetched.first().map(|file| file.digest.clone()),
        Some(Digest::of(&other))
    );
}

#[test]
fn a_model_that_is_too_large_even_so_is_told_by_how_much() {
    let project = project();
    project.write("model.onnx", &weighing(1 << 20));
    let mut project = project;
    for route in &mut project.cloud.routes {
        route.max_fetched = route.max_fetched.map(|_| LIMIT);
    }
    let built = project.build();
    let Route::TooLarge { advice } = &artifact(&built).route else {
        panic!("{:?}", artifact(&built).route);
    };
    assert!(advice.contains("takes a model of 1 MiB"), "{advice}");
}
