//! What runs a model, and what is known of a model's inputs and outputs.
//!
//! Everything else in the shim speaks to [`Engine`] and to nothing behind it, so that a second
//! engine can stand beside ONNX Runtime.

use std::fmt;

use crate::tensor::{ElementType, Tensor, Value};

#[cfg(test)]
pub(crate) mod echo;
pub(crate) mod onnxruntime;

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
}

/// An input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// Its name in the graph.
    pub(crate) name: String,
    /// What it takes.
    pub(crate) kind: InputKind,
}

/// What an input takes.
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
