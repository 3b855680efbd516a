//! What the API tells about functions.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Map, Value as Json, json};

use super::name::{Target, query_value};
use super::{ApiError, Reply};
use crate::Emulator;
use crate::emulator::wiring::{Alias, FunctionWiring, Revision, Variable, Wiring};
use crate::emulator::{LATEST, Live};
use crate::front::json_reply;
use crate::identifiers::timestamp;
use crate::packages::in_base64;
use crate::platform::arn;

/// `ListFunctions`, on one page.
pub(super) fn functions(emulator: &Arc<Emulator>, head: &Parts) -> Reply {
    let live = emulator.live();
    let all = query_value(head.uri.query(), "FunctionVersion").as_deref() == Some("ALL");
    let functions = live.wiring.functions.iter().flat_map(|(name, function)| {
        let listed = function
            .revisions
            .keys()
            .filter(move |v| all || *v == LATEST);
        listed.filter_map(|version| describe(&live.wiring, name, function, version))
    });
    let functions: Vec<Json> = functions.collect();
    ok(&json!({ "Functions": functions }))
}

/// `GetFunction`.
pub(super) fn function(emulator: &Arc<Emulator>, target: &Target) -> Result<Reply, ApiError> {
    let live = emulator.live();
    let (function, configuration) = find(&live, target)?;
    let version = version(function, target.qualifier.as_deref());
    let revision = function.revisions.get(version);
    let location = revision.map(|revision| format!("file://{}", revision.root.display()));
    let mut body = json!({
        "Configuration": configuration,
        "Code": { "RepositoryType": "S3", "Location": location },
        "Tags": function.tags,
    });
    if let Some(reserved) = function.reserved {
        body["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    Ok(ok(&body))
}

/// `GetFunctionConfiguration`.
pub(super) fn configuration(emulator: &Arc<Emulator>, target: &Target) -> Result<Reply, ApiError> {
    let live = emulator.live();
    find(&live, target).map(|(_, configuration)| ok(&configuration))
}

/// `ListVersionsByFunction`.
pub(super) fn versions(emulator: &Arc<Emulator>, target: &Target) -> Result<Reply, ApiError> {
    let live = emulator.live();
    let function = lookup(&live, target)?;
    let mut versions: Vec<&String> = function.revisions.keys().collect();
    // `$LATEST` comes first, and 10 after 9.
    versions.sort_by_key(|version| version.parse::<u64>().unwrap_or_default());
    let name = &target.function;
    let versions = versions.into_iter();
    let versions = versions.filter_map(|v| describe(&live.wiring, name, function, v));
    let versions: Vec<Json> = versions.collect();
    Ok(ok(&json!({ "Versions": versions })))
}

/// `ListAliases`.
pub(super) fn aliases(emulator: &Arc<Emulator>, target: &Target) -> Result<Reply, ApiError> {
    let live = emulator.live();
    let function = lookup(&live, target)?;
    let aliases = function.aliases.iter();
    let aliases = aliases.map(|(name, alias)| pointer(&live.wiring, target, name, alias));
    let aliases: Vec<Json> = aliases.collect();
    Ok(ok(&json!({ "Aliases": aliases })))
}

/// `GetAlias`.
pub(super) fn alias(
    emulator: &Arc<Emulator>,
    target: &Target,
    name: &str,
) -> Result<Reply, ApiError> {
    let live = emulator.live();
    let alias = lookup(&live, target)?.aliases.get(name);
    let alias = alias.ok_or_else(|| {
        let arn = arn(live.wiring.region.as_deref(), &target.function);
        ApiError::not_found(&format!("Cannot find alias arn: {arn}:{name}"))
    })?;
    Ok(ok(&pointer(&live.wiring, target, name, alias)))
}

/// `GetFunctionConcurrency`.
pub(super) fn concurrency(emulator: &Arc<Emulator>, target: &Target) -> Result<Reply, ApiError> {
    let live = emulator.live();
    let reserved = lookup(&live, target)?.reserved;
    let reserved = reserved.map(|number| json!({ "ReservedConcurrentExecutions": number }));
    Ok(ok(&reserved.unwrap_or_else(|| json!({}))))
}

/// `GetFunctionEventInvokeConfig`.
pub(super) fn asynchronous(emulator: &Arc<Emulator>, target: &Target) -> Result<Reply, ApiError> {
    let live = emulator.live();
    let function = lookup(&live, target)?;
    let qualifier = target.qualifier.as_deref().unwrap_or(LATEST);
    let arn = arn(live.wiring.region.as_deref(), &target.function);
    let arn = format!("{arn}:{qualifier}");
    let Some(settings) = function.asynchronous.get(qualifier) else {
        let message = format!("The function {arn} doesn't have an EventInvokeConfig");
        return Err(ApiError::not_found(&message));
    };
    let to = |destination: &Option<String>| match destination {
        Some(arn) => json!({ "Destination": arn }),
        None => json!({}),
    };
    Ok(ok(&json!({
        "FunctionArn": arn,
        "MaximumRetryAttempts": settings.tries - 1,
        "MaximumEventAgeInSeconds": settings.max_age.as_secs(),
        "DestinationConfig": {
            "OnSuccess": to(&settings.on_success),
            "OnFailure": to(&settings.on_failure),
        },
    })))
}

/// `GetAccountSettings`: the limits of storage are AWS's own
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), that of requests at
/// a time is the local cloud's.
pub(super) fn account(emulator: &Arc<Emulator>) -> Reply {
    const MEBIBYTE: u64 = 1024 * 1024;
    let live = emulator.live();
    let functions = live.wiring.functions.values();
    let reserved: u32 = functions.clone().filter_map(|one| one.reserved).sum();
    let revisions = functions.clone().flat_map(|one| one.revisions.values());
    let bytes: u64 = revisions.map(|revision| revision.bytes).sum();
    let concurrency = emulator.options().limits.concurrency;
    ok(&json!({
        "AccountLimit": {
            "CodeSizeUnzipped": 250 * MEBIBYTE,
            "CodeSizeZipped": 50 * MEBIBYTE,
            "ConcurrentExecutions": concurrency,
            "TotalCodeSize": 75 * 1024 * MEBIBYTE,
            "UnreservedConcurrentExecutions": concurrency.saturating_sub(reserved),
        },
        "AccountUsage": { "FunctionCount": functions.len(), "TotalCodeSize": bytes },
    }))
}

fn ok(body: &Json) -> Reply {
    json_reply(StatusCode::OK, body)
}

fn lookup<'a>(live: &'a Live, target: &Target) -> Result<&'a FunctionWiring, ApiError> {
    let function = live.wiring.functions.get(&target.function);
    function.ok_or_else(|| target.not_found(live.wiring.region.as_deref()))
}

fn find<'a>(live: &'a Live, target: &Target) -> Result<(&'a FunctionWiring, Json), ApiError> {
    let function = lookup(live, target)?;
    let version = version(function, target.qualifier.as_deref());
    let described = describe(&live.wiring, &target.function, function, version);
    let described = described.ok_or_else(|| target.not_found(live.wiring.region.as_deref()));
    described.map(|described| (function, described))
}

/// The revision that is meant, whether there is one or not.
pub(super) fn version<'a>(function: &'a FunctionWiring, qualifier: Option<&'a str>) -> &'a str {
    let qualifier = qualifier.unwrap_or(LATEST);
    let alias = function.aliases.get(qualifier);
    alias.map_or(qualifier, |alias| alias.version.as_str())
}

/// `FunctionConfiguration`.
fn describe(wiring: &Wiring, name: &str, function: &FunctionWiring, version: &str) -> Option<Json> {
    let revision = function.revisions.get(version)?;
    let mut arn = arn(wiring.region.as_deref(), name);
    if version != LATEST {
        arn = format!("{arn}:{version}");
    }
    let mut described = json!({
        "FunctionName": name,
        "FunctionArn": arn,
        "Version": version,
        "CodeSize": revision.bytes,
        "CodeSha256": in_base64(&revision.digest),
        "Timeout": revision.timeout.as_secs(),
        "MemorySize": revision.memory.as_mib(),
        "EphemeralStorage": { "Size": revision.scratch.as_mib() },
        "LastModified": timestamp(Duration::from_millis(revision.modified)),
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "RevisionId": revision_id(revision),
        "TracingConfig": { "Mode": "PassThrough" },
    });
    let variables = variables(revision);
    if !variables.is_empty() {
        described["Environment"] = json!({ "Variables": variables });
    }
    for (fact, value) in &revision.facts {
        described[fact.as_str()] = value.clone();
    }
    Some(described)
}

/// A secret by its name; its value is nobody's business.
fn variables(revision: &Revision) -> Map<String, Json> {
    let variables = revision.environment.iter();
    let shown = variables.map(|(name, value)| {
        let (Variable::Plain(text) | Variable::Secret(text)) = value;
        (name.clone(), text.as_str().into())
    });
    shown.collect()
}

/// In the form of a UUID, made of what the revision is.
fn revision_id(revision: &Revision) -> String {
    let digest = revision.digest.as_str();
    let part = |range| digest.get(range).unwrap_or_default();
    let modified = revision.modified;
    format!(
        "{}-{}-4{}-8{}-{modified:012x}",
        part(0..8),
        part(8..12),
        part(13..16),
        part(17..20)
    )
}

/// `AliasConfiguration`.
fn pointer(wiring: &Wiring, target: &Target, name: &str, alias: &Alias) -> Json {
    let arn = arn(wiring.region.as_deref(), &target.function);
    let mut pointer = json!({
        "AliasArn": format!("{arn}:{name}"),
        "Name": name,
        "FunctionVersion": alias.version,
        "Description": "",
    });
    if !alias.weights.is_empty() {
        pointer["RoutingConfig"] = json!({ "AdditionalVersionWeights": alias.weights });
    }
    pointer
}
