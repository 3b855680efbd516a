//! Version 1 of the manifest, as written: short forms and all.
//!
//! Documentation of fields becomes the descriptions of the JSON schema, and what stands behind
//! `Example:` becomes the help of diagnostics. Everything is optional for the reader, because the
//! structure has been checked before (`structure`), and a missing part must not hide mistakes in
//! the others; `required` is what the schema says.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

pub(crate) use super::scalars::{Quantity, Scalar};

/// Models, where they run, and what triggers them. Run `mlfn validate` to check a manifest.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(title = "mlfn manifest", deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The version of the manifest's format. Example: `mlfn: 1`
    #[schemars(required, extend("const" = 1))]
    #[expect(
        dead_code,
        reason = "the version probe has looked at it; it stays in the schema"
    )]
    pub(crate) mlfn: Option<u32>,

    /// The name of the service, which is a part of the name of everything that is made for it:
    /// lower-case letters, digits and `-`, at most 24 characters. Example: `service: iris`
    #[schemars(required)]
    pub(crate) service: Option<String>,

    /// The cloud, and where in it; `aws` if it is not given. Example: `provider: { name: aws, region: eu-west-1 }`
    pub(crate) provider: Option<Provider>,

    /// Where the record of what is deployed lies, for all who deploy: `s3://bucket/folder`,
    /// `az://account/container/folder` or `gs://bucket/folder`; in `.mlfn/` beside the manifest if it
    /// is not given. Example: `state: s3://my-states/iris`
    pub(crate) state: Option<String>,

    /// Values for `${param:name}`. Example: `params: { threshold: 0.5 }`
    #[expect(
        dead_code,
        reason = "variables have been replaced; it stays in the schema"
    )]
    pub(crate) params: Option<Map<String, Json>>,

    /// Tags or labels for everything that is made. Example: `tags: { team: research }`
    pub(crate) tags: Option<IndexMap<String, Scalar>>,

    /// Memory of every model that does not set its own. Example: `memory: 512MB`
    pub(crate) memory: Option<Quantity>,

    /// Longest time of one request, for every model that does not set its own. Example: `timeout: 30s`
    pub(crate) timeout: Option<Quantity>,

    /// Processor of every model that does not set its own. Example: `architecture: arm64`
    pub(crate) architecture: Option<Architecture>,

    /// What runs every model that does not say. Example: `engine: auto`
    pub(crate) engine: Option<ModelEngine>,

    /// Environment variables of every model. Example: `environment: { MODE: fast }`
    pub(crate) environment: Option<Environment>,

    /// How requests move to a new version, for every model that does not say. Example: `traffic: { canary: 10%, every: 5m }`
    pub(crate) traffic: Option<Traffic>,

    /// What differs in a stage; `--stage` chooses it. Example: `stages: { prod: { memory: 1024MB } }`
    pub(crate) stages: Option<IndexMap<String, Option<Stage>>>,

    /// The models by name: lower-case letters, digits and `-`, at most 25 characters. Example: `models: { classifier: model.onnx }`
    #[schemars(required, extend("minProperties" = 1))]
    pub(crate) models: Option<IndexMap<String, Model>>,
}

/// Environment variables by name.
pub(crate) type Environment = IndexMap<String, EnvironmentValue>;

/// The cloud, and where in it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Provider {
    /// Only the cloud.
    Name(ProviderName),
    /// The cloud and its options.
    Long(ProviderOptions),
}

/// The cloud and its options.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ProviderOptions {
    /// The cloud, or `local` for your own machine. Example: `name: aws`
    pub(crate) name: Option<ProviderName>,
    /// With `name: local`, the cloud that your machine imitates; AWS if it is not given. Example: `as: gcp`
    #[serde(rename = "as")]
    pub(crate) imitate: Option<CloudName>,
    /// The region as the cloud spells it; that of your credentials if it is not given. Example: `region: eu-west-1`
    pub(crate) region: Option<String>,
}

/// The clouds, and your own machine.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProviderName {
    Aws,
    Azure,
    Gcp,
    Local,
}

/// The clouds.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CloudName {
    Aws,
    Azure,
    Gcp,
}

/// The processors.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Architecture {
    X86_64,
    Arm64,
}

/// What runs models.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModelEngine {
    Auto,
    OnnxRuntime,
    Tract,
}

/// What differs in a stage. What a model sets itself wins over it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Stage {
    /// Where the record of what is deployed lies. Example: `state: s3://my-states/production`
    pub(crate) state: Option<String>,
    /// Values for `${param:name}` in this stage. Example: `params: { threshold: 0.5 }`
    #[expect(
        dead_code,
        reason = "variables have been replaced; it stays in the schema"
    )]
    pub(crate) params: Option<Map<String, Json>>,
    /// Memory of every model that does not set its own. Example: `memory: 1024MB`
    pub(crate) memory: Option<Quantity>,
    /// Longest time of one request. Example: `timeout: 30s`
    pub(crate) timeout: Option<Quantity>,
    /// The processor. Example: `architecture: arm64`
    pub(crate) architecture: Option<Architecture>,
    /// What runs the models. Example: `engine: auto`
    pub(crate) engine: Option<ModelEngine>,
    /// Environment variables, added to those of the service. Example: `environment: { MODE: fast }`
    pub(crate) environment: Option<Environment>,
    /// How requests move to a new version. Example: `traffic: { canary: 10%, every: 5m }`
    pub(crate) traffic: Option<Traffic>,
}

/// The value of an environment variable.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum EnvironmentValue {
    /// A value in plain sight.
    Plain(Scalar),
    /// The name of a secret that the cloud looks up when the function starts.
    Secret(SecretReference),
}

/// The name of a secret that the cloud looks up when the function starts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct SecretReference {
    /// Where the cloud keeps it. Example: `secret: iris-token`
    #[schemars(required)]
    pub(crate) secret: Option<String>,
}

/// A model: its file, or its file and everything about it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Model {
    /// Only the ONNX file.
    Path(String),
    /// All of it.
    Long(Box<ModelOptions>),
}

/// A model, what it needs and what triggers it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ModelOptions {
    /// The ONNX file, relative to the manifest. Example: `path: model.onnx`
    #[schemars(required)]
    pub(crate) path: Option<String>,
    /// Memory of one instance; 512MB if it is not given. Example: `memory: 512MB`
    pub(crate) memory: Option<Quantity>,
    /// Longest time of one request; 30s if it is not given. Example: `timeout: 10s`
    pub(crate) timeout: Option<Quantity>,
    /// The processor; `x86_64` if it is not given. Example: `architecture: arm64`
    pub(crate) architecture: Option<Architecture>,
    /// What runs the model; `onnxruntime` if it is not given. `tract` starts in a few milliseconds and runs fewer models; `auto` takes it for small models of which it answers the same. Example: `engine: auto`
    pub(crate) engine: Option<ModelEngine>,
    /// Environment variables. Example: `environment: { MODE: fast, TOKEN: { secret: iris-token } }`
    pub(crate) environment: Option<Environment>,
    /// What requests may name, by the input's name in the model or `features` for the only one. Example: `input: { features: { names: [width, height] } }`
    pub(crate) input: Option<IndexMap<String, Input>>,
    /// How the model's outputs become an answer. Example: `output: { labels: [cat, dog] }`
    pub(crate) output: Option<Output>,
    /// A request that the model must answer: for `mlfn invoke` and health checks. Example: `example: { features: [5.1, 3.5] }`
    pub(crate) example: Option<Map<String, Json>>,
    /// Requests of one moment share a run of the model, where an instance gets several. Example: `batching: { max: 32, wait: 2ms }`
    pub(crate) batching: Option<Batching>,
    /// How requests move to a new version; all at once if it is not given. Example: `traffic: { canary: 10%, every: 5m, alarm: errors }`
    pub(crate) traffic: Option<Traffic>,
    /// What becomes of asynchronous requests, on AWS: those of `mlfn invoke --type Event`, topics, buckets and schedules. Example: `async: { max_tries: 2, on_failure: { queue: failed } }`
    pub(crate) r#async: Option<Async>,
    /// What makes the model run. Example: `triggers: [{ http: POST /predict }]`
    pub(crate) triggers: Option<Vec<Trigger>>,
    /// What only AWS has. Example: `aws: { ephemeral_storage: 1GB }`
    pub(crate) aws: Option<Aws>,
    /// What only Azure has. Example: `azure: { always_ready: 1 }`
    pub(crate) azure: Option<Azure>,
    /// What only Google has. Example: `gcp: { cpu: 1 }`
    pub(crate) gcp: Option<Gcp>,
}

/// What is known of an input.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Input {
    /// Names of the features, in the order of the model. Example: `names: [width, height]`
    pub(crate) names: Option<Vec<Scalar>>,
}

/// How requests of one moment share a run of the model.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Batching {
    /// The most requests of one run; 32 if it is not given. Example: `max: 32`
    #[schemars(range(min = 2, max = 64))]
    pub(crate) max: Option<u32>,
    /// The longest that a request waits for others; 2ms if it is not given. Example: `wait: 2ms`
    pub(crate) wait: Option<Quantity>,
    /// Whether an answer must have the same bits in company as alone, which is so if it is not given. Some models then run a request that is alone as two. With `false` company may change last digits. Example: `exact: false`
    pub(crate) exact: Option<bool>,
}

/// How requests move to a new version: a part first, then twice as much each time, and back to the
/// version before as soon as something speaks against the new one.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Traffic {
    /// The first part of the requests, from 1% to 99%. Example: `canary: 10%`
    #[schemars(required)]
    pub(crate) canary: Option<Quantity>,
    /// How long each part is watched before the next; 5m if it is not given. Example: `every: 5m`
    pub(crate) every: Option<Quantity>,
    /// What speaks against the new version: `errors` for a request that it fails on, which is so if it is not given, or the name of an alarm that exists in the cloud. Example: `alarm: errors`
    pub(crate) alarm: Option<String>,
}

/// What becomes of asynchronous requests, which nobody waits for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Async {
    /// How often the model gets a request that it fails on; 3 if it is not given. Example: `max_tries: 2`
    #[schemars(range(min = 1))]
    pub(crate) max_tries: Option<u32>,
    /// How old a request may become that is not answered; 6h if it is not given. Example: `max_age: 1h`
    pub(crate) max_age: Option<Quantity>,
    /// What gets each request with its answer. Example: `on_success: { queue: done }`
    pub(crate) on_success: Option<Destination>,
    /// What gets each request that is given up. Example: `on_failure: { topic: alerts }`
    pub(crate) on_failure: Option<Destination>,
}

/// A queue or a topic: one of these keys.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))]
pub(crate) struct Destination {
    /// A queue. Example: `queue: failed`
    pub(crate) queue: Option<String>,
    /// A topic. Example: `topic: alerts`
    pub(crate) topic: Option<String>,
}

/// How the model's outputs become an answer.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Output {
    /// Names of the classes, by class index. Example: `labels: [cat, dog]`
    pub(crate) labels: Option<Vec<Scalar>>,
    /// Answer with the probability of this class alone. Example: `probability: cat`
    pub(crate) probability: Option<Scalar>,
}

/// What makes a model run: one of these keys.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))]
pub(crate) struct Trigger {
    /// A request to a URL. Example: `http: POST /predict`
    pub(crate) http: Option<Http>,
    /// The clock. Example: `schedule: { every: 5 minutes }`
    pub(crate) schedule: Option<Schedule>,
    /// A message in a queue. Example: `queue: jobs`
    pub(crate) queue: Option<Queue>,
    /// A message published to a topic. Example: `topic: news`
    pub(crate) topic: Option<Topic>,
    /// An object written to a bucket. Example: `storage: { bucket: uploads, suffix: .json }`
    pub(crate) storage: Option<Storage>,
    /// Records of a stream. Example: `stream: { kinesis: clicks }`
    pub(crate) stream: Option<Stream>,
}

/// A method and a path, with or without options.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Http {
    /// `POST /predict`.
    Short(String),
    /// With options.
    Long(HttpOptions),
}

/// A request to a URL.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct HttpOptions {
    /// GET, POST, PUT, PATCH, DELETE or ANY; POST if it is not given. Example: `method: POST`
    pub(crate) method: Option<String>,
    /// The path. Example: `path: /predict`
    #[schemars(required)]
    pub(crate) path: Option<String>,
    /// Who may call it; anybody (`none`) if it is not given. Example: `auth: iam`
    pub(crate) auth: Option<Auth>,
    /// Origins of web pages that may call it. Example: `cors: [https://example.com]`
    pub(crate) cors: Option<OneOrMany>,
}

/// Who may call it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Auth {
    /// Without options.
    Kind(AuthKind),
    /// With options.
    Long(AuthOptions),
}

/// Who may call it: `none` for anybody, `iam` for the cloud's own identities, `key` for whoever
/// has the function's key (Azure).
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthKind {
    None,
    Iam,
    Key,
}

/// Who may call it, with options.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct AuthOptions {
    /// Whoever has a token. Example: `jwt: { issuer: https://login.example.com, audience: iris }`
    #[schemars(required)]
    pub(crate) jwt: Option<Jwt>,
}

/// JSON Web Tokens that are accepted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Jwt {
    /// The issuer's URL. Example: `issuer: https://login.example.com`
    #[schemars(required)]
    pub(crate) issuer: Option<String>,
    /// Audiences, one of which a token must have. Example: `audience: iris`
    #[schemars(required)]
    pub(crate) audience: Option<OneOrMany>,
}

/// One text, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// The clock: `every` or `cron`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Schedule {
    /// The pause between two runs, a minute or more. Example: `every: 5 minutes`
    pub(crate) every: Option<Quantity>,
    /// Minute, hour, day of month, month, day of week. Example: `cron: 0 6 * * 1-5`
    pub(crate) cron: Option<String>,
    /// The time zone for `cron`; UTC if it is not given. Example: `timezone: Europe/Berlin`
    pub(crate) timezone: Option<String>,
    /// The request that each run gets; the model's `example` if it is not given. Example: `input: { features: [5.1, 3.5] }`
    pub(crate) input: Option<Map<String, Json>>,
}

/// A queue, with or without options.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Queue {
    /// Only its name.
    Name(String),
    /// With options.
    Long(QueueOptions),
}

/// Messages in a queue.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct QueueOptions {
    /// The queue: a name for a new one, or the id of one that is there. Example: `name: jobs`
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// The most messages in one run; 10 if it is not given. Example: `batch: 10`
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) batch: Option<u32>,
    /// How long to wait for a batch to fill. Example: `window: 5s`
    pub(crate) window: Option<Quantity>,
    /// How often a message is tried; 3 if it is not given. Example: `max_tries: 3`
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) max_tries: Option<u32>,
    /// The queue for the predictions. Example: `output: results`
    pub(crate) output: Option<String>,
}

/// A topic.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Topic {
    /// Only its name.
    Name(String),
    /// With a key.
    Long(TopicOptions),
}

/// Messages published to a topic.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct TopicOptions {
    /// The topic: a name for a new one, or the id of one that is there. Example: `name: news`
    #[schemars(required)]
    pub(crate) name: Option<String>,
}

/// Objects written to a bucket.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Storage {
    /// The bucket; on Azure, the container. Example: `bucket: uploads`
    #[schemars(required)]
    pub(crate) bucket: Option<String>,
    /// Only objects whose names start so. Example: `prefix: in/`
    pub(crate) prefix: Option<String>,
    /// Only objects whose names end so. Example: `suffix: .json`
    pub(crate) suffix: Option<String>,
    /// Where the predictions go. Example: `output: { bucket: predictions, prefix: out/ }`
    pub(crate) output: Option<StorageOutput>,
}

/// Where the predictions go.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct StorageOutput {
    /// The bucket. Example: `bucket: predictions`
    #[schemars(required)]
    pub(crate) bucket: Option<String>,
    /// What the names of the predictions start with. Example: `prefix: out/`
    pub(crate) prefix: Option<String>,
}

/// Records of a stream: one of `kinesis`, `dynamodb` and `eventhub`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Stream {
    /// A Kinesis data stream (AWS). Example: `kinesis: clicks`
    pub(crate) kinesis: Option<String>,
    /// A DynamoDB table whose changes are streamed (AWS). Example: `dynamodb: orders`
    pub(crate) dynamodb: Option<String>,
    /// An event hub (Azure). Example: `eventhub: clicks`
    pub(crate) eventhub: Option<String>,
    /// The most records in one run; 100 if it is not given. Example: `batch: 100`
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) batch: Option<u32>,
    /// How long to wait for a batch to fill. Example: `window: 5s`
    pub(crate) window: Option<Quantity>,
    /// Where to begin; `latest` if it is not given. Example: `start: oldest`
    pub(crate) start: Option<StreamStart>,
}

/// Where to begin: with what comes after the deploy, or with the oldest record still kept.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StreamStart {
    Latest,
    Oldest,
}

/// What only AWS has.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Aws {
    /// The size of `/tmp`. Example: `ephemeral_storage: 1GB`
    pub(crate) ephemeral_storage: Option<Quantity>,
    /// Instances set aside for this model, and the most it may use. Example: `reserved_concurrency: 5`
    pub(crate) reserved_concurrency: Option<u32>,
    /// Instances kept warm. Example: `provisioned_concurrency: 1`
    pub(crate) provisioned_concurrency: Option<u32>,
    /// How long logs are kept, in days. Example: `log_retention_days: 14`
    #[schemars(range(min = 1))]
    pub(crate) log_retention_days: Option<u32>,
    /// A bucket of yours for packages over the direct limit. Example: `deployment_bucket: my-packages`
    pub(crate) deployment_bucket: Option<String>,
    /// Upload ONNX Runtime by itself, as a layer that all models of the service share; `false` if it is not given. Example: `layers: true`
    pub(crate) layers: Option<bool>,
}

/// What only Azure has.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Azure {
    /// Instances kept warm for HTTP. Example: `always_ready: 1`
    pub(crate) always_ready: Option<u32>,
    /// The most instances. Example: `max_instances: 40`
    #[schemars(range(min = 1))]
    pub(crate) max_instances: Option<u32>,
    /// Requests that one instance gets at the same time. Example: `concurrency: 4`
    #[schemars(range(min = 1))]
    pub(crate) concurrency: Option<u32>,
}

/// What only Google has.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Gcp {
    /// Cloud Functions or Cloud Run; `functions` if it is not given. Example: `engine: cloud-run`
    pub(crate) engine: Option<GcpEngine>,
    /// Virtual CPUs, whole or not. Example: `cpu: 0.5`
    pub(crate) cpu: Option<f64>,
    /// Instances kept warm. Example: `min_instances: 0`
    pub(crate) min_instances: Option<u32>,
    /// The most instances. Example: `max_instances: 10`
    #[schemars(range(min = 1))]
    pub(crate) max_instances: Option<u32>,
    /// Requests that one instance gets at the same time. Example: `concurrency: 4`
    #[schemars(range(min = 1))]
    pub(crate) concurrency: Option<u32>,
}

/// Which of Google's two ways runs the package.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GcpEngine {
    Functions,
    CloudRun,
}
