//! The Python files of a package, run by Python.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a failing helper is a failing test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mlfn_core::{GcpEngine, PackageSpec, Provider as _, ProviderName};
use mlfn_gcp::Gcp;
use mlfn_testkit::service;
use tempfile::TempDir;

/// Says how it was started.
const FAKE_PROGRAM: &str =
    "#!/bin/sh\necho \"started in $MLFN_ROOT with <$PYTHONPATH> and $GREETING\"\n";

/// A package in a folder, with a program that says how it was started.
struct Package {
    folder: TempDir,
}

impl Package {
    fn new(program: &[u8], mode: u32) -> Self {
        let folder = TempDir::new().expect("a folder");
        for file in spec(GcpEngine::Functions).files {
            fs_err::write(folder.path().join(file.path), file.contents).expect("writes");
        }
        let path = folder.path().join("bootstrap");
        fs_err::write(&path, program).expect("writes");
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(&path, permissions).expect("sets the mode");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Python in the package's folder, as an instance has it.
    fn python(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("PYTHONPATH")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("K_SERVICE", "iris-dev-classifier")
            .env("PORT", "8080")
            .env("GREETING", "two words")
            .stdin(Stdio::null());
        command
    }

    fn greeting(&self) -> String {
        format!(
            "started in {} with <> and two words\n",
            self.path().display()
        )
    }
}

fn spec(engine: GcpEngine) -> PackageSpec {
    let service = service(ProviderName::Gcp, |s| s.functions[0].gcp.engine = engine);
    Gcp.package(&service, &service.functions[0])
}

#[track_caller]
fn run(command: &mut Command) -> Output {
    command
        .output()
        .expect("python3 is needed to test the launcher")
}

#[track_caller]
fn stdout(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn importing_main_in_an_instance_becomes_the_program() {
    let package = Package::new(FAKE_PROGRAM.as_bytes(), 0o755);
    let output = run(&mut package.python(&["-c", "import main; print('still Python')"]));
    assert_eq!(stdout(&output), package.greeting());
}

#[test]
fn pythonpath_alone_is_enough_and_is_taken_away() {
    let package = Package::new(FAKE_PROGRAM.as_bytes(), 0o755);
    let mut python = package.python(&["-c", "print('still Python')"]);
    let output = run(python.env("PYTHONPATH", package.path()));
    assert_eq!(stdout(&output), package.greeting());
}

#[test]
fn the_process_stays_the_same() {
    let package = Package::new(b"#!/bin/sh\necho $$\n", 0o755);
    let mut python = package.python(&["-c", "import main"]);
    let child = python.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("python3 is needed to test the launcher");
    let id = child.id();
    let output = child.wait_with_output().expect("ends");
    assert_eq!(stdout(&output), format!("{id}\n"));
}

#[test]
fn nothing_starts_while_the_package_is_built() {
    let package = Package::new(FAKE_PROGRAM.as_bytes(), 0o755);
    for missing in ["K_SERVICE", "PORT"] {
        let import = "import main; print('built', callable(main.handler))";
        let mut python = package.python(&["-c", import]);
        let output = run(python.env("PYTHONPATH", package.path()).env_remove(missing));
        assert_eq!(stdout(&output), "built True\n", "without {missing}");
    }
}

#[test]
fn the_build_can_compile_every_file() {
    let package = Package::new(FAKE_PROGRAM.as_bytes(), 0o755);
    let mut python = package.python(&["-m", "compileall", "-f", "-q", "."]);
    assert_eq!(stdout(&run(python.env_remove("K_SERVICE"))), "");
}

#[test]
fn a_lost_permission_to_execute_is_restored() {
    let package = Package::new(FAKE_PROGRAM.as_bytes(), 0o644);
    let output = run(&mut package.python(&["-c", "import main"]));
    assert_eq!(stdout(&output), package.greeting());
}

/// Python itself, as a file that is certainly a program for this machine.
fn interpreter() -> (PathBuf, String) {
    let say = "import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)";
    let output = run(Command::new("python3").args(["-c", say]));
    let text = stdout(&output);
    let (program, home) = text.trim_end().split_once('\n').expect("two lines");
    (program.into(), home.to_owned())
}

#[test]
fn where_nothing_may_be_executed_the_loader_starts_the_program() {
    let (program, home) = interpreter();
    let package = Package::new(&fs_err::read(program).expect("reads"), 0o444);
    // Takes the permission to change permissions away, which root always has.
    let launch = "import os, mlfn_boot\n\
                  def refuse(*_): raise PermissionError('read-only')\n\
                  os.chmod = refuse\n\
                  mlfn_boot.start()";
    let script = package.path().join("script.py");
    fs_err::write(
        &script,
        "import os; print('started in', os.environ['MLFN_ROOT'])",
    )
    .expect("writes");
    let mut python = package.python(&["-c", launch]);
    let input = fs_err::File::open(&script).expect("opens").into_parts().0;
    let output = run(python.env("PYTHONHOME", home).stdin(input));
    assert_eq!(
        stdout(&output),
        format!("started in {}\n", package.path().display())
    );
}

#[test]
fn what_cannot_be_started_ends_the_instance_with_a_reason() {
    let package = Package::new(b"not a program", 0o755);
    let output = run(&mut package.python(&["-c", "import main; print('still Python')"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let line: serde_json::Value = serde_json::from_slice(&output.stderr).expect("one line of JSON");
    assert_eq!(line["severity"], "CRITICAL");
    let message = line["message"].as_str().expect("a text");
    let path = package.path().join("bootstrap");
    assert!(
        message.starts_with(&format!("mlfn cannot start {} (", path.display())),
        "{message}"
    );
    for way in [
        "as_it_is: ",
        "made_executable: ",
        "by_loader: it is not a program for Linux",
    ] {
        assert!(message.contains(way), "{message}");
    }
}

#[test]
fn a_missing_program_ends_the_instance_even_before_python_is_up() {
    let package = Package::new(b"", 0o755);
    fs_err::remove_file(package.path().join("bootstrap")).expect("removes");
    let mut python = package.python(&["-c", "print('still Python')"]);
    let output = run(python.env("PYTHONPATH", package.path()));
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(1), &b""[..])
    );
}

#[test]
fn both_engines_share_the_files_and_differ_in_the_archive() {
    let [functions, cloud_run] = [GcpEngine::Functions, GcpEngine::CloudRun].map(spec);
    assert_eq!(functions.files, cloud_run.files);
    assert_eq!(functions.formats[0].extension(), "zip");
    assert_eq!(cloud_run.formats[0].extension(), "tar.gz");
    assert_eq!(
        (functions.target.libc.glibc, cloud_run.target.libc.glibc),
        ((2, 35), (2, 39))
    );
    assert_eq!(cloud_run.routes[0].max_packed, Some(262_144_000));
    assert_eq!(
        (functions.max_request, functions.max_response),
        (33_554_432, 33_554_432)
    );
    mlfn_testkit::contract::layout(&functions);
}
