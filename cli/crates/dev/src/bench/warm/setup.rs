//! Models, the package, and everybody who answers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use mlfn_shim_contract::CONFIG_FILE;
use mlfn_testkit::servers::{Ready, Server};
use serde_json::json;

use super::load::{Request, Sample};
use crate::bench::cold::setup::{LIBRARY, build_shim, config, environment, run, site_packages};

/// The inference server that is compared with.
pub(super) const ML_SERVER: &str = "mlserver==1.7.1";

/// Requests of an image are megabytes.
const LARGEST: u64 = 32 << 20;

/// A model, and what it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) name: &'static str,
    input: &'static str,
    shape: &'static [usize],
}

pub(super) const MODELS: [Model; 2] = [
    Model {
        name: "iris",
        input: "X",
        shape: &[1, 4],
    },
    Model {
        name: "mobilenet",
        input: "image",
        shape: &[1, 3, 224, 224],
    },
];

/// Everything, on disk.
pub(super) struct Setup {
    root: PathBuf,
    python: PathBuf,
    rivals: PathBuf,
}

impl Setup {
    /// Makes what is not there yet under `target/bench/warm`.
    pub(super) fn make(repository: &Path) -> anyhow::Result<Self> {
        let root = repository.join("target/bench/warm");
        fs_err::create_dir_all(root.join("models"))?;
        let setup = Self {
            // Of its own: `MLServer` needs other versions of things than what it is compared with.
            python: environment(repository, &root, ML_SERVER)?,
            rivals: repository.join("cli/crates/dev/src/bench/warm/rivals.py"),
            root,
        };
        let iris = repository.join("examples/iris/model.onnx");
        fs_err::copy(iris, setup.model("iris"))?;
        if !setup.model("mobilenet").exists() {
            let script = repository.join("cli/crates/dev/python/make_models.py");
            let models = setup.root.join("models");
            run(Command::new(&setup.python)
                .arg(script)
                .arg(models)
                .arg("mobilenet"))?;
        }
        let shim = build_shim(repository)?;
        for model in MODELS {
            setup.make_package(model.name, &shim)?;
            setup.make_settings(model.name)?;
        }
        Ok(setup)
    }

    fn model(&self, name: &str) -> PathBuf {
        self.root.join(format!("models/{name}.onnx"))
    }

    fn folder(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join(format!("{kind}-{name}"))
    }

    fn make_package(&self, name: &str, shim: &Path) -> anyhow::Result<()> {
        let folder = self.folder("package", name);
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        for part in ["lib", "model"] {
            fs_err::create_dir_all(folder.join(part))?;
        }
        fs_err::copy(shim, folder.join("bootstrap"))?;
        let library = site_packages(&self.python)?.join(LIBRARY);
        std::os::unix::fs::symlink(library, folder.join("lib/libonnxruntime.so"))?;
        let mut config = config();
        (config.max_request, config.max_response) = (LARGEST, LARGEST);
        fs_err::copy(self.model(name), folder.join(&config.model))?;
        Ok(fs_err::write(
            folder.join(CONFIG_FILE),
            serde_json::to_vec(&config)?,
        )?)
    }

    /// What `MLServer` reads, but for the ports.
    fn make_settings(&self, name: &str) -> anyhow::Result<()> {
        let folder = self.folder("mlserver", name);
        fs_err::create_dir_all(&folder)?;
        let settings = json!({
            "name": "model",
            "implementation": "rivals.Runtime",
            "parameters": { "uri": self.model(name) },
        });
        Ok(fs_err::write(
            folder.join("model-settings.json"),
            settings.to_string(),
        )?)
    }

    /// The shim, on the platform that is HTTP.
    pub(super) fn shim(&self, model: Model) -> Server {
        let folder = self.folder("package", model.name);
        Server::start(
            folder.join("bootstrap"),
            Ready::Listening,
            |command, [port]: [u16; 1]| {
                command
                    .env_clear()
                    .env("PORT", port.to_string())
                    .env("MLFN_HOST", "127.0.0.1");
            },
        )
    }

    /// A Python handler.
    pub(super) fn handler(&self, model: Model) -> Server {
        Server::start(
            &self.python,
            Ready::Listening,
            |command, [port]: [u16; 1]| {
                command
                    .arg(&self.rivals)
                    .arg("handler")
                    .arg(self.model(model.name))
                    .arg(port.to_string());
            },
        )
    }

    /// `MLServer`, in one process.
    pub(super) fn ml_server(&self, model: Model) -> Server {
        let folder = self.folder("mlserver", model.name);
        let ready = Ready::Answering("/v2/models/model/ready");
        Server::start(
            &self.python,
            ready,
            |command, [http, grpc, metrics]: [u16; 3]| {
                command
                    .arg(self.python.with_file_name("mlserver"))
                    .arg("start")
                    .arg(&folder)
                    .env("PYTHONPATH", self.rivals.parent().unwrap_or(&folder))
                    .env("PYTHONDONTWRITEBYTECODE", "1")
                    .env("MLSERVER_HOST", "127.0.0.1")
                    .env("MLSERVER_HTTP_PORT", http.to_string())
                    .env("MLSERVER_GRPC_PORT", grpc.to_string())
                    .env("MLSERVER_METRICS_PORT", metrics.to_string())
                    .env("MLSERVER_DEBUG", "false")
                    .env("MLSERVER_PARALLEL_WORKERS", "0");
            },
        )
    }

    /// The session in a loop, with nothing around it.
    pub(super) fn bare(&self, model: Model, seconds: u64) -> anyhow::Result<Sample> {
        let mut command = Command::new(&self.python);
        command
            .arg(&self.rivals)
            .arg("bare")
            .arg(self.model(model.name));
        let output = command.arg(seconds.to_string()).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{errors}");
        let found: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let number = |key: &str| found[key].as_f64().context("a number is missing");
        Ok(Sample {
            rate: number("rate")?,
            p50: number("p50")?,
            p99: number("p99")?,
        })
    }
}

/// Ways to ask.
impl Model {
    /// Numbers with as many digits as Python prints of a float.
    fn values(self) -> Vec<f32> {
        let count = self.shape.iter().product();
        // A simple generator: the numbers need not be good, but the same every time.
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(state >> 16).unwrap_or_default()) / 65_536.0 + 1e-5
        };
        (0..count).map(next).collect()
    }

    fn flat(self) -> String {
        let values = self.values().into_iter();
        let values: Vec<String> = values.map(|value| f64::from(value).to_string()).collect();
        values.join(",")
    }

    fn nested(self) -> String {
        let values: Vec<String> = self.flat().split(',').map(str::to_owned).collect();
        let mut items = values;
        for size in self.shape.iter().rev() {
            let arrays = items.chunks(*size);
            items = arrays
                .map(|array| format!("[{}]", array.join(",")))
                .collect();
        }
        items.concat()
    }

    /// JSON with the input by its name: the shim's simple format, and the handler's.
    pub(super) fn simple(self, port: u16) -> Request {
        let body = format!("{{\"{}\":{}}}", self.input, self.nested());
        Request::post(
            port,
            "/predict",
            "content-type: application/json\r\n",
            body.as_bytes(),
        )
    }

    fn tensor(self, rest: &str) -> String {
        let (input, shape) = (self.input, self.shape);
        format!("{{\"name\":\"{input}\",\"shape\":{shape:?},\"datatype\":\"FP32\",{rest}}}")
    }

    /// JSON of the Open Inference Protocol.
    pub(super) fn open(self, port: u16) -> Request {
        let tensor = self.tensor(&format!("\"data\":[{}]", self.flat()));
        let body = format!("{{\"inputs\":[{tensor}]}}");
        let path = "/v2/models/model/infer";
        Request::post(
            port,
            path,
            "content-type: application/json\r\n",
            body.as_bytes(),
        )
    }

    /// Bytes of the Open Inference Protocol, both ways.
    pub(super) fn binary(self, port: u16) -> Request {
        let values = self.values().into_iter();
        let bytes: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        let size = bytes.len();
        let tensor = self.tensor(&format!("\"parameters\":{{\"binary_data_size\":{size}}}"));
        let head =
            format!("{{\"parameters\":{{\"binary_data_output\":true}},\"inputs\":[{tensor}]}}");
        let headers = format!(
            "content-type: application/octet-stream\r\ninference-header-content-length: {}\r\n",
            head.len()
        );
        let body = [head.as_bytes(), &bytes].concat();
        Request::post(port, "/v2/models/model/infer", &headers, &body)
    }
}
