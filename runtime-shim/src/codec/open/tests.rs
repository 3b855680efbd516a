//! Requests of the Open Inference Protocol as data, with an engine that answers what it is given.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use crate::codec::content::Content;
use crate::codec::failure::Failure;
use crate::engine::Dim;
use crate::engine::echo::{Echo, input};
use crate::handler::tests::config;
use crate::handler::{Handler, Timings};
use crate::tensor::ElementType;

fn handler(element: ElementType) -> Handler {
    let dims = vec![Dim::Symbol("N".to_owned()), Dim::Fixed(2)];
    let engine = Echo::new(vec![
        input("x", element, dims.clone()),
        input("y", element, dims),
    ]);
    Handler::new(Box::new(engine), config())
}

fn infer(element: ElementType, body: &[u8], length: Option<usize>) -> Result<Content, Failure> {
    handler(element).infer(
        &Bytes::copy_from_slice(body),
        length,
        &mut Timings::default(),
    )
}

fn tensor(name: &str, datatype: &str, data: &Json) -> Json {
    json!({ "name": name, "shape": [1, 2], "datatype": datatype, "data": data })
}

/// Values of a type come back as they went in, as JSON and as bytes.
#[track_caller]
fn check_type(element: ElementType, datatype: &str, data: &Json, bytes: &[u8]) {
    let inputs = [tensor("y", datatype, data), tensor("x", datatype, data)];
    let request = json!({ "id": "a", "inputs": inputs }).to_string();
    let answer = infer(element, request.as_bytes(), None).expect("is good");
    assert_eq!(answer.json_length, None);
    let outputs = [tensor("x", datatype, data), tensor("y", datatype, data)];
    let expected = json!({
        "model_name": "function", "model_version": "00", "id": "a", "outputs": outputs,
    });
    let found: Json = serde_json::from_slice(&answer.body).expect("is JSON");
    assert_eq!(found, expected);
    check_bytes(element, datatype, bytes);
}

#[track_caller]
fn check_bytes(element: ElementType, datatype: &str, bytes: &[u8]) {
    let input = |name| {
        let parameters = json!({ "binary_data_size": bytes.len() });
        json!({ "name": name, "shape": [1, 2], "datatype": datatype, "parameters": parameters })
    };
    let request = json!({
        "parameters": { "binary_data_output": true },
        "inputs": [input("x"), input("y")],
        "outputs": [{ "name": "y" }, { "name": "x", "parameters": { "binary_data": true } }],
    });
    let mut body = request.to_string().into_bytes();
    let length = body.len();
    body.extend([bytes, bytes].concat());
    let answer = infer(element, &body, Some(length)).expect("is good");
    let (text, rest) = answer.body.split_at(answer.json_length.expect("has bytes"));
    assert_eq!(rest, [bytes, bytes].concat());
    let found: Json = serde_json::from_slice(text).expect("is JSON");
    assert_eq!(found["outputs"], json!([input("y"), input("x")]));
}

#[test]
fn every_type_comes_back_as_it_went_in() {
    check_type(ElementType::Bool, "BOOL", &json!([true, false]), &[1, 0]);
    check_type(ElementType::Uint8, "UINT8", &json!([0, 255]), &[0, 255]);
    check_type(
        ElementType::Uint16,
        "UINT16",
        &json!([0, 65535]),
        &[0, 0, 255, 255],
    );
    check_type(
        ElementType::Uint32,
        "UINT32",
        &json!([1, 2]),
        &[1, 0, 0, 0, 2, 0, 0, 0],
    );
    let large = json!([0, u64::MAX]);
    check_type(
        ElementType::Uint64,
        "UINT64",
        &large,
        &[[0; 8], [255; 8]].concat(),
    );
    check_type(ElementType::Int8, "INT8", &json!([-1, 1]), &[255, 1]);
    check_type(
        ElementType::Int16,
        "INT16",
        &json!([-1, 1]),
        &[255, 255, 1, 0],
    );
    check_type(
        ElementType::Int32,
        "INT32",
        &json!([-1, 0]),
        &[255, 255, 255, 255, 0, 0, 0, 0],
    );
    check_type(
        ElementType::Int64,
        "INT64",
        &json!([-1, 0]),
        &[[255; 8], [0; 8]].concat(),
    );
    check_type(
        ElementType::Float16,
        "FP16",
        &json!([1.0, -2.0]),
        &[0, 60, 0, 192],
    );
    check_type(
        ElementType::Bfloat16,
        "BF16",
        &json!([1.0, -2.0]),
        &[128, 63, 0, 192],
    );
    let halves = json!([0.5, -2.0]);
    check_type(
        ElementType::Float32,
        "FP32",
        &halves,
        &[0, 0, 0, 63, 0, 0, 0, 192],
    );
    let bytes = [0.5_f64.to_le_bytes(), (-2.0_f64).to_le_bytes()].concat();
    check_type(ElementType::Float64, "FP64", &halves, &bytes);
    let texts = [1, 0, 0, 0, b'a', 0, 0, 0, 0];
    check_type(ElementType::String, "BYTES", &json!(["a", ""]), &texts);
}

#[test]
fn data_may_be_nested_as_the_shape_is() {
    let inputs = [
        tensor("x", "FP32", &json!([[1, 2]])),
        tensor("y", "FP32", &json!([3, 4])),
    ];
    let request = json!({ "inputs": inputs, "outputs": [{ "name": "x" }] }).to_string();
    let answer = infer(ElementType::Float32, request.as_bytes(), None).expect("is good");
    let found: Json = serde_json::from_slice(&answer.body).expect("is JSON");
    assert_eq!(
        found["outputs"],
        json!([tensor("x", "FP32", &json!([1.0, 2.0]))])
    );
}

#[track_caller]
fn check_bad(change: impl FnOnce(&mut Json), expected: &str) {
    let data = json!([1, 2]);
    let inputs = [tensor("x", "FP32", &data), tensor("y", "FP32", &data)];
    let mut request = json!({ "inputs": inputs });
    change(&mut request);
    let failure = infer(ElementType::Float32, request.to_string().as_bytes(), None);
    let failure = failure.expect_err("is bad");
    let found = format!("{}: {}", failure.code.name(), failure.message);
    assert!(found.contains(expected), "{found}");
    let text: Json = serde_json::from_slice(&failure.to_open_json()).expect("is JSON");
    assert_eq!(text, json!({ "error": failure.message }));
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    check_bad(
        |r| r["inputs"] = json!([]),
        "missing_input: the request misses `x` and `y`",
    );
    check_bad(|r| r["inputs"] = json!(1), "not_json: ");
    check_bad(
        |r| r["inputs"][0]["name"] = json!("z"),
        "unknown_input: `z`",
    );
    check_bad(
        |r| r["inputs"][1]["name"] = json!("x"),
        "duplicate_input: `x`",
    );
    check_bad(
        |r| r["inputs"][0]["datatype"] = json!("FP64"),
        "`x` is FP64, but the model takes FP32",
    );
    check_bad(|r| r["inputs"][0]["shape"] = json!([2]), "takes [N, 2]");
    check_bad(|r| r["inputs"][0]["shape"] = json!([1, 3]), "takes [N, 2]");
    check_bad(
        |r| r["inputs"][0]["shape"] = json!([2, 2]),
        "has 2 values, but its shape [2, 2] has 4",
    );
    check_bad(
        |r| r["inputs"][0]["data"] = json!([1, "a"]),
        "wrong_type: `x[1]`",
    );
    check_bad(
        |r| r["inputs"][0]["data"] = json!([[1], [2]]),
        "wrong_shape: `x` has arrays of",
    );
    check_bad(
        |r| r["inputs"][0]["data"] = Json::Null,
        "neither `data` nor bytes",
    );
    check_bad(
        |r| r["outputs"] = json!([{ "name": "z" }]),
        "unknown_output: `z`",
    );
    let size = json!({ "binary_data_size": 8 });
    check_bad(|r| r["inputs"][0]["parameters"] = size, "as well as bytes");
    let two = |r: &mut Json| {
        r["inputs"][0]["shape"] = json!([2, 2]);
        r["inputs"][0]["data"] = json!([1, 2, 3, 4]);
    };
    check_bad(two, "the dimension `N` is 2 in `x`, but 1 in `y`");
}

#[test]
fn bytes_must_be_those_that_are_announced() {
    #[track_caller]
    fn check(size: usize, length: Option<usize>, bytes: &[u8], expected: &str) {
        let input = |name| {
            let parameters = json!({ "binary_data_size": size });
            json!({ "name": name, "shape": [1, 2], "datatype": "FP32", "parameters": parameters })
        };
        let mut body = json!({ "inputs": [input("x"), input("y")] })
            .to_string()
            .into_bytes();
        let length = length.unwrap_or(body.len());
        body.extend_from_slice(bytes);
        let failure = infer(ElementType::Float32, &body, Some(length)).expect_err("is bad");
        assert!(failure.message.contains(expected), "{}", failure.message);
    }
    check(8, None, &[0; 15], "8 bytes, but 7 are left");
    check(8, None, &[0; 17], "1 bytes follow those of the tensors");
    check(7, None, &[0; 14], "7 bytes, which are no values of FP32");
    check(4, None, &[0; 8], "has 1 values, but its shape [1, 2] has 2");
    check(8, Some(9999), &[0; 16], "says that 9999 bytes");
    check(8, Some(0), &[0; 16], "can only be one input");
}

#[test]
fn the_model_says_what_it_takes() {
    let found: Json =
        serde_json::from_slice(&handler(ElementType::Int64).metadata()).expect("JSON");
    let tensor = |name| json!({ "name": name, "datatype": "INT64", "shape": [-1, 2] });
    assert_eq!(found["inputs"], json!([tensor("x"), tensor("y")]));
    assert_eq!(found["outputs"], json!([tensor("x"), tensor("y")]));
    assert_eq!(
        (&found["name"], &found["versions"]),
        (&json!("function"), &json!(["00"]))
    );
}
