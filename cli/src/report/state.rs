//! What is recorded, for people.

use std::collections::BTreeMap;

use mlfn_core::{Recorded, Shown};
use mlfn_engine::state::State;
use serde_json::Value as Json;

use super::table::{Align, shortened, table};
use crate::printer::Palette;

/// A line for each resource, and what is not finished.
pub(super) fn list(state: &State, palette: Palette) -> String {
    let row = |recorded: &Recorded, note: &str| {
        let id = recorded.id.to_string();
        vec![id, shortened(&recorded.remote_name), note.to_owned()]
    };
    let serving = state.resources.values().map(|recorded| row(recorded, ""));
    let old = state.superseded.iter();
    let old = old.map(|recorded| row(recorded, "earlier"));
    let pending = state.pending.iter().map(|intent| {
        let (id, name) = (intent.id.to_string(), shortened(&intent.remote_name));
        vec![id, name, format!("unfinished since {}", intent.since)]
    });
    let rows: Vec<Vec<String>> = serving.chain(old).chain(pending).collect();
    let head = [
        ("resource", Align::Left),
        ("name in the cloud", Align::Left),
        ("", Align::Left),
    ];
    table(&head, &rows, palette)
}

/// Everything about one resource.
pub(super) fn show(recorded: &Recorded, palette: Palette) -> String {
    let strong = palette.strong;
    let dependencies: Vec<String> = recorded
        .dependencies
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut text = vec![format!(
        "{strong}{}{strong:#}\n  name  {}\n  id    {}\n",
        recorded.id, recorded.remote_name, recorded.remote_id
    )];
    text.push(values("fields", &recorded.fields, palette));
    text.push(values("outputs", &recorded.outputs, palette));
    if !dependencies.is_empty() {
        text.push(format!(
            "\n{strong}needs{strong:#}\n  {}\n",
            dependencies.join("\n  ")
        ));
    }
    text.concat()
}

fn values(title: &str, values: &BTreeMap<String, Json>, palette: Palette) -> String {
    if values.is_empty() {
        return String::new();
    }
    let strong = palette.strong;
    let line = |(name, value): (&String, &Json)| format!("  {name}: {}\n", shown(value));
    let lines: String = values.iter().map(line).collect();
    format!("\n{strong}{title}{strong:#}\n{lines}")
}

/// Of a secret, the digest is kept; it says nothing to people.
fn shown(value: &Json) -> Shown {
    match value {
        Json::Null => Shown::Absent,
        value if value.get("$digest").is_some() => Shown::Hidden,
        value => Shown::Value(value.clone()),
    }
}
