//! Why there is no library.

use std::io;
use std::path::PathBuf;

use crate::library::OLDEST;

/// Why there is no library. [`FetchError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Neither pip nor uv can be started.
    #[error("ONNX Runtime is fetched with pip or uv, and neither was found (tried: {})", tried.join(", "))]
    NoPip {
        /// The commands that were tried.
        tried: Vec<String>,
    },
    /// pip or uv could not get the wheel.
    #[error("fetching ONNX Runtime failed\n  {command}\n{}", indented(output))]
    Download {
        /// What was run.
        command: String,
        /// The end of what it said.
        output: String,
    },
    /// We were told not to use the network, and the cache has no library.
    #[error(
        "there is no ONNX Runtime for {platform} in the cache, and mlfn was told to stay offline"
    )]
    Offline {
        /// For which platform.
        platform: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// Something is not what was pinned.
    #[error(
        "the {subject} is not the one that mlfn expects: its SHA-256 is {found}, not {expected}"
    )]
    HashMismatch {
        /// What was compared: the wheel or the library in it.
        subject: String,
        /// What was pinned.
        expected: String,
        /// What came.
        found: String,
    },
    /// The user's own library is not there.
    #[error("there is no ONNX Runtime library at `{}`", path.display())]
    OverrideMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The user's own library cannot be read.
    #[error("cannot read the ONNX Runtime library `{}`", path.display())]
    OverrideUnreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The user's own library cannot be used.
    #[error("`{}` cannot be used as the ONNX Runtime library: {problem}", path.display())]
    OverrideWrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The user's own library does not have what the shim calls.
    #[error(
        "`{}` is ONNX Runtime {found}, and mlfn needs {}.{} or newer",
        path.display(), OLDEST.0, OLDEST.1
    )]
    OverrideTooOld {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// There is no wheel for it.
    #[error("there is no ONNX Runtime library for {name}")]
    UnsupportedPlatform {
        /// The platform.
        name: String,
    },
    /// The cache cannot be read or written, or the wheel cannot be read.
    #[error("cannot keep ONNX Runtime in `{}`", folder.display())]
    Io {
        /// The platform's folder in the cache.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

const OWN_LIBRARY: &str = "or name a library that you have: --onnxruntime PATH, or ORT_DYLIB_PATH";

impl FetchError {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::NoPip { .. } => format!(
                "install pip (e.g. `apt install python3-pip`) or uv (https://docs.astral.sh/uv), \
                {OWN_LIBRARY}"
            ),
            Self::Download { .. } => format!(
                "connect once (mlfn works offline afterwards), copy the cache folder from another \
                machine, {OWN_LIBRARY}"
            ),
            Self::Offline { path, .. } => format!(
                "run once without --offline, copy `{}` from another machine, {OWN_LIBRARY}",
                path.display()
            ),
            Self::HashMismatch { .. } => format!(
                "the package index answers with another file than the official one: ask who runs it, \
                {OWN_LIBRARY}"
            ),
            Self::OverrideMissing { .. } => "correct the path, or leave out --onnxruntime and \
                ORT_DYLIB_PATH: mlfn then fetches the library itself"
                .to_owned(),
            Self::OverrideWrong { .. } => "name the libonnxruntime.so (macOS: .dylib) of the \
                platform, or leave out --onnxruntime and ORT_DYLIB_PATH: mlfn then fetches it itself"
                .to_owned(),
            Self::OverrideUnreadable { .. } => "check the file's permissions, or leave out \
                --onnxruntime and ORT_DYLIB_PATH: mlfn then fetches the library itself"
                .to_owned(),
            Self::OverrideTooOld { .. } => "name a newer one (`pip install --upgrade onnxruntime` \
                has it in `onnxruntime/capi`), or leave out --onnxruntime and ORT_DYLIB_PATH: mlfn \
                then fetches it itself"
                .to_owned(),
            Self::UnsupportedPlatform { .. } => "local runs need Linux (x86_64, aarch64) or macOS \
                (arm64); clouds run x86_64 and arm64"
                .to_owned(),
            Self::Io { .. } => format!(
                "check the folder's permissions and free space, or set XDG_CACHE_HOME to another \
                one, {OWN_LIBRARY}"
            ),
        }
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}
