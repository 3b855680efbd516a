//! What is deployed, for people.

use mlfn_core::{Purpose, Trigger};
use mlfn_engine::state::{Deployment, State};
use serde::Serialize;

use super::table::{Align, shortened, table};
use super::{Deployed, sources};
use crate::pipeline::Checked;
use crate::printer::Palette;

/// All of it: where it answers, what it is made of, what there is, what there was.
pub(super) fn describe(deployed: &Deployed<'_>, palette: Palette) -> String {
    let strong = palette.strong;
    let (checked, state) = (deployed.checked, deployed.state);
    let number = match state.history.last() {
        Some(last) => format!("deployment {} of {}", last.number, last.at),
        None => "the first deploy is not finished".to_owned(),
    };
    let mut text = vec![format!(
        "{strong}{}{strong:#}, stage {}, on {}: {number}\n",
        state.service, state.stage, state.provider
    )];
    let parts = [
        endpoints(checked, state, palette),
        sources::deployed(checked, state, palette),
        functions(state, palette),
        resources(deployed, palette),
        history(state, palette),
    ];
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push(format!("\n{part}"));
    }
    text.concat()
}

/// Where a function answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Endpoint {
    pub(super) function: String,
    pub(super) method: String,
    pub(super) url: String,
}

/// A line for each HTTP trigger.
pub(super) fn endpoints(checked: &Checked, state: &State, palette: Palette) -> String {
    let rows: Vec<Vec<String>> = addresses(checked, state)
        .into_iter()
        .map(|endpoint| vec![endpoint.function, endpoint.method, endpoint.url])
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = [
        ("function", Align::Left),
        ("method", Align::Left),
        ("endpoint", Align::Left),
    ];
    table(&head, &rows, palette)
}

/// The addresses of all HTTP triggers of the manifest that are deployed.
pub(super) fn addresses(checked: &Checked, state: &State) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for function in &checked.service.functions {
        let Some(base) = base(state, function.name.as_str()) else {
            continue;
        };
        for trigger in &function.triggers {
            if let Trigger::Http(http) = trigger {
                endpoints.push(Endpoint {
                    function: function.name.to_string(),
                    method: http.method.as_str().to_owned(),
                    url: format!("{}{}", base.trim_end_matches('/'), http.path),
                });
            }
        }
    }
    endpoints
}

/// The URL that the function's own resource tells, or else the only one of the service that is
/// spoken to by HTTP.
fn base<'a>(state: &'a State, function: &str) -> Option<&'a str> {
    let with_url = state.resources.values().filter_map(|recorded| {
        let url = recorded.outputs.get("url")?.as_str()?;
        let is_front_door = !recorded.id.kind().ends_with(":queue");
        is_front_door.then_some((recorded.id.name(), url))
    });
    let all: Vec<(&str, &str)> = with_url.collect();
    let own = all.iter().find(|(name, _)| *name == function);
    own.or_else(|| all.first()).map(|(_, url)| *url)
}

fn functions(state: &State, palette: Palette) -> String {
    let Some(last) = state.history.last() else {
        return String::new();
    };
    let functions = &last.release.functions;
    let rows: Vec<Vec<String>> = functions
        .iter()
        .map(|(name, release)| {
            let (model, package) = (release.model.short(), release.package.short());
            vec![name.to_string(), model.to_owned(), package.to_owned()]
        })
        .collect();
    let head = [
        ("function", Align::Left),
        ("model (sha256)", Align::Left),
        ("package (sha256)", Align::Left),
    ];
    table(&head, &rows, palette)
}

fn resources(deployed: &Deployed<'_>, palette: Palette) -> String {
    let recorded = deployed.state.resources.values();
    let rows = recorded.map(|recorded| {
        let condition = deployed.conditions.get(&recorded.id);
        let condition = condition.map_or("ok", String::as_str);
        vec![
            recorded.id.to_string(),
            shortened(&recorded.remote_name),
            condition.to_owned(),
        ]
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let missing = deployed.conditions.iter();
    let missing = missing.filter(|(id, _)| !deployed.state.resources.contains_key(id));
    rows.extend(missing.map(|(id, what)| vec![id.to_string(), "-".to_owned(), what.clone()]));
    let head = [
        ("resource", Align::Left),
        ("name in the cloud", Align::Left),
        ("state", Align::Left),
    ];
    table(&head, &rows, palette)
}

fn history(state: &State, palette: Palette) -> String {
    let rows: Vec<Vec<String>> = state.history.iter().rev().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = [
        ("deployment", Align::Right),
        ("when", Align::Left),
        ("what", Align::Left),
        ("manifest (sha256)", Align::Left),
        ("mlfn", Align::Left),
    ];
    table(&head, &rows, palette)
}

fn row(deployment: &Deployment) -> Vec<String> {
    let what = match deployment.purpose {
        Purpose::Deploy => "deploy".to_owned(),
        Purpose::Rollback { to } => format!("rollback to {to}"),
        Purpose::Remove => "remove".to_owned(),
    };
    let manifest = deployment.release.manifest.as_ref();
    vec![
        deployment.number.to_string(),
        deployment.at.to_string(),
        what,
        manifest.map_or("", |digest| digest.short()).to_owned(),
        deployment.mlfn.clone(),
    ]
}
