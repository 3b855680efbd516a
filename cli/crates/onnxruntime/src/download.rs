//! Lets pip or uv get the wheel, with the user's own settings: index, proxy, certificates.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::error::FetchError;
use crate::library::Progress;
use crate::platform::{Pin, Platform};

/// How many lines of what pip said are shown.
const OUTPUT_LINES: usize = 12;

/// A way to run pip or uv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// A name that is looked up in `PATH`, or a path.
    pub program: OsString,
    /// What comes before pip's own arguments, e.g. `-m pip`.
    pub arguments: Vec<String>,
    /// Which arguments it understands.
    pub tool: Tool,
}

/// Which arguments a program understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `pip download`.
    Pip,
    /// `uv pip install`; uv cannot download without installing.
    Uv,
}

impl Candidate {
    /// All that a machine may have, best first.
    pub fn standard() -> Vec<Self> {
        let candidate = |program: &str, arguments: &[&str], tool| Self {
            program: program.into(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            tool,
        };
        vec![
            candidate("python3", &["-m", "pip"], Tool::Pip),
            candidate("python", &["-m", "pip"], Tool::Pip),
            candidate("pip3", &[], Tool::Pip),
            candidate("pip", &[], Tool::Pip),
            candidate("uv", &["pip"], Tool::Uv),
        ]
    }

    /// As typed in a shell.
    fn shown(&self) -> String {
        let program = self.program.to_string_lossy().into_owned();
        [vec![program], self.arguments.clone()].concat().join(" ")
    }
}

/// What to get, and where to put it.
pub(crate) struct Job<'a> {
    pub(crate) platform: Platform,
    pub(crate) pin: &'a Pin,
    /// Empty, and nobody else's.
    pub(crate) folder: &'a Path,
    pub(crate) progress: &'a dyn Fn(Progress<'_>),
}

/// Where the library can be taken from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Wheel(PathBuf),
    Installed(PathBuf),
}

/// How a try ended.
enum Attempt {
    Done(Source),
    /// There is no such program.
    Absent,
    /// Another program may do better: this one may be too old.
    Failed(FetchError),
    /// Another program would meet the same.
    Hopeless(FetchError),
}

impl Job<'_> {
    /// Tries the candidates one by one.
    pub(crate) fn run(&self, candidates: &[Candidate]) -> Result<Source, FetchError> {
        let mut failure = None;
        for candidate in candidates {
            match self.attempt(candidate)? {
                Attempt::Done(source) => return Ok(source),
                Attempt::Hopeless(error) => return Err(error),
                Attempt::Absent => {}
                Attempt::Failed(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| FetchError::NoPip {
            tried: candidates.iter().map(Candidate::shown).collect(),
        }))
    }

    fn attempt(&self, candidate: &Candidate) -> Result<Attempt, FetchError> {
        let folder = tempfile::tempdir_in(self.folder).map_err(|error| self.failed(error))?;
        // What it leaves is wanted after this call; the job's own folder is removed later.
        let folder = folder.keep();
        let mut command = self.command(candidate, &folder)?;
        let shown = shown(&command);
        (self.progress)(Progress::Fetching {
            version: self.pin.version,
            platform: self.platform,
            command: &shown,
        });
        match command.output() {
            Ok(output) if output.status.success() => self.find(candidate, &folder, &shown),
            Ok(output) => Ok(self.judge(&output, shown)),
            Err(error) if is_absent(&error) => Ok(Attempt::Absent),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn command(&self, candidate: &Candidate, folder: &Path) -> Result<Command, FetchError> {
        let Pin {
            version,
            wheel_sha256,
            ..
        } = self.pin;
        let requirements = folder.join("requirements.txt");
        let line = format!("onnxruntime=={version} --hash=sha256:{wheel_sha256}\n");
        fs_err::write(&requirements, line).map_err(|error| self.failed(error))?;
        let mut command = Command::new(&candidate.program);
        command.args(&candidate.arguments).stdin(Stdio::null());
        match candidate.tool {
            Tool::Pip => self.pip(&mut command, folder),
            Tool::Uv => self.uv(&mut command, folder),
        }
        command.arg("-r").arg(requirements);
        Ok(command)
    }

    fn pip(&self, command: &mut Command, folder: &Path) {
        command
            // `python -m` imports from the working folder first: not from the user's project.
            .current_dir(folder)
            // Nothing is installed, so those who forbid themselves to install are not in the way.
            .env("PIP_REQUIRE_VIRTUALENV", "false")
            .args(["download", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary=:all:", "--require-hashes"])
            .args(["--platform", self.pin.pip_platform])
            .args(["--python-version", "312"])
            .args(["--implementation", "cp", "--abi", "cp312"])
            .arg("--dest")
            .arg(folder);
    }

    fn uv(&self, command: &mut Command, folder: &Path) {
        if self.platform == Platform::MacosArm64 {
            // uv takes macOS 13 for the target otherwise, which the wheel is too new for.
            command.env("MACOSX_DEPLOYMENT_TARGET", "14.0");
        }
        command
            .args(["install", "--quiet", "--no-deps"])
            .args(["--only-binary", ":all:", "--require-hashes"])
            .args(["--python-platform", self.pin.uv_platform])
            .args(["--python-version", "3.12"])
            .arg("--target")
            .arg(folder);
    }

    /// What a program left that says it succeeded.
    fn find(
        &self,
        candidate: &Candidate,
        folder: &Path,
        command: &str,
    ) -> Result<Attempt, FetchError> {
        let source = match candidate.tool {
            Tool::Pip => {
                let wheel = wheel_in(folder).map_err(|error| self.failed(error))?;
                wheel.map(Source::Wheel)
            }
            Tool::Uv => {
                let library = folder.join(self.pin.member);
                library.is_file().then_some(Source::Installed(library))
            }
        };
        Ok(match source {
            Some(source) => Attempt::Done(source),
            None => Attempt::Failed(FetchError::Download {
                command: command.to_owned(),
                output: "it says that it succeeded, but there is no wheel".to_owned(),
            }),
        })
    }

    /// Why a program did not succeed.
    fn judge(&self, output: &Output, command: String) -> Attempt {
        let said = String::from_utf8_lossy(&output.stderr);
        // 127 is how a shell says that there is no such command, and so do the shims of pyenv.
        if said.contains("No module named pip") || output.status.code() == Some(127) {
            return Attempt::Absent;
        }
        if let Some(found) = found_hash(&said) {
            return Attempt::Hopeless(FetchError::HashMismatch {
                subject: format!("wheel of onnxruntime {}", self.pin.version),
                expected: self.pin.wheel_sha256.to_owned(),
                found,
            });
        }
        let hopeless = is_disconnected(&said);
        let output = last_lines(&said, output.status);
        let error = FetchError::Download { command, output };
        if hopeless {
            Attempt::Hopeless(error)
        } else {
            Attempt::Failed(error)
        }
    }

    fn failed(&self, source: io::Error) -> FetchError {
        let folder = self.folder.parent().unwrap_or(self.folder).to_owned();
        FetchError::Io { folder, source }
    }
}

fn is_absent(error: &io::Error) -> bool {
    // A file in PATH that cannot be run is as good as none.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}

fn wheel_in(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The digest of the wheel that pip ("Got") or uv ("Computed:") refused.
fn found_hash(said: &str) -> Option<String> {
    let refused = said.contains("DO NOT MATCH THE HASHES") || said.contains("Hash mismatch for");
    if !refused {
        return None;
    }
    let (_, after) = said.rsplit_once("Got ").or(said.rsplit_once("Computed:"))?;
    let found = after.split_whitespace().next().unwrap_or("unknown");
    Some(found.trim_start_matches("sha256:").to_owned())
}

/// Whether pip or uv could not reach its index, after having tried for long enough.
fn is_disconnected(said: &str) -> bool {
    let signs = [
        "after connection broken by",
        "Request failed after",
        "error sending request",
    ];
    signs.iter().any(|sign| said.contains(sign))
}

/// The end of what a program said, with the last of pip's five retries only.
fn last_lines(said: &str, status: ExitStatus) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        let is_retry = |line: &str| line.contains("WARNING: Retrying (");
        if is_retry(line) && lines.last().is_some_and(|last| is_retry(last)) {
            lines.pop();
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return format!("it said nothing ({status})");
    }
    lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n")
}

/// The command as it may be typed again.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}
