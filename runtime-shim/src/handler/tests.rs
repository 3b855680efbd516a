//! Requests and answers as data, with an engine that answers what it is given.
//!
//! Each file in `tests/requests` describes a model and holds requests (`> `), each followed by its
//! answer (`< `). `UPDATE_EXPECT=1` writes the answers of today into the files: look at the
//! difference before committing it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use expect_test::expect_file;
use mlfn_shim_contract::{CONFIG_FORMAT, InputConfig, OutputConfig, Route, ShimConfig};
use serde_json::Value as Json;

use super::{Handler, Timings};
use crate::codec::failure::{Code, Failure};
use crate::engine::echo::{Echo, input};
use crate::engine::{Dim, Input, InputKind};
use crate::tensor::{Data, ElementType, Tensor, Value};

pub(crate) fn config() -> ShimConfig {
    ShimConfig {
        format: CONFIG_FORMAT,
        service: "service".to_owned(),
        stage: "dev".to_owned(),
        function: "function".to_owned(),
        model: String::new(),
        model_sha256: "00".to_owned(),
        library: String::new(),
        library_in_layer: false,
        inputs: BTreeMap::new(),
        output: OutputConfig::default(),
        example: None,
        max_request: 1 << 20,
        max_response: 1 << 20,
        timeout: 10,
        routes: vec![Route {
            method: "POST".to_owned(),
            path: "/predict".to_owned(),
            cors: Vec::new(),
        }],
        schedules: BTreeMap::new(),
        graph: None,
        batching: None,
        record_batches: false,
        steady: true,
        fetched: BTreeMap::new(),
    }
}

/// A model that echoes one row of floats.
pub(crate) fn echo() -> Handler {
    let dims = vec![Dim::Symbol("N".to_owned()), Dim::Fixed(2)];
    let engine = Echo::new(vec![input("x", ElementType::Float32, dims)]);
    Handler::new(Box::new(engine), config())
}

fn handle(handler: &Handler, request: &[u8]) -> Result<String, Failure> {
    let answer = handler.handle(request, &mut Timings::default())?;
    Ok(String::from_utf8(answer).expect("answers are text"))
}

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/requests");

fn files() -> Vec<PathBuf> {
    let entries = fs_err::read_dir(FILES).expect("the folder is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// Reads `input <name> <type> [<dim>, ..]`.
fn parse_input(line: &str) -> Input {
    let (name, rest) = line.split_once(' ').expect("a name");
    let (element, dims) = rest.split_once(' ').expect("a type");
    let elements = [
        ElementType::Bool,
        ElementType::Int8,
        ElementType::Int16,
        ElementType::Int32,
        ElementType::Int64,
        ElementType::Uint8,
        ElementType::Uint16,
        ElementType::Uint32,
        ElementType::Uint64,
        ElementType::Float16,
        ElementType::Bfloat16,
        ElementType::Float32,
        ElementType::Float64,
        ElementType::String,
    ];
    let element = elements
        .into_iter()
        .find(|e| e.name() == element)
        .expect("a type");
    let dims = dims
        .trim_matches(['[', ']'])
        .split(", ")
        .filter(|dim| !dim.is_empty());
    let dims = dims.map(|dim| match dim.parse() {
        Ok(size) => Dim::Fixed(size),
        Err(_) if dim == "?" => Dim::Any,
        Err(_) => Dim::Symbol(dim.to_owned()),
    });
    input(name, element, dims.collect())
}

/// The model that a file describes.
fn model(text: &str) -> Handler {
    let mut config = config();
    let mut inputs = Vec::new();
    let list = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("input", rest)) => inputs.push(parse_input(rest)),
            Some(("names", rest)) => {
                let (key, names) = rest.split_once(' ').expect("names");
                let names = InputConfig { names: list(names) };
                config.inputs.insert(key.to_owned(), names);
            }
            Some(("labels", rest)) => config.output.labels = list(rest),
            Some(("probability", rest)) => config.output.probability = Some(rest.to_owned()),
            _ => {}
        }
    }
    Handler::new(Box::new(Echo::new(inputs)), config)
}

fn show(result: Result<String, Failure>) -> String {
    match result {
        Ok(answer) => format!("< {answer}"),
        Err(Failure { code, message }) => format!("< {} {}: {message}", code.status(), code.name()),
    }
}

/// The file with the answers of today, and how many were good and bad.
fn answered(text: &str) -> (String, usize, usize) {
    let handler = model(text);
    let requests: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('>'))
        .collect();
    let good = requests
        .iter()
        .find(|request| handle(&handler, request.as_bytes()).is_ok());
    let (mut lines, mut counts) = (Vec::new(), (0, 0));
    for line in text.lines().filter(|line| !line.starts_with('<')) {
        lines.push(line.to_owned());
        let Some(request) = line.strip_prefix('>') else {
            continue;
        };
        let result = handle(&handler, request.as_bytes());
        if let Ok(answer) = &result {
            let _: Json = serde_json::from_str(answer).expect("answers are JSON");
            counts.0 += 1;
        } else {
            counts.1 += 1;
            let next = good.map(|good| handle(&handler, good.as_bytes()).is_ok());
            assert_ne!(next, Some(false), "after {request} a good request fails");
        }
        lines.push(show(result));
    }
    (lines.join("\n") + "\n", counts.0, counts.1)
}

#[test]
fn requests_get_the_answers_in_the_files() {
    let (mut good, mut bad) = (0, 0);
    for path in files() {
        let text = fs_err::read_to_string(&path).expect("a file");
        let (today, good_here, bad_here) = answered(&text);
        (good, bad) = (good + good_here, bad + bad_here);
        expect_file![path].assert_eq(&today);
    }
    assert!(
        good >= 60 && bad >= 60,
        "{good} good and {bad} bad cases are too few"
    );
}

#[track_caller]
fn check(handler: &Handler, request: &str, expected: &str) {
    assert_eq!(show(handle(handler, request.as_bytes())), expected);
}

fn floats(shape: &[usize], values: &[f32]) -> Value {
    Value::Tensor(Tensor {
        shape: shape.to_vec(),
        data: Data::Float32(values.to_vec().into()),
    })
}

fn map(keys: Data, values: &[f32]) -> Value {
    Value::Map {
        keys,
        values: Data::Float32(values.to_vec().into()),
    }
}

fn answering(outputs: Vec<(&str, Value)>, output: OutputConfig) -> Handler {
    let config = ShimConfig { output, ..config() };
    Handler::new(Box::new(Echo::answering(outputs)), config)
}

fn labels(labels: &[&str], probability: Option<&str>) -> OutputConfig {
    OutputConfig {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        probability: probability.map(str::to_owned),
    }
}

/// The outputs of scikit-learn's classifiers: two rows of the classes 3 and 5.
fn zipmap() -> Vec<(&'static str, Value)> {
    let label = Value::Tensor(Tensor {
        shape: vec![2],
        data: Data::Int64(vec![5, 3].into()),
    });
    let keys = || Data::Int64(vec![3, 5].into());
    let maps = vec![map(keys(), &[0.25, 0.75]), map(keys(), &[1.0, 0.0])];
    vec![("label", label), ("probabilities", Value::Sequence(maps))]
}

#[test]
fn a_classifier_answers_its_own_classes_or_the_labels_of_the_manifest() {
    let two = r#"{"features": [1, 2]}"#;
    check(
        &answering(zipmap(), labels(&[], None)),
        two,
        r#"< {"prediction":[{"label":5,"probabilities":{"3":0.25,"5":0.75}},{"label":3,"probabilities":{"3":1.0,"5":0.0}}]}"#,
    );
    check(
        &answering(zipmap(), labels(&["ant", "bee"], None)),
        two,
        r#"< {"prediction":[{"label":"bee","probabilities":{"ant":0.25,"bee":0.75}},{"label":"ant","probabilities":{"ant":1.0,"bee":0.0}}]}"#,
    );
    check(
        &answering(zipmap(), labels(&["ant", "bee"], Some("bee"))),
        two,
        r#"< {"prediction":[0.75,0.0]}"#,
    );
    check(
        &answering(zipmap(), labels(&[], Some("3"))),
        two,
        r#"< {"prediction":[0.25,1.0]}"#,
    );
    check(
        &answering(zipmap(), labels(&["ant", "bee"], Some("cow"))),
        two,
        "< 500 wrong_configuration: the manifest asks for the probability of `cow`, but the model's classes are `ant` and `bee`",
    );
}

#[test]
fn lists_and_dictionaries_become_plain_json() {
    let one = r#"{"features": 1}"#;
    let texts = Data::String(vec!["a".to_owned(), "b\"".to_owned()].into());
    check(
        &answering(vec![("y", map(texts, &[1.0, 2.0]))], labels(&[], None)),
        one,
        r#"< {"prediction":{"a":1.0,"b\"":2.0}}"#,
    );
    let parts = vec![floats(&[2], &[1.0, 2.0]), floats(&[], &[3.0])];
    check(
        &answering(vec![("y", Value::Sequence(parts))], labels(&[], None)),
        one,
        r#"< {"prediction":[[1.0,2.0],3.0]}"#,
    );
    check(
        &answering(vec![("y", Value::Sequence(Vec::new()))], labels(&[], None)),
        one,
        r#"< {"prediction":[]}"#,
    );
}

#[test]
fn numbers_that_json_does_not_have_become_null() {
    let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
    check(
        &answering(vec![("y", floats(&[1, 4], &values))], labels(&[], None)),
        r#"{"features": 1}"#,
        r#"< {"prediction":[null,null,null,-0.0]}"#,
    );
    check(
        &answering(
            vec![("y", floats(&[1, 2], &[f32::NAN, 1.0]))],
            labels(&["a", "b"], None),
        ),
        r#"{"features": 1}"#,
        r#"< {"prediction":{"label":"b","scores":{"a":null,"b":1.0}}}"#,
    );
}

#[test]
fn outputs_that_have_no_rows_stay_whole() {
    let outputs = || {
        vec![
            ("rows", floats(&[2, 1], &[1.0, 2.0])),
            ("loss", floats(&[], &[3.0])),
        ]
    };
    check(
        &answering(outputs(), labels(&[], None)),
        r#"{"features": [1, 2]}"#,
        r#"< {"prediction":{"rows":[[1.0],[2.0]],"loss":3.0}}"#,
    );
    check(
        &answering(
            vec![("y", floats(&[3], &[1.0, 2.0, 3.0]))],
            labels(&[], None),
        ),
        r#"{"features": 1}"#,
        r#"< {"prediction":[1.0,2.0,3.0]}"#,
    );
    check(
        &answering(vec![("y", floats(&[1, 0], &[]))], labels(&[], None)),
        r#"{"features": 1}"#,
        r#"< {"prediction":[]}"#,
    );
}

#[test]
fn a_bomb_of_brackets_is_refused_and_the_stack_holds() {
    let handler = echo();
    for start in [
        "{\"x\": ",
        "{\"inputs\": ",
        "{\"y\": ",
        "{\"inputs\": {\"x\": ",
        "",
    ] {
        for open in ["[", "{\"x\":", "{\"inputs\":"] {
            let bomb = format!("{start}{}", open.repeat(200_000));
            let failure = handle(&handler, bomb.as_bytes()).expect_err("a bomb is refused");
            assert_eq!(failure.code.status(), 400, "{failure}");
            assert!(failure.message.len() < 500, "{failure}");
        }
    }
    handle(&handler, br#"{"x": [1, 2]}"#).expect("the next request works");
}

#[test]
fn an_error_does_not_repeat_megabytes() {
    let long = "k".repeat(1_000_000);
    for request in [
        format!("{{\"{long}\": 1}}"),
        format!("{{\"x\": [\"{long}\"]}}"),
        format!("{{\"x\": 1{}}}", "0".repeat(1_000_000)),
    ] {
        let failure = handle(&echo(), request.as_bytes()).expect_err("it is refused");
        assert!(failure.message.len() < 500, "{failure}");
    }
}

#[test]
fn bytes_that_are_no_text_are_not_json() {
    let handler = echo();
    for body in [
        &b"\xff\xfe{}"[..],
        b"{\"x\": \"\xff\"}",
        b"{\"\xff\": 1}",
        b"\0",
        b"\x80\x04\x95",
    ] {
        let failure = handle(&handler, body).expect_err("it is refused");
        assert_eq!(failure.code, Code::NotJson, "{failure}");
    }
}

#[test]
fn inputs_that_json_cannot_carry_are_refused_by_name() {
    let unsupported = Input {
        name: "items".to_owned(),
        kind: InputKind::Unsupported("sequence(float32)".to_owned()),
    };
    let handler = Handler::new(Box::new(Echo::new(vec![unsupported])), config());
    let failure = handle(&handler, b"{}").expect_err("it is refused");
    assert_eq!(failure.code, Code::UnsupportedInput);
    assert!(
        failure.message.contains("`items` is sequence(float32)"),
        "{failure}"
    );
}

#[test]
fn an_answer_that_is_too_large_is_an_error() {
    let mut config = config();
    config.max_response = 40;
    let dims = vec![Dim::Any, Dim::Fixed(1)];
    let engine = Echo::new(vec![input("x", ElementType::Float32, dims)]);
    let handler = Handler::new(Box::new(engine), config);
    handle(&handler, br#"{"x": [1, 2]}"#).expect("a small answer is sent");
    let many = format!("{{\"x\": {:?}}}", [1.5; 20]);
    let failure = handle(&handler, many.as_bytes()).expect_err("it is too large");
    assert_eq!(failure.code, Code::ResponseTooLarge);
    assert!(failure.message.contains("at most 40"), "{failure}");
}

#[test]
fn a_failure_shows_what_the_model_expects() {
    let mut config = config();
    let names = ["a", "b"].map(str::to_owned).to_vec();
    config.inputs.insert("x".to_owned(), InputConfig { names });
    let inputs = vec![
        input(
            "x",
            ElementType::Float32,
            vec![Dim::Symbol("N".to_owned()), Dim::Fixed(2)],
        ),
        input("n", ElementType::Int64, vec![Dim::Any]),
        input("s", ElementType::String, vec![]),
    ];
    let handler = Handler::new(Box::new(Echo::new(inputs)), config);
    let failure = handle(&handler, b"{}").expect_err("inputs are missing");
    let body = String::from_utf8(failure.to_json(handler.expected())).expect("text");
    assert_eq!(
        body,
        r#"{"error":{"code":"missing_input","message":"`x`, `n` and `s` are missing; the model has the inputs `x`, `n` and `s`","expected":{"inputs":[{"name":"x","type":"float32","shape":["N",2],"names":["a","b"]},{"name":"n","type":"int64","shape":[null]},{"name":"s","type":"string","shape":[]}],"example":{"x":[0.5,0.5],"n":1,"s":"text"}}}}"#
    );
    let example: Json = serde_json::from_str(&body).expect("JSON");
    let example = example["error"]["expected"]["example"].to_string();
    handle(&handler, example.as_bytes()).expect("the example is a good request");
    let body = String::from_utf8(failure.to_lambda_json(handler.expected())).expect("text");
    assert!(
        body.starts_with(r#"{"errorType":"missing_input","errorMessage":"`x`"#),
        "{body}"
    );
}

#[test]
fn the_example_of_the_manifest_is_shown_unless_it_is_huge() {
    let shown = |example: Json| {
        let config = ShimConfig {
            example: Some(example),
            ..config()
        };
        let handler = Handler::new(Box::new(Echo::new(Vec::new())), config);
        handler
            .expected()
            .map(ToString::to_string)
            .expect("it is made")
    };
    assert!(shown(serde_json::json!({"a": 1})).contains(r#""example":{"a":1}"#));
    assert!(!shown(serde_json::json!(vec![1; 10_000])).contains("example"));
}

#[test]
fn a_large_tensor_is_read_in_little_time() {
    let dims = vec![Dim::Any, Dim::Fixed(3), Dim::Fixed(224), Dim::Fixed(224)];
    let engine = Echo::new(vec![input("image", ElementType::Float32, dims)]);
    let config = ShimConfig {
        max_response: u64::MAX,
        ..config()
    };
    let handler = Handler::new(Box::new(engine), config);
    let row = format!("[{}]", vec!["0.7259216308593750"; 224].join(","));
    let plane = format!("[{}]", vec![row; 224].join(","));
    let request = format!("{{\"image\":[{plane},{plane},{plane}]}}");
    let mut timings = Timings::default();
    handler
        .handle(request.as_bytes(), &mut timings)
        .expect("a good request");
    // 3 MB; takes 20 ms without optimisation on a slow machine when nothing else runs, so this
    // fails for something quadratic and for nothing else.
    assert!(timings.parse.as_secs() < 5, "{timings:?}");
}
