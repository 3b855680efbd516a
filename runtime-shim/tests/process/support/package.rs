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
    model: Vec<u8>,
    /// What stands in `mlfn.json`.
    pub(crate) config: ShimConfig,
}

impl Package {
    /// With this model of the folder of models.
    pub(crate) fn of(model: &str) -> Self {
        let model = models().join(format!("{model}.onnx"));
        Self::with(fs_err::read(model).expect("the model"))
    }

    /// With a model of these bytes.
    pub(crate) fn with(model: Vec<u8>) -> Self {
        let config = ShimConfig {
            format: CONFIG_FORMAT,
            service: "zoo".to_owned(),
            stage: "dev".to_owned(),
            function: "classifier".to_owned(),
            model: "model/model.onnx".to_owned(),
            model_sha256: "abc".to_owned(),
            library: "lib/libonnxruntime.so".to_owned(),
            library_in_layer: false,
            inputs: BTreeMap::new(),
            output: OutputConfig::default(),
            example: None,
            max_request: 1 << 20,
            max_response: 1 << 20,
            timeout: 60,
            routes: vec![Route {
                method: "POST".to_owned(),
                path: "/predict".to_owned(),
                cors: Vec::new(),
            }],
            schedules: BTreeMap::new(),
            graph: None,
            batching: None,
            record_batches: false,
            steady: true,
            fetched: BTreeMap::new(),
        };
        Self { model, config }
    }

    /// For tract, which is part of the shim, instead of ONNX Runtime.
    pub(crate) fn tract(mut self) -> Self {
        self.config.library.clear();
        self
    }

    /// With the weights left in the model, and a graph beside it.
    pub(crate) fn mapped(mut self) -> Self {
        self.config.graph = Some("model/graph.onnx".to_owned());
        self
    }

    /// Without the model, which has to be fetched.
    pub(crate) fn apart(mut self) -> Self {
        let size = self.model.len() as u64;
        self.config.fetched = BTreeMap::from([(self.config.model.clone(), size)]);
        self
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
        if !self.config.library.is_empty() {
            symlink(library(), root.join(&self.config.library)).expect("a link");
        }
        let model = root.join(&self.config.model);
        fs_err::write(&model, &self.model).expect("the model");
        if let Some(graph) = &self.config.graph {
            let bytes = mlfn_model::mapped(&model).expect("reads the model");
            fs_err::write(root.join(graph), bytes.expect("large weights")).expect("the graph");
        }
        if !self.config.fetched.is_empty() {
            fs_err::remove_file(&model).expect("the model");
        }
        let config = serde_json::to_vec(&self.config).expect("a configuration");
        fs_err::write(root.join(CONFIG_FILE), config).expect("the configuration");
        folder
    }
}
