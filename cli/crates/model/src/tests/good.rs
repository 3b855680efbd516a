//! What is read of the models in `tests/fixtures`, as JSON in `tests/expected`, which
//! `UPDATE_EXPECT=1` writes anew.

use std::path::Path;

use expect_test::expect_file;

use crate::inspect;

#[track_caller]
fn check(name: &str) {
    let path = Path::new("tests/fixtures").join(format!("{name}.onnx"));
    let model = inspect(&path).expect("reads");
    let json = serde_json::to_string_pretty(&model).expect("writes");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected");
    expect_file![folder.join(format!("{name}.json"))].assert_eq(&format!("{json}\n"));
}

#[test]
fn a_classifier_of_scikit_learn() {
    check("classifier");
}

#[test]
fn a_network_with_a_symbolic_batch() {
    check("network");
}

#[test]
fn initializers_are_not_inputs_of_an_old_model() {
    check("old");
}

#[test]
fn every_kind_of_value() {
    check("types");
}

#[test]
fn operators_of_subgraphs_functions_and_foreign_domains() {
    check("operators");
}

#[test]
fn weights_in_other_files() {
    check("outside");
}

#[test]
fn values_are_shown_as_type_and_shape() {
    let shown = |name: &str| {
        let path = Path::new("tests/fixtures").join(name);
        let model = inspect(&path).expect("reads");
        let values = model.inputs.into_iter().chain(model.outputs);
        let lines: Vec<_> = values.map(|v| format!("{}: {}", v.name, v.kind)).collect();
        lines.join("\n")
    };
    let classifier = "features: float32[?, 4]\nlabel: int64[?]\n\
        probabilities: sequence(map(int64, float32))";
    assert_eq!(shown("classifier.onnx"), classifier);
    let types = "half: float16[2]\nscalar: bool[]\ntext: string[?, 1]\nany_rank: int8[...]\n\
        optional: optional(float32[rows, ?])\nsparse: sparse(float64[3, 3])\nuntyped: unknown\n\
        words: sequence(map(string, float32[rows, ?]))\nnew: float6e3m2[1]";
    assert_eq!(shown("types.onnx"), types);
}
