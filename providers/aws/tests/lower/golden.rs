//! The golden files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use mlfn_core::{Resource, Value};
use serde_json::{Map, Value as Json, json};

use crate::cases;

#[test]
fn every_case_becomes_what_its_file_says() {
    let cases = cases::all();
    for case in &cases {
        let path = folder().join(case.name).with_extension("json");
        expect_file![path].assert_eq(&text(&case.resources()));
    }
    let names: BTreeSet<String> = cases.iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(files(), names, "files without a case");
}

/// Only JSON files; the tests themselves stand beside them.
fn files() -> BTreeSet<String> {
    let entries = fs_err::read_dir(folder()).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("Unicode"));
    names
        .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lower")
}

fn text(resources: &[Resource]) -> String {
    let resources: Vec<Json> = resources.iter().map(resource).collect();
    serde_json::to_string_pretty(&resources).expect("writes") + "\n"
}

fn resource(resource: &Resource) -> Json {
    let mut all = Map::new();
    all.insert("id".into(), json!(resource.id));
    all.insert("remote_name".into(), json!(resource.remote_name));
    if let Some(within) = &resource.within {
        all.insert("within".into(), json!(within));
    }
    if !resource.after.is_empty() {
        all.insert("after".into(), json!(resource.after));
    }
    if let Some(probe) = &resource.probe {
        all.insert("probe".into(), probe.clone());
    }
    if let Some(shift) = &resource.shift {
        all.insert("shift".into(), json!(shift));
    }
    let fields = resource.fields.iter();
    let fields: Map<String, Json> = fields
        .map(|(name, value)| (name.clone(), shown(value)))
        .collect();
    all.insert("fields".into(), fields.into());
    all.into()
}

/// With references as `${kind/name.output}`, within texts too.
pub(crate) fn shown(value: &Value) -> Json {
    match value {
        Value::AfterApply { from, output } => format!("${{{from}.{output}}}").into(),
        Value::Text(parts) => parts
            .iter()
            .map(|part| as_text(&shown(part)))
            .collect::<String>()
            .into(),
        Value::List(values) => values.iter().map(shown).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), shown(value)))
            .collect(),
        Value::File(file) => {
            json!({"$file": file.path, "bytes": file.bytes, "digest": file.digest})
        }
        other => other.to_json(),
    }
}

fn as_text(json: &Json) -> String {
    json.as_str()
        .map_or_else(|| json.to_string(), str::to_owned)
}
