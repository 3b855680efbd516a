//! Which engine runs a model, for manifests that want tract or leave it open.
//!
//! `auto` chooses by rules, then by the answers of both, then by how long both take, where that is
//! clear: twice as long is not enough if nobody notices, nor 2 ms if that is a tenth. So a package
//! has the same bytes on any machine and any day, but for models near those borders, if there are any.
//!
//! - `requests`: what both engines are asked
//! - `trial`: the packages of both, started and asked side by side
//! - `times`: what follows from how long they take
//! - `memory`: what came of trials before

mod memory;
mod requests;
mod times;
mod trial;

use mlfn_core::{Function, ModelEngine};
use mlfn_model::Model;
use serde::{Deserialize, Serialize};

use self::times::Times;
use crate::errors::CommandError;
use crate::pipeline::{Packer, Place};
use crate::shim::{self, ShimKind, ShimPlace};

/// The most bytes of a model, weights in other files included, that `auto` gives to tract: it has
/// one thread and copies weights, so that larger models start and answer no sooner with it.
const MOST_BYTES: u64 = 1 << 20;

/// Operators whose work does not follow from the number of weights, so that requests that are made up
/// do not tell how long those of users take. ONNX Runtime does it faster, request by request, than
/// tract makes up for once by starting sooner.
const HEAVY: [&str; 8] = [
    "Conv",
    "ConvTranspose",
    "ConvInteger",
    "GRU",
    "If",
    "LSTM",
    "Loop",
    "Scan",
];

/// What runs a model, and why, if the manifest leaves it open or wants tract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Choice {
    /// `onnxruntime` or `tract`.
    engine: ModelEngine,
    /// For people, e.g. ``tract cannot run the operator SVMClassifier``.
    reason: String,
}

impl Choice {
    /// The shim that has the engine.
    pub(crate) fn kind(&self) -> ShimKind {
        match self.engine {
            ModelEngine::Tract => ShimKind::Tract,
            ModelEngine::Auto | ModelEngine::OnnxRuntime => ShimKind::OnnxRuntime,
        }
    }

    /// Why, in words that follow a colon.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    fn onnxruntime(reason: impl Into<String>) -> Self {
        Self {
            engine: ModelEngine::OnnxRuntime,
            reason: reason.into(),
        }
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.kind() {
            ShimKind::OnnxRuntime => "onnxruntime",
            ShimKind::Tract => "tract",
        };
        write!(f, "{name}: {}", self.reason)
    }
}

/// What came of trying a model with both engines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// tract answers as ONNX Runtime does.
    Same {
        /// How many answers were compared.
        compared: usize,
        /// How long it takes.
        tract: Times,
        /// How long ONNX Runtime takes.
        onnxruntime: Times,
    },
    /// It does not, and why.
    Different(String),
}

/// Chooses; none if the manifest has done so, or if the model is one that cannot be packed.
pub(crate) fn choose(packer: &Packer<'_>, function: &Function) -> anyhow::Result<Option<Choice>> {
    if function.engine == ModelEngine::OnnxRuntime {
        return Ok(None);
    }
    let path = packer.checked.folder.join(&function.model);
    // What is wrong with it is said when it is packed.
    let Ok(model) = mlfn_model::inspect(&path) else {
        return Ok(None);
    };
    if function.engine == ModelEngine::Auto
        && let Some(reason) = rule(packer, function, &model)
    {
        return Ok(Some(Choice::onnxruntime(reason)));
    }
    let verdict = verdict(packer, function, &model)?;
    decide(function, verdict).map(Some)
}

fn decide(function: &Function, verdict: Verdict) -> anyhow::Result<Choice> {
    let is_open = function.engine == ModelEngine::Auto;
    match verdict {
        Verdict::Same {
            compared,
            tract,
            onnxruntime,
        } => Ok(match times::objection(tract, onnxruntime) {
            Some(reason) if is_open => Choice::onnxruntime(reason),
            _ => Choice {
                engine: ModelEngine::Tract,
                reason: format!("{}; {}", same(compared), times::told(tract, onnxruntime)),
            },
        }),
        Verdict::Different(reason) if is_open => Ok(Choice::onnxruntime(reason)),
        Verdict::Different(reason) => {
            let name = &function.name;
            let message = format!("`{name}` cannot run with `engine: tract`: {reason}");
            let hint = "leave `engine:` out, or write `engine: auto`";
            Err(CommandError::failure(message).hint(hint).into())
        }
    }
}

/// Why `auto` does not even try tract.
fn rule(packer: &Packer<'_>, function: &Function, model: &Model) -> Option<String> {
    let place = match packer.place {
        Place::Cloud => ShimPlace::Cloud(function.architecture),
        Place::Here => ShimPlace::Here,
    };
    if let Err(error) = packer.parts.tract_shim.bytes(place) {
        return Some(error.to_string());
    }
    let external = model.external_data.iter().map(|file| file.bytes);
    if model.bytes + external.sum::<u64>() > MOST_BYTES {
        return Some("the model is larger than the 1 MiB up to which tract is tried".to_owned());
    }
    let name = |operator: &String| operator.rsplit('.').next().unwrap_or_default().to_owned();
    let mut names = model.operators.keys().map(name);
    let heavy = names.find(|name| HEAVY.contains(&name.as_str()))?;
    Some(format!("it is the faster one for the operator {heavy}"))
}

fn verdict(packer: &Packer<'_>, function: &Function, model: &Model) -> anyhow::Result<Verdict> {
    // Both run on this machine, whatever the function's processor is.
    let mut function = function.clone();
    function.architecture = shim::host_architecture();
    let packer = Packer {
        place: Place::Here,
        ..packer.clone()
    };
    let memory = memory::Memory::of(&packer, &function, model)?;
    if let Some(known) = memory.read() {
        return Ok(known);
    }
    let progress = format!("trying {} with both engines", function.name);
    let progress = packer.printer.progress(&progress, false);
    let verdict = trial::run(&packer, &function, model)?;
    drop(progress);
    memory.write(&verdict)?;
    Ok(verdict)
}

/// E.g. `17 answers are ONNX Runtime's, to 1e-5 plus 1e-4 of a number`.
fn same(compared: usize) -> String {
    let answers = match compared {
        1 => "1 answer is".to_owned(),
        several => format!("{several} answers are"),
    };
    let [absolute, relative] = [trial::ABSOLUTE, trial::RELATIVE];
    format!("{answers} ONNX Runtime's, to {absolute:e} plus {relative:e} of a number")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn function(engine: ModelEngine) -> Function {
        let mut function = mlfn_testkit::function("classifier");
        function.engine = engine;
        function
    }

    /// With tract taking so many milliseconds a request.
    fn same_after(request: u64) -> Verdict {
        let times = |start, request| Times {
            start: Duration::from_millis(start),
            request: Duration::from_millis(request),
        };
        Verdict::Same {
            compared: 17,
            tract: times(2, request),
            onnxruntime: times(19, 1),
        }
    }

    #[test]
    fn a_choice_says_why() {
        let table = [
            (
                ModelEngine::Auto,
                same_after(1),
                "tract: 17 answers are ONNX Runtime's, to 1e-5 plus 1e-4 of a number; the first one \
                 comes 9.5x as fast, after 2.0 ms instead of 19.0 ms, and each later one after 1.0 ms \
                 instead of 1.0 ms here",
            ),
            (
                ModelEngine::Auto,
                same_after(45),
                "onnxruntime: tract answers the same, but takes 45.0 ms for a request where ONNX \
                 Runtime takes 1.0 ms here",
            ),
            (
                ModelEngine::Tract,
                same_after(45),
                "tract: 17 answers are ONNX Runtime's, to 1e-5 plus 1e-4 of a number; the first one \
                 comes 9.5x as fast, after 2.0 ms instead of 19.0 ms, and each later one after 45.0 ms \
                 instead of 1.0 ms here",
            ),
            (
                ModelEngine::Auto,
                Verdict::Different("tract cannot run the operator SVMClassifier".to_owned()),
                "onnxruntime: tract cannot run the operator SVMClassifier",
            ),
        ];
        for (engine, verdict, expected) in table {
            let choice = decide(&function(engine), verdict).expect("is a choice");
            assert_eq!(choice.to_string(), expected);
        }
        assert!(same(1).starts_with("1 answer is ONNX Runtime's"));
    }

    #[test]
    fn what_answers_otherwise_is_refused_if_it_was_wanted() {
        let verdict = Verdict::Different("tract panicked".to_owned());
        let refused = decide(&function(ModelEngine::Tract), verdict).expect_err("is refused");
        let expected = "`classifier` cannot run with `engine: tract`: tract panicked";
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn a_verdict_is_kept_as_it_is_and_one_of_another_form_is_none() {
        for verdict in [same_after(45), Verdict::Different("a reason".to_owned())] {
            let text = serde_json::to_string(&verdict).expect("is JSON");
            let read: Verdict = serde_json::from_str(&text).expect("is one");
            assert_eq!(read, verdict);
        }
        // Before requests were timed.
        let old = r#"{"same":{"compared":17,"tract":0.002,"onnxruntime":0.019}}"#;
        assert!(serde_json::from_str::<Verdict>(old).is_err());
    }
}
