//! Recorded answers, and whether another answer says the same.

use mlfn_core::ProviderName;
use mlfn_emulator::Outcome;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::place::repository;
use super::unpacked::Unpacked;

/// `examples/<name>/golden.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Golden {
    pub(crate) function: String,
    /// The largest difference between numbers.
    pub(crate) tolerance: f64,
    pub(crate) cases: Vec<Case>,
}

/// A request, and what the trained estimator itself answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) request: Json,
    pub(crate) response: Json,
}

impl Golden {
    /// Of an example.
    #[track_caller]
    pub(crate) fn of(example: &str) -> Self {
        let path = repository()
            .join("examples")
            .join(example)
            .join("golden.json");
        let text = fs_err::read(path).expect("reads");
        serde_json::from_slice(&text).expect("has the form above")
    }

    /// That the function in `package` answers all of it.
    pub(crate) async fn check(&self, package: &Unpacked, platform: ProviderName) {
        let function = package.start(platform, &self.function).await;
        for case in &self.cases {
            let (name, request) = (&case.name, case.request.to_string());
            let invocation = function.invoke(request.as_bytes()).await.expect("invokes");
            let text = String::from_utf8_lossy(&invocation.body);
            let outcome = invocation.outcome;
            assert_eq!(outcome, Outcome::Success, "{platform}, {name}: {text}");
            let answer: Json = serde_json::from_str(&text).expect("the answer is JSON");
            let difference = difference(&answer, &case.response, self.tolerance);
            assert_eq!(difference, None, "{platform}, {name}: {text}");
        }
        function.stop().await;
    }
}

/// Where `found` differs from `expected` by more than `tolerance`.
pub(crate) fn difference(found: &Json, expected: &Json, tolerance: f64) -> Option<String> {
    let below = |step: String, found, expected| {
        difference(found, expected, tolerance).map(|difference| format!("{step}{difference}"))
    };
    match (found, expected) {
        (Json::Number(one), Json::Number(other)) => {
            let (one, other) = (one.as_f64()?, other.as_f64()?);
            let is_near = (one - other).abs() <= tolerance;
            (!is_near).then(|| format!(": {one} instead of {other}"))
        }
        (Json::Array(ones), Json::Array(others)) if ones.len() == others.len() => {
            let pairs = ones.iter().zip(others).enumerate();
            pairs
                .into_iter()
                .find_map(|(at, (one, other))| below(format!("[{at}]"), one, other))
        }
        (Json::Object(ones), Json::Object(others)) if have_same_keys(ones, others) => others
            .iter()
            .find_map(|(key, other)| below(format!(".{key}"), &ones[key], other)),
        (one, other) => (one != other).then(|| format!(": {one} instead of {other}")),
    }
}

fn have_same_keys(one: &Map<String, Json>, other: &Map<String, Json>) -> bool {
    one.len() == other.len() && one.keys().all(|key| other.contains_key(key))
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    #[track_caller]
    fn check(found: &Json, expected: &Json, difference: Option<&str>) {
        assert_eq!(
            super::golden::difference(found, expected, 1e-5).as_deref(),
            difference
        );
    }
    check(
        &json!({"a": [1.0, 2]}),
        &json!({"a": [1.000_009, 2.0]}),
        None,
    );
    check(
        &json!({"a": [1.0, 2]}),
        &json!({"a": [1.1, 2]}),
        Some(".a[0]: 1 instead of 1.1"),
    );
    check(
        &json!({"a": 1}),
        &json!({"b": 1}),
        Some(r#": {"a":1} instead of {"b":1}"#),
    );
    check(&json!([1]), &json!([1, 2]), Some(": [1] instead of [1,2]"));
    check(&json!("1"), &json!(1), Some(r#": "1" instead of 1"#));
}
