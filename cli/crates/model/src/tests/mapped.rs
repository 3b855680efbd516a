//! Graphs that leave their weights in the original file.

use super::protobuf::{bytes, model, number};
use crate::{inspect, mapped};

/// An initializer of that many bytes, which count up.
fn tensor(name: &str, length: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..length)
        .map(|i| u8::try_from(i % 251).expect("a byte"))
        .collect();
    let elements = number(1, (length / 4) as u64);
    bytes(
        5,
        &[
            elements,
            number(2, 1),
            bytes(9, &data),
            bytes(8, name.as_bytes()),
        ]
        .concat(),
    )
}

/// The graph that is made of a model with these initializers, written beside it, if there is one.
fn graph_of(initializers: &[Vec<u8>]) -> Option<(tempfile::TempDir, crate::Model, Vec<u8>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let original = folder.path().join("original.onnx");
    let text = [model(8, 17, &initializers.concat()), bytes(6, b"a note")].concat();
    fs_err::write(&original, &text).expect("writes");
    let graph = mapped(&original).expect("reads")?;
    let path = folder.path().join("graph.onnx");
    fs_err::write(&path, &graph).expect("writes");
    let read = inspect(&path).expect("is a model");
    Some((folder, read, graph))
}

#[test]
fn large_weights_stay_in_the_original() {
    let parts = [
        tensor("small", 64),
        tensor("large", 1 << 20),
        tensor("other", 4096),
    ];
    let (folder, graph, text) = graph_of(&parts).expect("a graph");
    assert!(text.len() < 1024, "{}", text.len());
    let original = inspect(&folder.path().join("original.onnx")).expect("is a model");
    assert_eq!(graph.parameters, original.parameters);
    assert_eq!(graph.outputs, original.outputs);
    let [file] = graph.external_data.as_slice() else {
        panic!("{:?}", graph.external_data);
    };
    assert_eq!((file.location.as_str(), file.tensors), ("original.onnx", 2));
}

#[test]
fn each_weight_says_where_its_bytes_are() {
    let (folder, _, text) = graph_of(&[tensor("large", 1 << 20)]).expect("a graph");
    let original = fs_err::read(folder.path().join("original.onnx")).expect("reads");
    let start = original
        .windows(8)
        .position(|part| part == [0, 1, 2, 3, 4, 5, 6, 7]);
    let entry = |key: &str, value: &str| {
        bytes(
            13,
            &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat(),
        )
    };
    let expected = [
        number(1, 1 << 18),
        number(2, 1),
        bytes(8, b"large"),
        entry("location", "original.onnx"),
        entry("offset", &start.expect("is there").to_string()),
        entry("length", &(1 << 20).to_string()),
        number(14, 1),
    ];
    let expected = [
        model(8, 17, &bytes(5, &expected.concat())),
        bytes(6, b"a note"),
    ]
    .concat();
    assert_eq!(text, expected);
}

#[test]
fn small_models_stay_as_they_are() {
    assert!(graph_of(&[tensor("a", 1 << 19)]).is_none());
    let many: Vec<_> = (0..600).map(|i| tensor(&i.to_string(), 4092)).collect();
    assert!(graph_of(&many).is_none());
}

#[test]
fn nonsense_has_no_graph() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nonsense.onnx");
    fs_err::write(&path, [0x3a, 0xff, 0xff, 0x7f, 1]).expect("writes");
    assert_eq!(mapped(&path).expect("reads"), None);
}
