//! What is deployed: a function with a model of 16 MB, a role, a URL and a schedule. All deploy the
//! same files, those of mlfn's package.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use mlfn_testkit::python;

use crate::bench::machine::built;
use crate::bench::package::{field, number, text};

/// The shape of the matrix of random numbers that is the model.
const ROWS: u64 = 1000;
const COLUMNS: u64 = 4000;

/// The memory of the function in MB, before and after it is changed.
const MEMORY: [u32; 2] = [512, 1024];

/// The project, and the files of its package.
pub(super) struct Subject {
    pub(super) mlfn: PathBuf,
    /// With the manifest.
    pub(super) project: PathBuf,
    /// What is in the package, for those who pack it themselves.
    pub(super) files: PathBuf,
    models: [Vec<u8>; 2],
    memory: Cell<u32>,
    bytes: u64,
}

impl Subject {
    pub(super) fn new(root: &Path, is_quick: bool) -> anyhow::Result<Self> {
        let work = root.join("target/bench/deploy");
        let mut subject = Self {
            mlfn: if is_quick {
                root.join("target/debug/mlfn")
            } else {
                built(root, &["--workspace"], "mlfn")?
            },
            project: work.join("project"),
            files: work.join("files"),
            models: [1, 2].map(model),
            memory: Cell::new(MEMORY[0]),
            bytes: 0,
        };
        for folder in [&subject.project, &subject.files] {
            if folder.exists() {
                fs_err::remove_dir_all(folder)?;
            }
            fs_err::create_dir_all(folder)?;
        }
        subject.write(0)?;
        let mut package = Command::new(&subject.mlfn);
        run(package
            .args(["package", "--quiet", "-C"])
            .arg(&subject.project))?;
        let archive = subject.project.join(".mlfn/package/model.dev.aws.zip");
        let mut unzip = Command::new(python::interpreter());
        unzip.args(["-m", "zipfile", "-e"]).arg(&archive);
        run(unzip.arg(&subject.files))?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(subject.files.join("bootstrap"), mode)?;
        subject.bytes = fs_err::metadata(archive)?.len();
        Ok(subject)
    }

    /// As it was before anything was deployed.
    pub(super) fn reset(&self) -> anyhow::Result<()> {
        self.memory.set(MEMORY[0]);
        let kept = self.project.join(".mlfn");
        if kept.exists() {
            fs_err::remove_dir_all(kept)?;
        }
        self.write(0)
    }

    pub(super) fn change_settings(&self) -> anyhow::Result<()> {
        self.memory.set(MEMORY[1]);
        self.write(0)
    }

    pub(super) fn change_model(&self) -> anyhow::Result<()> {
        self.write(1)
    }

    /// In MB.
    pub(super) fn memory(&self) -> u32 {
        self.memory.get()
    }

    /// Of the package.
    pub(super) fn megabytes(&self) -> f64 {
        f64::from(u32::try_from(self.bytes).unwrap_or(u32::MAX)) / 1e6
    }

    fn write(&self, model: usize) -> anyhow::Result<()> {
        let model = self.models.get(model).map_or(&[][..], Vec::as_slice);
        fs_err::write(self.project.join("model.onnx"), model)?;
        fs_err::create_dir_all(self.files.join("model"))?;
        fs_err::write(self.files.join("model/model.onnx"), model)?;
        let features = vec!["0.5"; usize::try_from(ROWS).unwrap_or(0)].join(", ");
        let memory = self.memory();
        let manifest = format!(
            "mlfn: 1\nservice: bench\nprovider: aws\nmodels:\n  model:\n    path: model.onnx\n    \
             memory: {memory}MB\n    example: {{ features: [{features}] }}\n    triggers:\n      \
             - http: POST /predict\n      - schedule: {{ every: 5 minutes }}\n"
        );
        Ok(fs_err::write(
            self.project.join("serverless.yaml"),
            manifest,
        )?)
    }
}

/// Runs a program, which must end well.
pub(super) fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {stdout}{stderr}");
    Ok(())
}

/// An ONNX model: the product of its input with a matrix of random numbers.
fn model(seed: u64) -> Vec<u8> {
    let weights = [
        number(1, ROWS),
        number(1, COLUMNS),
        number(2, 1),
        text(8, "weights"),
        field(9, &random(seed)),
    ];
    let node = [
        text(1, "features"),
        text(1, "weights"),
        text(2, "output"),
        text(4, "MatMul"),
    ];
    let tensor = |name: &str, columns: u64| {
        let shape = [field(1, &text(2, "N")), field(1, &number(1, columns))];
        let tensor = [number(1, 1), field(2, &shape.concat())];
        [text(1, name), field(2, &field(1, &tensor.concat()))].concat()
    };
    let graph = [
        field(1, &node.concat()),
        text(2, "bench"),
        field(5, &weights.concat()),
        field(11, &tensor("features", ROWS)),
        field(12, &tensor("output", COLUMNS)),
    ];
    let opset = [text(1, ""), number(2, 17)].concat();
    [number(1, 8), field(7, &graph.concat()), field(8, &opset)].concat()
}

/// Small numbers at random, of which archives save a ninth.
fn random(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let fraction = u32::try_from(state >> 41).unwrap_or(0);
        f32::from_bits(1.0_f32.to_bits() | fraction) - 1.5
    };
    (0..ROWS * COLUMNS)
        .flat_map(|_| next().to_le_bytes())
        .collect()
}
