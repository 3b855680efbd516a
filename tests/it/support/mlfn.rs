//! Runs mlfn as its users do: the real binary, in a project of its own, with an empty home.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mlfn_testkit::python;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::place::{repository, shared_cache, temporary};

/// No run takes longer, not even the first, which unpacks the runtime library.
const LIMIT: Duration = Duration::from_mins(5);

/// A folder with a manifest in it, and an empty home beside it.
#[derive(Debug)]
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// Without any file.
    #[track_caller]
    pub(crate) fn empty() -> Self {
        let project = Self {
            folder: temporary(),
        };
        for folder in [project.folder(), project.home()] {
            fs_err::create_dir_all(folder).expect("makes a folder");
        }
        project
    }

    /// With the files of `examples/<name>`.
    #[track_caller]
    pub(crate) fn copy_of(name: &str) -> Self {
        let project = Self::empty();
        copy(&repository().join("examples").join(name), &project.folder());
        project
    }

    /// Adds a file, or replaces it.
    #[track_caller]
    pub(crate) fn with_file(self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        let path = self.folder().join(path);
        fs_err::create_dir_all(path.parent().expect("has a parent")).expect("makes a folder");
        fs_err::write(path, contents).expect("writes");
        self
    }

    /// The folder with the manifest.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// The empty home.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// `mlfn <arguments>` in this folder.
    pub(crate) fn mlfn<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Mlfn {
        let arguments = arguments
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let mlfn = Mlfn {
            arguments,
            folder: self.folder(),
            environment: BTreeMap::new(),
            stdin: Vec::new(),
            umask: None,
        };
        mlfn.env("HOME", self.home())
            .env("XDG_CACHE_HOME", shared_cache())
            .env("LANG", "C.UTF-8")
            .env("PATH", search_path())
            // Everything that comes through pip has been fetched before, with pinned versions.
            .env("PIP_NO_INDEX", "1")
            .env("PIP_FIND_LINKS", python::wheels())
    }
}

/// A command line to run.
#[derive(Debug)]
pub(crate) struct Mlfn {
    arguments: Vec<OsString>,
    folder: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    stdin: Vec<u8>,
    umask: Option<&'static str>,
}

impl Mlfn {
    /// Sets a variable. Those of the tests' own environment are not passed on.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// What it can read from its standard input; nothing by default.
    pub(crate) fn stdin(mut self, text: &str) -> Self {
        text.as_bytes().clone_into(&mut self.stdin);
        self
    }

    /// The bits that new files do not get, in octal.
    pub(crate) fn umask(mut self, umask: &'static str) -> Self {
        self.umask = Some(umask);
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Output {
        let command: Vec<_> = self
            .arguments
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        let command = format!("mlfn {}", command.join(" "));
        // On a thread of its own, so that asynchronous tests can call this, too.
        let run = || runtime().block_on(async { tokio::time::timeout(LIMIT, self.output()).await });
        let output = std::thread::scope(|scope| scope.spawn(run).join()).expect("does not panic");
        let output = output.unwrap_or_else(|_| panic!("`{command}` takes too long"));
        Output {
            command,
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }

    /// Runs it, with its standard input open, until it has said `cue` on stderr; then it is
    /// interrupted as by Ctrl-C. Returns its exit code.
    pub(crate) async fn interrupt_at(self, cue: &str) -> Option<i32> {
        let mut child = self.command().spawn().expect("mlfn starts");
        let _stdin = child.stdin.take();
        let id = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .expect("runs");
        let interrupt = async {
            let mut lines = BufReader::new(child.stderr.take().expect("is piped")).lines();
            while let Some(line) = lines.next_line().await.expect("reads") {
                if line.contains(cue) {
                    kill_process(id, Signal::INT).expect("runs");
                }
            }
            child.wait().await.expect("ends")
        };
        let status = tokio::time::timeout(LIMIT, interrupt)
            .await
            .expect("ends in time");
        status.code()
    }

    /// Starts it, to read what it writes to stdout while it runs.
    pub(crate) fn follow(self) -> Following {
        let mut child = self.command().spawn().expect("mlfn starts");
        let stdout = child.stdout.take().expect("is piped");
        Following {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// Runs it to its end, whose code is the answer. `started` gets its process id at once.
    pub(crate) async fn watched(self, started: impl FnOnce(u32)) -> Option<i32> {
        let mut child = self.command().spawn().expect("mlfn starts");
        started(child.id().expect("runs"));
        drop(child.stdin.take());
        let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        output.expect("ends in time").expect("ends").status.code()
    }

    /// Starts `mlfn emulate`, and waits until it serves.
    pub(crate) async fn serve(self) -> Emulation {
        let mut child = self
            .env("MLFN_JSON", "1")
            .command()
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let serving = async {
            while let Some(line) = lines.next_line().await.expect("reads") {
                let line: Json = serde_json::from_str(&line).expect("is JSON");
                if line["type"] == "serving" {
                    return line["url"].as_str().expect("is text").to_owned();
                }
            }
            let mut log = String::new();
            let mut stderr = child.stderr.take().expect("is piped");
            stderr.read_to_string(&mut log).await.expect("reads");
            panic!("it does not serve: {log}");
        };
        let url = tokio::time::timeout(LIMIT, serving).await;
        let url = url.expect("serves in time");
        // What it says must not fill the pipe, on which it would wait.
        let mut stderr = child.stderr.take().expect("is piped");
        tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        Emulation { child, url }
    }

    async fn output(&self) -> std::process::Output {
        let mut child = self.command().spawn().expect("mlfn starts");
        let mut stdin = child.stdin.take().expect("has a standard input");
        // A program that does not read its input may close it.
        let write = async {
            let _ = stdin.write_all(&self.stdin).await;
            drop(stdin);
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        output.expect("mlfn ends")
    }

    fn command(&self) -> Command {
        let binary = env!("CARGO_BIN_EXE_mlfn-under-test");
        let mut command = match self.umask {
            None => Command::new(binary),
            Some(umask) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", r#"umask "$0" && exec "$@""#, umask, binary]);
                shell
            }
        };
        command
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// A command that goes on until it is interrupted. It writes no more to stderr than a pipe holds.
#[derive(Debug)]
pub(crate) struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    /// The next line, which is JSON.
    pub(crate) async fn json(&mut self) -> Json {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
        let line = line.expect("comes in time").expect("reads");
        let line = line.expect("goes on");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Interrupts it as Ctrl-C does. Returns its exit code.
    pub(crate) async fn interrupt(self) -> Option<i32> {
        interrupted(self.child).await.code()
    }
}

/// A running `mlfn emulate`.
#[derive(Debug)]
pub(crate) struct Emulation {
    child: Child,
    /// Where it answers.
    pub(crate) url: String,
}

impl Emulation {
    /// Interrupts it as Ctrl-C does; it must end well.
    pub(crate) async fn stop(self) {
        assert_eq!(interrupted(self.child).await.code(), Some(0));
    }
}

/// How it ends when it is interrupted as by Ctrl-C.
async fn interrupted(mut child: Child) -> ExitStatus {
    let id = child.id().map(u32::cast_signed);
    let id = id.and_then(Pid::from_raw).expect("runs");
    kill_process(id, Signal::INT).expect("runs");
    let status = tokio::time::timeout(LIMIT, child.wait()).await;
    status.expect("ends in time").expect("ends")
}

/// What a run has said.
#[derive(Debug)]
pub(crate) struct Output {
    command: String,
    /// None after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// It must have ended well.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    /// It must have ended with this code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// It must have said this on stderr, among other things.
    #[track_caller]
    pub(crate) fn stderr_has(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "`{text}` is not on stderr of {self}"
        );
        self
    }

    /// Stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON ({error}): {self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "`{command}`, which ended with {code:?}\nstdout:\n{stdout}\nstderr:\n{stderr}"
        )
    }
}

/// The interpreter that the tests use comes first: what is called `python3` may be a script that
/// needs the home of its user.
fn search_path() -> OsString {
    let folder = python::interpreter()
        .parent()
        .expect("is in a folder")
        .to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("was a path before")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("makes a runtime")
}

/// Copies files and folders, with new times.
#[track_caller]
pub(crate) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).expect("makes a folder");
    for entry in fs_err::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("has a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            let contents = fs_err::read(entry.path()).expect("reads");
            fs_err::write(to, contents).expect("writes");
        }
    }
}
