//! What the benchmark runs: models, packages, the floor, AWS's emulator, Python.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use mlfn_shim_contract::{CONFIG_FILE, CONFIG_FORMAT, OutputConfig, ShimConfig};

/// AWS's runtime client for Python and its Runtime Interface Emulator, which is in the wheel of SAM.
const RUNTIME_CLIENT: &str = "awslambdaric==4.2.2";
const SAM_CLI: &str = "aws-sam-cli==1.170.0";

/// The library in the wheel of ONNX Runtime, which pip installs for the Python handler anyway.
pub(in crate::bench) const LIBRARY: &str = "onnxruntime/capi/libonnxruntime.so.1.31.1";

/// The models, smallest first.
pub(super) const MODELS: [&str; 4] = ["iris", "forest", "mobilenet", "transformer"];

/// Those of them that tract runs.
pub(super) const WITH_TRACT: [&str; 2] = ["iris", "forest"];

/// Everything, on disk.
pub(super) struct Setup {
    pub(super) root: PathBuf,
    pub(super) rie: PathBuf,
    pub(super) python: PathBuf,
    pub(super) library: PathBuf,
    pub(super) floor: PathBuf,
}

impl Setup {
    /// Makes what is not there yet under `target/bench/cold`.
    pub(super) fn make(repository: &Path) -> anyhow::Result<Self> {
        let root = repository.join("target/bench/cold");
        fs_err::create_dir_all(root.join("models"))?;
        let python = python(repository, &root)?;
        let setup = Self {
            rie: root.join("rie"),
            library: site_packages(&python)?.join(LIBRARY),
            floor: root.join("floor"),
            python,
            root,
        };
        setup.take_rie(repository)?;
        setup.make_models(repository)?;
        setup.build_floor(repository)?;
        setup.make_packages(repository)?;
        // What is not yet on disk cannot be forgotten.
        rustix::fs::sync();
        Ok(setup)
    }

    /// The model as somebody exported it.
    pub(super) fn model(&self, name: &str) -> PathBuf {
        self.root.join(format!("models/{name}.onnx"))
    }

    /// The folder of a package.
    pub(super) fn package(&self, name: &str, optimized: bool) -> PathBuf {
        let kind = if optimized { "optimized" } else { "plain" };
        self.root.join(format!("packages/{name}-{kind}"))
    }

    /// The folder of a package for tract.
    pub(super) fn tract_package(&self, name: &str) -> PathBuf {
        self.root.join(format!("packages/{name}-tract"))
    }

    /// Where the Python handler lies.
    pub(super) fn handler(&self) -> PathBuf {
        self.root.join("handler")
    }

    /// What a cold Python process reads.
    pub(super) fn python_packages(&self) -> anyhow::Result<PathBuf> {
        site_packages(&self.python)
    }

    fn take_rie(&self, repository: &Path) -> anyhow::Result<()> {
        if self.rie.exists() {
            return Ok(());
        }
        let wheel = self.root.join("sam");
        let mut pip = Command::new(&self.python);
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            SAM_CLI,
            "--dest",
        ]);
        run(pip.arg(&wheel))?;
        let script = repository.join("providers/testkit/scripts/take_rie.py");
        run(Command::new(&self.python)
            .arg(script)
            .arg(&wheel)
            .arg(&self.rie))
    }

    fn make_models(&self, repository: &Path) -> anyhow::Result<()> {
        fs_err::copy(
            repository.join("examples/iris/model.onnx"),
            self.model("iris"),
        )?;
        if self.model("transformer").exists() {
            return Ok(());
        }
        let script = repository.join("cli/crates/dev/python/make_models.py");
        let models = self.root.join("models");
        run(Command::new(&self.python).arg(script).arg(models))
    }

    fn build_floor(&self, repository: &Path) -> anyhow::Result<()> {
        let source = repository.join("cli/crates/dev/src/bench/cold/floor.c");
        let mut compiler = Command::new("cc");
        compiler
            .arg("-O2")
            .arg("-o")
            .arg(&self.floor)
            .arg(source)
            .arg("-ldl");
        run(&mut compiler)
    }

    fn make_packages(&self, repository: &Path) -> anyhow::Result<()> {
        fs_err::create_dir_all(self.handler())?;
        let handler = repository.join("cli/crates/dev/src/bench/cold/handler.py");
        fs_err::copy(handler, self.handler().join("handler.py"))?;
        let shim = build_shim(repository)?;
        for name in MODELS {
            for optimized in [false, true] {
                self.make_package(name, &shim, optimized)?;
            }
        }
        let shim = build_shim_with(repository, "tract", "shim-tract")?;
        let mut names = WITH_TRACT.iter();
        names.try_for_each(|name| self.make_tract_package(name, &shim))
    }

    fn make_tract_package(&self, name: &str, shim: &Path) -> anyhow::Result<()> {
        let folder = self.tract_package(name);
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        fs_err::create_dir_all(folder.join("model"))?;
        fs_err::copy(shim, folder.join("bootstrap"))?;
        let config = ShimConfig {
            library: String::new(),
            ..config()
        };
        share(&self.model(name), &folder.join(&config.model))?;
        let config = serde_json::to_vec(&config)?;
        Ok(fs_err::write(folder.join(CONFIG_FILE), config)?)
    }

    fn make_package(&self, name: &str, shim: &Path, optimized: bool) -> anyhow::Result<()> {
        let folder = self.package(name, optimized);
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        for part in ["lib", "model"] {
            fs_err::create_dir_all(folder.join(part))?;
        }
        fs_err::copy(shim, folder.join("bootstrap"))?;
        share(&self.library, &folder.join("lib/libonnxruntime.so"))?;
        let mut config = config();
        let target = folder.join(&config.model);
        share(&self.model(name), &target)?;
        if optimized && let Some(graph) = mlfn_model::mapped(&target)? {
            fs_err::write(folder.join("model/graph.onnx"), graph)?;
            config.graph = Some("model/graph.onnx".to_owned());
        }
        Ok(fs_err::write(
            folder.join(CONFIG_FILE),
            serde_json::to_vec(&config)?,
        )?)
    }
}

/// The same file for all who are compared: how a copy lies in the page cache, in large pieces or page by
/// page, makes a third of a start, and is a matter of chance.
fn share(file: &Path, to: &Path) -> anyhow::Result<()> {
    if fs_err::hard_link(file, to).is_err() {
        // It is on another disk.
        fs_err::copy(file, to)?;
    }
    Ok(())
}

pub(in crate::bench) fn config() -> ShimConfig {
    ShimConfig {
        format: CONFIG_FORMAT,
        service: "bench".to_owned(),
        stage: "dev".to_owned(),
        function: "model".to_owned(),
        model: "model/model.onnx".to_owned(),
        model_sha256: "0".to_owned(),
        library: "lib/libonnxruntime.so".to_owned(),
        library_in_layer: false,
        inputs: BTreeMap::default(),
        output: OutputConfig::default(),
        example: None,
        max_request: 6 << 20,
        max_response: 6 << 20,
        timeout: 60,
        routes: Vec::new(),
        schedules: BTreeMap::default(),
        graph: None,
        batching: None,
        record_batches: false,
        steady: true,
        fetched: BTreeMap::new(),
    }
}

/// A virtual environment with what trains the examples and what runs them on Lambda.
pub(in crate::bench) fn python(repository: &Path, root: &Path) -> anyhow::Result<PathBuf> {
    environment(repository, root, RUNTIME_CLIENT)
}

/// A virtual environment in `root` with what trains the examples, and one package more.
pub(in crate::bench) fn environment(
    repository: &Path,
    root: &Path,
    package: &str,
) -> anyhow::Result<PathBuf> {
    let folder = root.join("python");
    let (python, done) = (folder.join("bin/python"), folder.join("done"));
    if done.exists() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", package]);
    pip.arg("--requirement");
    run(pip.arg(repository.join("examples/requirements.txt")))?;
    fs_err::write(done, "")?;
    Ok(python)
}

pub(in crate::bench) fn site_packages(python: &Path) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(python);
    command.args([
        "-c",
        "import sysconfig; print(sysconfig.get_path('purelib'))",
    ]);
    let output = command.output().context("running Python")?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// The binary that packages hold, where the command line's build leaves it too.
pub(in crate::bench) fn build_shim(repository: &Path) -> anyhow::Result<PathBuf> {
    build_shim_with(repository, "onnxruntime", "shim")
}

fn build_shim_with(repository: &Path, engine: &str, profile: &str) -> anyhow::Result<PathBuf> {
    let target = repository.join("target/embedded-shim");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--package", "mlfn-shim", "--no-default-features"])
        .args(["--features", engine, "--profile", profile, "--target-dir"]);
    run(cargo.arg(&target).current_dir(repository))?;
    Ok(target.join(profile).join("mlfn-shim"))
}

pub(in crate::bench) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {errors}");
    Ok(())
}
