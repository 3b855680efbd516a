//! Why a model file cannot be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::foreign::Format;
use crate::{hints, runtime};

/// Why a model file cannot be used. [`ModelError::hint`] says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There is no such file.
    #[error("there is no file `{}`", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link to something that is not there.
    #[error("`{}` is a link to `{}`, which is not there", path.display(), target.display())]
    LinkBroken {
        /// The link.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// It is a folder.
    #[error("`{}` is a folder, not a model file", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// A model file in it, if there is one.
        inside: Option<PathBuf>,
    },
    /// It is a pipe, a socket or a device.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// Whatever it is.
        path: PathBuf,
    },
    /// It has no bytes.
    #[error("`{}` is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is something else, and we know what.
    #[error("`{}` is not an ONNX model but {format}", path.display())]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        format: Format,
    },
    /// It is something else.
    #[error("`{}` is not an ONNX model: {problem} at byte {at}", path.display())]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
        /// Where.
        at: u64,
    },
    /// It begins like a model and ends too early.
    #[error("`{}` is cut off: it has {bytes} bytes{}", path.display(), Needed(*needed))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// How long it is.
        bytes: u64,
        /// How long it has to be at least, if known.
        needed: Option<u64>,
    },
    /// It begins like a model and goes on like nothing.
    #[error("`{}` is damaged: {problem} (byte {at})", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
        /// Where.
        at: u64,
    },
    /// It has more nodes, names or nested graphs than any real model.
    #[error("`{}` has more structure than any real model, and is not read to its end", path.display())]
    TooComplex {
        /// The file.
        path: PathBuf,
    },
    /// It lacks something that a model has to have.
    #[error("the model `{}` has no {missing}", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// It is newer than the runtime.
    #[error("the model `{}` is too new for ONNX Runtime {}: it has {newer}", path.display(), runtime::VERSION)]
    TooNew {
        /// The file.
        path: PathBuf,
        /// What of it.
        newer: Newer,
    },
    /// It names a file with weights that must not be looked at.
    #[error("the model `{}` keeps weights in `{location}`, which {problem}", path.display())]
    ExternalEscapes {
        /// The model file.
        path: PathBuf,
        /// What it names.
        location: String,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// A file with weights is missing.
    #[error("the model `{}` keeps weights in `{location}`, which is missing", path.display())]
    ExternalMissing {
        /// The model file.
        path: PathBuf,
        /// The missing file, relative to the model's folder.
        location: String,
    },
    /// A file with weights is too short.
    #[error(
        "the model `{}` keeps weights in `{location}`, which is cut off: it has {bytes} bytes, \
         and the tensor `{tensor}` ends at {needed}",
        path.display()
    )]
    ExternalTruncated {
        /// The model file.
        path: PathBuf,
        /// The short file, relative to the model's folder.
        location: String,
        /// How long it is.
        bytes: u64,
        /// How long it has to be.
        needed: u64,
        /// For which tensor.
        tensor: Box<str>,
    },
    /// It cannot be read.
    #[error("cannot read the model `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What of a model is newer than the runtime supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Newer {
    /// The file format.
    IrVersion {
        /// The model's.
        found: i64,
    },
    /// An operator set.
    Opset {
        /// Of this domain.
        domain: String,
        /// The model's.
        found: i64,
        /// The newest that is supported.
        newest: i64,
    },
}

impl fmt::Display for Newer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IrVersion { found } => {
                let newest = runtime::NEWEST_IR_VERSION;
                write!(f, "IR version {found}, the newest supported is {newest}")
            }
            Self::Opset {
                domain,
                found,
                newest,
            } => write!(
                f,
                "operator set {found} of {domain}, the newest supported is {newest}"
            ),
        }
    }
}

/// ", and needs N" where N is known.
struct Needed(Option<u64>);

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(needed) => write!(f, " and needs at least {needed}"),
            None => Ok(()),
        }
    }
}

const COPY_AGAIN: &str = "copy or download the file again, and compare its size with the original";

impl ModelError {
    /// How to mend it, mostly with a command; may have several lines.
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound { .. } => "check the path".to_owned(),
            Self::LinkBroken { .. } => "put the file there, or mend the link".to_owned(),
            Self::Folder {
                inside: Some(file), ..
            } => format!("name the file: `{}`", file.display()),
            Self::Folder { .. } | Self::NotAFile { .. } => "name the .onnx file".to_owned(),
            Self::Empty { .. } => "export the model again".to_owned(),
            Self::Foreign { path, format } => hints::convert(*format, path),
            Self::NotOnnx { .. } => "export the model to ONNX (scikit-learn: skl2onnx; \
                PyTorch: torch.onnx.export; TensorFlow: tf2onnx)"
                .to_owned(),
            Self::Truncated { .. } | Self::Damaged { .. } | Self::ExternalTruncated { .. } => {
                COPY_AGAIN.to_owned()
            }
            Self::TooComplex { .. } => {
                "check that it is the right file: `python -c \"import onnx; \
                onnx.checker.check_model('model.onnx')\"`"
                    .to_owned()
            }
            Self::Incomplete { .. } => {
                "export the model again; the file was not finished".to_owned()
            }
            Self::TooNew { newer, .. } => older(newer),
            Self::ExternalEscapes { path, .. } => format!(
                "keep weights in files in the model's own folder:\n  python -c \"import onnx; \
                onnx.save(onnx.load('{}'), 'model.onnx', save_as_external_data=True, \
                location='model.onnx.data')\"",
                file_name(path)
            ),
            Self::ExternalMissing { path, location } => format!(
                "put `{location}` where the model looks for it, beside `{}`",
                file_name(path)
            ),
            Self::Io { .. } => "check the file's permissions and the disk".to_owned(),
        }
    }
}

fn older(newer: &Newer) -> String {
    match newer {
        Newer::IrVersion { .. } => format!(
            "if its operators are old enough, lower the number:\n  python -c \"import onnx; \
            m = onnx.load('model.onnx'); m.ir_version = {}; onnx.save(m, 'model.onnx')\"",
            runtime::NEWEST_IR_VERSION
        ),
        Newer::Opset { domain, newest, .. } if domain == runtime::DEFAULT_DOMAIN => format!(
            "export it with operator set {newest} (skl2onnx: target_opset={newest}; \
            torch.onnx.export: opset_version={newest}; tf2onnx: --opset {newest})"
        ),
        Newer::Opset { domain, newest, .. } => format!(
            "export it with operator set {newest} of {domain} \
            (skl2onnx: target_opset={{\"{domain}\": {newest}}})"
        ),
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
