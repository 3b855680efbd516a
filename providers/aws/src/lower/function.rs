//! What every function has: role, log group, code, the function itself, a version and an alias.

use std::collections::BTreeMap;

use mlfn_core::{
    Artifact, Digest, EnvironmentValue, Function, Resource, ResourceId, Service, Value, file_mark,
};
use serde_json::json;

use super::policy::{Statement, document, trust};
use super::{
    alias, asynchronous, events, layers, names, outputs, packages, queue, secrets, stream, tagged,
};
use crate::kinds;
use crate::package;

/// Where Lambda writes the logs of a function unless it is told otherwise, and where people look.
pub(crate) const LOG_FOLDER: &str = "/aws/lambda/";

/// How long logs are kept if the manifest does not say, in days.
pub(super) const LOG_RETENTION_DAYS: u32 = 30;

/// Size of `/tmp` if the manifest does not say, in MB; Lambda's own default.
const EPHEMERAL_STORAGE: u32 = 512;

/// Runs the file `bootstrap` of the package on Amazon Linux 2023.
const RUNTIME: &str = "provided.al2023";

/// The field that names the layers of a function.
const LAYERS: &str = "layers";

/// The function's fields that are no part of a version.
const OUTSIDE_OF_VERSIONS: [&str; 4] = ["code_bucket", "code_key", "reserved_concurrency", "tags"];

/// The resources of one function that do not depend on its triggers.
pub(super) fn resources(
    service: &Service,
    function: &Function,
    artifact: &Artifact,
) -> Vec<Resource> {
    let lambda = lambda(service, function, artifact);
    let version = version(service, function, &lambda, artifact);
    let mut all = vec![
        role(service, function, artifact),
        log_group(service, function),
    ];
    all.extend(packages::objects(service, function, artifact));
    all.push(pointer(service, function, &version));
    all.extend(provisioned(service, function));
    all.extend([lambda, version]);
    all
}

fn role_id(function: &Function) -> ResourceId {
    names::id(kinds::ROLE, function.name.as_str())
}

fn log_group_id(function: &Function) -> ResourceId {
    names::id(kinds::LOG_GROUP, function.name.as_str())
}

fn function_id(function: &Function) -> ResourceId {
    names::id(kinds::FUNCTION, function.name.as_str())
}

fn role(service: &Service, function: &Function, artifact: &Artifact) -> Resource {
    let mut allowed = vec![write_logs(function)];
    allowed.extend(queue::needs(function));
    allowed.extend(stream::needs(function));
    allowed.extend(events::needs(function));
    allowed.extend(outputs::needs(function));
    allowed.extend(asynchronous::needs(function));
    allowed.extend(secrets::needs(function));
    allowed.extend(packages::needs(service, function, artifact));
    tagged(
        service,
        role_id(function),
        names::role(service, function, ""),
    )
    .with("trust", trust("lambda.amazonaws.com", None))
    .with("policy", document(&allowed))
}

/// Of its own group only, which it cannot make: nothing comes back after a removal.
fn write_logs(function: &Function) -> Statement {
    let group = Value::output(&log_group_id(function), "arn");
    Statement::new(
        "WriteLogs",
        &["logs:CreateLogStream", "logs:PutLogEvents"],
        Value::Text(vec![group, ":*".into()]),
    )
}

fn log_group(service: &Service, function: &Function) -> Resource {
    let name = LOG_FOLDER.to_owned() + &names::function(service, function);
    let days = function
        .aws
        .log_retention_days
        .unwrap_or(LOG_RETENTION_DAYS);
    tagged(service, log_group_id(function), name).with("retention_days", days)
}

fn lambda(service: &Service, function: &Function, artifact: &Artifact) -> Resource {
    let name = names::function(service, function);
    let mut lambda = tagged(service, function_id(function), name)
        .with("architecture", function.architecture.as_str())
        .with("runtime", RUNTIME)
        .with("handler", package::SHIM)
        .with("memory", function.memory.as_mib())
        .with("timeout", function.timeout.get())
        .with("ephemeral_storage", storage(function, artifact))
        .with("role", Value::output(&role_id(function), "arn"))
        .with("log_group", Value::output(&log_group_id(function), "name"));
    if let Some(instances) = function.aws.reserved_concurrency {
        lambda = lambda.with("reserved_concurrency", instances);
    }
    if let Some(layers) = layers::field(function, artifact) {
        lambda = lambda.with(LAYERS, layers);
    }
    let environment = environment(service, function, artifact);
    if !environment.is_empty() {
        lambda = lambda.with("environment", Value::Object(environment));
    }
    with_code(lambda, function, artifact)
}

/// Megabytes of `/tmp`. A model that is fetched needs its own, whatever the manifest says.
fn storage(function: &Function, artifact: &Artifact) -> u32 {
    let given = function.aws.ephemeral_storage;
    let given = given.map_or(EPHEMERAL_STORAGE, mlfn_core::Memory::as_mib);
    match packages::fetched_megabytes(artifact) {
        0 => given,
        model => given.max(model + EPHEMERAL_STORAGE),
    }
}

fn with_code(lambda: Resource, function: &Function, artifact: &Artifact) -> Resource {
    if !packages::by_bucket(artifact) {
        return lambda.with("code", packages::file(artifact));
    }
    let object = packages::code_object_id(function);
    lambda
        .with("code", file_mark(&artifact.digest))
        .with("code_bucket", Value::output(&object, "bucket"))
        .with("code_key", Value::output(&object, "key"))
}

fn environment(
    service: &Service,
    function: &Function,
    artifact: &Artifact,
) -> BTreeMap<String, Value> {
    let variables = function.environment.iter().map(|(name, value)| {
        let value = match value {
            EnvironmentValue::Plain(text) => text.as_str().into(),
            EnvironmentValue::Secret(secret) => secret.clone().into(),
        };
        (name.clone(), value)
    });
    variables
        .chain(outputs::variable(function))
        .chain(packages::variable(service, function, artifact))
        .collect()
}

/// Named by everything that it will be, so that a deploy that was interrupted finds it again.
fn version(
    service: &Service,
    function: &Function,
    lambda: &Resource,
    artifact: &Artifact,
) -> Resource {
    let fields = lambda.fields.iter();
    let inside = fields.filter(|(name, _)| !OUTSIDE_OF_VERSIONS.contains(&name.as_str()));
    let settings: BTreeMap<_, _> = inside
        .map(|(name, value)| match name.as_str() {
            LAYERS => (name, layers::content(artifact)),
            _ => (name, value.to_json()),
        })
        .collect();
    let revision = Digest::of(json!(settings).to_string().as_bytes());
    let remote_name = format!("{}@{revision}", names::function(service, function));
    let id = names::id(kinds::FUNCTION_VERSION, function.name.as_str());
    Resource::new(id, remote_name)
        .within(function_id(function))
        .with("code", file_mark(&artifact.digest))
        .with("revision", json!(revision))
}

fn pointer(service: &Service, function: &Function, version: &Resource) -> Resource {
    Resource::new(alias(function), names::alias(service, function))
        .within(function_id(function))
        // Parts of the requests that somebody sends elsewhere are drift.
        .with("routing", json!(null))
        .with("version", Value::output(&version.id, "version"))
        .probed(function.example.clone())
        .shifted("version", function.traffic.clone())
}

fn provisioned(service: &Service, function: &Function) -> Option<Resource> {
    let instances = function.aws.provisioned_concurrency?;
    let id = names::id(kinds::PROVISIONED_CONCURRENCY, function.name.as_str());
    Some(
        Resource::new(id, names::alias(service, function))
            .within(alias(function))
            .with("instances", instances),
    )
}
