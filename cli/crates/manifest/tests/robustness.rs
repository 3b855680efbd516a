//! Whatever stands in a file, it ends with a diagnostic, soon and without using much memory: no
//! panic, no endless loop, no stack overflow in a thread of the default size.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::sync::LazyLock;

use common::{errors_of, load_bytes, load_file};
use mlfn_manifest::json_schema;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

const START: &str = "mlfn: 1\nservice: iris\nmodels: { classifier: model.onnx }\n";

static SCHEMA: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&json_schema()).expect("a schema"));

#[track_caller]
fn check(text: impl AsRef<[u8]>, expected: &str) {
    assert_eq!(errors_of(&load_bytes(text.as_ref())), [expected]);
}

/// Adds something to a good manifest.
#[track_caller]
fn check_with(more: &str, expected: &str) {
    check(format!("{START}{more}"), expected);
}

#[test]
fn a_large_file_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("serverless.yaml");
    let file = fs_err::File::create(&path).expect("a file");
    file.set_len(100 << 20).expect("a sparse file");
    assert_eq!(errors_of(&load_file(&path)), ["file-too-large"]);
}

#[test]
fn an_endless_file_is_refused() {
    assert_eq!(
        errors_of(&load_file("/dev/zero".as_ref())),
        ["file-too-large"]
    );
}

#[test]
fn aliases_cannot_multiply_values() {
    let mut bomb = "params:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        writeln!(bomb, "  a{level}: &a{level} [{below}]").expect("text");
    }
    check_with(&bomb, "too-many-values");
}

#[test]
fn aliases_cannot_multiply_text() {
    let long = "x".repeat(100_000);
    let many = "*long, ".repeat(1000);
    check_with(
        &format!("params: {{ long: &long {long}, many: [{many}] }}\n"),
        "too-many-values",
    );
}

#[test]
fn aliases_cannot_nest_without_end() {
    let mut chain = "params:\n  a0: &a0 [x]\n".to_owned();
    for level in 1..1000 {
        writeln!(chain, "  a{level}: &a{level} [*a{}]", level - 1).expect("text");
    }
    check_with(&chain, "too-deep");
}

#[test]
fn variables_cannot_multiply_values() {
    let mut bomb = "params:\n  a0: [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("\"${{param:a{}}}\", ", level - 1).repeat(10);
        writeln!(bomb, "  a{level}: [{below}]").expect("text");
    }
    check_with(&bomb, "variables-too-large");
}

#[test]
fn variables_cannot_nest_without_end() {
    let mut chain = "params:\n  a0: [x]\n".to_owned();
    for level in 1..1000 {
        writeln!(chain, "  a{level}: [\"${{param:a{}}}\"]", level - 1).expect("text");
    }
    let errors = errors_of(&load_bytes(format!("{START}{chain}").as_bytes()));
    assert!(errors.contains(&"too-deep"), "{errors:?}");
}

#[test]
fn a_hundred_thousand_levels_are_too_deep() {
    const LEVELS: usize = 100_000;
    check("[".repeat(LEVELS), "too-deep");
    check("{a: ".repeat(LEVELS), "too-deep");
    check("- ".repeat(LEVELS), "too-deep");
    let indented = (0..1000)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect::<Vec<_>>()
        .concat();
    check(indented, "too-deep");
}

#[test]
fn a_hundred_thousand_keys_of_keys_are_no_text() {
    check("? ".repeat(100_000), "key-not-text");
}

#[test]
fn variables_inside_variables_have_a_limit() {
    check_with(
        &format!("params: {{ a: \"{}\" }}\n", "${env:".repeat(100_000)),
        "variable-syntax",
    );
}

#[test]
fn long_lines_are_read_and_shown_in_part() {
    let text = format!(
        "mlfn: 1\nservice: \"{}\"\nmodels: {{ a: model.onnx }}\n",
        "x".repeat(900_000)
    );
    let loaded = load_bytes(text.as_bytes());
    assert_eq!(errors_of(&loaded), ["invalid-name"]);
    let one_line = format!("{{mlfn: 1, x: {}, service: iris}}", "y".repeat(900_000));
    assert_eq!(
        errors_of(&load_bytes(one_line.as_bytes())),
        ["missing-key", "unknown-key"]
    );
}

#[test]
fn a_hundred_thousand_keys_are_too_many() {
    let keys = (0..100_000)
        .map(|i| format!("k{i}: 1\n"))
        .collect::<Vec<_>>()
        .concat();
    check(keys, "too-many-values");
}

#[test]
fn of_many_mistakes_the_first_are_listed() {
    let keys = (0..20_000)
        .map(|i| format!("timeoot-{i}: 1\n"))
        .collect::<Vec<_>>()
        .concat();
    let errors = errors_of(&load_bytes(format!("{START}{keys}").as_bytes()));
    assert_eq!(errors.len(), 101);
    assert_eq!(errors.last(), Some(&"more-problems"));
}

#[test]
fn many_environment_variables_are_fine() {
    let names = (0..20_000)
        .map(|i| format!("  V{i}: x\n"))
        .collect::<Vec<_>>()
        .concat();
    check_with(
        &format!("environment:\n{names}nonsense: 1\n"),
        "unknown-key",
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        load_bytes(&bytes);
    }

    #[test]
    fn any_text_is_survived(text in "(?s).{0,200}") {
        load_bytes(text.as_bytes());
    }

    #[test]
    fn what_looks_like_yaml_is_survived(text in "[-a-z0-9:{}\\[\\], \n\t&*!|>'\"%@`#?$.~<=]{0,300}") {
        load_bytes(text.as_bytes());
        load_bytes(format!("{START}params:\n  a: {text}\n").as_bytes());
        load_bytes(format!("{START}stages: {{ dev: {{ environment: {{ A: {text} }} }} }}\n").as_bytes());
    }

    #[test]
    fn any_trigger_is_survived(keys in proptest::collection::vec(trigger_line(), 1..6)) {
        let keys = keys.concat();
        let text = format!(
            "mlfn: 1\nservice: iris\nmodels:\n  a:\n    path: a.onnx\n    triggers:\n      - http: /a\n{keys}"
        );
        load_bytes(text.as_bytes());
    }

    #[test]
    fn a_good_manifest_is_read_as_it_was_written(manifest in manifest()) {
        let loaded = load_bytes(manifest.to_string().as_bytes());
        prop_assert_eq!(errors_of(&loaded), Vec::<&str>::new());
        prop_assert_eq!(&loaded.resolved, &manifest);
        prop_assert!(SCHEMA.is_valid(&manifest));

        let service = loaded.service.expect("a service");
        prop_assert_eq!(Json::from(service.name.as_str()), manifest["service"].clone());
        let models = manifest["models"].as_object().expect("models");
        prop_assert_eq!(service.functions.len(), models.len());
        for (function, (name, model)) in service.functions.iter().zip(models) {
            prop_assert_eq!(function.name.as_str(), name);
            prop_assert_eq!(Json::from(function.memory.to_string()), model["memory"].clone());
            prop_assert_eq!(json!(function.output.labels), model["output"]["labels"].clone());
            prop_assert_eq!(function.example.as_ref(), Some(&model["example"]));
            for (name, value) in model["environment"].as_object().expect("variables") {
                let found = &function.environment[name];
                let expected = value.as_str().expect("text").to_owned();
                prop_assert_eq!(found, &mlfn_core::EnvironmentValue::Plain(expected));
            }
        }
    }
}

fn trigger_line() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("http"),
        Just("schedule"),
        Just("queue"),
        Just("topic"),
        Just("storage"),
        Just("stream"),
        Just("cron"),
        Just("every"),
        Just("batch"),
        Just("path"),
        Just("output"),
    ];
    (
        key,
        "( |\n          | - )[-a-zA-Z0-9:/*,{}\\[\\]\"' .]{0,40}",
    )
        .prop_map(|(key, value)| format!("        {key}:{value}\n"))
}

/// Printable text without variables.
fn text() -> impl Strategy<Value = String> {
    "\\PC{0,20}".prop_filter("no variables", |text| !text.contains("${"))
}

fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1_000_000i32..1_000_000).prop_map(|n| Json::from(f64::from(n) / 8.0)),
        text().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            object(text(), inner),
        ]
    })
}

fn object(
    key: impl Strategy<Value = String>,
    value: impl Strategy<Value = Json>,
) -> impl Strategy<Value = Json> {
    // An ordered map, as models keep their order.
    proptest::collection::vec((key, value), 0..5).prop_map(|entries| {
        Json::Object(
            entries
                .into_iter()
                .filter(|(k, _)| k != "<<")
                .collect::<Map<_, _>>(),
        )
    })
}

fn model() -> impl Strategy<Value = Json> {
    let variable = "V_[A-Z0-9_]{0,8}".prop_filter("no secrets", |name| {
        !name.contains("TOKEN")
            && !name.contains("KEY")
            && !name.contains("PASS")
            && !name.contains("SECRET")
    });
    let labels = proptest::collection::btree_set("[a-z]{1,8}", 0..5);
    (
        1u32..10_000,
        labels,
        object(variable, text().prop_map(Json::from)),
        object("[a-z]{1,5}", json_value()),
    )
        .prop_map(|(memory, labels, environment, example)| {
            json!({
                "path": "model.onnx",
                "memory": mlfn_core::Memory::mib(memory).to_string(),
                "environment": environment,
                "output": { "labels": labels },
                "example": example,
            })
        })
}

fn manifest() -> impl Strategy<Value = Json> {
    let models = proptest::collection::btree_map("[a-z][a-z0-9]{0,8}", model(), 1..4);
    ("[a-z][a-z0-9]{0,10}", models)
        .prop_map(|(service, models)| json!({ "mlfn": 1, "service": service, "models": models }))
}
