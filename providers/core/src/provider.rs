//! The seam between mlfn and a cloud.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{Architecture, Diagnostic, Function, ProviderName, Service};

/// What a cloud answers without credentials, network or clock.
pub trait Provider: Send + Sync {
    /// Which cloud this is.
    fn name(&self) -> ProviderName;

    /// Limits, names and options of `service` that this cloud does not have. Called after the
    /// manifest is known to be well-formed, and before anything else is done. An empty answer
    /// promises that [`Provider::package`] works.
    fn check(&self, service: &Service) -> Vec<Diagnostic>;

    /// How the package of `function` looks on this cloud.
    fn package(&self, service: &Service, function: &Function) -> PackageSpec;
}

/// How a package looks on a cloud: everything about it that is not the model, the shim or the
/// runtime library itself. Paths are relative to the package's root, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSpec {
    /// The archives that the cloud takes; the first is the one that is deployed.
    pub formats: Vec<ArchiveFormat>,
    /// The machine that it will run on.
    pub target: Target,
    /// Where the shim goes: the file that the platform starts.
    pub shim: String,
    /// The cloud's own small files.
    pub files: Vec<PackageFile>,
    /// The inputs of schedules of which the platform tells the shim only that they fired, by the
    /// platform's name of each. Empty where the schedule sends its input itself.
    pub schedules: BTreeMap<String, Option<Json>>,
    /// Whether the inference library goes into an archive of its own, which functions share.
    pub shares_library: bool,
    /// Whether the function has to tell browsers which pages may call it (`cors:` of HTTP
    /// triggers). Otherwise the platform does.
    pub tells_browsers: bool,
    /// Whether a trigger hands the function several records at once.
    pub record_batches: bool,
    /// Ways to the cloud, the preferred first.
    pub routes: Vec<RouteSpec>,
    /// The largest request that the platform passes on, in bytes.
    pub max_request: u64,
    /// The largest answer that the platform passes on, in bytes.
    pub max_response: u64,
}

/// A small text file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Where it goes.
    pub path: String,
    /// What it says.
    pub contents: String,
}

/// How files are packed into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ArchiveFormat {
    /// A zip file with Unix modes.
    #[serde(rename = "zip")]
    Zip,
    /// A gzip-compressed tar file.
    #[serde(rename = "tar.gz")]
    TarGz,
}

impl ArchiveFormat {
    /// The end of its files' names, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::TarGz => "tar.gz",
        }
    }
}

/// The machine that a package will run on. Always Linux.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its name for messages, e.g. `Amazon Linux 2023`.
    pub name: &'static str,
    /// Its processor.
    pub architecture: Architecture,
    /// The newest symbol versions of the C and C++ libraries there.
    pub libc: LibcLimit,
}

/// The newest symbol versions that binaries may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LibcLimit {
    /// Of glibc, e.g. (2, 34).
    pub glibc: (u32, u32),
    /// Of libstdc++, e.g. (3, 4, 29).
    pub glibcxx: (u32, u32, u32),
}

/// A way to get a package to the cloud, and how much it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteSpec {
    /// Its name, e.g. `direct zip`.
    pub name: &'static str,
    /// The most bytes of the archive.
    pub max_packed: Option<u64>,
    /// The most bytes of all files in it.
    pub max_unpacked: Option<u64>,
    /// If the archive leaves the model's files out, and the function fetches them when it starts:
    /// the most bytes of these.
    pub max_fetched: Option<u64>,
}
