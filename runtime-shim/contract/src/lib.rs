//! What the mlfn command line and the shim agree on.
//!
//! The command line writes a [`ShimConfig`] as [`CONFIG_FILE`] at the root of each package; the
//! shim reads it there. This is the only code that the two share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The name of the compiled configuration, at the root of the package.
pub const CONFIG_FILE: &str = "mlfn.json";

/// The folder of the inference library in the package.
pub const LIBRARY_FOLDER: &str = "lib";

/// The folder of the model in the package.
pub const MODEL_FOLDER: &str = "model";

/// The version of [`ShimConfig`] that this code reads and writes.
pub const CONFIG_FORMAT: u32 = 1;

/// How the value of an environment variable on AWS begins that stands for a secret; the name or ARN
/// of the secret follows. The shim puts the secret there when it starts.
pub const SECRET_MARK: &str = "mlfn:secret:";

/// Names of environment variables that the shim reads.
pub mod env {
    /// Where the package is, if not beside the executable (set by Google's launcher).
    pub const ROOT: &str = "MLFN_ROOT";
    /// AWS: where predictions go besides the caller, as JSON.
    pub const OUTPUTS: &str = "MLFN_OUTPUTS";
    /// AWS: where the files of the model are that the package leaves out, as a JSON array of
    /// [`FetchedFrom`](super::FetchedFrom).
    pub const MODEL: &str = "MLFN_MODEL";
    /// AWS: the folder that has the files of layers; `/opt` if unset.
    pub const LAYERS: &str = "MLFN_LAYERS";
    /// How much is logged: `error`, `warn`, `info` or `debug`.
    pub const LOG: &str = "MLFN_LOG";
    /// Anything: the phases of the start are logged after the first answer.
    pub const TRACE_COLD: &str = "MLFN_TRACE_COLD";
    /// Lambda: `host:port` of the Runtime API.
    pub const LAMBDA_RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
    /// Lambda: the folder of the package.
    pub const LAMBDA_TASK_ROOT: &str = "LAMBDA_TASK_ROOT";
    /// Azure: the port that the Functions host expects the custom handler on.
    pub const AZURE_HANDLER_PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";
    /// Google and everybody else: the port to serve HTTP on.
    pub const PORT: &str = "PORT";
    /// The IP address to serve HTTP on; every interface (`0.0.0.0`) if unset, as containers must.
    pub const HOST: &str = "MLFN_HOST";
}

/// Everything that the shim has to know about its function. Paths are relative to the package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShimConfig {
    /// [`CONFIG_FORMAT`].
    pub format: u32,
    /// The service.
    pub service: String,
    /// The stage.
    pub stage: String,
    /// The function.
    pub function: String,
    /// The model file.
    pub model: String,
    /// The SHA-256 of the model file, in hexadecimal: its version, as far as answers tell it.
    pub model_sha256: String,
    /// The inference library; empty if the shim runs the model by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub library: String,
    /// The library is in a layer, where it has the same path, unless it is in the package after all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub library_in_layer: bool,
    /// What is known of the inputs beyond the graph, by tensor name.
    pub inputs: BTreeMap<String, InputConfig>,
    /// How outputs become an answer.
    pub output: OutputConfig,
    /// A request that the function must answer.
    pub example: Option<Json>,
    /// The largest request that is read, in bytes.
    pub max_request: u64,
    /// The largest answer that is sent, in bytes.
    pub max_response: u64,
    /// The longest that a request may take, in seconds.
    pub timeout: u32,
    /// Paths of the HTTP triggers, e.g. `/predict`.
    pub routes: Vec<Route>,
    /// The requests of schedules of which the platform passes on only that they fired, by the
    /// platform's name of each; none if the manifest gives no input.
    #[serde(default)]
    pub schedules: BTreeMap<String, Option<Json>>,
    /// A model file without weights, beside `model`, in which it finds them; it is loaded instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<String>,
    /// Requests that come at the same time may share a run of the model. None: they never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batching: Option<Batching>,
    /// A queue or a stream hands the function several records at once, which share runs of the
    /// model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub record_batches: bool,
    /// The graph has no loops: how long a run takes follows from the size of the request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steady: bool,
    /// Files of the model that the package leaves out, with their sizes in bytes. On AWS, the
    /// environment says where they are ([`env::MODEL`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fetched: BTreeMap<String, u64>,
}

/// Where a file of the model is that the package leaves out: an entry of [`env::MODEL`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedFrom {
    /// Where it belongs, as [`ShimConfig::fetched`] has it.
    pub path: String,
    /// The bucket.
    pub bucket: String,
    /// The key, which holds the digest of the file: the object never changes.
    pub key: String,
}

/// How requests share runs of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batching {
    /// The most requests of one run.
    pub max: u32,
    /// The longest that a request waits for others, in microseconds.
    pub wait_us: u64,
    /// Company may change no bit of an answer. Otherwise it may change what rounding does.
    pub exact: bool,
}

/// What is known of an input tensor beyond the graph.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// Names of the features along the last dimension.
    pub names: Vec<String>,
}

/// How the model's outputs become an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// Names of the classes, by class index.
    pub labels: Vec<String>,
    /// Answer with the probability of this class alone.
    pub probability: Option<String>,
}

/// An HTTP trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The method in capitals, or `ANY`.
    pub method: String,
    /// The path with a leading `/`, e.g. `/predict`.
    pub path: String,
    /// Origins of pages that browsers may call it from. Empty where the cloud tells browsers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that packages in the field hold: a change here needs a new [`CONFIG_FORMAT`].
    const GOLDEN: &str = r#"{"format":1,"service":"iris","stage":"dev","function":"classifier","model":"model/model.onnx","model_sha256":"00","library":"lib/libonnxruntime.so","inputs":{"features":{"names":["a","b"]}},"output":{"labels":["x","y"],"probability":null},"example":{"features":[1,2]},"max_request":6291456,"max_response":6291456,"timeout":10,"routes":[{"method":"POST","path":"/predict"}],"schedules":{"classifier-schedule-1":{"features":[1,2]},"classifier-schedule-2":null}}"#;

    #[test]
    fn the_configuration_keeps_its_form() {
        let config: ShimConfig = serde_json::from_str(GOLDEN).expect("reads");
        assert_eq!(config.format, CONFIG_FORMAT);
        assert_eq!(serde_json::to_string(&config).expect("writes"), GOLDEN);
    }

    #[test]
    fn a_configuration_without_schedules_has_none() {
        let (start, _) = GOLDEN.split_once(",\"schedules\"").expect("it has some");
        let config: ShimConfig = serde_json::from_str(&format!("{start}}}")).expect("reads");
        assert_eq!(config.schedules, BTreeMap::new());
        assert_eq!(config.graph, None);
    }
}
