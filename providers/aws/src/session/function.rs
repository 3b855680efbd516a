//! Lambda functions: `$LATEST`, which versions are published from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder;
use aws_sdk_lambda::types::{
    Architecture, Environment, EphemeralStorage, FunctionCode, FunctionConfiguration,
    LastUpdateStatus, LoggingConfig, Runtime, State,
};
use aws_smithy_types::base64;
use mlfn_core::{
    Address, Call, Digest, Failure, Inputs, Observed, Ownership, ProviderError, Recorded,
    SecretRef, Value, file_mark,
};
use serde_json::{Value as Json, json};

use super::Kind;
use super::archive::{Attachment, Place};
use super::context::{Context, Tags, accepted, entries, tags_field, unwanted_tags};
use crate::client::{LONG_CALL, within};
use crate::errors::{found, gone, incomplete};
use crate::lower::{secret_in, secret_text};

const LAYERS: &str = "layers";

/// The field that is the package.
const PACKAGE: &str = "code";

/// The fields that `UpdateFunctionConfiguration` sets.
const CONFIGURATION: [&str; 9] = [
    "environment",
    "ephemeral_storage",
    "handler",
    LAYERS,
    "log_group",
    "memory",
    "role",
    "runtime",
    "timeout",
];

/// The fields that `UpdateFunctionCode` sets.
const CODE: [&str; 2] = ["architecture", PACKAGE];

const RESERVED: &str = "reserved_concurrency";

/// `aws:function`.
pub(super) struct Function;

#[async_trait]
impl Kind for Function {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let there = get(context, &address.remote_name).await?;
        Ok(there.map(|there| there.observed(context)))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (name, inputs) = (call.remote_name, call.inputs);
        let create = context.clients.lambda().create_function();
        let archive = Attachment::new(call, PACKAGE, Place::CODE).await?;
        let made = create
            .function_name(name)
            .set_code(code_in_bucket(call.inputs))
            .architectures(Architecture::from(text(inputs, "architecture").as_str()))
            .set_ephemeral_storage(storage(inputs)?)
            .set_environment(environment(inputs))
            .handler(text(inputs, "handler"))
            .set_layers(layers(inputs))
            .logging_config(logging(inputs))
            .set_memory_size(number(inputs, "memory"))
            .role(text(inputs, "role"))
            .runtime(Runtime::from(text(inputs, "runtime").as_str()))
            .set_timeout(number(inputs, "timeout"))
            .set_tags(Some(context.tags(inputs).into_iter().collect()))
            .customize()
            .config_override(patient())
            .interceptor(archive)
            .send()
            .await
            .map_err(context.failed("lambda:CreateFunction", name))?;
        sent(call, PACKAGE);
        if inputs.get(RESERVED).is_some() {
            reserve(context, call).await?;
        }
        let arn = made.function_arn.unwrap_or_default();
        let outputs = entries([("arn", json!(arn))]);
        Ok(Observed {
            pending: starting(made.state.as_ref(), made.state_reason.as_deref()),
            ..accepted(call, arn, outputs)
        })
    }

    /// Does what is left of it: one change of the code or the configuration has to be over before
    /// the next can begin, so the second is made when this is called again.
    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let name = call.remote_name;
        let there = get(context, name).await?;
        let there = there.ok_or_else(|| Failure::NotFound {
            what: name.to_owned(),
        })?;
        if let Some(why) = there.busy() {
            return Err(Failure::NotReady { why }.into());
        }
        tag(context, call, &there).await?;
        let seen = there.observed(context).fields;
        let differs = |field: &str| {
            changed.contains(field) && seen.get(field) != Some(&call.inputs.json(field))
        };
        if differs(RESERVED) {
            reserve(context, call).await?;
        }
        let settings: Vec<&str> = CONFIGURATION.into_iter().filter(|f| differs(f)).collect();
        let has_code = CODE.into_iter().any(differs);
        let pending = match (settings.as_slice(), has_code) {
            ([], false) => None,
            ([], true) => update_code(context, call).await?,
            (fields, false) => configure(context, call, fields).await?,
            // Layers count towards the same limit: what moves into one leaves the package first.
            (fields, true) if fields.contains(&LAYERS) && seen.get(LAYERS) == Some(&Json::Null) => {
                update_code(context, call).await?;
                let why = format!("`{name}` gets its layers when its code is there");
                return Err(Failure::NotReady { why }.into());
            }
            (fields, true) => {
                configure(context, call, fields).await?;
                let why = format!("the code of `{name}` is sent when its configuration is set");
                return Err(Failure::NotReady { why }.into());
            }
        };
        Ok(Observed {
            pending,
            ..accepted(call, &prior.remote_id, prior.outputs.clone())
        })
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let name = &prior.remote_name;
        let call = context.clients.lambda().delete_function();
        let call = call.function_name(name).send().await;
        gone(call.map_err(context.failed("lambda:DeleteFunction", name)))
    }
}

/// Whose a function is, for what is inside of it; none if there is no such function. Of the calls
/// that tell tags, this one may be made most often (Developer Guide, "Lambda quotas").
pub(super) async fn owner(
    context: &Context,
    function: &str,
) -> Result<Option<Ownership>, ProviderError> {
    let answer = ask(context, function).await?;
    let tags = answer.map(|answer| answer.tags.unwrap_or_default().into_iter().collect());
    Ok(tags.map(|tags| context.owner(&tags)))
}

/// `<function>` and what comes after the first `separator`.
pub(super) fn split(remote_name: &str, separator: char) -> (&str, &str) {
    remote_name
        .split_once(separator)
        .unwrap_or((remote_name, ""))
}

/// A package as plans know it, by the SHA-256 that Lambda tells in base64.
pub(super) fn code_mark(sha256: Option<&str>) -> Json {
    let bytes = sha256.and_then(|text| base64::decode(text).ok());
    bytes.map_or(Json::Null, |bytes| file_mark(&Digest::from_sha256(&bytes)))
}

/// The SHA-256 of a package as Lambda has it, in base64.
pub(super) fn sha256(mark: &Json) -> Option<String> {
    let hexadecimal = mark.pointer("/$file")?.as_str()?;
    let byte = |at: usize| u8::from_str_radix(hexadecimal.get(at..at + 2)?, 16).ok();
    let bytes = (0..hexadecimal.len()).step_by(2).map(byte);
    Some(base64::encode(bytes.collect::<Option<Vec<u8>>>()?))
}

/// Why a new function or version cannot be called yet.
pub(super) fn starting(state: Option<&State>, reason: Option<&str>) -> Option<String> {
    let why = in_brackets(reason);
    match state? {
        State::Pending => Some(format!("Lambda prepares it{why}")),
        State::Failed => Some(format!("Lambda could not prepare it{why}")),
        _ => None,
    }
}

/// What AWS says about a state, which is a sentence or more.
fn in_brackets(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| {
        format!(" ({})", reason.trim_end_matches('.'))
    })
}

/// For calls that carry an archive.
pub(super) fn patient() -> aws_sdk_lambda::config::Builder {
    aws_sdk_lambda::config::Builder::default().timeout_config(within(LONG_CALL))
}

struct There {
    configuration: FunctionConfiguration,
    tags: Tags,
    reserved: Option<i32>,
}

async fn get(context: &Context, name: &str) -> Result<Option<There>, ProviderError> {
    Ok(ask(context, name).await?.and_then(There::new))
}

async fn ask(context: &Context, name: &str) -> Result<Option<GetFunctionOutput>, ProviderError> {
    let call = context.clients.lambda().get_function().function_name(name);
    let answer = call.send().await;
    let answer = found(answer.map_err(context.failed("lambda:GetFunction", name)))?;
    // Without its tags, it would seem to be somebody else's.
    match answer.as_ref().and_then(|answer| answer.tags_error()) {
        None => Ok(answer),
        Some(error) => {
            let denied = Failure::PermissionDenied {
                action: "lambda:ListTags".to_owned(),
                resource: name.to_owned(),
            };
            Err(ProviderError::new(denied).caused_by(error.message()))
        }
    }
}

impl There {
    fn new(answer: GetFunctionOutput) -> Option<Self> {
        let concurrency = answer.concurrency;
        Some(Self {
            configuration: answer.configuration?,
            tags: answer.tags.unwrap_or_default().into_iter().collect(),
            reserved: concurrency.and_then(|set| set.reserved_concurrent_executions),
        })
    }

    fn observed(&self, context: &Context) -> Observed {
        let is = &self.configuration;
        let architecture = is.architectures().first();
        let storage = is.ephemeral_storage().map(EphemeralStorage::size);
        let log_group = is.logging_config().and_then(LoggingConfig::log_group);
        // What failed is to be done again.
        let code = if self.failed().is_some() {
            Json::Null
        } else {
            code_mark(is.code_sha256())
        };
        let fields = [
            (
                "architecture",
                json!(architecture.map(Architecture::as_str)),
            ),
            ("code", code),
            ("environment", variables(is)),
            ("ephemeral_storage", json!(storage)),
            ("handler", json!(is.handler())),
            (LAYERS, layers_of(is)),
            ("log_group", json!(log_group)),
            ("memory", json!(is.memory_size())),
            (RESERVED, json!(self.reserved)),
            ("role", json!(is.role())),
            ("runtime", json!(is.runtime().map(Runtime::as_str))),
            ("tags", tags_field(&self.tags)),
            ("timeout", json!(is.timeout())),
        ];
        let arn = is.function_arn().unwrap_or_default();
        Observed {
            remote_id: arn.to_owned(),
            fields: entries(fields),
            outputs: entries([("arn", json!(arn))]),
            owner: context.owner(&self.tags),
            pending: self.busy().or_else(|| self.failed()),
        }
    }

    /// What is going on, if something is.
    fn busy(&self) -> Option<String> {
        let is = &self.configuration;
        if is.state() == Some(&State::Pending) {
            return starting(is.state(), is.state_reason());
        }
        updating(is.last_update_status(), is.last_update_status_reason())
            .filter(|_| is.last_update_status() == Some(&LastUpdateStatus::InProgress))
    }

    /// What went wrong, if something did.
    fn failed(&self) -> Option<String> {
        let is = &self.configuration;
        let start = starting(is.state(), is.state_reason());
        let start = start.filter(|_| is.state() == Some(&State::Failed));
        start.or_else(|| {
            updating(is.last_update_status(), is.last_update_status_reason())
                .filter(|_| is.last_update_status() == Some(&LastUpdateStatus::Failed))
        })
    }
}

/// Why a changed function is not what it shall be yet.
fn updating(status: Option<&LastUpdateStatus>, reason: Option<&str>) -> Option<String> {
    let why = in_brackets(reason);
    match status? {
        LastUpdateStatus::InProgress => Some(format!("Lambda carries out a change of it{why}")),
        LastUpdateStatus::Failed => Some(format!("Lambda could not change it{why}")),
        _ => None,
    }
}

fn text(inputs: &Inputs, field: &str) -> String {
    inputs.text(field).unwrap_or_default()
}

fn number(inputs: &Inputs, field: &str) -> Option<i32> {
    inputs
        .number(field)
        .and_then(|number| i32::try_from(number).ok())
}

fn storage(inputs: &Inputs) -> Result<Option<EphemeralStorage>, ProviderError> {
    let size = number(inputs, "ephemeral_storage");
    let storage = size.map(|size| EphemeralStorage::builder().size(size).build());
    storage.transpose().map_err(incomplete)
}

/// The ARNs of layers; none if there are none.
fn layers(inputs: &Inputs) -> Option<Vec<String>> {
    serde_json::from_value(inputs.json(LAYERS)).ok()
}

/// The field `layers` of a function.
fn layers_of(configuration: &FunctionConfiguration) -> Json {
    match configuration.layers() {
        [] => Json::Null,
        layers => layers.iter().filter_map(|layer| layer.arn()).collect(),
    }
}

fn logging(inputs: &Inputs) -> LoggingConfig {
    let group = inputs.text("log_group");
    LoggingConfig::builder().set_log_group(group).build()
}

/// The variables as Lambda has them; none if there are none.
fn environment(inputs: &Inputs) -> Option<Environment> {
    let Json::Object(fields) = inputs.json("environment") else {
        return None;
    };
    let value = |value: &Json| match value.pointer("/$secret").and_then(Json::as_str) {
        Some(name) => secret_text(&SecretRef(name.to_owned())),
        None => value.as_str().unwrap_or_default().to_owned(),
    };
    let variables: HashMap<String, String> = fields
        .iter()
        .map(|(name, field)| (name.clone(), value(field)))
        .collect();
    let environment = Environment::builder().set_variables(Some(variables));
    Some(environment.build())
}

/// The field `environment` of a function.
fn variables(configuration: &FunctionConfiguration) -> Json {
    let environment = configuration.environment();
    let Some(variables) = environment.and_then(|environment| environment.variables()) else {
        return Json::Null;
    };
    let value = |text: &String| match secret_in(text) {
        Some(secret) => Value::from(secret).to_json(),
        None => json!(text),
    };
    let variables: BTreeMap<&String, Json> = variables
        .iter()
        .map(|(name, text)| (name, value(text)))
        .collect();
    if variables.is_empty() {
        return Json::Null;
    }
    json!(variables)
}

/// Where the package is, if it is not in the request.
fn code_in_bucket(inputs: &Inputs) -> Option<FunctionCode> {
    let (bucket, key) = in_bucket(inputs);
    let code = FunctionCode::builder().set_s3_key(key);
    Some(code.s3_bucket(bucket?).build())
}

fn in_bucket(inputs: &Inputs) -> (Option<String>, Option<String>) {
    (inputs.text("code_bucket"), inputs.text("code_key"))
}

/// That the archive is there.
pub(super) fn sent(call: &Call<'_>, field: &str) {
    if let Some(file) = call.inputs.file(field) {
        (call.progress)(file.bytes, file.bytes);
    }
}

async fn update_code(context: &Context, call: &Call<'_>) -> Result<Option<String>, ProviderError> {
    let (bucket, key) = in_bucket(call.inputs);
    let archive = Attachment::new(call, PACKAGE, Place::TOP).await?;
    let update = context.clients.lambda().update_function_code();
    let answer = update
        .function_name(call.remote_name)
        .architectures(Architecture::from(
            text(call.inputs, "architecture").as_str(),
        ))
        .set_s3_bucket(bucket)
        .set_s3_key(key)
        .customize()
        .config_override(patient())
        .interceptor(archive)
        .send()
        .await
        .map_err(context.failed("lambda:UpdateFunctionCode", call.remote_name))?;
    sent(call, PACKAGE);
    let status = answer.last_update_status.as_ref();
    Ok(updating(
        status,
        answer.last_update_status_reason.as_deref(),
    ))
}

/// Sets some fields of the configuration, and leaves the others alone.
async fn configure(
    context: &Context,
    call: &Call<'_>,
    fields: &[&str],
) -> Result<Option<String>, ProviderError> {
    let update = context.clients.lambda().update_function_configuration();
    let mut update = update.function_name(call.remote_name);
    for field in fields {
        update = set(update, call.inputs, field)?;
    }
    let answer = update.send().await;
    let answer =
        answer.map_err(context.failed("lambda:UpdateFunctionConfiguration", call.remote_name))?;
    let status = answer.last_update_status.as_ref();
    Ok(updating(
        status,
        answer.last_update_status_reason.as_deref(),
    ))
}

fn set(
    update: UpdateFunctionConfigurationFluentBuilder,
    inputs: &Inputs,
    field: &str,
) -> Result<UpdateFunctionConfigurationFluentBuilder, ProviderError> {
    let nothing = || {
        Environment::builder()
            .set_variables(Some(HashMap::new()))
            .build()
    };
    Ok(match field {
        "environment" => update.environment(environment(inputs).unwrap_or_else(nothing)),
        "ephemeral_storage" => update.set_ephemeral_storage(storage(inputs)?),
        "handler" => update.handler(text(inputs, field)),
        LAYERS => update.set_layers(Some(layers(inputs).unwrap_or_default())),
        "log_group" => update.logging_config(logging(inputs)),
        "memory" => update.set_memory_size(number(inputs, field)),
        "role" => update.role(text(inputs, field)),
        "runtime" => update.runtime(Runtime::from(text(inputs, field).as_str())),
        "timeout" => update.set_timeout(number(inputs, field)),
        _ => update,
    })
}

async fn reserve(context: &Context, call: &Call<'_>) -> Result<(), ProviderError> {
    let (lambda, name) = (context.clients.lambda(), call.remote_name);
    let Some(instances) = number(call.inputs, RESERVED) else {
        let delete = lambda.delete_function_concurrency().function_name(name);
        let deleted = delete.send().await;
        return gone(deleted.map_err(context.failed("lambda:DeleteFunctionConcurrency", name)));
    };
    let put = lambda.put_function_concurrency().function_name(name);
    put.reserved_concurrent_executions(instances)
        .send()
        .await
        .map_err(context.failed("lambda:PutFunctionConcurrency", name))?;
    Ok(())
}

/// Sets the tags that differ.
async fn tag(context: &Context, call: &Call<'_>, there: &There) -> Result<(), ProviderError> {
    let (lambda, wanted) = (context.clients.lambda(), context.tags(call.inputs));
    let arn = there.configuration.function_arn().unwrap_or_default();
    let missing = |(key, value): &(&String, &String)| there.tags.get(*key) != Some(*value);
    if wanted.iter().any(|tag| missing(&tag)) {
        let set = lambda.tag_resource().resource(arn);
        set.set_tags(Some(wanted.clone().into_iter().collect()))
            .send()
            .await
            .map_err(context.failed("lambda:TagResource", arn))?;
    }
    let unwanted = unwanted_tags(&there.tags, &wanted);
    if !unwanted.is_empty() {
        let unset = lambda.untag_resource().resource(arn);
        unset
            .set_tag_keys(Some(unwanted))
            .send()
            .await
            .map_err(context.failed("lambda:UntagResource", arn))?;
    }
    Ok(())
}
