//! One entry of `models:`.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use mlfn_core::{
    Architecture, Batching, FieldPath, Function, InputSpec, Memory, OutputSpec, Seconds,
};
use serde_json::Value as Json;

use super::{Defaults, Located, asynchronous, options, traffic, triggers, values};
use crate::problems::{Code, Problem, Problems};
use crate::schema::v1;

const BAD_PATH: Code = Code::new("invalid-model-path", "not the path of a model");
const NOT_ONNX: Code = Code::new("model-not-onnx", "the model is probably not an ONNX file");
const REPEATED: Code = Code::new("repeated-name", "the same name twice");
const EMPTY_NAME: Code = Code::new("empty-name", "a name is empty");

const DEFAULT_MEMORY: Memory = Memory::mib(512);
const DEFAULT_TIMEOUT: Seconds = Seconds::new(30);
const DEFAULT_BATCH: u32 = 32;
const DEFAULT_WAIT_US: u64 = 2_000;

/// A function; none if its name or path is missing or wrong.
pub(super) fn function(
    name: &str,
    model: &v1::Model,
    defaults: &Defaults,
    problems: &mut Problems,
) -> Option<Located> {
    let at = FieldPath::root().key("models").key(name);
    let short;
    let written = match model {
        v1::Model::Long(written) => written.as_ref(),
        v1::Model::Path(path) => {
            short = v1::ModelOptions {
                path: Some(path.clone()),
                ..v1::ModelOptions::default()
            };
            &short
        }
    };
    let name = problems.take(values::name(name, &at).map_err(Problem::of_key));
    let path = written
        .path
        .as_deref()
        .and_then(|path| self::path(path, &at.key("path"), problems));
    let mut environment = defaults.environment.clone();
    let own = values::environment(
        written.environment.as_ref(),
        &at.key("environment"),
        problems,
    );
    environment.extend(own);
    let memory = values::memory(written.memory.as_ref(), &at.key("memory"), problems);
    let timeout = values::seconds(written.timeout.as_ref(), &at.key("timeout"), problems);
    let architecture = written
        .architecture
        .map(values::architecture)
        .or(defaults.architecture);
    let engine = written.engine.map(values::engine).or(defaults.engine);
    let inputs = inputs(written.input.as_ref(), &at.key("input"), problems);
    let output = output(written.output.as_ref(), &at.key("output"), problems);
    let batching = written.batching.as_ref();
    let batching = batching.map(|written| self::batching(written, &at.key("batching"), problems));
    let traffic = written.traffic.as_ref();
    let traffic =
        traffic.and_then(|written| traffic::traffic(written, &at.key("traffic"), problems));
    let asynchronous = written.r#async.as_ref();
    let asynchronous =
        asynchronous.map(|written| asynchronous::settings(written, &at.key("async"), problems));
    let triggers = written.triggers.as_deref().unwrap_or_default();
    let (triggers_at, triggers) = triggers::triggers(triggers, &at.key("triggers"), problems);
    let function = Function {
        aws: options::aws(written.aws.as_ref(), &at.key("aws"), problems),
        azure: options::azure(written.azure.as_ref()),
        gcp: options::gcp(written.gcp.as_ref(), &at.key("gcp"), problems),
        name: name?,
        model: path?,
        memory: memory.or(defaults.memory).unwrap_or(DEFAULT_MEMORY),
        timeout: timeout.or(defaults.timeout).unwrap_or(DEFAULT_TIMEOUT),
        architecture: architecture.unwrap_or(Architecture::X86_64),
        engine: engine.unwrap_or_default(),
        environment,
        inputs,
        output,
        example: written.example.clone().map(Json::Object),
        batching,
        asynchronous,
        traffic: traffic.or_else(|| defaults.traffic.clone()),
        triggers,
    };
    Some(Located {
        at,
        function,
        triggers: triggers_at,
    })
}

fn batching(written: &v1::Batching, at: &FieldPath, problems: &mut Problems) -> Batching {
    let wait = values::microseconds(written.wait.as_ref(), &at.key("wait"), problems);
    Batching {
        max: written.max.unwrap_or(DEFAULT_BATCH),
        wait_us: wait.unwrap_or(DEFAULT_WAIT_US),
        exact: written.exact.unwrap_or(true),
    }
}

/// Whether the file exists is a question for later; here it must be possible.
fn path(text: &str, at: &FieldPath, problems: &mut Problems) -> Option<PathBuf> {
    if text.trim().is_empty() {
        let problem = BAD_PATH.error(at, "it is empty");
        problems.push(problem.help("write for example `path: model.onnx`"));
        return None;
    }
    if text.contains("://") {
        let detail = format!("`{text}` is a URL, and mlfn packs files");
        let problem = BAD_PATH.error(at, detail);
        problems.push(problem.help("download the model to a place beside the manifest first"));
        return None;
    }
    let path = PathBuf::from(text);
    if let Some(conversion) = conversion(&path) {
        let detail = format!("`{text}` looks like {}", conversion.format);
        problems.push(NOT_ONNX.warning(at, detail).help(conversion.help));
    }
    Some(path)
}

struct Conversion {
    format: &'static str,
    help: &'static str,
}

/// How to make an ONNX file of what the extension stands for.
fn conversion(path: &Path) -> Option<Conversion> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let (format, help) = match extension.as_str() {
        "pkl" | "pickle" | "joblib" => (
            "a pickled scikit-learn model",
            "convert it with skl2onnx: `to_onnx(model, X[:1])`, and give the path of the result",
        ),
        "pt" | "pth" | "ckpt" | "safetensors" => (
            "a PyTorch model",
            "convert it with `torch.onnx.export(model, (x,), 'model.onnx')`, and give the path of the result",
        ),
        "h5" | "keras" | "pb" => (
            "a TensorFlow model",
            "convert it with tf2onnx: `python -m tf2onnx.convert`, and give the path of the result",
        ),
        "tflite" => (
            "a TensorFlow Lite model",
            "convert it with tf2onnx: `python -m tf2onnx.convert --tflite`, and give the path of the result",
        ),
        "ubj" | "bst" | "xgb" | "cbm" | "lgb" => (
            "a boosted-tree model",
            "convert it with onnxmltools, and give the path of the result",
        ),
        _ => return None,
    };
    Some(Conversion { format, help })
}

fn inputs(
    written: Option<&IndexMap<String, v1::Input>>,
    at: &FieldPath,
    problems: &mut Problems,
) -> BTreeMap<String, InputSpec> {
    let mut inputs = BTreeMap::new();
    for (name, input) in written.into_iter().flatten() {
        let at = at.key(name);
        if name.is_empty() {
            problems
                .push(EMPTY_NAME.error(&at, "an input needs the name that it has in the model"));
        }
        let names = names(input.names.as_deref(), &at.key("names"), problems);
        inputs.insert(name.clone(), InputSpec { names });
    }
    inputs
}

fn output(written: Option<&v1::Output>, at: &FieldPath, problems: &mut Problems) -> OutputSpec {
    let Some(written) = written else {
        return OutputSpec::default();
    };
    OutputSpec {
        labels: names(written.labels.as_deref(), &at.key("labels"), problems),
        probability: written.probability.clone().map(|label| label.0),
    }
}

/// Names that tell features or classes apart.
fn names(written: Option<&[v1::Scalar]>, at: &FieldPath, problems: &mut Problems) -> Vec<String> {
    let names = written
        .unwrap_or_default()
        .iter()
        .map(|name| name.0.clone());
    let names: Vec<String> = names.collect();
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            let detail = format!("item {} has no text", index + 1);
            problems.push(EMPTY_NAME.error(&at.index(index), detail));
        } else if !seen.insert(name) {
            let detail = format!("`{name}` stands in the list already");
            let problem = REPEATED.error(&at.index(index), detail);
            problems.push(
                problem.help("each name stands for one feature or class; rename one of the two"),
            );
        }
    }
    names
}
