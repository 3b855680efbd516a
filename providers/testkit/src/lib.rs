//! What the tests of all providers share: services to check, and the contract that every provider
//! keeps. A development dependency only; its functions panic as assertions do.
//!
//! - [`service`] and [`trigger`]: services as the manifest crate makes them
//! - [`expect`] and [`listing`]: what a provider says about a service
//! - [`mod@contract`]: what holds for every provider without a cloud
//! - [`lifecycle`]: what holds for every cloud: deploy, fail, be killed, go on, remove
//! - [`mod@bench`]: one service on one cloud, and the [`Twin`](bench::Twin) that a provider's tests
//!   implement
//! - [`faults`]: what goes wrong on purpose
//! - [`fake`]: a cloud in memory
//! - [`victim`]: a process that is killed; [`victims`]: at each of its calls and writes
//! - [`python`] and [`servers`]: programs that others wrote, installed under `target/`
//! - [`buckets`]: places for state on such servers
//! - [`mod@trace`]: a program that is killed at an exact change of its files
//! - [`kills`]: the real program, killed at every moment of what it does
//! - [`proxy`]: what goes wrong between a process and the HTTP server that is its cloud
//! - [`requests`]: whether the models of AWS's services allow what was asked

#![expect(
    clippy::expect_used,
    reason = "only tests use this crate; it panics as assertions do"
)]

pub mod bench;
pub mod buckets;
pub mod contract;
pub mod fake;
pub mod faults;
mod host;
#[cfg(target_os = "linux")]
pub mod kills;
pub mod lifecycle;
mod programs;
pub mod proxy;
pub mod python;
pub mod requests;
pub mod servers;
#[cfg(target_os = "linux")]
pub mod trace;
pub mod victim;
#[cfg(target_os = "linux")]
pub mod victims;

use std::sync::{Mutex, MutexGuard, PoisonError};

use mlfn_core::{
    AwsOptions, AzureOptions, Diagnostic, EnvironmentValue, Function, GcpOptions, Memory,
    OutputSpec, Provider, ProviderName, Schedule, Seconds, Service, Trigger, Untranslatable,
};
use serde_json::{Value as Json, json};

pub use host::TestHost;

/// A runtime for Lambda in Python (with `-IS`) that starts quickly, as it imports next to nothing. It
/// answers what it was asked, and reports an error if the request has that word in it.
pub const LIGHT_RUNTIME: &str = include_str!("light_runtime.py");

/// The stage `dev` of a service `iris` with one model `classifier` that no provider has anything
/// to say about, after `change`.
pub fn service(provider: ProviderName, change: impl FnOnce(&mut Service)) -> Service {
    let mut service = Service {
        name: name("iris"),
        stage: name("dev"),
        provider,
        region: None,
        tags: [].into(),
        functions: vec![function("classifier")],
    };
    change(&mut service);
    service
}

/// A model without triggers, with the manifest's defaults.
pub fn function(text: &str) -> Function {
    Function {
        name: name(text),
        model: "model.onnx".into(),
        memory: Memory::mib(512),
        timeout: Seconds::new(30),
        architecture: mlfn_core::Architecture::X86_64,
        engine: mlfn_core::ModelEngine::default(),
        environment: [].into(),
        inputs: [].into(),
        output: OutputSpec::default(),
        example: None,
        batching: None,
        traffic: None,
        asynchronous: None,
        triggers: Vec::new(),
        aws: AwsOptions::default(),
        azure: AzureOptions::default(),
        gcp: GcpOptions::default(),
    }
}

/// A trigger in the form that `serde` gives it, with defaults for what is left out, e.g.
/// `trigger("queue", json!({"name": "jobs"}))`.
///
/// # Panics
///
/// If that is not a trigger.
#[track_caller]
pub fn trigger(kind: &str, given: Json) -> Trigger {
    let mut fields = match kind {
        "http" => json!({"method": "POST", "path": "/predict", "auth": "none", "cors": []}),
        "schedule" => json!({"schedule": {"every": 300}, "timezone": null, "input": null}),
        "queue" => {
            json!({"name": "jobs", "batch": 10, "window": null, "max_tries": 5, "output": null})
        }
        "topic" => json!({"name": "news"}),
        "storage" => {
            json!({"bucket": "uploads", "prefix": null, "suffix": null, "output_bucket": null, "output_prefix": null})
        }
        "stream" => {
            json!({"source": {"kinesis": "clicks"}, "batch": 100, "window": null, "start": "latest"})
        }
        _ => json!({}),
    };
    if let (Json::Object(fields), Json::Object(given)) = (&mut fields, given) {
        fields.extend(given);
    }
    let tagged = Json::Object([(kind.to_owned(), fields)].into_iter().collect());
    match serde_json::from_value(tagged) {
        Ok(trigger) => trigger,
        Err(error) => panic!("not a trigger of kind `{kind}`: {error}"),
    }
}

/// Asserts that `provider` says exactly this about the service of [`service`] after `change`:
/// pairs of code and path, in order. Errors and warnings alike.
///
/// # Panics
///
/// If it says anything else.
#[track_caller]
pub fn expect(
    provider: &dyn Provider,
    change: impl FnOnce(&mut Service),
    expected: &[(&str, &str)],
) {
    let service = service(provider.name(), change);
    let found = provider.check(&service);
    let pairs: Vec<(&str, String)> = found.iter().map(|d| (d.code, d.at.to_string())).collect();
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(code, at)| (*code, at.as_str()))
        .collect();
    assert_eq!(pairs, expected, "{}", listing(&found));
    contract::diagnostics(&found);
}

/// What is said about a function with nothing but this trigger of [`trigger`]: pairs of code and
/// path below the trigger. An expectation on another path is written from the root, with `models`.
///
/// # Panics
///
/// If anything else is said.
#[track_caller]
pub fn expect_trigger(
    provider: &dyn Provider,
    kind: &str,
    given: Json,
    expected: &[(&'static str, &str)],
) {
    let below = |path: &str| format!("models.classifier.triggers[0].{kind}.{path}");
    let full = |path: &str| Some(path.to_owned()).filter(|p| p.starts_with("models."));
    let full = |path: &str| full(path).unwrap_or_else(|| below(path));
    let expected: Vec<(&str, String)> = expected.iter().map(|(code, p)| (*code, full(p))).collect();
    let expected: Vec<(&str, &str)> = expected
        .iter()
        .map(|(code, p)| (*code, p.as_str()))
        .collect();
    expect(
        provider,
        |s| s.functions[0].triggers = vec![trigger(kind, given)],
        &expected,
    );
}

/// What is said about a function with nothing but this environment variable: the code, or none.
///
/// # Panics
///
/// If anything else is said.
#[track_caller]
pub fn expect_variable(provider: &dyn Provider, name: &str, code: Option<&'static str>) {
    let at = format!("models.classifier.environment.{name}");
    let expected: Vec<(&str, &str)> = code.iter().map(|code| (*code, at.as_str())).collect();
    let value = EnvironmentValue::Plain("x".to_owned());
    let environment = [(name.to_owned(), value)].into();
    expect(
        provider,
        |s| s.functions[0].environment = environment,
        &expected,
    );
}

/// What is said about a service with nothing but this tag: the code, or none.
///
/// # Panics
///
/// If anything else is said.
#[track_caller]
pub fn expect_tag(provider: &dyn Provider, key: &str, value: &str, code: Option<&'static str>) {
    let at = format!("tags.{key}");
    let expected: Vec<(&str, &str)> = code.iter().map(|code| (*code, at.as_str())).collect();
    expect(
        provider,
        |s| s.tags = [(key.to_owned(), value.to_owned())].into(),
        &expected,
    );
}

/// What a provider makes of schedules.
pub type Translate = fn(&Schedule) -> Result<String, Untranslatable>;

/// Asserts what `every: <seconds>` becomes, or which help its refusal comes with.
///
/// # Panics
///
/// If it is anything else.
#[track_caller]
pub fn expect_every(translate: Translate, seconds: u32, expected: Result<&str, &str>) {
    let found = translate(&Schedule::Every(Seconds::new(seconds)));
    let found = found.as_deref().map_err(|error| error.help.as_str());
    assert_eq!(found, expected, "{seconds} s");
}

/// Asserts what a Unix cron expression becomes, or how its refusal is explained, in part.
///
/// # Panics
///
/// If it is anything else.
#[track_caller]
pub fn expect_cron(translate: Translate, unix: &str, expected: Result<&str, &str>) {
    let found = translate(&Schedule::Cron(unix.to_owned()));
    match (&found, expected) {
        (Err(error), Err(part)) => assert!(error.detail.contains(part), "{}", error.detail),
        _ => assert_eq!(found.as_deref().map_err(|_| "refused"), expected, "{unix}"),
    }
}

/// Asserts that `set` may set these numbers without a word, and those only with exactly `refusal`,
/// a code and a path.
///
/// # Panics
///
/// If anything else is said.
#[track_caller]
pub fn expect_numbers(
    provider: &dyn Provider,
    refusal: (&str, &str),
    set: fn(&mut Service, u32),
    allowed: &[u32],
    refused: &[u32],
) {
    for number in allowed {
        expect(provider, |service| set(service, *number), &[]);
    }
    for number in refused {
        expect(provider, |service| set(service, *number), &[refusal]);
    }
}

/// Asserts which texts are regions.
///
/// # Panics
///
/// If others are.
#[track_caller]
pub fn expect_regions(provider: &dyn Provider, regions: &[&str], others: &[&str]) {
    for region in regions {
        expect(
            provider,
            |service| service.region = Some((*region).to_owned()),
            &[],
        );
    }
    let refusal = &[("region-invalid", "provider.region")];
    for other in others {
        expect(
            provider,
            |service| service.region = Some((*other).to_owned()),
            refusal,
        );
    }
}

/// Diagnostics as text, for snapshots: severity, code, path, detail and help of each.
pub fn listing(diagnostics: &[Diagnostic]) -> String {
    let one = |d: &Diagnostic| {
        let severity = if d.is_error() { "error" } else { "warning" };
        let help = d.help.as_deref().unwrap_or("-");
        format!(
            "{severity}[{}] {}: {}\n  {}\n  help: {help}\n",
            d.code, d.at, d.summary, d.detail
        )
    };
    diagnostics.iter().map(one).collect()
}

#[track_caller]
fn name<T>(text: &str) -> T
where
    T: std::str::FromStr<Err = mlfn_core::NameError>,
{
    match text.parse() {
        Ok(name) => name,
        Err(error) => panic!("`{text}` {error}"),
    }
}

/// Runs something under a paused clock: sleeps end at once, in the right order.
///
/// # Panics
///
/// If there is no runtime.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(work)
}

/// What a lock holds; a panic elsewhere has failed the test already.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
