//! A service as the resources that make it run on AWS. Pure: no credentials, account or region is
//! known here, so what depends on them is an output of something that the session reads.
//!
//! - `function`: role, log group, function, version, alias
//! - `layers`: ONNX Runtime by itself
//! - `packages`: packages and models that are uploaded to a bucket
//! - `http`: function URLs and the HTTP API
//! - `queue`, `stream`: what Lambda polls
//! - `asynchronous`: what becomes of requests that nobody waits for
//! - `events`: schedules, topics, buckets: what calls Lambda
//! - `outputs`: where predictions go besides the caller
//! - `secrets`: what the environment refers to
//! - `names`, `policy`: names, and policy documents

mod asynchronous;
mod events;
mod function;
mod http;
mod layers;
mod names;
mod outputs;
mod packages;
mod policy;
mod queue;
mod secrets;
mod stream;

use std::collections::BTreeSet;

use mlfn_core::{Artifact, Function, KindSpec, Resource, ResourceId, Service, Value};
use serde_json::json;

pub(crate) use self::function::LOG_FOLDER;
pub use self::outputs::OUTPUTS_VARIABLE;
pub use self::secrets::{SecretStore, secret_in, secret_store, secret_text};
use crate::kinds;

/// The resources of `service`, sorted by kind and name. `artifacts` has one for each function, in
/// their order.
pub fn lower(service: &Service, artifacts: &[Artifact]) -> Vec<Resource> {
    let mut all = Vec::new();
    for (function, artifact) in service.functions.iter().zip(artifacts) {
        all.extend(function::resources(service, function, artifact));
        all.extend(layers::resources(service, function, artifact));
        all.extend(queue::mappings(service, function));
        all.extend(stream::resources(service, function));
        all.extend(events::resources(service, function));
        all.extend(asynchronous::resources(service, function));
    }
    all.extend(packages::shared(service, artifacts));
    all.extend(http::resources(service));
    all.extend(queue::shared(service));
    all.extend(stream::shared(service));
    all.extend(events::shared(service));
    all.extend(secrets::shared(service));
    all.sort_by(|a, b| a.id.cmp(&b.id));
    // A bucket may be looked up for several reasons, and functions share layers.
    all.dedup_by(|a, b| a.id == b.id);
    all
}

/// A resource with the user's tags.
fn tagged(service: &Service, id: ResourceId, remote_name: impl Into<String>) -> Resource {
    let resource = Resource::new(id, remote_name);
    if service.tags.is_empty() {
        return resource;
    }
    resource.with("tags", json!(service.tags))
}

/// The alias of a function.
fn alias(function: &Function) -> ResourceId {
    names::id(kinds::ALIAS, function.name.as_str())
}

/// What others call: never a version, and never `$LATEST`.
fn callee(function: &Function) -> Value {
    Value::output(&alias(function), "arn")
}

/// Lets an AWS service call a function.
fn permission(service: &Service, function: &Function, statement: &str) -> Resource {
    let id = names::id(kinds::PERMISSION, names::part(function, statement));
    let remote_name = format!("{}/{statement}", names::alias(service, function));
    Resource::new(id, remote_name)
        .within(alias(function))
        .with("action", "lambda:InvokeFunction")
}

/// Something that exists already, by its ARN or its name.
fn is_arn(name: &str) -> bool {
    name.starts_with("arn:")
}

/// The ARN of what exists: given, or of what is looked up by name.
fn found(kind: KindSpec, name: &str) -> Value {
    if is_arn(name) {
        return name.into();
    }
    Value::output(&names::id(kind, name), "arn")
}

/// The resources that stand for things of a kind that exist, one for each name.
fn looked_up<'a>(
    kind: KindSpec,
    names: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Resource> {
    let names: BTreeSet<&str> = names.collect();
    let resource = move |name| Resource::new(names::id(kind, name), name);
    names.into_iter().map(resource)
}
