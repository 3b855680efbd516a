//! The packages of both engines, started as their cloud starts them, and asked the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mlfn_core::Function;
use mlfn_emulator::{EmulatorError, LocalFunction, Outcome, Start};
use mlfn_model::Model;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::times::Times;
use super::{Verdict, requests, times};
use crate::pipeline::{Packer, unpack};
use crate::shim::ShimKind;

/// Numbers may differ by so much, plus [`RELATIVE`] of the larger one: float32 has 7 digits, of which
/// sums in another order cost some.
pub(super) const ABSOLUTE: f64 = 1e-5;

/// See [`ABSOLUTE`].
pub(super) const RELATIVE: f64 = 1e-4;

/// How often both are started to be timed: what a machine is busy with seldom lasts for all three.
const ROUNDS: usize = 3;

/// And how often if time speaks against tract, which a busy machine must not bring about: the
/// quickest of more rounds can only come nearer to what is true.
const MOST_ROUNDS: usize = 8;

/// How many requests are timed after each start, at most.
const REQUESTS: usize = 10;

/// No further request is timed when those after a start have taken so long.
const REQUESTS_LIMIT: Duration = Duration::from_millis(150);

/// What a shim says of a model that it cannot run.
const CANNOT_LOAD: &str = "cannot load the model: ";

/// Why a trial ends before the engines are timed.
enum Ended {
    /// tract is not for the model, and why.
    Different(String),
    /// It could not be held.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Packs a function with both engines, asks both, and times both.
pub(super) fn run(
    packer: &Packer<'_>,
    function: &Function,
    model: &Model,
) -> anyhow::Result<Verdict> {
    let mut requests = requests::requests(function, model);
    if requests.is_empty() {
        // Who cannot load the model says so if asked anything.
        requests.push(b"{}".to_vec());
    }
    match compare(packer, function, &requests) {
        Ok(verdict) => Ok(verdict),
        Err(Ended::Different(reason)) => Ok(Verdict::Different(reason)),
        Err(Ended::Failed(error)) => Err(error),
    }
}

fn compare(
    packer: &Packer<'_>,
    function: &Function,
    requests: &[Vec<u8>],
) -> Result<Verdict, Ended> {
    let tract = Candidate::pack(packer, function, ShimKind::Tract)?;
    let ours = tract.answers(requests)?;
    let onnxruntime = Candidate::pack(packer, function, ShimKind::OnnxRuntime)?;
    let theirs = onnxruntime.answers(requests).map_err(|ended| match ended {
        Ended::Different(reason) => Ended::Different(format!(
            "ONNX Runtime does not run the model either: {reason}"
        )),
        failed @ Ended::Failed(_) => failed,
    })?;
    if let Some(reason) = difference(&ours, &theirs) {
        return Err(Ended::Different(reason));
    }
    let mut pairs = requests.iter().zip(&theirs);
    let answered = pairs.find_map(|(request, answer)| answer.as_ref().map(|_| request));
    let answered = answered.context("no request was answered")?;
    let [ours, others] = time([&tract, &onnxruntime], answered)?;
    Ok(Verdict::Same {
        compared: theirs.iter().flatten().count(),
        tract: ours,
        onnxruntime: others,
    })
}

/// The quickest of both, tract's first. They are started by turns, so that what else the machine does
/// at a moment slows both.
fn time(candidates: [&Candidate<'_>; 2], request: &[u8]) -> Result<[Times; 2], Ended> {
    let [tract, onnxruntime] = candidates;
    let mut quickest = [tract.time(request)?, onnxruntime.time(request)?];
    for round in 1..MOST_ROUNDS {
        let [ours, theirs] = quickest;
        if round >= ROUNDS && times::objection(ours, theirs).is_none() {
            break;
        }
        quickest = [
            ours.quickest(tract.time(request)?),
            theirs.quickest(onnxruntime.time(request)?),
        ];
    }
    Ok(quickest)
}

/// A package of the function with one of the engines.
struct Candidate<'a> {
    packer: &'a Packer<'a>,
    function: &'a Function,
    root: TempDir,
}

impl<'a> Candidate<'a> {
    fn pack(packer: &'a Packer<'a>, function: &'a Function, kind: ShimKind) -> Result<Self, Ended> {
        let output = TempDir::new().context("there is no room to try an engine")?;
        let into_output = Packer {
            output: output.path().to_owned(),
            ..packer.clone()
        };
        let Some(built) = into_output.pack_with(function, kind)? else {
            // What is wrong is shown when it is packed for its cloud.
            let reason = "the manifest does not agree with the model".to_owned();
            return Err(Ended::Different(reason));
        };
        Ok(Self {
            packer,
            function,
            root: unpack(&built)?,
        })
    }

    /// By the order of the requests; none for those that it refuses.
    fn answers(&self, requests: &[Vec<u8>]) -> Result<Vec<Option<Json>>, Ended> {
        self.run(async |local| {
            let mut all = Vec::new();
            for request in requests {
                all.push(ask(&local, request).await?.0);
            }
            local.stop().await;
            Ok(all)
        })
    }

    /// Of a start, and of requests after it.
    fn time(&self, request: &[u8]) -> Result<Times, Ended> {
        let begin = Instant::now();
        self.run(async |local| {
            ask(&local, request).await?;
            let start = begin.elapsed();
            let begin = Instant::now();
            let (_, mut quickest) = ask(&local, request).await?;
            for _ in 1..REQUESTS {
                if begin.elapsed() > REQUESTS_LIMIT {
                    break;
                }
                quickest = quickest.min(ask(&local, request).await?.1);
            }
            local.stop().await;
            Ok(Times {
                start,
                request: quickest,
            })
        })
    }

    /// Starts it, and does that with it.
    fn run<T: Send>(
        &self,
        work: impl AsyncFnOnce(LocalFunction) -> Result<T, String> + Send,
    ) -> Result<T, Ended> {
        let done = std::thread::scope(|scope| {
            // This thread may be one that waits for others in a runtime of its own.
            let working = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                anyhow::Ok(runtime.block_on(async { work(self.start().await?).await }))
            });
            working.join()
        });
        let done = done.unwrap_or_else(|_| Err(anyhow::anyhow!("trying an engine panicked")));
        done?.map_err(Ended::Different)
    }

    async fn start(&self) -> Result<LocalFunction, String> {
        let service = &self.packer.checked.service;
        let environment = BTreeMap::new();
        let start = Start {
            platform: service.provider,
            root: self.root.path(),
            service: &service.name,
            stage: &service.stage,
            function: &self.function.name,
            region: service.region.as_deref(),
            memory: self.function.memory,
            timeout: self.function.timeout,
            environment: &environment,
        };
        let started = LocalFunction::start(&start);
        started.await.map_err(|error| why(&error))
    }
}

/// The answer, none if the request was refused, and how long it took.
async fn ask(local: &LocalFunction, request: &[u8]) -> Result<(Option<Json>, Duration), String> {
    let invocation = local.invoke(request).await.map_err(|e| why(&e))?;
    if let Some(reason) = refusal(&invocation.logs) {
        return Err(reason);
    }
    let answer = match invocation.outcome {
        Outcome::Success => serde_json::from_slice(&invocation.body).ok(),
        Outcome::FunctionError(_) => None,
    };
    Ok((answer, invocation.duration))
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
