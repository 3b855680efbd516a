//! Which engine runs a model, for manifests that want tract or leave it open.
//!
//! What is chosen depends on the model, the manifest and this mlfn, and on nothing that is measured:
//! a package has the same bytes on any machine and any day. Times are told, and do not decide.
//!
//! - `requests`: what both engines are asked
//! - `trial`: the packages of both, started and asked side by side
//! - `memory`: what came of trials before

mod memory;
mod requests;
mod trial;

use std::time::Duration;

use mlfn_core::{Function, ModelEngine};
use mlfn_model::Model;
use serde::{Deserialize, Serialize};

use crate::errors::CommandError;
use crate::pipeline::{Packer, Place};
use crate::shim::{self, ShimKind, ShimPlace};

/// The most bytes of a model, weights in other files included, that `auto` gives to tract: it has
/// one thread and copies weights, so that larger models start and answer no sooner with it.
const MOST_BYTES: u64 = 1 << 20;

/// Operators whose work does not follow from the number of weights. ONNX Runtime does it faster,
/// request by request, than tract makes up for once by starting sooner.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// tract answers as ONNX Runtime does.
    Same {
        /// How many answers were compared.
        compared: usize,
        /// How long it takes from the start of the process to the first answer, in seconds.
        tract: f64,
        /// The same of ONNX Runtime.
        onnxruntime: f64,
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
    match verdict(packer, function, &model)? {
        Verdict::Same {
            compared,
            tract,
            onnxruntime,
        } => Ok(Some(Choice {
            engine: ModelEngine::Tract,
            reason: format!("{}; {}", same(compared), first(tract, onnxruntime)),
        })),
        Verdict::Different(reason) if function.engine == ModelEngine::Auto => {
            Ok(Some(Choice::onnxruntime(reason)))
        }
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

/// E.g. `the first one comes 9.1x as fast: after 2.1 ms instead of 19.2 ms here`.
fn first(tract: f64, onnxruntime: f64) -> String {
    let shown = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
    let [ours, theirs] = [tract, onnxruntime].map(shown);
    if tract <= 0.0 || onnxruntime <= tract {
        return format!("the first one comes after {ours}, ONNX Runtime's after {theirs} here");
    }
    let factor = onnxruntime / tract;
    format!("the first one comes {factor:.1}x as fast: after {ours} instead of {theirs} here")
}

/// Seconds, for what is kept.
fn seconds(duration: Duration) -> f64 {
    // To the microsecond.
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_says_why() {
        let table = [
            (
                (0.002, 0.019),
                "the first one comes 9.5x as fast: after 2.0 ms instead of 19.0 ms here",
            ),
            (
                (0.02, 0.01),
                "the first one comes after 20.0 ms, ONNX Runtime's after 10.0 ms here",
            ),
        ];
        for ((tract, onnxruntime), expected) in table {
            assert_eq!(first(tract, onnxruntime), expected);
        }
        let expected = "17 answers are ONNX Runtime's, to 1e-5 plus 1e-4 of a number";
        assert_eq!(same(17), expected);
        let choice = Choice::onnxruntime("tract cannot run the operator SVMClassifier");
        let expected = "onnxruntime: tract cannot run the operator SVMClassifier";
        assert_eq!(choice.to_string(), expected);
    }
}
