//! What the package crate makes of a function: files on disk, named by their content.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{ArchiveFormat, FunctionName, ProviderName};

/// The SHA-256 of some bytes, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_sha256(&Sha256::digest(bytes))
    }

    /// From the 32 bytes of a finished hash.
    pub fn from_sha256(hash: &[u8]) -> Self {
        let hexadecimal = hash.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self(hexadecimal)
    }

    /// All 64 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 characters, enough for people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What can be uploaded for one function on one cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// The function.
    pub function: FunctionName,
    /// The cloud that it is packed for.
    pub provider: ProviderName,
    /// The archive.
    pub path: PathBuf,
    /// How it is packed.
    pub format: ArchiveFormat,
    /// Of the archive's bytes.
    pub digest: Digest,
    /// Bytes of the archive.
    pub packed: u64,
    /// Bytes of all files in it.
    pub unpacked: u64,
    /// What is in it, each with a digest of its own, so that a deploy can skip what is there.
    pub parts: Vec<ArtifactPart>,
    /// Files of the model that are too large for the archive; the function fetches them when it
    /// starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fetched: Vec<FetchedFile>,
    /// The library, if it has an archive of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// How it gets to the cloud.
    pub route: Route,
}

/// An archive with the inference library and nothing else, which functions share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The archive.
    pub path: PathBuf,
    /// Of the archive's bytes.
    pub digest: Digest,
    /// Bytes of the archive.
    pub packed: u64,
    /// Bytes of all files in it.
    pub unpacked: u64,
}

/// A file that a function fetches when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchedFile {
    /// Where it belongs, relative to the package's root, with `/`.
    pub path: String,
    /// Where it is now.
    pub source: PathBuf,
    /// Of its bytes.
    pub digest: Digest,
    /// How many.
    pub bytes: u64,
}

/// Files of an artifact that change together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArtifactPart {
    /// Which.
    pub kind: PartKind,
    /// Of the names, modes and contents of its files.
    pub digest: Digest,
    /// Bytes of the files.
    pub unpacked: u64,
    /// Bytes in the archive, be it that of the layer.
    pub packed: u64,
}

/// The kinds of parts, from the one that changes most to the one that changes least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// The compiled configuration and the cloud's own small files.
    Config,
    /// The model and its external data.
    Model,
    /// mlfn's own binary.
    Shim,
    /// The inference library.
    Runtime,
}

impl PartKind {
    /// The word for it in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Model => "model",
            Self::Shim => "shim",
            Self::Runtime => "runtime",
        }
    }
}

/// How an artifact gets to its cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Route {
    /// By the named way, which allows that many bytes packed and unpacked.
    Fits {
        /// E.g. `direct zip` or `bucket`.
        name: &'static str,
        /// The limit on the archive, if there is one.
        max_packed: Option<u64>,
        /// The limit on the files, if there is one.
        max_unpacked: Option<u64>,
    },
    /// By no way at all.
    TooLarge {
        /// What is over which limit, and what to do.
        advice: String,
    },
}
