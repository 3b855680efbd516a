//! Names and values against what the APIs document: sizes, patterns and enumerations of the
//! request members of AWS's own service models.

use mlfn_aws::limits::LOG_RETENTION_DAYS;
use mlfn_core::{Resource, Value};
use serde_json::Value as Json;

use crate::cases;
use crate::golden::shown;

/// The longest region and the form of every account, in place of the session's.
fn remote_name(resource: &Resource) -> String {
    let region = "r".repeat(20);
    let name = resource.remote_name.replace("{account}", "123456789012");
    name.replace("{region}", &region)
}

fn words(text: &str, extra: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

/// Whether the API takes the name of a resource that mlfn makes.
fn name_fits(kind: &str, name: &str) -> bool {
    let last = || name.rsplit('/').next().unwrap_or_default();
    match kind {
        "aws:role" => name.len() <= 64 && words(name, "+=,.@-_"),
        "aws:log-group" => name.len() <= 512 && words(name, ".-_/#"),
        "aws:deployment-bucket" => (3..=63).contains(&name.len()) && words(name, ".-"),
        "aws:bucket" => (3..=63).contains(&name.len()),
        "aws:code-object" => name
            .split_once('/')
            .is_some_and(|(_, key)| key.len() <= 1024),
        "aws:function" => name.len() <= 64 && words(name, "-_"),
        "aws:function-version" => name
            .split_once('@')
            .is_some_and(|(_, description)| description.len() <= 256),
        "aws:alias"
        | "aws:event-invoke-config"
        | "aws:function-url"
        | "aws:provisioned-concurrency" => name
            .split_once(':')
            .is_some_and(|(_, alias)| alias == "live"),
        "aws:permission" => last().len() <= 100 && words(last(), "-_"),
        "aws:http-api" => name.len() <= 128,
        "aws:http-authorizer" => last().len() <= 128,
        "aws:schedule-group" => name.len() <= 64 && words(name, "-_."),
        "aws:schedule" => last().len() <= 64 && words(last(), "-_."),
        "aws:queue" => name.len() <= 80 && words(name.strip_suffix(".fifo").unwrap_or(name), "-_"),
        "aws:topic" => name.len() <= 256 && words(name, "-_"),
        "aws:kinesis-stream" => name.len() <= 128 && words(name, "-_."),
        _ => !name.is_empty(),
    }
}

#[test]
fn every_remote_name_is_one_that_aws_takes() {
    for case in cases::all() {
        for resource in case.resources() {
            let name = remote_name(&resource);
            assert!(
                name_fits(resource.id.kind(), &name),
                "{}: {} `{name}`",
                case.name,
                resource.id
            );
        }
    }
}

fn number(json: &Json, least: u64, most: u64) -> bool {
    json.as_u64()
        .is_some_and(|number| (least..=most).contains(&number))
}

fn one_of(json: &Json, values: &[&str]) -> bool {
    json.as_str().is_some_and(|text| values.contains(&text))
}

fn length(json: &Json, least: usize, most: usize) -> bool {
    json.as_str()
        .is_some_and(|text| (least..=most).contains(&text.len()))
}

/// Whether the API takes the value, as far as that is known before it is deployed.
fn value_fits(kind: &str, field: &str, value: &Json) -> bool {
    match (kind, field) {
        ("aws:role", "policy") => value.to_string().len() <= 10_240,
        ("aws:log-group", "retention_days") => LOG_RETENTION_DAYS.iter().any(|days| value == days),
        ("aws:function", "architecture") => one_of(value, &["x86_64", "arm64"]),
        ("aws:function", "runtime") => one_of(value, &["provided.al2023"]),
        ("aws:function", "handler") => length(value, 1, 128),
        ("aws:function", "memory") => number(value, 128, 10_240),
        ("aws:function", "timeout") => number(value, 1, 900),
        ("aws:function", "ephemeral_storage") => number(value, 512, 10_240),
        ("aws:function", "environment") => value.to_string().len() <= 4096,
        // Nobody asks for requests to go elsewhere.
        ("aws:alias", "routing") => value.is_null(),
        ("aws:provisioned-concurrency", "instances") => number(value, 1, u64::MAX),
        ("aws:event-invoke-config", "max_retries") => number(value, 0, 2),
        ("aws:event-invoke-config", "max_age") => number(value, 60, 21_600),
        ("aws:event-invoke-config", _) => length(value, 1, 350),
        ("aws:permission", "action") => one_of(
            value,
            &["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"],
        ),
        ("aws:permission", "function_url_auth_type") | ("aws:function-url", "auth_type") => {
            one_of(value, &["NONE", "AWS_IAM"])
        }
        ("aws:function-url", "invoke_mode") => one_of(value, &["BUFFERED", "RESPONSE_STREAM"]),
        ("aws:function-url" | "aws:http-api", "cors") => cors_fits(value),
        ("aws:http-integration", "payload_format") => one_of(value, &["1.0", "2.0"]),
        ("aws:http-integration", "timeout_ms") => number(value, 50, 30_000),
        ("aws:http-route", "authorization_type") => one_of(value, &["NONE", "AWS_IAM", "JWT"]),
        ("aws:schedule", "expression") => length(value, 1, 256),
        ("aws:schedule", "timezone") => length(value, 1, 50),
        ("aws:schedule", "input") => length(value, 1, 262_144),
        ("aws:queue", "visibility_timeout") => number(value, 0, 43_200),
        ("aws:queue", "message_retention") => number(value, 60, 1_209_600),
        ("aws:queue", "max_receive_count") => number(value, 1, 1000),
        ("aws:event-source-mapping", "batch_size") => number(value, 1, 10_000),
        ("aws:event-source-mapping", "window") => number(value, 0, 300),
        ("aws:event-source-mapping", "max_retries") => number(value, 0, 10_000),
        ("aws:event-source-mapping", "starting_position") => {
            one_of(value, &["TRIM_HORIZON", "LATEST"])
        }
        ("aws:bucket-notification", "entries") => notifications_fit(value),
        _ => !value.is_null(),
    }
}

/// `AllowMethods` of function URLs takes six characters a method, so no `OPTIONS`.
fn cors_fits(value: &Json) -> bool {
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    let (origins, methods, headers) = (
        list("allow_origins"),
        list("allow_methods"),
        list("allow_headers"),
    );
    (1..=100).contains(&origins.len())
        && origins.iter().all(|origin| length(origin, 1, 253))
        && (1..=6).contains(&methods.len())
        && methods.iter().all(|method| length(method, 1, 6))
        && headers.len() <= 100
        && number(&value["max_age"], 0, 86_400)
}

fn notifications_fit(entries: &Json) -> bool {
    let entries = entries.as_array().expect("an array");
    let fits = |entry: &Json| {
        length(&entry["id"], 1, 255) && one_of(&entry["event"], &["s3:ObjectCreated:*"])
    };
    !entries.is_empty() && entries.len() <= 100 && entries.iter().all(fits)
}

#[test]
fn every_value_is_one_that_aws_takes() {
    for case in cases::all() {
        for resource in case.resources() {
            for (field, value) in &resource.fields {
                let json = shown(value);
                let fits = value_fits(resource.id.kind(), field, &json);
                assert!(fits, "{}: {} {field} = {json}", case.name, resource.id);
            }
        }
    }
}

#[test]
fn a_queue_hides_messages_for_six_times_as_long_as_its_readers_may_take() {
    for case in cases::all() {
        let resources = case.resources();
        let value = |resource: &Resource, field: &str| {
            resource
                .fields
                .get(field)
                .map(shown)
                .and_then(|v| v.as_u64())
        };
        for mapping in resources
            .iter()
            .filter(|r| r.id.kind() == "aws:event-source-mapping")
        {
            let Some(Value::AfterApply { from, .. }) = mapping.fields.get("source") else {
                continue;
            };
            let source = resources.iter().find(|r| r.id == *from).expect("there");
            let Some(hidden) = value(source, "visibility_timeout") else {
                assert_ne!(from.kind(), "aws:queue", "{}: {from}", case.name);
                continue;
            };
            let function = mapping.id.name().split(':').next().expect("a function");
            let function = case.service.function(function).expect("a function");
            let least =
                6 * u64::from(function.timeout.get()) + value(mapping, "window").unwrap_or(0);
            assert!(hidden >= least, "{}: {from} hides for {hidden}s", case.name);
        }
    }
}
