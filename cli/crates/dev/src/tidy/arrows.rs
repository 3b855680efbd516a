//! Dependencies among our own crates point one way. ARCHITECTURE.md draws the same arrows.

use cargo_metadata::{DependencyKind, MetadataCommand};

use super::Problem;
use crate::repository::Repository;

/// Every arrow there may be: a crate, and which of ours it may use outside its tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("mlfn-core", &[]),
    ("mlfn-shim-contract", &[]),
    ("mlfn-templates", &[]),
    ("mlfn-model", &[]),
    ("mlfn-onnxruntime", &[]),
    ("mlfn-manifest", &["mlfn-core"]),
    ("mlfn-engine", &["mlfn-core"]),
    ("mlfn-testkit", &["mlfn-core", "mlfn-engine"]),
    (
        "mlfn-package",
        &["mlfn-core", "mlfn-model", "mlfn-shim-contract"],
    ),
    ("mlfn-aws", &["mlfn-core", "mlfn-templates"]),
    ("mlfn-azure", &["mlfn-core", "mlfn-templates"]),
    ("mlfn-gcp", &["mlfn-core", "mlfn-templates"]),
    ("mlfn-emulator", &["mlfn-core", "mlfn-shim-contract"]),
    ("mlfn-testkit", &["mlfn-core"]),
    ("mlfn-shim", &["mlfn-shim-contract"]),
    (
        "mlfn",
        &[
            "mlfn-aws",
            "mlfn-azure",
            "mlfn-core",
            "mlfn-emulator",
            "mlfn-engine",
            "mlfn-gcp",
            "mlfn-manifest",
            "mlfn-model",
            "mlfn-onnxruntime",
            "mlfn-package",
            "mlfn-shim-contract",
            "mlfn-templates",
        ],
    ),
];

/// Crates that stand outside the product and may use all of it.
const TOOLS: &[&str] = &["mlfn-dev", "mlfn-tests"];

/// Reads `cargo metadata` and reports every arrow that is not in the list.
pub(super) fn check(repository: &Repository) -> anyhow::Result<Vec<Problem>> {
    let metadata = MetadataCommand::new()
        .current_dir(repository.root())
        .no_deps()
        .exec()?;
    let ours: Vec<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if TOOLS.contains(&name) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            problems.push(Problem::new(
                name,
                "a new crate: add its arrows to tidy/arrows.rs",
            ));
            continue;
        };
        let used = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        let used = used.map(|d| d.name.as_str()).filter(|d| ours.contains(d));
        problems.extend(used.filter(|d| !allowed.contains(d)).map(|d| {
            Problem::new(
                name,
                format!("must not depend on {d}: data flows the other way"),
            )
        }));
    }
    Ok(problems)
}
