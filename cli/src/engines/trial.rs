//! The packages of both engines, started as their cloud starts them, and asked the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mlfn_core::Function;
use mlfn_emulator::{EmulatorError, LocalFunction, Outcome, Start};
use mlfn_model::Model;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{Verdict, requests, seconds};
use crate::pipeline::{Packer, unpack};
use crate::shim::ShimKind;

/// Numbers may differ by so much, plus [`RELATIVE`] of the larger one: float32 has 7 digits, of which
/// sums in another order cost some.
pub(super) const ABSOLUTE: f64 = 1e-5;

/// See [`ABSOLUTE`].
pub(super) const RELATIVE: f64 = 1e-4;

/// How many starts are timed.
const STARTS: usize = 3;

/// What a shim says of a model that it cannot run.
const CANNOT_LOAD: &str = "cannot load the model: ";

/// How an engine did.
struct Answers {
    /// By the order of the requests; none for those that it refused.
    all: Vec<Option<Json>>,
    /// From the start of the process to the first answer: the median.
    start: Duration,
}

/// Packs a function with both engines, and asks both.
pub(super) fn run(
    packer: &Packer<'_>,
    function: &Function,
    model: &Model,
) -> anyhow::Result<Verdict> {
    let requests = requests::requests(function, model);
    let tract = match ask(packer, function, ShimKind::Tract, &requests)? {
        Ok(answers) => answers,
        Err(reason) => return Ok(Verdict::Different(reason)),
    };
    let onnxruntime = match ask(packer, function, ShimKind::OnnxRuntime, &requests)? {
        Ok(answers) => answers,
        Err(reason) => {
            let reason = format!("ONNX Runtime does not run the model either: {reason}");
            return Ok(Verdict::Different(reason));
        }
    };
    Ok(match difference(&tract.all, &onnxruntime.all) {
        Some(reason) => Verdict::Different(reason),
        None => Verdict::Same {
            compared: onnxruntime.all.iter().flatten().count(),
            tract: seconds(tract.start),
            onnxruntime: seconds(onnxruntime.start),
        },
    })
}

/// What an engine answers, or why it does not.
fn ask(
    packer: &Packer<'_>,
    function: &Function,
    kind: ShimKind,
    requests: &[Vec<u8>],
) -> anyhow::Result<Result<Answers, String>> {
    let output = TempDir::new().context("there is no room to try an engine")?;
    let packer = Packer {
        output: output.path().to_owned(),
        ..packer.clone()
    };
    let Some(built) = packer.pack_with(function, kind)? else {
        // What is wrong is shown when it is packed for its cloud.
        return Ok(Err("the manifest does not agree with the model".to_owned()));
    };
    let root = unpack(&built)?;
    let asked = std::thread::scope(|scope| {
        // This thread may be one that waits for others in a runtime of its own.
        let asking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            anyhow::Ok(runtime.block_on(answers(&packer, function, root.path(), requests)))
        });
        asking.join()
    });
    asked.unwrap_or_else(|_| Err(anyhow::anyhow!("trying an engine panicked")))
}

async fn answers(
    packer: &Packer<'_>,
    function: &Function,
    root: &Path,
    requests: &[Vec<u8>],
) -> Result<Answers, String> {
    let service = &packer.checked.service;
    let environment = BTreeMap::new();
    let start = Start {
        platform: service.provider,
        root,
        service: &service.name,
        stage: &service.stage,
        function: &function.name,
        region: service.region.as_deref(),
        memory: function.memory,
        timeout: function.timeout,
        environment: &environment,
    };
    let first = requests.first().map_or(&b"{}"[..], Vec::as_slice);
    let mut starts = Vec::new();
    let mut all = Vec::new();
    for number in 1..=STARTS {
        let begin = Instant::now();
        let local = LocalFunction::start(&start).await.map_err(|e| why(&e))?;
        let answer = ask_one(&local, first).await?;
        starts.push(begin.elapsed());
        if number == STARTS {
            all.push(answer);
            for request in requests.iter().skip(1) {
                all.push(ask_one(&local, request).await?);
            }
        }
        local.stop().await;
    }
    starts.sort_unstable();
    let start = starts.get(STARTS / 2).copied().unwrap_or_default();
    Ok(Answers { all, start })
}

/// The answer; none if the request was refused.
async fn ask_one(local: &LocalFunction, request: &[u8]) -> Result<Option<Json>, String> {
    let invocation = local.invoke(request).await.map_err(|e| why(&e))?;
    if let Some(reason) = refusal(&invocation.logs) {
        return Err(reason);
    }
    match invocation.outcome {
        Outcome::Success => Ok(serde_json::from_slice(&invocation.body).ok()),
        Outcome::FunctionError(_) => Ok(None),
    }
}

fn why(error: &EmulatorError) -> String {
    let said = match error {
        EmulatorError::Start { logs, .. } => refusal(logs),
        _ => None,
    };
    said.unwrap_or_else(|| error.to_string())
}

/// What the log says of a model that cannot be loaded.
fn refusal(logs: &[String]) -> Option<String> {
    let mut lines = logs.iter();
    lines.find_map(|line| {
        let line: Json = serde_json::from_str(line).ok()?;
        let reason = line.get("message")?.as_str()?.strip_prefix(CANNOT_LOAD)?;
        Some(reason.to_owned())
    })
}

/// In what the answers are not the same.
fn difference(tract: &[Option<Json>], onnxruntime: &[Option<Json>]) -> Option<String> {
    if onnxruntime.iter().all(Option::is_none) {
        let reason = "no request could be made up that the model answers; add an `example:`";
        return Some(reason.to_owned());
    }
    let mut pairs = tract.iter().zip(onnxruntime);
    pairs.find_map(|pair| match pair {
        (Some(ours), Some(theirs)) if !is_same(ours, theirs) => {
            Some("tract answers something else than ONNX Runtime".to_owned())
        }
        (None, Some(_)) => Some("tract fails where ONNX Runtime answers".to_owned()),
        (Some(_), None) => Some("tract answers where ONNX Runtime fails".to_owned()),
        _ => None,
    })
}

/// Whole numbers and texts must be equal, and floats close.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) if one.is_f64() || other.is_f64() => {
            let [Some(one), Some(other)] = [one.as_f64(), other.as_f64()] else {
                return false;
            };
            (one - other).abs() <= ABSOLUTE + RELATIVE * one.abs().max(other.abs())
        }
        (Json::Array(one), Json::Array(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let is_in = |(key, value): (&String, &Json)| {
                other.get(key).is_some_and(|other| is_same(value, other))
            };
            one.len() == other.len() && one.iter().all(is_in)
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_the_same_up_to_rounding() {
        let table = [
            (json!([1.0, "a"]), json!([1.00001, "a"]), true),
            (json!([1.0]), json!([1.001]), false),
            (json!({"label": 1}), json!({"label": 2}), false),
            (json!({"label": "a"}), json!({"label": "b"}), false),
            (json!([1, 2]), json!([1]), false),
            (json!({"a": 1.0}), json!({"b": 1.0}), false),
            (json!(null), json!(0.0), false),
            (json!(12345.6), json!(12345.7), true),
        ];
        for (one, other, expected) in table {
            assert_eq!(is_same(&one, &other), expected, "{one} {other}");
            assert_eq!(is_same(&other, &one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_difference_is_said_in_words() {
        let answer = || Some(json!({"prediction": 1.0}));
        assert_eq!(difference(&[answer(), None], &[answer(), None]), None);
        let no_request = difference(&[None], &[None]).expect("nothing was compared");
        assert!(no_request.contains("add an `example:`"), "{no_request}");
        let table = [
            (
                vec![answer(), None],
                "tract fails where ONNX Runtime answers",
            ),
            (
                vec![answer(), Some(json!({"prediction": 2.0}))],
                "tract answers something else than ONNX Runtime",
            ),
        ];
        for (ours, expected) in table {
            let found = difference(&ours, &[answer(), answer()]);
            assert_eq!(found.as_deref(), Some(expected));
        }
        let found = difference(&[answer(), answer()], &[answer(), None]);
        assert_eq!(
            found.as_deref(),
            Some("tract answers where ONNX Runtime fails")
        );
    }

    #[test]
    fn the_reason_is_in_the_log() {
        let logs = [
            r#"{"level":"info","message":"starting"}"#.to_owned(),
            "not JSON".to_owned(),
            r#"{"level":"error","message":"cannot load the model: tract cannot run the operator X"}"#
                .to_owned(),
        ];
        let expected = "tract cannot run the operator X";
        assert_eq!(refusal(&logs).as_deref(), Some(expected));
    }
}
