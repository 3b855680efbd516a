//! What runs a model, and what is known of a model's inputs and outputs.
//!
//! Everything else in the shim speaks to [`Engine`] and to nothing behind it. There are two engines:
//! ONNX Runtime, a library in the package, and tract, which is part of the shim. A shim that is
//! shipped holds one of them, by its features; which one a package is for it tells by whether there
//! is a library.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};

use crate::config::Package;
use crate::tensor::{ElementType, Tensor, Value};
use crate::trace::{self, Phase};

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod echo;
#[cfg(feature = "onnxruntime")]
pub(crate) mod onnxruntime;
#[cfg(feature = "tract")]
mod tract;

/// An engine that is there before anybody has asked for it, and the file that it was loaded from.
static EARLY: Mutex<Option<(PathBuf, Loaded)>> = Mutex::new(None);

/// A model that is loaded.
pub(crate) struct Loaded {
    /// What runs it.
    pub(crate) engine: Box<dyn Engine>,
    /// How long that took, whoever asked for it first.
    pub(crate) took: Duration,
}

/// Does what all models need, before there is a second thread that would take processor time from it.
pub(crate) fn prepare(package: &Package) {
    let library = package.library();
    let files = library.iter().cloned();
    read_ahead(files.chain([package.graph(), package.model()]));
    #[cfg(feature = "onnxruntime")]
    if let Some(library) = library {
        onnxruntime::prepare(&library);
    }
}

/// Loads the model of a package if it is there, while the network gets ready. If that fails, it
/// does so again in [`load`], for somebody who can say it.
pub(crate) fn load_early(package: &Package, threads: usize) {
    let path = package.graph();
    if path.is_file()
        && package.model().is_file()
        && let Ok(loaded) = load(package, threads)
    {
        *EARLY.lock().unwrap_or_else(PoisonError::into_inner) = Some((path, loaded));
    }
}

/// Loads the model of a package, unless it is there. `threads` is how many one operator may use.
pub(crate) fn load(package: &Package, threads: usize) -> Result<Loaded, EngineError> {
    let early = EARLY.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((path, loaded)) = early
        && path == package.graph()
    {
        return Ok(loaded);
    }
    let start = Instant::now();
    let engine = match package.library() {
        Some(library) => {
            let loaded = with_library(&library, &package.graph(), threads);
            loaded.map_err(|error| {
                package
                    .missing_layer()
                    .map_or(error, |path| no_layer(&path))
            })
        }
        None => by_itself(&package.graph()),
    }?;
    trace::mark(Phase::Session);
    let took = start.elapsed();
    Ok(Loaded { engine, took })
}

fn no_layer(missing: &Path) -> EngineError {
    EngineError::Library(format!(
        "it is in a layer, and `{}` is not there: the layer was removed, or this cloud gives its \
         functions no layers; deploy again, in the latter case without `aws: {{ layers: true }}`",
        missing.display()
    ))
}

#[cfg(feature = "onnxruntime")]
fn with_library(
    library: &Path,
    model: &Path,
    threads: usize,
) -> Result<Box<dyn Engine>, EngineError> {
    let engine = onnxruntime::OnnxRuntime::load(library, model, threads)?;
    Ok(Box::new(engine))
}

#[cfg(not(feature = "onnxruntime"))]
fn with_library(library: &Path, _: &Path, _: usize) -> Result<Box<dyn Engine>, EngineError> {
    Err(EngineError::Library(format!(
        "this shim runs models by itself, and the package has `{}`; package again with the same mlfn",
        library.display()
    )))
}

#[cfg(feature = "tract")]
fn by_itself(model: &Path) -> Result<Box<dyn Engine>, EngineError> {
    let engine = tract::Tract::load(model)?;
    Ok(Box::new(engine))
}

#[cfg(not(feature = "tract"))]
fn by_itself(_: &Path) -> Result<Box<dyn Engine>, EngineError> {
    let message = "the package has none, and this shim does not run models by itself; package again \
                   with the same mlfn";
    Err(EngineError::Library(message.to_owned()))
}

/// Asks the kernel for files in one go. Read in small pieces as they are needed, they take several
/// times as long from the disks of the clouds.
fn read_ahead(files: impl Iterator<Item = PathBuf>) {
    for path in files {
        // A file that is not there is missed by somebody who can say so.
        if let Ok(file) = fs_err::File::open(path) {
            let _ = fadvise(file, 0, None, Advice::WillNeed);
        }
    }
    trace::mark(Phase::ReadAhead);
}

/// A loaded model. Calls may come from several threads at once.
pub(crate) trait Engine: Send + Sync {
    /// What goes in and what comes out.
    fn signature(&self) -> &Signature;

    /// Runs the model on one tensor for each input, in the order of the signature. The answer has
    /// one value for each output, in the order of the signature.
    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Value>, EngineError>;
}

/// What goes into a model and what comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The inputs in the order of the graph.
    pub(crate) inputs: Vec<Input>,
    /// The names of the outputs in the order of the graph.
    pub(crate) outputs: Vec<String>,
    /// What each of the outputs is, in the same order.
    pub(crate) output_kinds: Vec<InputKind>,
}

/// An input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// Its name in the graph.
    pub(crate) name: String,
    /// What it takes.
    pub(crate) kind: InputKind,
}

/// What an input takes, or an output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// An array.
    Tensor {
        /// The type of its values.
        element: ElementType,
        /// Its dimensions, outermost first. None of them means a scalar or, for graphs that do
        /// not say, anything: ONNX Runtime's interface does not tell the two apart.
        dims: Vec<Dim>,
    },
    /// Something that JSON requests cannot carry, in ONNX's words, e.g. `sequence(float32)`.
    Unsupported(String),
}

/// How large a dimension may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dim {
    /// Exactly this.
    Fixed(usize),
    /// Anything, but the same wherever this name stands.
    Symbol(String),
    /// Anything.
    Any,
}

impl Dim {
    /// Whether this size will do.
    pub(crate) fn allows(&self, size: usize) -> bool {
        match self {
            Self::Fixed(fixed) => *fixed == size,
            Self::Symbol(_) | Self::Any => true,
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Symbol(name) => f.write_str(name),
            Self::Any => f.write_str("?"),
        }
    }
}

/// Why a model cannot be loaded or did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The inference library is missing or does not fit this machine. Package again.
    #[error("cannot load the inference library: {0}")]
    Library(String),
    /// The model file is missing, broken or newer than the library. Export it again.
    #[error("cannot load the model: {0}")]
    Model(String),
    /// The model does not take these values although their types and shapes are declared.
    #[error("the model does not take these values: {0}")]
    Refused(String),
    /// The model failed while it ran.
    #[error("the model failed: {0}")]
    Run(String),
}
