//! What the Functions host reads from a package: `host.json` and one `function.json` a function.

use std::path::{Path, PathBuf};

use mlfn_core::ProviderName;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::EmulatorError;

/// A package as the host sees it.
#[derive(Debug)]
pub(super) struct App {
    pub(super) executable: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) folder: PathBuf,
    /// The function that requests go to: the first with an HTTP trigger, else the first.
    pub(super) entry: Entry,
}

/// How a request reaches a function.
#[derive(Debug)]
pub(super) enum Entry {
    /// As plain HTTP.
    Proxied { method: String, path: String },
    /// As the data of a trigger.
    Enveloped { function: String, trigger: Binding },
}

/// One of the `bindings` in a `function.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Binding {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) direction: String,
    pub(super) name: String,
    pub(super) data_type: Option<String>,
    route: Option<String>,
    methods: Option<Vec<String>>,
}

impl App {
    /// Reads the package in `root`.
    pub(super) fn read(root: &Path) -> Result<Self, EmulatorError> {
        let host: Host = read_json(&root.join("host.json"))?;
        let entry = entry(root, &host)?;
        let description = host.custom_handler.description;
        let folder = root.join(description.working_directory);
        Ok(Self {
            executable: folder.join(description.default_executable_path),
            arguments: description.arguments,
            folder,
            entry,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Host {
    custom_handler: CustomHandler,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomHandler {
    description: Description,
    #[serde(default)]
    enable_forwarding_http_request: bool,
    #[serde(default)]
    enable_proxying_http_request: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    default_executable_path: String,
    #[serde(default)]
    working_directory: String,
    #[serde(default)]
    arguments: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Extensions {
    #[serde(default)]
    http: Http,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Http {
    route_prefix: String,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            route_prefix: "api".to_owned(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct FunctionFile {
    bindings: Vec<Binding>,
}

fn entry(root: &Path, host: &Host) -> Result<Entry, EmulatorError> {
    let functions = functions(root)?;
    let with_http = |(_, bindings): &&(String, Vec<Binding>)| {
        bindings.iter().any(|binding| binding.kind == "httpTrigger")
    };
    let (name, bindings) = functions
        .iter()
        .find(with_http)
        .or_else(|| functions.first())
        .ok_or_else(|| {
            problem(
                root,
                "no folder in it has a `function.json`; package it again",
            )
        })?;
    let trigger = bindings
        .iter()
        .find(|binding| binding.kind.ends_with("Trigger"))
        .ok_or_else(|| problem(&root.join(name).join("function.json"), "it has no trigger"))?;
    if is_passed_on(host, bindings) {
        Ok(proxied(host, name, trigger))
    } else {
        Ok(Entry::Enveloped {
            function: name.clone(),
            trigger: trigger.clone(),
        })
    }
}

/// The host passes HTTP on only for functions that do nothing but HTTP, in and out.
fn is_passed_on(host: &Host, bindings: &[Binding]) -> bool {
    let kinds = |direction: &str| -> Vec<&str> {
        let bindings = bindings
            .iter()
            .filter(|binding| binding.direction == direction);
        bindings.map(|binding| binding.kind.as_str()).collect()
    };
    let handler = &host.custom_handler;
    (handler.enable_proxying_http_request || handler.enable_forwarding_http_request)
        && kinds("in") == ["httpTrigger"]
        && kinds("out") == ["http"]
}

fn proxied(host: &Host, name: &str, trigger: &Binding) -> Entry {
    let route = trigger.route.as_deref().unwrap_or(name).trim_matches('/');
    let prefix = host.extensions.http.route_prefix.trim_matches('/');
    let path = match prefix {
        "" => format!("/{route}"),
        prefix => format!("/{prefix}/{route}"),
    };
    let methods = trigger.methods.clone().unwrap_or_default();
    let post = || "POST".to_owned();
    let has_post = methods
        .iter()
        .any(|method| method.eq_ignore_ascii_case("post"));
    let first = methods.first().filter(|_| !has_post);
    Entry::Proxied {
        method: first.map_or_else(post, |method| method.to_ascii_uppercase()),
        path,
    }
}

/// All functions of the package with their bindings, by name.
fn functions(root: &Path) -> Result<Vec<(String, Vec<Binding>)>, EmulatorError> {
    let mut functions = Vec::new();
    let unreadable = |error: std::io::Error| problem(root, &error.to_string());
    for folder in fs_err::read_dir(root).map_err(unreadable)? {
        let folder = folder.map_err(unreadable)?;
        let file = folder.path().join("function.json");
        if file.is_file() {
            let content: FunctionFile = read_json(&file)?;
            functions.push((
                folder.file_name().to_string_lossy().into_owned(),
                content.bindings,
            ));
        }
    }
    functions.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(functions)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, EmulatorError> {
    let text = fs_err::read(path).map_err(|error| problem(path, &error.kind().to_string()))?;
    serde_json::from_slice(&text).map_err(|error| {
        problem(
            path,
            &format!("it does not say what the host needs: {error}"),
        )
    })
}

fn problem(path: &Path, problem: &str) -> EmulatorError {
    EmulatorError::Package {
        platform: ProviderName::Azure,
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}
