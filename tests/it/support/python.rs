//! The Python packages that stand on the other side of some tests, installed once under
//! `target/test-python/`, with exact versions.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use mlfn_core::Digest;

use super::place::{repository, target};

/// ONNX Runtime, of which mlfn takes the library; the version that it pins.
const ONNX_RUNTIME: &str = "onnxruntime==1.31.1";

/// AWS's Runtime Interface Emulator comes in this wheel, of which nothing else is used.
const SAM_CLI: &str = "aws-sam-cli==1.170.0";

/// Changes when the steps below do, so that older folders are not taken for complete.
const RECIPE: &str = "1";

/// What is installed.
#[derive(Debug)]
pub(crate) struct Python {
    /// The interpreter itself, not one of the scripts that choose one.
    pub(crate) executable: PathBuf,
    /// For `PYTHONPATH`: what `requirements.txt` names.
    pub(crate) packages: PathBuf,
    /// Wheels of ONNX Runtime, for pip's `--find-links`.
    pub(crate) wheels: PathBuf,
    /// AWS's Runtime Interface Emulator.
    pub(crate) rie: PathBuf,
}

/// Installs everything, if no other run has, or waits for the one that does.
pub(crate) fn python() -> &'static Python {
    static PYTHON: LazyLock<Python> = LazyLock::new(set_up);
    &PYTHON
}

impl Python {
    /// The interpreter with the packages.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.env("PYTHONPATH", &self.packages);
        command
    }
}

fn set_up() -> Python {
    let about = run(
        "python3",
        [
            "-c",
            "import sys; print(sys.executable, sys.version, sep='\\n')",
        ],
    );
    let executable = PathBuf::from(about.lines().next().expect("prints its path"));
    let requirements = repository().join("tests/requirements.txt");
    let text = fs_err::read_to_string(&requirements).expect("is in the repository");
    let recipe = [RECIPE, ONNX_RUNTIME, SAM_CLI, &text, &about].join("\n");
    let parent = target().join("test-python");
    let folder = parent.join(Digest::of(recipe.as_bytes()).short());

    fs_err::create_dir_all(&parent).expect("makes the folder");
    let lock = fs_err::File::create(parent.join("lock")).expect("opens the lock");
    lock.file().lock().expect("locks");
    if !folder.exists() {
        let unfinished = tempfile::tempdir_in(&parent).expect("makes a folder");
        install(&executable, &requirements, unfinished.path());
        fs_err::rename(unfinished.keep(), &folder).expect("moves the folder into place");
    }
    Python {
        executable,
        packages: folder.join("packages"),
        wheels: folder.join("wheels"),
        rie: folder.join("rie"),
    }
}

fn install(python: &Path, requirements: &Path, folder: &Path) {
    let sam = folder.join("sam");
    let common = ["--quiet", "--no-deps", "--disable-pip-version-check"].map(OsStr::new);
    let pip = |verb: &str, words: &[&OsStr]| {
        let start = ["-m", "pip", verb].map(OsStr::new);
        run(python, [&start, &common, words].concat());
    };
    pip(
        "install",
        &[
            "--target".as_ref(),
            folder.join("packages").as_ref(),
            "--requirement".as_ref(),
            requirements.as_ref(),
        ],
    );
    pip(
        "download",
        &[SAM_CLI.as_ref(), "--dest".as_ref(), sam.as_ref()],
    );
    let machine = std::env::consts::ARCH;
    pip(
        "download",
        &[
            ONNX_RUNTIME.as_ref(),
            "--only-binary=:all:".as_ref(),
            "--implementation=cp".as_ref(),
            "--python-version=3.12".as_ref(),
            format!("--platform=manylinux_2_28_{machine}").as_ref(),
            "--dest".as_ref(),
            folder.join("wheels").as_ref(),
        ],
    );
    let script = repository().join("tests/it/support/take_rie.py");
    run(
        python,
        [
            script.as_os_str(),
            sam.as_os_str(),
            folder.join("rie").as_os_str(),
        ],
    );
    fs_err::remove_dir_all(sam).expect("removes the wheel");
}

/// Runs a program and returns what it prints.
pub(crate) fn run<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    output(&mut command)
}

/// The same for a command that has been set up further.
pub(crate) fn output(command: &mut Command) -> String {
    const ADVICE: &str = "the tests need Python 3.10 or newer with pip, and at the first time an \
                          index of packages that pip can reach";
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {ADVICE}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{command:?} failed; {ADVICE}\n{stdout}{stderr}"
    );
    stdout
}
