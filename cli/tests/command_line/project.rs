//! A project of its own for a test, with an empty home, and a local cloud that ends with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::mlfn;

const IRIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/iris");

/// `examples/iris` in a folder of its own.
#[derive(Debug)]
pub(crate) struct Project {
    home: TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    pub(crate) fn iris() -> Self {
        let home = tempfile::tempdir().expect("creates");
        let project = Self { home };
        fs_err::create_dir_all(project.folder()).expect("creates");
        for file in ["serverless.yaml", "model.onnx"] {
            let from = Path::new(IRIS).join(file);
            fs_err::copy(from, project.folder().join(file)).expect("copies");
        }
        project
    }

    /// The folder of the manifest.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join("iris")
    }

    /// `mlfn <words>` in it, on this machine.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = mlfn(&self.home, words);
        // The runtime library is unpacked once for all tests.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        let cache = target.expect("is in the target folder").join("test-cache");
        command
            .env("XDG_CACHE_HOME", cache)
            .env("MLFN_PROVIDER", "local")
            .current_dir(self.folder());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, words: &str) -> Run {
        self.command(words).output().expect("starts").into()
    }

    /// Runs it, and it ends as it should.
    #[track_caller]
    pub(crate) fn expect(&self, words: &str, code: i32) -> Run {
        let run = self.run(words);
        assert_eq!(
            run.code,
            Some(code),
            "{words}\n{}{}",
            run.stdout,
            run.stderr
        );
        run
    }

    /// Changes the manifest.
    #[track_caller]
    pub(crate) fn replace(&self, from: &str, to: &str) {
        let path = self.folder().join("serverless.yaml");
        let text = fs_err::read_to_string(&path).expect("reads");
        assert!(text.contains(from), "{text}");
        fs_err::write(&path, text.replace(from, to)).expect("writes");
    }

    /// Every file in the home and below, relative to it.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(self.home.path(), self.home.path(), &mut files);
        files.sort();
        files
    }

    /// The command lines of the processes that were started for this project.
    pub(crate) fn processes(&self) -> Vec<String> {
        let line = |id: &String| {
            let line = fs_err::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ")
        };
        self.process_ids().iter().map(line).collect()
    }

    /// The local cloud of this project, and what it started: those whose folder is in the home.
    pub(crate) fn process_ids(&self) -> Vec<String> {
        let home = self.home.path().canonicalize().expect("is there");
        let entries = fs_err::read_dir("/proc").expect("reads").flatten();
        let ids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        ids.filter(|id| id.parse::<u32>().is_ok())
            .filter(|id| {
                let folder = fs_err::read_link(format!("/proc/{id}/cwd"));
                folder.is_ok_and(|folder| folder.starts_with(&home))
            })
            .collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = self.command("remove --yes --quiet").output();
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// The lines of `--json`.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Json> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("is JSON"))
            .collect()
    }

    /// The document of `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).expect("is JSON")
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs_err::read_dir(folder).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let path = path.strip_prefix(root).expect("is below");
            files.push(path.display().to_string());
        }
    }
}
