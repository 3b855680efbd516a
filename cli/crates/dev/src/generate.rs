//! `cargo dev generate`: files that are written from the code, so that they cannot go stale.

use anyhow::bail;

use crate::repository::Repository;

/// A generated file.
struct Generated {
    /// Relative to the root.
    path: &'static str,
    /// What it has to say.
    text: String,
}

/// Writes the files that are stale, or only names them.
pub(crate) fn run(repository: &Repository, check: bool) -> anyhow::Result<String> {
    let mut stale = Vec::new();
    for file in all()? {
        let path = repository.root().join(file.path);
        if fs_err::read_to_string(&path).unwrap_or_default() == file.text {
            continue;
        }
        if !check {
            fs_err::write(&path, &file.text)?;
        }
        stale.push(file.path);
    }
    match (stale.is_empty(), check) {
        (true, _) => Ok("generate: everything is fresh".to_owned()),
        (false, false) => Ok(format!("generate: wrote {}", stale.join(", "))),
        (false, true) => bail!("stale: {}; run `cargo dev generate`", stale.join(", ")),
    }
}

fn all() -> anyhow::Result<Vec<Generated>> {
    let schema = serde_json::to_string_pretty(&mlfn_manifest::json_schema())?;
    Ok(vec![Generated {
        path: "cli/crates/manifest/schema/mlfn.schema.json",
        text: format!("{schema}\n"),
    }])
}
