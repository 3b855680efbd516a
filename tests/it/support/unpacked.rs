//! Packages that mlfn made, taken apart again by somebody else's code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlfn_core::{Memory, ProviderName, Seconds};
use mlfn_emulator::{LocalFunction, Start};
use mlfn_testkit::python::{self, run};
use serde::Deserialize;
use tempfile::TempDir;

use super::mlfn::Project;
use super::place::{repository, temporary};

/// An unpacked package.
#[derive(Debug)]
pub(crate) struct Unpacked {
    folder: TempDir,
    /// What the archive says of its files, in its order.
    pub(crate) entries: Vec<Entry>,
}

/// What an archive says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) path: String,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) made_on_unix: bool,
}

impl Unpacked {
    /// Packs the only function of a project for `platform`, and unpacks it.
    #[track_caller]
    pub(crate) fn from(project: &Project, platform: ProviderName) -> Self {
        Self::of(&package(project, platform, "zip"))
    }

    /// Unpacks an archive.
    #[track_caller]
    pub(crate) fn of(archive: &Path) -> Self {
        let folder = temporary();
        let script = repository().join("tests/it/support/unpack.py");
        let listing = run(
            python::interpreter(),
            [script.as_path(), archive, folder.path()],
        );
        let entries = serde_json::from_str(&listing).expect("has the form above");
        Self { folder, entries }
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// What the archive says of a file.
    #[track_caller]
    pub(crate) fn entry(&self, path: &str) -> &Entry {
        self.entries
            .iter()
            .find(|entry| entry.path == path)
            .unwrap_or_else(|| panic!("no `{path}` in {:#?}", self.entries))
    }

    /// Starts it behind the protocol of `platform`.
    pub(crate) async fn start(&self, platform: ProviderName, function: &str) -> LocalFunction {
        LocalFunction::start(&Start {
            platform,
            root: self.root(),
            service: &"tests".parse().expect("is a name"),
            stage: &"dev".parse().expect("is a name"),
            function: &function.parse().expect("is a name"),
            region: None,
            memory: Memory::mib(512),
            timeout: Seconds::new(30),
            environment: &BTreeMap::new(),
        })
        .await
        .unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Packs the only function of a project; the archive of this format.
#[track_caller]
pub(crate) fn package(project: &Project, platform: ProviderName, extension: &str) -> PathBuf {
    let folder = project.folder().join("packages").join(platform.as_str());
    let output = folder.to_str().expect("is text");
    project
        .mlfn([
            "package",
            "--platform",
            platform.as_str(),
            "--output",
            output,
        ])
        .run()
        .success();
    archive_in(&folder, extension)
}

/// The only file with this extension.
#[track_caller]
pub(crate) fn archive_in(folder: &Path, extension: &str) -> PathBuf {
    let files = fs_err::read_dir(folder)
        .expect("lists")
        .map(|entry| entry.expect("lists").path());
    let is_wanted = |path: &PathBuf| path.to_string_lossy().ends_with(&format!(".{extension}"));
    let mut archives: Vec<PathBuf> = files.filter(is_wanted).collect();
    let archive = archives.pop();
    assert!(archives.is_empty(), "more than one: {archives:?}");
    archive.unwrap_or_else(|| panic!("no .{extension} in {}", folder.display()))
}
