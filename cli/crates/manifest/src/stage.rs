//! `stages.<stage>` laid over the rest of the manifest.

use mlfn_core::{FieldPath, StageName};

use crate::problems::{Code, Problems};
use crate::suggest;
use crate::yaml::{Content, Entry, Node};

const UNKNOWN_STAGE: Code = Code::new("unknown-stage", "the manifest has no such stage");

/// The stage that needs no entry under `stages:`.
const DEFAULT_STAGE: &str = "dev";

/// What a stage may override. Every other key there is reported as unknown.
const OVERRIDABLE: [&str; 8] = [
    "memory",
    "timeout",
    "architecture",
    "engine",
    "environment",
    "traffic",
    "params",
    "state",
];

/// The tree with the overrides of `stage` moved to where they hold. Overrides keep their place, so
/// that messages point at them; `stages` itself stays as it is.
pub(crate) fn select(tree: &Node, stage: &StageName, problems: &mut Problems) -> Node {
    let mut selected = tree.clone();
    let Some(stages) = tree.get("stages") else {
        return selected;
    };
    match stages.get(stage.as_str()) {
        Some(_) => {
            let overrides = take_overrides(&mut selected, stage);
            for entry in &overrides {
                lay_over(&mut selected, entry);
            }
        }
        None if stage.as_str() == DEFAULT_STAGE || stages.entries().is_empty() => {}
        None => problems.push(unknown(stages, stage)),
    }
    selected
}

/// Removes the overrides from below `stages`; what does not belong there stays, to be reported.
fn take_overrides(tree: &mut Node, stage: &StageName) -> Vec<Entry> {
    let below = entries_of(tree, "stages").and_then(|stages| {
        let entry = stages
            .iter_mut()
            .find(|entry| entry.key == stage.as_str())?;
        entries(&mut entry.value)
    });
    let Some(below) = below else {
        return Vec::new();
    };
    let (overrides, rest) = std::mem::take(below)
        .into_iter()
        .partition(|entry| OVERRIDABLE.contains(&entry.key.as_str()));
    *below = rest;
    overrides
}

fn entries_of<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Vec<Entry>> {
    let entry = entries(node)?.iter_mut().find(|entry| entry.key == key)?;
    entries(&mut entry.value)
}

fn entries(node: &mut Node) -> Option<&mut Vec<Entry>> {
    match &mut node.content {
        Content::Map(entries) => Some(entries),
        _ => None,
    }
}

fn unknown(stages: &Node, stage: &StageName) -> mlfn_core::Diagnostic {
    let names = stages.entries().iter().map(|entry| entry.key.as_str());
    let names: Vec<&str> = names.chain([DEFAULT_STAGE]).collect();
    let at = FieldPath::root().key("stages");
    let detail = format!("`{stage}` is not one of them");
    let help = match suggest::closest(stage.as_str(), names.iter().copied()) {
        Some(close) => format!("did you mean `--stage {close}`?"),
        None => format!("add it, or choose {}", suggest::list(&names)),
    };
    UNKNOWN_STAGE.error(&at, detail).help(help)
}

/// Mappings (`environment`, `params`) are merged key by key, everything else is replaced.
fn lay_over(base: &mut Node, overriding: &Entry) {
    let Some(entries) = entries(base) else {
        return;
    };
    let existing = entries.iter_mut().find(|entry| entry.key == overriding.key);
    match existing {
        None => entries.push(overriding.clone()),
        Some(entry) => match (&mut entry.value.content, &overriding.value.content) {
            (Content::Map(_), Content::Map(more)) if entry.key != "traffic" => {
                for below in more {
                    replace(&mut entry.value, below);
                }
            }
            _ => *entry = overriding.clone(),
        },
    }
}

fn replace(base: &mut Node, overriding: &Entry) {
    let Some(entries) = entries(base) else {
        return;
    };
    match entries.iter_mut().find(|entry| entry.key == overriding.key) {
        Some(entry) => *entry = overriding.clone(),
        None => entries.push(overriding.clone()),
    }
}
