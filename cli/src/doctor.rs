//! What works on this machine, and what to do about the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mlfn_core::{
    Architecture, AwsOptions, AzureOptions, Function, GcpOptions, Memory, ModelEngine, NameError,
    OutputSpec, ProviderName, Seconds, Service, Severity, Target,
};
use mlfn_onnxruntime::{Candidate, FetchError, Options, Platform};
use mlfn_package::Finding;
use serde::Serialize;

use crate::errors;
use crate::pipeline;
use crate::registry;
use crate::settings::{DoctorSettings, ManifestSettings, PartsSettings};
use crate::shim::{self, ShimKind, ShimPlace};

const INSTALL: &str =
    "install pip (e.g. `apt install python3-pip`) or uv (https://docs.astral.sh/uv)";

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It works.
    Ok,
    /// Something may not work.
    Warning,
    /// `package` and `invoke` will not work.
    Failure,
}

/// Something that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    /// What.
    pub(crate) name: &'static str,
    /// How it is.
    pub(crate) state: State,
    /// What was found.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl Check {
    fn new(name: &'static str, state: State, message: impl Into<String>) -> Self {
        Self {
            name,
            state,
            message: message.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Looks at everything that packing and invoking need.
pub(crate) fn examine(settings: &DoctorSettings) -> Vec<Check> {
    let mut checks = vec![cache(&settings.parts.cache)];
    checks.extend(runtime(&settings.parts));
    let here = shim::host_architecture();
    checks.extend(ProviderName::ALL.map(|name| shim(name, here, &settings.parts)));
    checks.push(other_processor(here, &settings.parts));
    checks.push(manifest(&settings.manifest));
    checks
}

fn cache(folder: &Path) -> Check {
    let writable = fs_err::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    let path = folder.display();
    match writable {
        Ok(_) => Check::new("cache", State::Ok, format!("`{path}` can be written")),
        Err(error) => Check::new(
            "cache",
            State::Failure,
            format!("`{path}` cannot be written: {error}"),
        )
        .help("make it writable, or set XDG_CACHE_HOME to a folder that is"),
    }
}

/// The library of this machine, and what can fetch those that are missing.
fn runtime(parts: &PartsSettings) -> Vec<Check> {
    let tool = fetcher();
    let (found, is_there) = library(parts, tool.is_some());
    let fetch = match (tool, is_there) {
        (Some(tool), _) => Check::new("pip", State::Ok, tool),
        (None, true) => Check::new(
            "pip",
            State::Warning,
            "neither pip nor uv is here; only what is in the cache can be used",
        )
        .help(INSTALL),
        (None, false) => {
            Check::new("pip", State::Failure, "neither pip nor uv is here").help(INSTALL)
        }
    };
    vec![found, fetch]
}

fn library(parts: &PartsSettings, can_fetch: bool) -> (Check, bool) {
    let found = Platform::host().and_then(|platform| {
        mlfn_onnxruntime::library(
            platform,
            &Options {
                cache: parts.cache.clone(),
                candidates: Vec::new(),
                override_path: parts.onnxruntime.clone(),
                offline: true,
                progress: &|_| {},
            },
        )
    });
    match found {
        Ok(library) => {
            let version = library
                .version
                .as_deref()
                .unwrap_or("of an unknown version");
            let message = format!("{version} at `{}`", library.path.display());
            (Check::new("onnxruntime", State::Ok, message), true)
        }
        Err(FetchError::Offline { .. }) if can_fetch && !parts.offline => {
            let message = "not in the cache; the first `package` or `invoke` fetches it (23 MB)";
            (Check::new("onnxruntime", State::Ok, message), false)
        }
        Err(FetchError::Offline { .. }) if !parts.offline => {
            let check = Check::new("onnxruntime", State::Failure, "not in the cache");
            let help = "see `pip` below, or name a library that you have: --onnxruntime PATH";
            (check.help(help), false)
        }
        Err(error) => {
            let check = Check::new("onnxruntime", State::Failure, error.to_string());
            (check.help(error.hint()), false)
        }
    }
}

/// The first of pip and uv that can be started, with its version.
fn fetcher() -> Option<String> {
    Candidate::standard().iter().find_map(|candidate| {
        let mut command = Command::new(&candidate.program);
        command
            .args(&candidate.arguments)
            .arg("--version")
            .stdin(Stdio::null());
        let output = command
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version: Vec<&str> = text.split_whitespace().take(2).collect();
        let program = candidate.program.to_string_lossy();
        let command = [
            &[&*program],
            candidate
                .arguments
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice(),
        ]
        .concat();
        Some(format!("{} (`{}`)", version.join(" "), command.join(" ")))
    })
}

/// Whether there is a shim for the processor that AWS has beside this machine's. Few need one.
fn other_processor(here: Architecture, parts: &PartsSettings) -> Check {
    let other = match here {
        Architecture::X86_64 => Architecture::Arm64,
        Architecture::Arm64 => Architecture::X86_64,
    };
    let runs = findings(ProviderName::Aws, other, parts);
    if runs.is_ok_and(|(_, findings)| findings.is_empty()) {
        return shim(ProviderName::Aws, other, parts);
    }
    let message = format!("none for {other}, which only `architecture: {other}` needs");
    let help = shim::how_to_build(ShimKind::OnnxRuntime, other);
    Check::new("shim", State::Ok, message).help(help)
}

/// Whether the shim can be loaded where this cloud runs functions, on this processor.
fn shim(provider: ProviderName, architecture: Architecture, parts: &PartsSettings) -> Check {
    match findings(provider, architecture, parts) {
        Ok((target, findings)) if findings.is_empty() => {
            let processor = target.architecture;
            Check::new(
                "shim",
                State::Ok,
                format!("runs on {provider} ({}, {processor})", target.name),
            )
        }
        Ok((_, findings)) => refused(provider, &findings),
        Err(error) => {
            let message = format!("cannot be packed for {provider}: {error}");
            advised(Check::new("shim", State::Warning, message), &error)
        }
    }
}

fn advised(check: Check, error: &anyhow::Error) -> Check {
    match errors::hint(error) {
        Some(hint) => check.help(hint),
        None => check,
    }
}

fn refused(provider: ProviderName, findings: &[Finding]) -> Check {
    let is_error = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    let details: Vec<&str> = findings
        .iter()
        .map(|finding| finding.detail.as_str())
        .collect();
    let judgement = if is_error {
        "cannot be loaded on"
    } else {
        "may not work on"
    };
    let message = format!("{judgement} {provider}: {}", details.join(" "));
    let check = Check::new("shim", State::Warning, message);
    match findings.first() {
        Some(finding) => check.help(&finding.help),
        None => check,
    }
}

fn findings(
    provider: ProviderName,
    architecture: Architecture,
    parts: &PartsSettings,
) -> anyhow::Result<(Target, Vec<Finding>)> {
    let (service, function) = sample(provider, architecture)?;
    let spec = registry::provider(provider).package(&service, &function);
    let bytes = parts.shim.bytes(ShimPlace::Cloud(function.architecture))?;
    let findings = mlfn_package::elf::check(&spec.shim, &*bytes, &spec.target);
    Ok((spec.target, findings))
}

/// The smallest service there is.
fn sample(
    provider: ProviderName,
    architecture: Architecture,
) -> Result<(Service, Function), NameError> {
    let function = Function {
        name: "sample".parse()?,
        model: PathBuf::from("model.onnx"),
        memory: Memory::mib(512),
        timeout: Seconds::new(30),
        architecture,
        engine: ModelEngine::default(),
        environment: BTreeMap::new(),
        inputs: BTreeMap::new(),
        output: OutputSpec::default(),
        example: None,
        batching: None,
        traffic: None,
        asynchronous: None,
        triggers: Vec::new(),
        aws: AwsOptions::default(),
        azure: AzureOptions::default(),
        gcp: GcpOptions::default(),
    };
    let service = Service {
        name: "sample".parse()?,
        stage: "dev".parse()?,
        provider,
        region: None,
        tags: BTreeMap::new(),
        functions: vec![function.clone()],
    };
    Ok((service, function))
}

fn manifest(settings: &ManifestSettings) -> Check {
    let verdict = match pipeline::judge(settings) {
        Ok(verdict) => verdict,
        Err(error) => {
            let check = Check::new("manifest", State::Warning, format!("{error:#}"));
            return advised(check, &error);
        }
    };
    let path = verdict.source.path().display();
    match (verdict.is_valid(), verdict.diagnostics.len()) {
        (true, 0) => Check::new("manifest", State::Ok, format!("`{path}` is valid")),
        (true, _) => Check::new("manifest", State::Warning, format!("`{path}` has warnings"))
            .help("see them with `mlfn validate`"),
        (false, _) => Check::new("manifest", State::Failure, format!("`{path}` has errors"))
            .help("see them with `mlfn validate`"),
    }
}
