//! Python packages that stand on the other side of some tests. Each group is installed on its own,
//! when a test first asks for it; `requirements/` has the versions.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use crate::programs::{self, installed, own_file};

/// Packages that are installed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// Google's functions-framework, and `cloudevents`.
    Google,
    /// boto3, and ministack, an AWS in one process.
    Aws,
    /// moto's server, and all of [`Packages::Aws`].
    Moto,
    /// cargo-lambda, a program in a wheel, for benchmarks.
    CargoLambda,
    /// The part of AWS's SAM CLI that makes sample events.
    SamEvents,
    /// Triton's client of the Open Inference Protocol, and schemathesis, which tests what an
    /// `OpenAPI` document promises.
    Inference,
}

impl Packages {
    const ALL: [Self; 6] = [
        Self::Google,
        Self::Aws,
        Self::Moto,
        Self::CargoLambda,
        Self::SamEvents,
        Self::Inference,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Aws => "aws",
            Self::Moto => "moto",
            Self::CargoLambda => "cargo-lambda",
            Self::SamEvents => "sam-events",
            Self::Inference => "inference",
        }
    }

    fn requirements(self) -> &'static str {
        match self {
            Self::Google => include_str!("../requirements/google.txt"),
            Self::Aws => include_str!("../requirements/aws.txt"),
            Self::Moto => include_str!("../requirements/moto.txt"),
            Self::CargoLambda => include_str!("../requirements/cargo-lambda.txt"),
            Self::SamEvents => include_str!("../requirements/sam-events.txt"),
            Self::Inference => include_str!("../requirements/inference.txt"),
        }
    }

    /// The group that this one stands on.
    fn base(self) -> Option<Self> {
        (self == Self::Moto).then_some(Self::Aws)
    }

    /// Where they are, without those of another group. Installs them, if nobody has.
    ///
    /// # Panics
    ///
    /// If there is no Python with pip, or pip finds no index of packages.
    pub fn folder(self) -> &'static Path {
        static FOLDERS: [OnceLock<PathBuf>; Packages::ALL.len()] =
            [const { OnceLock::new() }; Packages::ALL.len()];
        FOLDERS[self as usize].get_or_init(|| self.install())
    }

    fn install(self) -> PathBuf {
        let recipe = [self.requirements(), about()].join("\n");
        installed(&format!("python-{}", self.name()), &recipe, |folder| {
            let requirements = folder.join("requirements.txt");
            fs_err::write(&requirements, self.requirements()).expect("writes");
            let words = ["--requirement".as_ref(), requirements.as_os_str()];
            pip("install", folder, words, "--target");
        })
    }

    /// For `PYTHONPATH`.
    ///
    /// # Panics
    ///
    /// As [`Packages::folder`].
    pub fn search_path(self) -> OsString {
        let groups = std::iter::successors(Some(self), |group| group.base());
        std::env::join_paths(groups.map(Self::folder)).expect("has no colon in it")
    }

    /// The interpreter with these packages.
    ///
    /// # Panics
    ///
    /// As [`Packages::folder`].
    pub fn command(self) -> Command {
        let mut command = Command::new(interpreter());
        command.env("PYTHONPATH", self.search_path());
        command
    }
}

/// The interpreter itself, not one of the scripts that choose one.
///
/// # Panics
///
/// If there is none.
pub fn interpreter() -> &'static Path {
    Path::new(about().lines().next().expect("prints its path"))
}

/// Path and version of the interpreter.
fn about() -> &'static str {
    static ABOUT: LazyLock<String> = LazyLock::new(|| {
        let script = "import sys; print(sys.executable, sys.version, sep='\\n')";
        run("python3", ["-c", script])
    });
    &ABOUT
}

/// A folder with the wheel of ONNX Runtime for this machine, for pip's `--find-links`; in the
/// version of which mlfn takes the library.
///
/// # Panics
///
/// If pip finds no index of packages.
pub fn wheels() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| wheels_for(std::env::consts::ARCH));
    &FOLDER
}

/// The same for Linux on any processor, `x86_64` or `aarch64`.
///
/// # Panics
///
/// As [`wheels`].
pub fn wheels_for(processor: &str) -> PathBuf {
    const ONNX_RUNTIME: &str = "onnxruntime==1.31.1";
    let platform = format!("--platform=manylinux_2_28_{processor}");
    let recipe = [ONNX_RUNTIME, &platform].join("\n");
    installed("wheels", &recipe, |folder| {
        let words = [
            ONNX_RUNTIME,
            "--only-binary=:all:",
            "--implementation=cp",
            "--python-version=3.12",
            &platform,
        ];
        pip("download", folder, words, "--dest");
    })
}

/// AWS's Runtime Interface Emulator, a program that comes in the wheel of AWS's SAM CLI.
///
/// # Panics
///
/// If pip finds no index of packages.
pub fn rie() -> &'static Path {
    const SAM_CLI: &str = "aws-sam-cli==1.170.0";
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let recipe = [SAM_CLI, std::env::consts::ARCH].join("\n");
        let folder = installed("rie", &recipe, |folder| {
            let wheel = folder.join("wheel");
            pip("download", &wheel, [SAM_CLI], "--dest");
            let script = own_file("scripts/take_rie.py");
            run(interpreter(), [&script, &wheel, &folder.join("rie")]);
            fs_err::remove_dir_all(wheel).expect("removes the wheel");
        });
        folder.join("rie")
    });
    &PROGRAM
}

fn pip<S: AsRef<OsStr>>(
    verb: &str,
    folder: &Path,
    words: impl IntoIterator<Item = S>,
    destination: &str,
) {
    let mut command = Command::new(interpreter());
    command
        .args(["-m", "pip", verb, "--quiet", "--no-deps"])
        .arg("--disable-pip-version-check")
        .args(words)
        .arg(destination)
        .arg(folder);
    output(&mut command);
}

/// Runs a program and returns what it prints.
///
/// # Panics
///
/// If it fails.
pub fn run<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> String {
    output(Command::new(program).args(arguments))
}

/// The same for a command that has been set up further.
///
/// # Panics
///
/// If it fails.
pub fn output(command: &mut Command) -> String {
    let advice = "the tests need Python 3.10 or newer with pip, and at the first time an index of \
                  packages that pip can reach";
    programs::output(command, advice)
}
