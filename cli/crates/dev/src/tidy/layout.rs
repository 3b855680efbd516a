//! The form of the repository: which files there must be, and what they are called.

use std::collections::BTreeSet;

use super::Problem;
use crate::repository::SourceFile;

/// What a stranger looks for at the top.
const REQUIRED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "deny.toml",
    ".ci/run",
];

/// The clouds. Every one has the same files, so that who knows one knows all.
const CLOUDS: &[&str] = &["aws", "azure", "gcp"];

/// What each cloud has already.
const CLOUD_FILES: &[&str] = &["check", "lib", "limits", "package", "schedule"];

/// What each cloud gets when it can deploy; AWS leads.
const CLOUD_FILES_TO_COME: &[&str] = &[
    "client",
    "credentials",
    "errors",
    "kinds",
    "lower",
    "rights",
    "session",
];

/// What each example has, so that it can be read, run and tested.
const EXAMPLE: &[&str] = &["serverless.yaml", "README.md", "train.py", "golden.json"];

/// All rules on names.
pub(super) fn check(files: &[SourceFile]) -> Vec<Problem> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut problems = required(&paths);
    problems.extend(clouds(&paths));
    problems.extend(decisions(files));
    problems.extend(examples(&paths));
    problems.extend(lints(files));
    problems
}

fn required(paths: &BTreeSet<&str>) -> Vec<Problem> {
    let missing = REQUIRED.iter().filter(|path| !paths.contains(**path));
    missing
        .map(|path| Problem::new(*path, "is missing"))
        .collect()
}

fn clouds(paths: &BTreeSet<&str>) -> Vec<Problem> {
    CLOUDS
        .iter()
        .flat_map(|cloud| cloud_files(cloud, paths))
        .collect()
}

/// Modules count by their name, whether they are a file or a folder.
fn cloud_files(cloud: &str, paths: &BTreeSet<&str>) -> Vec<Problem> {
    let folder = format!("providers/{cloud}/src/");
    let files = paths.iter().filter_map(|path| path.strip_prefix(&folder));
    let own: BTreeSet<&str> = files.map(module).collect();
    let missing = CLOUD_FILES.iter().filter(|name| !own.contains(**name));
    let missing = missing.map(|name| {
        Problem::new(
            format!("{folder}{name}.rs"),
            "is missing: every cloud has the same files",
        )
    });
    let known = |name: &str| CLOUD_FILES.contains(&name) || CLOUD_FILES_TO_COME.contains(&name);
    let strange = own.iter().filter(|name| !known(name)).map(|name| {
        let message = "is a file that the other clouds do not have; give all of them one, or none";
        Problem::new(format!("{folder}{name}"), message)
    });
    missing.chain(strange).collect()
}

/// `lower/mod.rs` -> `lower`, `check.rs` -> `check`.
fn module(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.trim_end_matches(".rs")
}

/// Decisions are numbered and say why.
fn decisions(files: &[SourceFile]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut numbers = BTreeSet::new();
    for file in files
        .iter()
        .filter(|file| file.path.starts_with("docs/decisions/"))
    {
        let name = file.path.trim_start_matches("docs/decisions/");
        if name == "README.md" {
            continue;
        }
        let number = name.split('-').next().unwrap_or_default().to_owned();
        if number.len() != 4 || number.parse::<u32>().is_err() {
            problems.push(Problem::new(
                &file.path,
                "must be called NNNN-what-it-decides.md",
            ));
        }
        if !numbers.insert(number) {
            problems.push(Problem::new(
                &file.path,
                "has the number of another decision",
            ));
        }
        for heading in ["## Background", "## Decision", "## Consequences"] {
            if !file.text.contains(heading) {
                problems.push(Problem::new(&file.path, format!("has no `{heading}`")));
            }
        }
    }
    problems
}

fn examples(paths: &BTreeSet<&str>) -> Vec<Problem> {
    let folders: BTreeSet<&str> = paths
        .iter()
        .filter_map(|path| path.strip_prefix("examples/")?.split_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    let mut problems = Vec::new();
    for folder in folders {
        let wanted = EXAMPLE
            .iter()
            .map(|name| format!("examples/{folder}/{name}"));
        let missing = wanted.filter(|path| !paths.contains(path.as_str()));
        problems.extend(missing.map(|path| Problem::new(path, "is missing")));
    }
    problems
}

/// A crate without the workspace's lints would have none.
fn lints(files: &[SourceFile]) -> Vec<Problem> {
    let manifests = files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"));
    let without = manifests.filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    without
        .map(|file| Problem::new(&file.path, "needs `[lints] workspace = true`"))
        .collect()
}
