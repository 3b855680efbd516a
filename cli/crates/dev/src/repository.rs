//! Where the repository is, and which files belong to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// The working tree that this program was built from.
pub(crate) struct Repository {
    root: PathBuf,
}

/// A file of the repository.
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// Its text; empty for files that are not text.
    pub(crate) text: String,
}

impl Repository {
    /// Found from the place of this crate, so that the current folder does not matter.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3);
        let root = root
            .context("this crate stands three folders below the root")?
            .to_path_buf();
        ensure!(
            root.join("ARCHITECTURE.md").exists(),
            "{} is not mlfn's root",
            root.display()
        );
        Ok(Self { root })
    }

    /// The root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every file that git tracks or would add, in order.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<SourceFile>> {
        let output = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&self.root)
            .output()
            .context("running git ls-files")?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let listing = String::from_utf8(output.stdout).context("file names are UTF-8")?;
        let mut paths: Vec<&str> = listing.split_terminator('\0').collect();
        paths.sort_unstable();
        paths.dedup();
        let existing = paths
            .into_iter()
            .filter(|path| self.root.join(path).is_file());
        existing.map(|path| self.read(path)).collect()
    }

    fn read(&self, path: &str) -> anyhow::Result<SourceFile> {
        let bytes = fs_err::read(self.root.join(path))?;
        let text = if bytes.contains(&0) {
            Vec::new()
        } else {
            bytes
        };
        Ok(SourceFile {
            path: path.to_owned(),
            text: String::from_utf8(text).unwrap_or_default(),
        })
    }
}

impl SourceFile {
    /// Whether the file is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rs")
    }
}
