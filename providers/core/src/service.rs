//! The validated manifest: names are good, defaults are filled in, variables are resolved.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    AwsOptions, AzureOptions, FieldPath, FunctionName, GcpOptions, Memory, ProviderName, Seconds,
    ServiceName, StageName, Traffic, Trigger,
};

/// One stage of one manifest: what somebody wants to have running.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// `service:` of the manifest.
    pub name: ServiceName,
    /// The stage it was loaded for.
    pub stage: StageName,
    /// Where it runs.
    pub provider: ProviderName,
    /// The cloud's region; none means the one of the user's environment.
    pub region: Option<String>,
    /// Tags (Azure, AWS) or labels (Google) for everything that mlfn makes.
    pub tags: BTreeMap<String, String>,
    /// One for each model, in the order of the manifest.
    pub functions: Vec<Function>,
}

impl Service {
    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions
            .iter()
            .find(|function| function.name.as_str() == name)
    }

    /// What comes before the user's own name in all names that mlfn makes: `<service>-<stage>-`.
    pub fn cloud_prefix(&self) -> String {
        format!("{}-{}-", self.name, self.stage)
    }

    /// The name in the cloud of what the manifest calls `name`: `<service>-<stage>-<name>`, so
    /// that stages do not share anything.
    pub fn cloud_name(&self, name: &str) -> String {
        self.cloud_prefix() + name
    }
}

/// A model and what triggers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// The key under `models:`.
    pub name: FunctionName,
    /// The ONNX file, absolute or relative to the manifest's folder, as written.
    pub model: PathBuf,
    /// Memory of one instance.
    pub memory: Memory,
    /// Longest time that one request may take.
    pub timeout: Seconds,
    /// The processor of the instances.
    pub architecture: Architecture,
    /// What runs the model.
    #[serde(default, skip_serializing_if = "ModelEngine::is_default")]
    pub engine: ModelEngine,
    /// Environment variables of the function.
    pub environment: BTreeMap<String, EnvironmentValue>,
    /// What is known of the model's inputs beyond the graph, by tensor name.
    pub inputs: BTreeMap<String, InputSpec>,
    /// How the model's outputs become an answer.
    pub output: OutputSpec,
    /// A request that the function must answer: health checks and `mlfn invoke` use it.
    pub example: Option<Json>,
    /// How requests of one moment share runs of the model; none if they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batching: Option<Batching>,
    /// How requests move to a new revision; none if all change over at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// What becomes of asynchronous requests; none if the cloud decides.
    #[serde(default, rename = "async", skip_serializing_if = "Option::is_none")]
    pub asynchronous: Option<AsyncSettings>,
    /// What makes it run.
    pub triggers: Vec<Trigger>,
    /// What only AWS has.
    pub aws: AwsOptions,
    /// What only Azure has.
    pub azure: AzureOptions,
    /// What only Google has.
    pub gcp: GcpOptions,
}

impl Function {
    /// Where it stands in the manifest: `models.<name>`.
    pub fn at(&self) -> FieldPath {
        FieldPath::root().key("models").key(self.name.as_str())
    }

    /// Its triggers with where they stand: `models.<name>.triggers[0].http`.
    pub fn triggers_at(&self) -> impl Iterator<Item = (FieldPath, &Trigger)> {
        let root = self.at().key("triggers");
        let triggers = self.triggers.iter().enumerate();
        triggers.map(move |(index, trigger)| (root.index(index).key(trigger.kind()), trigger))
    }
}

/// What is known of an input tensor beyond the graph.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InputSpec {
    /// Names of the features along the last dimension, so that requests may name them.
    pub names: Vec<String>,
}

/// How the model's outputs become an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Names of the classes, by class index.
    pub labels: Vec<String>,
    /// Answer with the probability of this class alone.
    pub probability: Option<String>,
}

/// How requests of one moment share runs of a model, where an instance gets several at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batching {
    /// The most requests of one run.
    pub max: u32,
    /// The longest that a request waits for others, in microseconds.
    pub wait_us: u64,
    /// Company may change no bit of an answer. Otherwise it may change its last digits, as rounding
    /// does.
    pub exact: bool,
}

/// What becomes of asynchronous requests, which nobody waits for. What is not said is as the cloud
/// has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsyncSettings {
    /// How often a function gets a request that it fails on.
    pub max_tries: Option<u32>,
    /// How old a request may become that no instance takes.
    pub max_age: Option<Seconds>,
    /// What is told of each request that was answered.
    pub on_success: Option<Destination>,
    /// What is told of each request that was given up.
    pub on_failure: Option<Destination>,
}

/// What is told what became of a request: a name, or the cloud's own such as an ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// A queue.
    Queue(String),
    /// A topic.
    Topic(String),
}

/// The processor that a function's instances have.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Intel and AMD, 64 bit.
    #[default]
    X86_64,
    /// ARM, 64 bit (Graviton).
    Arm64,
}

impl Architecture {
    /// The name that the manifest uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

impl FromStr for Architecture {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "x86_64" | "amd64" => Ok(Self::X86_64),
            "arm64" | "aarch64" => Ok(Self::Arm64),
            other => Err(format!(
                "`{other}` is not an architecture; use `x86_64` or `arm64`"
            )),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelEngine {
    /// tract for small models that it runs as ONNX Runtime does, and ONNX Runtime for the others.
    Auto,
    /// ONNX Runtime, which runs every model.
    #[default]
    OnnxRuntime,
    /// tract, which starts sooner and does not run every model.
    Tract,
}

impl ModelEngine {
    /// Whether it is what a manifest means that names none.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The value of an environment variable of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentValue {
    /// In plain sight: in the package, in plans, in logs.
    Plain(String),
    /// Looked up by the cloud when the function starts; mlfn never sees the value.
    Secret(SecretRef),
}

/// Where a cloud keeps a secret: an SSM parameter, a Secrets Manager, Key Vault or Secret Manager
/// name. Not the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretRef(pub String);
