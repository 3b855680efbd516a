//! What a file is, before anything else in it is looked at.

use mlfn_core::FieldPath;

use crate::problems::{Code, Problem, Problems};
use crate::yaml::{Content, Node};

/// The version of the manifest that this crate reads.
const VERSION: i64 = 1;

const EMPTY: Code = Code::new("empty-manifest", "the manifest is empty");
const NOT_A_MAPPING: Code = Code::new("not-a-mapping", "the manifest is not a mapping");
const MISSING: Code = Code::new("missing-version", "the manifest does not say its version");
const UNSUPPORTED: Code = Code::new("unsupported-version", "the manifest has an unknown version");
const SERVERLESS: Code = Code::new(
    "serverless-framework-file",
    "this is a manifest of the Serverless Framework",
);

const SMALLEST: &str = "the smallest manifest is\n\n    mlfn: 1\n    service: iris\n    models:\n      classifier: model.onnx\n\n`mlfn init` writes one";

/// Whether it makes sense to look further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    GoOn,
    Stop,
}

/// Finds out whether this is a manifest of ours, and of the version that we read.
pub(crate) fn probe(tree: Option<&Node>, problems: &mut Problems) -> Verdict {
    let root = FieldPath::root();
    let Some(tree) = tree.filter(|tree| !tree.is_null()) else {
        let problem = EMPTY.error(&root, "there is nothing in it but space and comments");
        problems.push(problem.help(SMALLEST));
        return Verdict::Stop;
    };
    if !matches!(tree.content, Content::Map(_)) {
        let detail = format!("it must consist of keys and values, but is {}", tree.kind());
        problems.push(NOT_A_MAPPING.error(&root, detail).help(SMALLEST));
        return Verdict::Stop;
    }
    match tree.get("mlfn") {
        Some(version) => check_version(version, problems),
        None => missing_version(tree, problems),
    }
}

fn check_version(version: &Node, problems: &mut Problems) -> Verdict {
    let at = FieldPath::root().key("mlfn");
    let written = version.text().unwrap_or_default();
    let is_number = version.to_json().as_i64() == Some(VERSION);
    if is_number || written == VERSION.to_string() {
        return Verdict::GoOn;
    }
    let detail = match version.text() {
        Some(text) if !version.is_null() => {
            format!("this mlfn reads version {VERSION}, not `{text}`")
        }
        _ => "`mlfn:` must be followed by a version".to_owned(),
    };
    let problem = UNSUPPORTED.error(&at, detail);
    let is_newer = version.to_json().as_f64().is_some_and(|found| found > 1.0);
    problems.push(problem.help(if is_newer {
        "a newer mlfn may read it: update mlfn, or write `mlfn: 1`"
    } else {
        "write `mlfn: 1`"
    }));
    Verdict::Stop
}

fn missing_version(tree: &Node, problems: &mut Problems) -> Verdict {
    let root = FieldPath::root();
    if let Some(at) = serverless_framework(tree) {
        let detail = "`mlfn: 1` is missing, and this key belongs to the Serverless Framework";
        let problem = SERVERLESS.error(&at, detail);
        problems.push(Problem::of_key(problem.help(
            "run `mlfn init` in a new folder; what was a function with a handler becomes an entry under `models:`",
        )));
        return Verdict::Stop;
    }
    let detail = "the key `mlfn` is missing, by which mlfn knows its own files";
    problems.push(
        MISSING
            .error(&root, detail)
            .help("write `mlfn: 1` into the first line"),
    );
    Verdict::GoOn
}

/// The key by which a file of the Serverless Framework gives itself away.
fn serverless_framework(tree: &Node) -> Option<FieldPath> {
    let root = FieldPath::root();
    for key in ["frameworkVersion", "plugins", "custom"] {
        if tree.get(key).is_some() {
            return Some(root.key(key));
        }
    }
    if tree
        .get("provider")
        .is_some_and(|provider| provider.get("runtime").is_some())
    {
        return Some(root.key("provider").key("runtime"));
    }
    let functions = root.key("functions");
    tree.get("functions")?
        .entries()
        .iter()
        .find_map(|function| {
            function.value.get("handler")?;
            Some(functions.key(&function.key).key("handler"))
        })
}
