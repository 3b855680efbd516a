//! Models that tract runs, which is part of the shim, beside ONNX Runtime's answers to the same.

use serde_json::{Value as Json, json};

use crate::support::{self, Answer, Package, Shim, models, post};

/// Rows for the trees; the last two are at and beyond the borders of what they were fitted to.
const FOR_TREES: &str =
    r#"{"X": [[0.1, -0.7, 0.3], [-0.9, 0.66, -0.2], [0.4, 0.0, 0.9], [1, -1, 1], [-50, 1e9, 7]]}"#;

/// Models of which both engines answer the same, and a request to each.
const BOTH: [(&str, &str); 22] = [
    (
        "classifier_int",
        r#"{"features": [[5.1, 3.5], [0.3, 0.2]]}"#,
    ),
    (
        "classifier_tensor",
        r#"{"features": [[5.1, 3.5], [0.3, 0.2]]}"#,
    ),
    (
        "classifier_string",
        r#"{"features": [[5.1, 3.5], [0.3, 0.2]]}"#,
    ),
    ("regressor", r#"{"features": [[5.1, 3.5], [0.3, 0.2]]}"#),
    ("kmeans", r#"{"features": [[5.1, 3.5], [0.3, 0.2]]}"#),
    ("trees_forest", FOR_TREES),
    ("trees_boosted", FOR_TREES),
    ("trees_two", FOR_TREES),
    ("trees_average", FOR_TREES),
    ("two_inputs", r#"{"b": [10, 20], "a": [[1, 2], [3, 4]]}"#),
    ("rank4", r#"{"x": [[[1.0, 2.0], [3.0, 4.0]]]}"#),
    ("identity_bool", r#"{"x": [[true, false], [false, true]]}"#),
    ("identity_int8", r#"{"x": [[-128, 127]]}"#),
    ("identity_int16", r#"{"x": [[-32768, 32767]]}"#),
    ("identity_int32", r#"{"x": [[-2147483648, 2147483647]]}"#),
    ("identity_int64", r#"{"x": [[-9223372036854775808]]}"#),
    ("identity_uint8", r#"{"x": [[0, 255]]}"#),
    ("identity_uint64", r#"{"x": [[0, 18446744073709551615]]}"#),
    ("identity_float16", r#"{"x": [[0.5, -65504.0]]}"#),
    ("identity_float32", r#"{"x": [[0.1, -3.4028235e38]]}"#),
    (
        "identity_float64",
        r#"{"x": [[0.30000000000000004, 5e-324]]}"#,
    ),
    (
        "identity_string",
        r#"{"x": [["a", ""], ["Größe 😀", "\"\n"]]}"#,
    ),
];

/// What each engine answers.
fn ask(model: &str, path: &str, request: &str) -> [Answer; 2] {
    let packages = [Package::of(model), Package::of(model).tract()];
    packages.map(|package| Shim::http(&package).post(path, request))
}

/// To 1e-5, the precision of models of 32 bits.
#[track_caller]
fn check_same(found: &Json, expected: &Json) {
    match (found, expected) {
        (Json::Array(found), Json::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
            let pairs = found.iter().zip(expected);
            pairs.for_each(|(found, expected)| check_same(found, expected));
        }
        (Json::Object(found), Json::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{found:?} {expected:?}");
            for (key, found) in found {
                check_same(found, &expected[key]);
            }
        }
        (Json::Number(found), Json::Number(expected)) if found.is_f64() => {
            let difference = found
                .as_f64()
                .zip(expected.as_f64())
                .map(|(a, b)| (a - b).abs());
            assert!(difference < Some(1e-5), "{found} is not {expected}");
        }
        _ => assert_eq!(found, expected),
    }
}

#[test]
fn both_engines_answer_the_same() {
    for (model, request) in BOTH {
        let [expected, found] = ask(model, "/predict", request);
        assert_eq!(
            (found.status, expected.status),
            (200, 200),
            "{model}: {}",
            found.body
        );
        check_same(&support::json(&found.body), &support::json(&expected.body));
    }
}

#[test]
fn both_engines_describe_a_model_in_the_same_words() {
    for model in ["classifier_int", "two_inputs", "rank4", "identity_float64"] {
        let paths = ["/openapi.json", "/v2/models/classifier"];
        let packages = [Package::of(model), Package::of(model).tract()];
        let [expected, found] = packages.map(|package| {
            let shim = Shim::http(&package);
            // The model is loaded before the first answer.
            shim.predict("{}");
            paths.map(|path| shim.connect().get(path).body)
        });
        assert!(found[1].contains(r#""platform":"tract_onnx""#), "{found:?}");
        let found = found.map(|body| body.replace("tract_onnx", "onnxruntime_onnx"));
        assert_eq!(found, expected, "{model}");
    }
}

#[test]
fn both_engines_refuse_in_the_same_words() {
    for request in ["{}", r#"{"features": [1]}"#, r#"{"features": "x"}"#, "["] {
        let [expected, found] = ask("classifier_int", "/predict", request);
        assert_eq!(found.status, 400, "{}", found.body);
        assert_eq!(found.body, expected.body);
    }
}

#[test]
fn tensors_in_the_open_inference_protocol_are_the_same() {
    let request = json!({"inputs": [{
        "name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]
    }, {
        "name": "b", "shape": [1, 1], "datatype": "INT64", "data": [10]
    }]});
    let path = "/v2/models/classifier/infer";
    let [expected, found] = ask("two_inputs", path, &request.to_string());
    assert_eq!(expected.status, 200, "{}", expected.body);
    assert_eq!(found.body, expected.body);
}

#[test]
fn weights_are_found_in_the_original_model() {
    let package = || Package::with(crate::mapped::product());
    let row: Vec<f32> = (0_u16..512)
        .map(|place| f32::from(place % 37) / 7.0)
        .collect();
    let request = json!({"features": [row]}).to_string();
    let expected = Shim::http(&package()).prediction(&request);
    let found = Shim::http(&package().mapped().tract()).prediction(&request);
    let number = |value: &Json| value.as_f64().expect("a number");
    let pairs = |value: &Json| value[0].as_array().expect("a row").clone();
    for (found, expected) in pairs(&found).iter().zip(&pairs(&expected)) {
        let (found, expected) = (number(found), number(expected));
        assert!(
            (found - expected).abs() <= 1e-4 * expected.abs(),
            "{found} is not {expected}"
        );
    }
}

#[test]
fn many_requests_at_a_time_are_not_mixed_up() {
    let shim = Shim::http(&Package::of("two_inputs").tract());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let mut connection = shim.connect();
            scope.spawn(move || {
                for round in 0..20 {
                    let number = thread * 100 + round;
                    let body = json!({"a": [[number, 1]], "b": [1]}).to_string();
                    let answer = connection.send(&post("/predict", &[], &body));
                    let expected = f64::from(number) + 2.0;
                    let found = &support::json(&answer.body)["prediction"];
                    assert_eq!(*found, json!([expected]), "{}", answer.body);
                }
            });
        }
    });
}

#[test]
fn what_tract_does_not_run_is_said_when_the_model_is_loaded() {
    let table = [
        (
            "identity_bfloat16",
            "tract does not know the type of the input `x`",
        ),
        (
            "sequence_input",
            "tract cannot take the input `items`, which is no tensor",
        ),
        ("sequence_of_tensors", "tract cannot"),
        ("broken", "cannot load the model"),
        ("reshape", "Reshape volume mismatch"),
    ];
    for (model, expected) in table {
        let shim = Shim::http(&Package::of(model).tract());
        let answer = shim.predict("{}");
        assert!(answer.status >= 400, "{model}: {}", answer.body);
        assert!(answer.body.contains(expected), "{model}: {}", answer.body);
    }
}

/// A model with other bytes in the place of these.
fn changed(model: &str, from: &str, to: &str) -> Package {
    assert_eq!(from.len(), to.len(), "all lengths in the file stay true");
    let mut model = fs_err::read(models().join(format!("{model}.onnx"))).expect("the model");
    let length = from.len();
    let starts = 0..=model.len() - length;
    let is_here = |start: &usize| &model[*start..*start + length] == from.as_bytes();
    let places: Vec<usize> = starts.filter(is_here).collect();
    assert!(!places.is_empty(), "{from} is in the model");
    for start in places {
        model[start..start + length].copy_from_slice(to.as_bytes());
    }
    Package::with(model)
}

#[test]
fn trees_of_which_tract_would_answer_something_else_are_refused() {
    let table = [
        (
            "forest",
            "BRANCH_LEQ",
            "BRANCH_GTE",
            "trees that compare by BRANCH_GTE",
        ),
        ("forest", "SUM", "MAX", "trees of which one counts"),
        ("forest", "NONE", "LOGI", "transform what trees add up to"),
        (
            "forest",
            "nodes_values",
            "xx_as_tensor",
            "trees with numbers of 64 bits",
        ),
        (
            "two",
            "n_targets",
            "x_targets",
            "a tree adds to the sum 1, of 1",
        ),
    ];
    for (model, from, to, expected) in table {
        let package = changed(&format!("trees_{model}"), from, to);
        let answer = Shim::http(&package.tract()).predict(FOR_TREES);
        assert_eq!(answer.status, 500, "{to}: {}", answer.body);
        assert!(answer.body.contains(expected), "{to}: {}", answer.body);
    }
}

#[test]
fn trees_compare_as_they_say() {
    for comparison in ["BRANCH_NEQ", "BRANCH_LEQ"] {
        let packages = || changed("trees_forest", "BRANCH_LEQ", comparison);
        let [expected, found] = [packages(), packages().tract()]
            .map(|package| support::json(&Shim::http(&package).predict(FOR_TREES).body));
        assert!(
            expected["prediction"].is_array(),
            "{comparison}: {expected}"
        );
        check_same(&found, &expected);
    }
}

#[test]
fn lambda_is_served_as_with_onnx_runtime() {
    let mut api = support::RuntimeApi::start();
    let address = api.address().to_owned();
    let package = Package::of("two_inputs").tract();
    let _shim = Shim::with(&package, &[("AWS_LAMBDA_RUNTIME_API", &address)]);
    let answer = api.invoke(r#"{"a": [[1, 2]], "b": [10]}"#);
    assert_eq!(answer.expect("an answer"), r#"{"prediction":[13.0]}"#);
}
