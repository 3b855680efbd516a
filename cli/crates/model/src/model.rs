//! What is known of a model without running it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::kind::Kind;

/// What is known of a model without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// The file, as it was named.
    pub path: PathBuf,
    /// The size of the file, without external data.
    pub bytes: u64,
    /// The version of ONNX's file format.
    pub ir_version: i64,
    /// The versions of the operator sets, by domain; the default domain is called `ai.onnx`.
    pub opsets: BTreeMap<String, i64>,
    /// What wrote the file, if it says.
    pub producer: Option<Producer>,
    /// The name of the graph; often empty.
    pub graph: String,
    /// What a request has to hold, in the graph's order. An input that has a default value in the
    /// file (an initializer of the same name) is not one.
    pub inputs: Vec<Value>,
    /// What an answer holds, in the graph's order.
    pub outputs: Vec<Value>,
    /// How often each operator is used, subgraphs and the model's own functions included, by
    /// domain and name, e.g. `ai.onnx.ml.LinearClassifier`.
    pub operators: BTreeMap<String, usize>,
    /// Domains of operators that ONNX Runtime does not have: such a model does not load.
    pub foreign_domains: Vec<ForeignDomain>,
    /// The number of weights: the elements of all initializers.
    pub parameters: u64,
    /// Files with weights that belong to the model, sorted by location.
    pub external_data: Vec<ExternalFile>,
    /// What the producer noted.
    pub metadata: BTreeMap<String, String>,
}

/// What wrote a model file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// E.g. `skl2onnx` or `pytorch`.
    pub name: String,
    /// E.g. `1.18.0`; may be empty.
    pub version: String,
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Value {
    /// The name in the graph.
    pub name: String,
    /// Its type.
    #[serde(flatten)]
    pub kind: Kind,
}

/// A file with weights beside the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExternalFile {
    /// Relative to the folder of the model, with `/` between folders, and never leaving it.
    pub location: String,
    /// The size of the file.
    pub bytes: u64,
    /// How many tensors are in it.
    pub tensors: usize,
}

/// A domain of operators that ONNX Runtime does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForeignDomain {
    /// E.g. `com.example`.
    pub domain: String,
    /// The operators that the model uses of it, sorted.
    pub operators: Vec<String>,
}
