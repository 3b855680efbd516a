//! Where the library is: named by the user, in the cache, or fetched into it now.

use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::chosen;
use crate::download::{self, Candidate};
use crate::error::FetchError;
use crate::extract;
use crate::platform::{Pin, Platform};

/// The oldest ONNX Runtime that the shim can use, major and minor: its C API is versioned by the
/// minor number, and the shim asks for this one.
pub const OLDEST: (u32, u32) = (1, 24);

/// How to come by a library.
pub struct Options<'a> {
    /// The root of our cache, e.g. `~/.cache/mlfn`.
    pub cache: PathBuf,
    /// The ways to run pip or uv, best first; [`Candidate::standard`] for all there are.
    pub candidates: Vec<Candidate>,
    /// A library that the user names: used instead of ours if it is not
    /// older than [`OLDEST`].
    pub override_path: Option<PathBuf>,
    /// Do not use the network.
    pub offline: bool,
    /// Is told what takes time.
    pub progress: &'a dyn Fn(Progress<'_>),
}

/// What takes time now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Another process fetches the library; we wait until it is done.
    Waiting {
        /// The file that it holds a lock on.
        lock: &'a Path,
    },
    /// pip or uv gets the wheel: about 23 MB.
    Fetching {
        /// Of ONNX Runtime.
        version: &'a str,
        /// For which platform.
        platform: Platform,
        /// What is run.
        command: &'a str,
    },
    /// The library is taken out of the wheel.
    Extracting {
        /// Where it will be.
        path: &'a Path,
    },
}

/// A library that can be packaged and loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// The file.
    pub path: PathBuf,
    /// Of ONNX Runtime; none if a library of the user's does not tell.
    pub version: Option<String>,
    /// Of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// How we came by it.
    pub origin: Origin,
}

/// How we came by a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was in the cache.
    Cache,
    /// It was fetched into the cache now.
    Fetched,
    /// The user named it.
    Override,
}

/// The library of a platform. Any number of processes may ask at the same time; one of them
/// fetches it. Nothing but the cache is needed once it is there.
pub fn library(platform: Platform, options: &Options<'_>) -> Result<Library, FetchError> {
    pinned_library(platform, platform.pin(), options)
}

/// The library of a pin.
pub(crate) fn pinned_library(
    platform: Platform,
    pin: &Pin,
    options: &Options<'_>,
) -> Result<Library, FetchError> {
    if let Some(path) = &options.override_path {
        return chosen::check(path, platform);
    }
    let cache = Cache::new(&options.cache, platform, pin);
    let folder = cache.folder().to_owned();
    let found = |path, origin| Library {
        path,
        version: Some(pin.version.to_owned()),
        sha256: pin.library_sha256.to_owned(),
        origin,
    };
    let keeping = |source| FetchError::Io {
        folder: folder.clone(),
        source,
    };
    if let Some(path) = cache.find().map_err(keeping)? {
        return Ok(found(path, Origin::Cache));
    }
    if options.offline {
        return Err(FetchError::Offline {
            platform: platform.to_string(),
            path: cache.path(),
        });
    }
    let _lock = cache.lock(options.progress).map_err(keeping)?;
    // Whoever held the lock before us may have fetched it.
    if let Some(path) = cache.find().map_err(keeping)? {
        return Ok(found(path, Origin::Cache));
    }
    let workspace = cache.workspace().map_err(keeping)?;
    let job = download::Job {
        platform,
        pin,
        folder: workspace.path(),
        progress: options.progress,
    };
    let source = job.run(&options.candidates)?;
    let path = cache.path();
    (options.progress)(Progress::Extracting { path: &path });
    let extracted = extract::library(&source, pin, workspace.path());
    let extracted = extracted.map_err(keeping)??;
    cache.store(&extracted).map_err(keeping)?;
    Ok(found(path, Origin::Fetched))
}
