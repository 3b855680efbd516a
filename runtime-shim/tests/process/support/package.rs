//! Packages: a model, the library, and a configuration, in a folder of their own.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mlfn_onnxruntime::{Candidate, Options, Platform};
use mlfn_shim_contract::{
    CONFIG_FILE, CONFIG_FORMAT, InputConfig, OutputConfig, Route, ShimConfig,
};
use tempfile::TempDir;

/// ONNX Runtime, fetched once into the target folder that all tests of the workspace share.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        let options = Options {
            cache: target.expect("a target folder").join("test-cache/mlfn"),
            candidates: Candidate::standard(),
            override_path: None,
            offline: false,
            progress: &|_| {},
        };
        let platform = Platform::host().expect("a platform with ONNX Runtime");
        let library = mlfn_onnxruntime::library(platform, &options);
        library.expect("pip or uv can fetch ONNX Runtime").path
    })
}

/// Where the models are.
pub(crate) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

/// A package that is not yet written.
pub(crate) struct Package {
    model: String,
    /// What stands in `mlfn.json`.
    pub(crate) config: ShimConfig,
}

impl Package {
    /// With this model.
    pub(crate) fn of(model: &str) -> Self {
        let config = ShimConfig {
            format: CONFIG_FORMAT,
            service: "zoo".to_owned(),
            stage: "dev".to_owned(),
            function: "classifier".to_owned(),
            model: "model/model.onnx".to_owned(),
            model_sha256: "abc".to_owned(),
            library: "lib/libonnxruntime.so".to_owned(),
            inputs: BTreeMap::new(),
            output: OutputConfig::default(),
            example: None,
            max_request: 1 << 20,
            max_response: 1 << 20,
            timeout: 60,
            routes: vec![Route {
                method: "POST".to_owned(),
                path: "/predict".to_owned(),
            }],
            schedules: BTreeMap::new(),
        };
        Self {
            model: model.to_owned(),
            config,
        }
    }

    /// With labels for its classes.
    pub(crate) fn labels(mut self, labels: &[&str]) -> Self {
        self.config.output.labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self
    }

    /// With names for the features of its only input.
    pub(crate) fn names(mut self, names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let input = InputConfig { names };
        self.config.inputs.insert("features".to_owned(), input);
        self
    }

    /// Writes it into a folder that goes away with its owner.
    pub(crate) fn write(&self) -> TempDir {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let root = folder.path();
        for part in ["lib", "model"] {
            fs_err::create_dir(root.join(part)).expect("a folder");
        }
        symlink(library(), root.join(&self.config.library)).expect("a link");
        let model = models().join(format!("{}.onnx", self.model));
        fs_err::copy(model, root.join(&self.config.model)).expect("the model");
        let config = serde_json::to_vec(&self.config).expect("a configuration");
        fs_err::write(root.join(CONFIG_FILE), config).expect("the configuration");
        folder
    }
}
