//! What models answer through ONNX Runtime.

use serde_json::{Value as Json, json};

use crate::support::{self, Package, Shim, models};

/// What scikit-learn said when the models were made.
fn expected() -> Json {
    let path = models().join("expected.json");
    support::json(&fs_err::read_to_string(path).expect("the file is there"))
}

/// The batch of its rows.
fn rows() -> String {
    json!({"features": expected()["rows"]}).to_string()
}

/// To 1e-5, the precision of models of 32 bits.
#[track_caller]
fn check_close(found: &Json, expected: &Json) {
    let number = |value: &Json| value.as_f64().expect("a number");
    let (found, expected) = (number(found), number(expected));
    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
}

#[track_caller]
fn check_identity(element: &str, values: &str) {
    let shim = Shim::http(&Package::of(&format!("identity_{element}")));
    let request = format!("{{\"x\": {values}}}");
    assert_eq!(
        shim.prediction(&request),
        support::json(values),
        "{element}"
    );
    let answer = shim.predict(r#"{"x": {}}"#);
    assert_eq!(answer.status, 400, "{element}");
    assert_eq!(
        shim.prediction(&request),
        support::json(values),
        "{element}"
    );
}

#[test]
fn every_element_type_comes_back_as_it_went_in() {
    check_identity("bool", "[[true, false], [false, true]]");
    check_identity("int8", "[[-128, 127]]");
    check_identity("int16", "[[-32768, 32767]]");
    check_identity("int32", "[[-2147483648, 2147483647]]");
    check_identity("int64", "[[-9223372036854775808, 9223372036854775807]]");
    check_identity("uint8", "[[0, 255]]");
    check_identity("uint16", "[[0, 65535]]");
    check_identity("uint32", "[[0, 4294967295]]");
    check_identity("uint64", "[[0, 18446744073709551615]]");
    check_identity("float16", "[[0.5, -65504.0]]");
    check_identity("bfloat16", "[[0.5, -2.0]]");
    check_identity("float32", "[[0.1, -3.4028235e38]]");
    check_identity("float64", "[[0.30000000000000004, 5e-324]]");
    check_identity("string", r#"[["a", ""], ["Größe 😀", "\"\n"]]"#);
}

#[test]
fn scalars_images_and_empty_dimensions_work() {
    let scalar = Shim::http(&Package::of("scalar"));
    assert_eq!(scalar.prediction(r#"{"x": 1.5}"#), json!(1.5));
    // ONNX Runtime does not tell a scalar from a graph without a shape, nor does it check it.
    assert_eq!(scalar.prediction(r#"{"x": [1.5]}"#), json!([1.5]));
    assert_eq!(scalar.prediction(r#"{"x": 2}"#), json!(2.0));
    let image = Shim::http(&Package::of("rank4"));
    let pixels = json!([[[1.0, 2.0], [3.0, 4.0]]]);
    assert_eq!(image.prediction(&json!({"x": pixels}).to_string()), pixels);
    assert_eq!(
        image.prediction(&json!({"x": [pixels]}).to_string()),
        json!([pixels])
    );
    let table = Shim::http(&Package::of("identity_int64"));
    assert_eq!(table.prediction(r#"{"x": [[], []]}"#), json!([[], []]));
    let texts = Shim::http(&Package::of("identity_string"));
    assert_eq!(texts.prediction(r#"{"x": [[]]}"#), json!([[]]));
}

#[test]
fn a_classifier_says_what_scikit_learn_says() {
    let expected = expected();
    for (model, labels) in [
        ("classifier_int", &["ant", "bee", "cow"][..]),
        ("classifier_tensor", &["ant", "bee", "cow"]),
        ("classifier_string", &[]),
    ] {
        let shim = Shim::http(&Package::of(model).labels(labels));
        let batch = shim.prediction(&rows());
        for (row, names) in ["ant", "bee", "cow"].iter().enumerate() {
            assert_eq!(batch[row]["label"], *names, "{model}");
            for (class, name) in ["ant", "bee", "cow"].iter().enumerate() {
                let found = &batch[row]["probabilities"][name];
                check_close(found, &expected["probabilities"][row][class]);
            }
        }
        let one = shim.prediction(&json!({"features": expected["rows"][1]}).to_string());
        assert_eq!(one, batch[1], "{model}");
    }
}

#[test]
fn a_classifier_without_labels_keeps_the_model_s_classes() {
    let shim = Shim::http(&Package::of("classifier_int"));
    let batch = shim.prediction(&rows());
    assert_eq!(batch[2]["label"], 2);
    let keys = batch[2]["probabilities"]
        .as_object()
        .expect("an object")
        .keys();
    assert_eq!(keys.collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[test]
fn one_probability_can_be_the_answer() {
    for model in ["classifier_int", "classifier_string", "classifier_tensor"] {
        let mut package = Package::of(model).labels(&["ant", "bee", "cow"]);
        package.config.output.probability = Some("bee".to_owned());
        let batch = Shim::http(&package).prediction(&rows());
        for row in 0..3 {
            check_close(&batch[row], &expected()["probabilities"][row][1]);
        }
    }
}

#[test]
fn numbers_and_clusters_are_scikit_learn_s() {
    let numbers = Shim::http(&Package::of("regressor")).prediction(&rows());
    let clusters = Shim::http(&Package::of("kmeans")).prediction(&rows());
    let named = Package::of("kmeans").labels(&["zero", "one", "two"]);
    let named = Shim::http(&named).prediction(&rows());
    for row in 0..3 {
        check_close(&numbers[row], &expected()["numbers"][row]);
        assert_eq!(clusters[row]["label"], expected()["clusters"][row]);
        assert_eq!(clusters[row]["scores"].as_array().map(Vec::len), Some(3));
        let number = clusters[row]["label"].as_u64().expect("a number");
        let name = ["zero", "one", "two"][usize::try_from(number).expect("small")];
        assert_eq!(named[row]["label"], name);
    }
}

#[test]
fn inputs_are_told_apart_by_name_and_must_agree() {
    let shim = Shim::http(&Package::of("two_inputs"));
    let good = r#"{"b": [10, 20], "a": [[1, 2], [3, 4]]}"#;
    assert_eq!(shim.prediction(good), json!([13.0, 27.0]));
    assert_eq!(
        shim.prediction(r#"{"inputs": {"a": [1, 2], "b": 10}}"#),
        json!(13.0)
    );
    let answer = shim.predict(r#"{"b": [10, 20, 30], "a": [[1, 2], [3, 4]]}"#);
    assert_eq!(answer.failure(), "400 wrong_shape");
    assert!(
        answer
            .body
            .contains("the dimension `batch` is 2 in `a`, but 3 in `b`"),
        "{}",
        answer.body
    );
    assert_eq!(shim.prediction(good), json!([13.0, 27.0]));
}

#[test]
fn a_list_of_tensors_is_a_list() {
    let shim = Shim::http(&Package::of("sequence_of_tensors"));
    let found = shim.prediction(r#"{"x": [[1, 2], [3, 4], [5, 6]]}"#);
    assert_eq!(found, json!([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
    assert_eq!(shim.prediction(r#"{"x": [1, 2]}"#), json!([[1.0, 2.0]]));
}

#[track_caller]
fn check_unsupported(model: &str, kind: &str) {
    let shim = Shim::http(&Package::of(model));
    let answer = shim.predict("{}");
    assert_eq!(answer.failure(), "422 unsupported_input", "{}", answer.body);
    assert!(answer.body.contains(kind), "{}", answer.body);
}

#[test]
fn what_json_cannot_carry_is_refused_in_words() {
    check_unsupported("sequence_input", "`items` is sequence(float32)");
    check_unsupported("optional_input", "`maybe` is optional(float32)");
    check_unsupported("float8_input", "`x` is float8e4m3fn");
}

#[test]
fn a_model_that_fails_while_it_runs_answers_the_next_request() {
    let mut shim = Shim::http(&Package::of("reshape"));
    let answer = shim.predict(r#"{"x": [1, 2, 3, 4, 5]}"#);
    assert_eq!(answer.failure(), "500 model_failed", "{}", answer.body);
    assert!(answer.body.contains("the model failed"), "{}", answer.body);
    assert_eq!(shim.wait_for("the model failed")["level"], "error");
    assert_eq!(
        shim.prediction(r#"{"x": [1, 2, 3, 4]}"#),
        json!([[1.0, 2.0], [3.0, 4.0]])
    );
}
