//! The Open Inference Protocol, version 2, with its extension for binary tensors:
//! <https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md>
//! and <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>.
//!
//! - this file: the names of types, and what server and model say of themselves
//! - `request`: a request -> tensors
//! - `raw`: a request without JSON -> a tensor
//! - `response`: tensors -> an answer

use mlfn_shim_contract::ShimConfig;
use serde::Serialize;

use super::failure::to_bytes;
use crate::engine::{Dim, InputKind, Signature};
use crate::tensor::ElementType;

mod raw;
pub(crate) mod request;
pub(crate) mod response;

/// The types of the protocol; `BF16` is of Triton.
const TYPES: [(ElementType, &str); 14] = [
    (ElementType::Bool, "BOOL"),
    (ElementType::Uint8, "UINT8"),
    (ElementType::Uint16, "UINT16"),
    (ElementType::Uint32, "UINT32"),
    (ElementType::Uint64, "UINT64"),
    (ElementType::Int8, "INT8"),
    (ElementType::Int16, "INT16"),
    (ElementType::Int32, "INT32"),
    (ElementType::Int64, "INT64"),
    (ElementType::Float16, "FP16"),
    (ElementType::Bfloat16, "BF16"),
    (ElementType::Float32, "FP32"),
    (ElementType::Float64, "FP64"),
    (ElementType::String, "BYTES"),
];

/// The name of a type in the protocol.
pub(crate) fn datatype(element: ElementType) -> &'static str {
    let found = TYPES.iter().find(|(known, _)| *known == element);
    found.map_or("BYTES", |(_, name)| name)
}

/// `GET /v2`.
pub(crate) fn server() -> Vec<u8> {
    #[derive(Serialize)]
    struct Server {
        name: &'static str,
        version: &'static str,
        extensions: [&'static str; 1],
    }
    to_bytes(&Server {
        name: "mlfn",
        version: env!("CARGO_PKG_VERSION"),
        extensions: ["binary_tensor_data"],
    })
}

/// `GET /v2/models/{name}`. The version of a model is the digest of its file.
pub(crate) fn model(signature: &Signature, config: &ShimConfig) -> Vec<u8> {
    #[derive(Serialize)]
    struct Model<'a> {
        name: &'a str,
        versions: [&'a str; 1],
        platform: &'static str,
        inputs: Vec<Metadata<'a>>,
        outputs: Vec<Metadata<'a>>,
    }
    let inputs = signature.inputs.iter();
    let outputs = signature.outputs.iter().zip(&signature.output_kinds);
    to_bytes(&Model {
        name: &config.function,
        versions: [&config.model_sha256],
        platform: if config.library.is_empty() {
            "tract_onnx"
        } else {
            "onnxruntime_onnx"
        },
        inputs: inputs
            .map(|input| Metadata::of(&input.name, &input.kind))
            .collect(),
        outputs: outputs
            .map(|(name, kind)| Metadata::of(name, kind))
            .collect(),
    })
}

/// A tensor.
#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    datatype: &'static str,
    /// -1 for a dimension of any size.
    shape: Vec<i64>,
}

impl<'a> Metadata<'a> {
    fn of(name: &'a str, kind: &InputKind) -> Self {
        let (datatype, shape) = match kind {
            InputKind::Tensor { element, dims } => {
                (self::datatype(*element), dims.iter().map(size).collect())
            }
            // scikit-learn's dictionaries of probabilities, which are answered as a table.
            InputKind::Unsupported(kind) if kind.ends_with("float64))") => ("FP64", vec![-1, -1]),
            InputKind::Unsupported(kind) if kind.ends_with("int64))") => ("INT64", vec![-1, -1]),
            InputKind::Unsupported(_) => ("FP32", vec![-1, -1]),
        };
        Self {
            name,
            datatype,
            shape,
        }
    }
}

fn size(dim: &Dim) -> i64 {
    match dim {
        Dim::Fixed(size) => i64::try_from(*size).unwrap_or(i64::MAX),
        Dim::Symbol(_) | Dim::Any => -1,
    }
}

#[cfg(test)]
mod tests;
