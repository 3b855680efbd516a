//! Why a package cannot be built or unpacked.

use std::io;
use std::path::{Path, PathBuf};

use mlfn_core::Diagnostic;

/// Why a package cannot be built or unpacked. [`PackageError::help`] says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The manifest does not agree with the model: show each one with its place in the manifest.
    #[error("the manifest does not agree with the model ({} problems)", .0.len())]
    Invalid(Vec<Diagnostic>),
    /// A file that goes into the package cannot be read. The source names the file.
    #[error("cannot read a file that goes into the package")]
    Read(#[source] io::Error),
    /// The package cannot be written. Whatever was there before is still there.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// The package, or the folder that it goes into.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no room, or another problem, where compressed pieces are kept for a moment.
    #[error("cannot keep compressed pieces beside the package")]
    Scratch(#[source] io::Error),
    /// A file was written to while it was packed.
    #[error("`{0}` changed while it was packed")]
    Changed(String),
    /// The files of the package do not fit together: a mistake in a provider, or a model whose
    /// external data has the name of another file.
    #[error("the package cannot hold `{path}`: {reason}")]
    Layout {
        /// The path in the package.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// An archive cannot be read.
    #[error("cannot unpack `{}`", .path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// An archive has an entry that mlfn does not write, and that nobody should unpack.
    #[error("refused to unpack `{entry}` of `{}`: {reason}", .archive.display())]
    Unsafe {
        /// The archive.
        archive: PathBuf,
        /// The path of the entry.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

const FREE_SPACE: &str = "free some space on that disk, then run the command again";

impl PackageError {
    /// How to mend it, if that can be said.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Write { path, source } => write_help(path, source),
            Self::Scratch(source) | Self::Unpack { source, .. } if is_full(source) => {
                Some(FREE_SPACE.into())
            }
            Self::Changed(_) => {
                Some("wait until nothing writes to it, then run the command again".into())
            }
            Self::Unpack { path, .. } | Self::Unsafe { archive: path, .. } => Some(format!(
                "delete `{}`, then run `mlfn package` again",
                path.display()
            )),
            Self::Invalid(_) | Self::Read(_) | Self::Scratch(_) | Self::Layout { .. } => None,
        }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

fn write_help(path: &Path, source: &io::Error) -> Option<String> {
    if is_full(source) {
        return Some(FREE_SPACE.into());
    }
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            let folder = path.parent().unwrap_or(path);
            Some(format!(
                "make `{}` writable, or choose another folder for packages",
                folder.display()
            ))
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Some("a file is where a folder is needed: choose another folder for packages".into())
        }
        _ => None,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
