//! Reads ONNX files: inputs, outputs, opset, producer and external data, without loading the weights.
//!
//! - [`inspect`] reads a file; [`Model`] and what is in it is the answer ([`model`], [`kind`])
//! - [`ModelError`] tells apart why a file cannot be used, each with the command that helps
//! - [`Format`] is what a file may be instead of ONNX ([`foreign`])
//! - [`mapped`] is the graph of a file whose weights stay where they are
//! - [`runtime`] holds what ONNX Runtime supports
//!
//! Inside: `wire` walks protobuf in the file and seeks over weights, `proto` has the small messages,
//! `collect` keeps what is wanted of the large ones, `external` checks weights in other files.
//!
//! A model file is untrusted input: whatever is in it, memory and recursion are bounded and
//! nothing panics.

mod collect;
mod error;
mod external;
pub mod foreign;
mod hints;
mod inspect;
pub mod kind;
mod mapped;
pub mod model;
mod proto;
pub mod runtime;
#[cfg(test)]
mod tests;
mod wire;

pub use error::{ModelError, Newer};
pub use foreign::Format;
pub use inspect::inspect;
pub use kind::{Dimension, ElementType, Kind, Shape};
pub use mapped::mapped;
pub use model::{ExternalFile, ForeignDomain, Model, Producer, Value};
