//! Everybody who takes part, running.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use mlfn_testkit::python::{self, Packages};
use mlfn_testkit::servers::{Ready, Server};

use super::load::{Sample, Target};
use super::{Competitor, bare};
use crate::bench::machine::built;

/// What each is asked.
const BODY: &str = r#"{"features":[5.1,3.5,1.4,0.2]}"#;

/// The function that does nothing, as AWS's runtime for Rust has it in its manual.
const TRIVIAL_MANIFEST: &str = r#"
[package]
name = "trivial"
version = "0.0.0"
edition = "2024"
[dependencies]
lambda_runtime = "=1.5.0"
serde_json = "1"
tokio = { version = "1", features = ["macros", "rt"] }
[workspace]
"#;

const TRIVIAL: &str = r#"
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let answer = |_: LambdaEvent<Value>| async { Ok::<Value, Error>(json!({ "ok": true })) };
    run(service_fn(answer)).await
}
"#;

/// Everybody who takes part.
pub(super) struct Peers {
    package: PathBuf,
    mlfn: Server,
    rie: Server,
    cargo_lambda: Server,
}

impl Peers {
    /// Builds, installs and starts.
    pub(super) fn start(root: &Path) -> anyhow::Result<Self> {
        let work = root.join("target/bench/emulator");
        let mlfn = built(root, &["--workspace"], "mlfn")?;
        let package = unpack(&mlfn, root, &work.join("package"))?;
        Ok(Self {
            mlfn: serve_mlfn(&mlfn, root),
            rie: serve_rie(&package),
            cargo_lambda: serve_cargo_lambda(&work.join("trivial"))?,
            package,
        })
    }

    /// Measures one.
    pub(super) fn run(
        &self,
        competitor: Competitor,
        connections: usize,
        time: Duration,
    ) -> anyhow::Result<Sample> {
        let (server, function) = match competitor {
            Competitor::Bare => return bare::run(&self.package, BODY, connections, time),
            Competitor::Mlfn => (&self.mlfn, "iris-dev-classifier:live"),
            Competitor::Rie => (&self.rie, "function"),
            Competitor::CargoLambda => (&self.cargo_lambda, "trivial"),
        };
        target(server, function).run(connections, time)
    }

    /// The resident memory of `mlfn emulate` in KiB, after each of `looks` parts of `requests`.
    pub(super) fn memory_over(&self, requests: usize, looks: usize) -> anyhow::Result<Vec<u64>> {
        const CONNECTIONS: usize = 4;
        let target = target(&self.mlfn, "iris-dev-classifier:live");
        let look = |_| {
            target.send(CONNECTIONS, requests / looks / CONNECTIONS)?;
            let status = fs_err::read_to_string(format!("/proc/{}/status", self.mlfn.id()))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
            Ok(kib.context("memory is read from Linux's /proc")?.parse()?)
        };
        (0..looks).map(look).collect()
    }

    /// What was measured.
    pub(super) fn versions() -> String {
        let ours = env!("CARGO_PKG_VERSION");
        format!("mlfn {ours}, AWS's emulator of SAM CLI 1.170.0, cargo-lambda 1.9.2")
    }
}

fn target(server: &Server, function: &str) -> Target {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    Target::new(server.port, &path, BODY)
}

/// The package of the iris example in a folder.
fn unpack(mlfn: &Path, root: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let example = root.join("examples/iris");
    let mut package = Command::new(mlfn);
    package.arg("package").arg("-C").arg(&example);
    run(&mut package)?;
    let archive = example.join(".mlfn/package/classifier.dev.aws.zip");
    let mut unzip = Command::new(python::interpreter());
    unzip.args(["-m", "zipfile", "-e"]).arg(archive).arg(folder);
    run(&mut unzip)?;
    // Python leaves the modes of the archive behind.
    let bootstrap = folder.join("bootstrap");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(bootstrap, mode)?;
    Ok(fs_err::canonicalize(folder)?)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {errors}");
    Ok(())
}

fn serve_mlfn(mlfn: &Path, root: &Path) -> Server {
    let ready = Ready::Answering("/2015-03-31/functions/iris-dev-classifier/aliases/live");
    Server::start(mlfn, ready, |command, [port]: [u16; 1]| {
        command
            .args(["emulate", "--quiet", "--port", &port.to_string(), "-C"])
            .arg(root.join("examples/iris"));
    })
}

fn serve_rie(package: &Path) -> Server {
    Server::start(python::rie(), Ready::Listening, |command, [port, api]| {
        command
            .args(["--log-level", "error"])
            .arg("--runtime-interface-emulator-address")
            .arg(format!("127.0.0.1:{port}"))
            .args(["--runtime-api-address", &format!("127.0.0.1:{api}")])
            .arg(package.join("bootstrap"))
            .current_dir(package)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LAMBDA_TASK_ROOT", package);
    })
}

fn serve_cargo_lambda(folder: &Path) -> anyhow::Result<Server> {
    fs_err::create_dir_all(folder.join("src"))?;
    fs_err::write(folder.join("Cargo.toml"), TRIVIAL_MANIFEST)?;
    fs_err::write(folder.join("src/main.rs"), TRIVIAL)?;
    let mut build = Command::new(env!("CARGO"));
    let target = folder.join("target");
    build.args(["build", "--release", "--quiet"]);
    run(build.current_dir(folder).env("CARGO_TARGET_DIR", &target))?;
    let program = Packages::CargoLambda.folder().join("bin/cargo-lambda");
    let server = Server::start(program, Ready::Listening, |command, [port]: [u16; 1]| {
        command
            .args(["lambda", "watch", "--release", "--ignore-changes"])
            .args(["-A", "127.0.0.1", "-P", &port.to_string()])
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", &target);
    });
    Ok(server)
}
