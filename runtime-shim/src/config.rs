//! Where the package is, what its configuration says, and what the environment says. The only
//! code that reads environment variables.

use std::collections::BTreeMap;
use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use mlfn_shim_contract::{CONFIG_FILE, CONFIG_FORMAT, SECRET_MARK, ShimConfig, env as names};

use crate::log::Level;

/// AWS sets it; in MiB.
pub(crate) const LAMBDA_MEMORY: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// Azure's host sets it: the folder of the app.
const AZURE_ROOT: &str = "FUNCTIONS_APP_ROOT_PATH";

/// Google sets it in every container.
const GOOGLE_SERVICE: &str = "K_SERVICE";

/// Where Lambda puts the files of layers (Developer Guide, "Managing Lambda dependencies with
/// layers").
const LAMBDA_LAYERS: &str = "/opt";

/// Set by some of Google's runtimes, and by users who want traces in the log.
const GOOGLE_PROJECT: &str = "GOOGLE_CLOUD_PROJECT";

/// Lambda gives one vCPU for so much memory, in MiB:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const LAMBDA_MEMORY_OF_A_CPU: u32 = 1769;

/// Why the shim cannot start. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Started by hand, or by a platform that is not known.
    #[error(
        "no platform: none of {}, {} and {} is set; a platform sets one of them, for a local run \
         set {}",
        names::LAMBDA_RUNTIME_API,
        names::AZURE_HANDLER_PORT,
        names::PORT,
        names::PORT
    )]
    NoPlatform,
    /// A port that is no number.
    #[error("{name} is `{value}`, which is not a port; set it to a number from 0 to 65535")]
    BadPort {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// An address that is none.
    #[error(
        "{} is `{value}`, which is not an IP address; set it to one, e.g. 127.0.0.1",
        names::HOST
    )]
    BadHost {
        /// The variable's value.
        value: String,
    },
    /// No package where one could be.
    #[error(
        "no {CONFIG_FILE} in {}; start the shim from its package, or set {} to the package's folder",
        .looked.join(" or "), names::ROOT
    )]
    NoPackage {
        /// The folders in which it was looked for.
        looked: Vec<String>,
    },
    /// The file is there and cannot be read.
    #[error("cannot read the configuration of the package")]
    Unreadable(#[source] std::io::Error),
    /// The file is not what the packager writes.
    #[error("{path} is not a configuration of this shim; package again with the same mlfn")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file is from another time.
    #[error(
        "{path} has the format {found}, this shim reads {CONFIG_FORMAT}; package again with the \
         same mlfn"
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

/// Which protocol the shim speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlatformChoice {
    /// The Lambda Runtime API at this `host:port`.
    Lambda(String),
    /// Azure's custom handler on this port of the loopback interface.
    Azure(u16),
    /// HTTP at this address.
    Http(SocketAddr),
}

/// What the environment says, read once.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    root: Option<String>,
    layers: Option<String>,
    log: Option<String>,
    trace_cold: bool,
    lambda_api: Option<String>,
    lambda_root: Option<String>,
    lambda_memory: Option<String>,
    azure_port: Option<String>,
    azure_root: Option<String>,
    port: Option<String>,
    host: Option<String>,
    google: bool,
    google_project: Option<String>,
    secrets: BTreeMap<String, String>,
}

impl Environment {
    /// Of this process.
    pub(crate) fn read() -> Self {
        Self {
            root: variable(names::ROOT),
            layers: variable(names::LAYERS),
            log: variable(names::LOG),
            trace_cold: variable(names::TRACE_COLD).is_some(),
            lambda_api: variable(names::LAMBDA_RUNTIME_API),
            lambda_root: variable(names::LAMBDA_TASK_ROOT),
            lambda_memory: variable(LAMBDA_MEMORY),
            azure_port: variable(names::AZURE_HANDLER_PORT),
            azure_root: variable(AZURE_ROOT),
            port: variable(names::PORT),
            host: variable(names::HOST),
            google: variable(GOOGLE_SERVICE).is_some(),
            google_project: variable(GOOGLE_PROJECT),
            secrets: variables_with(SECRET_MARK),
        }
    }

    /// How much is logged.
    pub(crate) fn level(&self) -> Level {
        Level::from_name(self.log.as_deref())
    }

    /// Whether somebody wants to know where the time of the start goes.
    pub(crate) fn traces_cold(&self) -> bool {
        self.trace_cold
    }

    /// Whether Google collects the logs.
    pub(crate) fn is_google(&self) -> bool {
        self.google
    }

    /// Whether variables have names of secrets and not yet their values.
    pub(crate) fn refers_to_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// The variables that are for secrets, and the names of these.
    pub(crate) fn secrets(&self) -> &BTreeMap<String, String> {
        &self.secrets
    }

    /// The project at Google, if it is known.
    pub(crate) fn google_project(&self) -> Option<String> {
        self.google_project.clone()
    }

    /// The protocol, by the variable that only its platform sets.
    pub(crate) fn platform(&self) -> Result<PlatformChoice, ConfigError> {
        if let Some(api) = &self.lambda_api {
            return Ok(PlatformChoice::Lambda(api.clone()));
        }
        if let Some(value) = &self.azure_port {
            return port(names::AZURE_HANDLER_PORT, value).map(PlatformChoice::Azure);
        }
        let value = self.port.as_ref().ok_or(ConfigError::NoPlatform)?;
        let address = SocketAddr::new(self.host()?, port(names::PORT, value)?);
        Ok(PlatformChoice::Http(address))
    }

    /// Containers are reached from outside, so that all of their interfaces must be served.
    fn host(&self) -> Result<IpAddr, ConfigError> {
        match &self.host {
            Some(host) => host.trim().parse().map_err(|_| ConfigError::BadHost {
                value: host.clone(),
            }),
            None => Ok(Ipv4Addr::UNSPECIFIED.into()),
        }
    }

    /// How many threads one operator may use: as many as there are processors to pay for, and no
    /// more, because threads beyond the share are throttled together.
    pub(crate) fn threads(&self) -> usize {
        // Knows the affinity mask and the quota of control groups.
        let available = available_parallelism().map_or(1, usize::from);
        match self
            .lambda_memory
            .as_deref()
            .and_then(|memory| memory.parse().ok())
        {
            Some(memory) => lambda_threads(memory).min(available),
            None => available,
        }
    }

    /// The folder that has the files of layers.
    fn layers(&self) -> PathBuf {
        self.layers.as_deref().unwrap_or(LAMBDA_LAYERS).into()
    }

    fn roots(&self) -> Vec<PathBuf> {
        if let Some(root) = &self.root {
            return vec![root.into()];
        }
        let set = [&self.lambda_root, &self.azure_root].into_iter().flatten();
        let beside = env::current_exe().ok();
        let beside = beside.as_deref().and_then(Path::parent);
        set.map(PathBuf::from)
            .chain(beside.map(Path::to_path_buf))
            .collect()
    }
}

/// Lambda shows two processors to functions that may use a fraction of one.
fn lambda_threads(memory: u32) -> usize {
    let rounded = (memory + LAMBDA_MEMORY_OF_A_CPU / 2) / LAMBDA_MEMORY_OF_A_CPU;
    usize::try_from(rounded.max(1)).unwrap_or(1)
}

/// An empty variable counts as one that is not set.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the shim's place to read them"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variables of which the value begins with `mark`, and what follows it.
fn variables_with(mark: &str) -> BTreeMap<String, String> {
    let all = env::vars_os();
    let marked = all.filter_map(|(name, value)| {
        let rest = value.to_str()?.strip_prefix(mark)?.to_owned();
        Some((name.into_string().ok()?, rest))
    });
    marked.collect()
}

fn port(name: &'static str, value: &str) -> Result<u16, ConfigError> {
    let value = value.trim();
    value.parse().map_err(|_| ConfigError::BadPort {
        name,
        value: value.to_owned(),
    })
}

/// A package on disk.
#[derive(Debug)]
pub(crate) struct Package {
    root: PathBuf,
    /// The folder that has the files of layers.
    layers: PathBuf,
    /// What the paths of the model's files are relative to, if they are not in the package.
    model_root: Option<PathBuf>,
    /// Its configuration.
    pub(crate) config: ShimConfig,
}

impl Package {
    /// Finds and reads it.
    pub(crate) fn find(environment: &Environment) -> Result<Self, ConfigError> {
        let roots = environment.roots();
        match roots.iter().find(|root| root.join(CONFIG_FILE).is_file()) {
            Some(root) => Self::open(root, environment.layers()),
            None => Err(ConfigError::NoPackage {
                looked: roots
                    .iter()
                    .map(|root| root.display().to_string())
                    .collect(),
            }),
        }
    }

    fn open(root: &Path, layers: PathBuf) -> Result<Self, ConfigError> {
        /// The part that every format has.
        #[derive(serde::Deserialize)]
        struct Probe {
            format: u32,
        }
        let path = root.join(CONFIG_FILE);
        let text = fs_err::read(&path).map_err(ConfigError::Unreadable)?;
        let malformed = |source| ConfigError::Malformed {
            path: path.clone(),
            source,
        };
        let Probe { format } = serde_json::from_slice(&text).map_err(malformed)?;
        if format != CONFIG_FORMAT {
            return Err(ConfigError::OtherFormat {
                path,
                found: format,
            });
        }
        Ok(Self {
            root: root.to_path_buf(),
            layers,
            model_root: None,
            config: serde_json::from_slice(&text).map_err(malformed)?,
        })
    }

    /// Whether the files of the model are all here.
    pub(crate) fn model_is_whole(&self) -> bool {
        let mut fetched = self.config.fetched.keys();
        fetched.all(|path| self.root.join(path).is_file())
    }

    /// With the files of the model in another folder, where they have the paths that they would
    /// have in the package.
    pub(crate) fn with_model_in(self, folder: PathBuf) -> Self {
        Self {
            model_root: Some(folder),
            ..self
        }
    }

    fn model_root(&self) -> &Path {
        self.model_root.as_deref().unwrap_or(&self.root)
    }

    /// The model file.
    pub(crate) fn model(&self) -> PathBuf {
        self.model_root().join(&self.config.model)
    }

    /// The file that is loaded: the model, or one that has its weights there.
    pub(crate) fn graph(&self) -> PathBuf {
        let graph = self.config.graph.as_ref();
        self.model_root().join(graph.unwrap_or(&self.config.model))
    }

    /// The inference library; none if the shim runs the model by itself.
    pub(crate) fn library(&self) -> Option<PathBuf> {
        let library = &self.config.library;
        if library.is_empty() {
            return None;
        }
        let inside = self.root.join(library);
        if self.config.library_in_layer && !inside.exists() {
            return Some(self.layers.join(library));
        }
        Some(inside)
    }

    /// Where the library should be in a layer, if it is in none.
    pub(crate) fn missing_layer(&self) -> Option<PathBuf> {
        let library = self.library()?;
        (self.config.library_in_layer && !library.exists()).then_some(library)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_http(port: &str, host: Option<&str>, expected: &str) {
        let environment = Environment {
            port: Some(port.to_owned()),
            host: host.map(str::to_owned),
            ..Environment::default()
        };
        let found = match environment.platform() {
            Ok(PlatformChoice::Http(address)) => address.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn http_is_served_on_every_interface_unless_it_is_said_where() {
        check_http("8080", None, "0.0.0.0:8080");
        check_http("0", Some("127.0.0.1"), "127.0.0.1:0");
        check_http("80", Some(" ::1 "), "[::1]:80");
        check_http("80", Some("here"), "Err(BadHost { value: \"here\" })");
    }

    /// Where the library is looked for, below the package and below the layers.
    #[track_caller]
    fn check_library(in_layer: bool, there: &[&str], expected: &str, missing: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let config = ShimConfig {
            library: "lib/l.so".to_owned(),
            library_in_layer: in_layer,
            ..crate::handler::tests::config()
        };
        for place in ["package", "layers"] {
            fs_err::create_dir_all(folder.path().join(place).join("lib")).expect("is made");
        }
        for file in there {
            fs_err::write(folder.path().join(file), "").expect("is written");
        }
        let package = Package {
            root: folder.path().join("package"),
            layers: folder.path().join("layers"),
            model_root: None,
            config,
        };
        let expected = folder.path().join(expected);
        assert_eq!(package.library(), Some(expected.clone()));
        assert_eq!(package.missing_layer(), missing.then_some(expected));
    }

    #[test]
    fn the_library_is_in_the_package_or_else_in_a_layer() {
        let (package, layer) = ("package/lib/l.so", "layers/lib/l.so");
        check_library(false, &[package], package, false);
        check_library(false, &[layer], package, false);
        check_library(true, &[layer], layer, false);
        check_library(true, &[package, layer], package, false);
        check_library(true, &[], layer, true);
    }

    #[test]
    fn threads_are_a_rounded_share_of_the_memory() {
        for (memory, threads) in [(128, 1), (1769, 1), (2653, 1), (2654, 2), (10_240, 6)] {
            assert_eq!(lambda_threads(memory), threads, "{memory}");
        }
    }
}
