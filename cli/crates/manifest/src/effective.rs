//! The tree as it holds: short forms expanded, defaults copied into each model. It is what paths
//! of diagnostics are looked up in, so that `models.a.memory` is found at `stages.prod.memory` if
//! that is where it was written.

use crate::secrets::{self, Secrets};
use crate::source::SourceFile;
use crate::yaml::{Content, Entry, Node, Scalar, Style};

/// Keys of the service that hold for every model.
const DEFAULTS: [&str; 6] = [
    "memory",
    "timeout",
    "architecture",
    "engine",
    "environment",
    "traffic",
];

/// Those of them whose entries hold beside the model's own.
const MERGED: [&str; 1] = ["environment"];

/// The keys whose entries may be secrets.
const WITH_SECRETS: [&str; 2] = ["environment", "params"];

/// Copies the defaults into each model.
pub(crate) fn expand(tree: &Node) -> Node {
    let mut expanded = tree.clone();
    let defaults: Vec<&Entry> = DEFAULTS.iter().filter_map(|key| tree.entry(key)).collect();
    for entry in entries(&mut expanded) {
        if entry.key == "models" {
            for model in entries(&mut entry.value) {
                model_defaults(model, &defaults);
            }
        }
    }
    expanded
}

fn entries(node: &mut Node) -> &mut [Entry] {
    match &mut node.content {
        Content::Map(entries) => entries,
        _ => &mut [],
    }
}

fn model_defaults(model: &mut Entry, defaults: &[&Entry]) {
    if let Content::Scalar(_) = model.value.content {
        let path = Entry {
            key: "path".to_owned(),
            key_place: model.key_place,
            value: model.value.clone(),
        };
        model.value = Node::new(Content::Map(vec![path]), model.value.place);
    }
    let Content::Map(own) = &mut model.value.content else {
        return;
    };
    for default in defaults {
        match own.iter_mut().find(|entry| entry.key == default.key) {
            None => own.push((*default).clone()),
            Some(entry) if MERGED.contains(&entry.key.as_str()) => {
                add_missing(&mut entry.value, &default.value);
            }
            Some(_) => {}
        }
    }
}

/// What the model's own `environment` does not have.
fn add_missing(own: &mut Node, default: &Node) {
    let Content::Map(own) = &mut own.content else {
        return;
    };
    for entry in default.entries() {
        if !own.iter().any(|known| known.key == entry.key) {
            own.push(entry.clone());
        }
    }
}

/// Marks every value below `environment` and `params` that is named like a secret, in all stages
/// and models, and remembers its text and where it stands.
pub(crate) fn mark_secrets(tree: &mut Node, files: &[SourceFile], secrets: &mut Secrets) {
    mark_sections(tree, files, secrets);
    for entry in entries(tree) {
        if matches!(entry.key.as_str(), "models" | "stages") {
            for below in entries(&mut entry.value) {
                mark_sections(&mut below.value, files, secrets);
            }
        }
    }
}

fn mark_sections(node: &mut Node, files: &[SourceFile], secrets: &mut Secrets) {
    for section in entries(node) {
        if WITH_SECRETS.contains(&section.key.as_str()) {
            for entry in entries(&mut section.value) {
                if secrets::is_secret_name(&entry.key) {
                    mark(&mut entry.value, files, secrets);
                }
            }
        }
    }
}

fn mark(node: &mut Node, files: &[SourceFile], secrets: &mut Secrets) {
    let Content::Scalar(scalar) = &node.content else {
        return;
    };
    if scalar.style == Style::Unresolved || !scalar.to_json().is_string() {
        return;
    }
    secrets.add_text(&scalar.text);
    if is_written(node, scalar, files) {
        secrets.add_place(node.place);
    }
    node.secret = true;
}

/// Whether the text stands in a file, rather than coming from the environment.
pub(crate) fn is_written(node: &Node, scalar: &Scalar, files: &[SourceFile]) -> bool {
    let file = files.get(node.place.file);
    let written = file.and_then(|file| file.text.get(node.place.start..node.place.end));
    written.is_some_and(|written| match scalar.style {
        Style::Loose => written.contains(&scalar.text),
        _ => !written.contains("${env:"),
    })
}
