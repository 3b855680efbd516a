//! Keeps what is wanted of a model file while walking over it.
//!
//! Field numbers: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

mod convert;

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Seek};

use prost::Message;

use crate::collect::convert::kind;
use crate::kind::ElementType;
use crate::model::Value;
use crate::proto::{Entry, OperatorSet, ValueInfo};
use crate::runtime::DEFAULT_DOMAIN;
use crate::wire::{FieldValue, Reader, Span, WireError};

/// How deep graphs may lie in nodes of graphs. protobuf's own limit of 100 nested messages, which
/// ONNX Runtime obeys, is reached with 33 graphs, each of which is three messages deep.
const MAX_GRAPH_DEPTH: u32 = 33;

/// The most nodes in all graphs. The largest public models have a hundredth; it takes seconds to
/// walk over so many.
const MAX_NODES: u64 = 10_000_000;

/// The longest small message or name, in bytes.
const MAX_MESSAGE: u64 = 1 << 20;

/// What all that is kept may take, in bytes. The structure of the largest public models is a tenth.
const MAX_KEPT: u64 = 64 << 20;

/// What an entry takes in a map or list beyond its bytes.
const ENTRY_COST: u64 = 64;

/// A decoded value takes up to that many times its bytes: a dimension is 2 bytes in the file.
const VALUE_COST: u64 = 32;

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u64 = 1;

/// What a model file says, as it says it.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Whether any field was seen that a model has.
    pub(crate) recognised: bool,
    pub(crate) ir_version: i64,
    pub(crate) producer_name: String,
    pub(crate) producer_version: String,
    pub(crate) opsets: BTreeMap<String, i64>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// None if the file has no graph.
    pub(crate) graph: Option<Graph>,
    /// Number of nodes by domain and operator.
    pub(crate) operators: BTreeMap<(String, String), usize>,
    /// Domain and name of the model's own functions.
    pub(crate) functions: HashSet<(String, String)>,
    pub(crate) parameters: u64,
    /// What tensors want of external files, by location.
    pub(crate) external: BTreeMap<String, ExternalNeed>,
    nodes: u64,
    kept: u64,
}

/// The main graph.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) name: String,
    pub(crate) inputs: Vec<Value>,
    pub(crate) outputs: Vec<Value>,
    pub(crate) initializers: HashSet<String>,
}

/// What tensors want of an external file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ExternalNeed {
    /// How many they are.
    pub(crate) tensors: usize,
    /// The length that the file has to have.
    pub(crate) bytes: u64,
    /// The tensor that needs this length.
    pub(crate) tensor: String,
}

/// What is wanted of a tensor.
#[derive(Debug, Default)]
struct Tensor {
    name: String,
    element: i32,
    elements: u64,
    external: bool,
    entries: BTreeMap<String, String>,
}

/// Walks over a model.
pub(crate) struct Walk<'a, R> {
    reader: &'a mut Reader<R>,
    pub(crate) collected: Collected,
}

type Walked = Result<(), WireError>;

impl<'a, R: Read + Seek> Walk<'a, R> {
    /// From the start of a file.
    pub(crate) fn new(reader: &'a mut Reader<R>) -> Self {
        let collected = Collected::default();
        Self { reader, collected }
    }

    /// `ModelProto`. Its training graphs (20) are left out: inference does not load them.
    pub(crate) fn model(&mut self) -> Walked {
        let span = self.reader.span();
        self.fields(span, |walk, number, value| {
            walk.collected.recognised |= is_model_field(number, value);
            match (number, value) {
                (1, FieldValue::Varint(version)) => {
                    walk.collected.ir_version = version.cast_signed();
                }
                (2, FieldValue::Bytes(span)) => walk.collected.producer_name = walk.text(span)?,
                (3, FieldValue::Bytes(span)) => {
                    walk.collected.producer_version = walk.text(span)?;
                }
                (7, FieldValue::Bytes(span)) => walk.main_graph(span)?,
                (8, FieldValue::Bytes(span)) => walk.opset(span)?,
                (14, FieldValue::Bytes(span)) => walk.metadata(span)?,
                (25, FieldValue::Bytes(span)) => walk.function(span)?,
                _ => {}
            }
            Ok(())
        })
    }

    /// The fields of a message, one by one. What a handler leaves unread is skipped.
    fn fields(
        &mut self,
        span: Span,
        mut handle: impl FnMut(&mut Self, u32, FieldValue) -> Walked,
    ) -> Walked {
        while let Some(field) = self.reader.field(span.end)? {
            handle(self, field.number, field.value)?;
            if let FieldValue::Bytes(span) = field.value {
                self.reader.go_to(span.end)?;
            }
        }
        Ok(())
    }

    /// `GraphProto`, the model's own.
    fn main_graph(&mut self, span: Span) -> Walked {
        let mut graph = self.collected.graph.take().unwrap_or_default();
        self.fields(span, |walk, number, value| {
            let FieldValue::Bytes(span) = value else {
                return Ok(());
            };
            match number {
                2 => graph.name = walk.text(span)?,
                5 => {
                    let name = walk.initializer(span)?;
                    graph.initializers.insert(name);
                }
                11 => graph.inputs.push(walk.value(span)?),
                12 => graph.outputs.push(walk.value(span)?),
                15 => {
                    let name = walk.sparse_initializer(span)?;
                    graph.initializers.insert(name);
                }
                _ => walk.graph_body(number, span, 0)?,
            }
            Ok(())
        })?;
        self.collected.graph = Some(graph);
        Ok(())
    }

    /// `GraphProto` inside a node.
    fn subgraph(&mut self, span: Span, depth: u32) -> Walked {
        if depth > MAX_GRAPH_DEPTH {
            return Err(WireError::TooComplex);
        }
        self.fields(span, |walk, number, value| match (number, value) {
            (5, FieldValue::Bytes(span)) => walk.initializer(span).map(drop),
            (15, FieldValue::Bytes(span)) => walk.sparse_initializer(span).map(drop),
            (_, FieldValue::Bytes(span)) => walk.graph_body(number, span, depth),
            _ => Ok(()),
        })
    }

    /// The fields that are the same in every graph.
    fn graph_body(&mut self, number: u32, span: Span, depth: u32) -> Walked {
        match number {
            1 => self.node(span, depth),
            _ => Ok(()),
        }
    }

    /// `FunctionProto`.
    fn function(&mut self, span: Span) -> Walked {
        let (mut name, mut domain) = (String::new(), String::new());
        self.fields(span, |walk, number, value| {
            match (number, value) {
                (1, FieldValue::Bytes(span)) => name = walk.text(span)?,
                (7, FieldValue::Bytes(span)) => walk.node(span, 0)?,
                (10, FieldValue::Bytes(span)) => domain = walk.text(span)?,
                (11, FieldValue::Bytes(span)) => walk.attribute(span, 0)?,
                _ => {}
            }
            Ok(())
        })?;
        self.keep(name.len() + domain.len())?;
        let function = (domain_name(domain), name);
        self.collected.functions.insert(function);
        Ok(())
    }

    /// `NodeProto`.
    fn node(&mut self, span: Span, depth: u32) -> Walked {
        self.collected.nodes += 1;
        if self.collected.nodes > MAX_NODES {
            return Err(WireError::TooComplex);
        }
        let (mut operator, mut domain) = (String::new(), String::new());
        self.fields(span, |walk, number, value| {
            match (number, value) {
                (4, FieldValue::Bytes(span)) => operator = walk.text(span)?,
                (5, FieldValue::Bytes(span)) => walk.attribute(span, depth)?,
                (7, FieldValue::Bytes(span)) => domain = walk.text(span)?,
                _ => {}
            }
            Ok(())
        })?;
        let key = (domain_name(domain), operator);
        if let Some(count) = self.collected.operators.get_mut(&key) {
            *count += 1;
            return Ok(());
        }
        self.keep(key.0.len() + key.1.len())?;
        self.collected.operators.insert(key, 1);
        Ok(())
    }

    /// `AttributeProto`: tensors and graphs in it.
    fn attribute(&mut self, span: Span, depth: u32) -> Walked {
        self.fields(span, |walk, number, value| {
            let FieldValue::Bytes(span) = value else {
                return Ok(());
            };
            match number {
                5 | 10 => walk.tensor(span).map(drop),
                6 | 11 => walk.subgraph(span, depth + 1),
                22 | 23 => walk.sparse_tensor(span).map(drop),
                _ => Ok(()),
            }
        })
    }

    /// A `TensorProto` that is an initializer: its name.
    fn initializer(&mut self, span: Span) -> Result<String, WireError> {
        let tensor = self.tensor(span)?;
        self.count_parameters(tensor)
    }

    /// A `SparseTensorProto` that is an initializer: the name, which is that of its values.
    fn sparse_initializer(&mut self, span: Span) -> Result<String, WireError> {
        let values = self.sparse_tensor(span)?;
        self.count_parameters(values)
    }

    fn count_parameters(&mut self, tensor: Tensor) -> Result<String, WireError> {
        let parameters = &mut self.collected.parameters;
        *parameters = parameters.saturating_add(tensor.elements);
        self.keep(tensor.name.len())?;
        Ok(tensor.name)
    }

    /// `SparseTensorProto`: its values.
    fn sparse_tensor(&mut self, span: Span) -> Result<Tensor, WireError> {
        let mut values = Tensor::default();
        self.fields(span, |walk, number, value| {
            match (number, value) {
                (1, FieldValue::Bytes(span)) => values = walk.tensor(span)?,
                (2, FieldValue::Bytes(span)) => {
                    walk.tensor(span)?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(values)
    }

    /// `TensorProto`, without its data.
    fn tensor(&mut self, span: Span) -> Result<Tensor, WireError> {
        let mut tensor = Tensor {
            elements: 1,
            ..Tensor::default()
        };
        self.fields(span, |walk, number, value| {
            match (number, value) {
                (1, FieldValue::Varint(length)) => tensor.add_dimension(length),
                (1, FieldValue::Bytes(span)) => {
                    while walk.reader_is_before(span.end) {
                        tensor.add_dimension(walk.reader.varint(span.end)?);
                    }
                }
                (2, FieldValue::Varint(number)) => tensor.element = convert::int32(number),
                (8, FieldValue::Bytes(span)) => tensor.name = walk.text(span)?,
                (13, FieldValue::Bytes(span)) => {
                    let entry: Entry = walk.message(span)?;
                    walk.keep(entry.key.len() + entry.value.len())?;
                    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                    tensor.entries.insert(text(entry.key), text(entry.value));
                }
                (14, FieldValue::Varint(location)) => tensor.external = location == EXTERNAL,
                _ => {}
            }
            Ok(())
        })?;
        if tensor.external {
            self.external(&tensor)?;
        }
        Ok(tensor)
    }

    /// Notes what a tensor wants of a file.
    fn external(&mut self, tensor: &Tensor) -> Walked {
        let problem = "a tensor's external data has no location, or an offset that is no number";
        let at = self.reader.position();
        let damaged = || WireError::Damaged { at, problem };
        let location = tensor.entries.get("location").ok_or_else(damaged)?;
        let bytes = tensor.needed_bytes().ok_or_else(damaged)?;
        self.keep(location.len() + tensor.name.len())?;
        let external = &mut self.collected.external;
        let need = external.entry(location.clone()).or_default();
        need.tensors += 1;
        if bytes > need.bytes || need.tensors == 1 {
            need.bytes = bytes;
            need.tensor.clone_from(&tensor.name);
        }
        Ok(())
    }

    fn opset(&mut self, span: Span) -> Walked {
        let opset: OperatorSet = self.message(span)?;
        self.keep(opset.domain.len())?;
        let opsets = &mut self.collected.opsets;
        opsets.insert(domain_name(opset.domain), opset.version);
        Ok(())
    }

    fn metadata(&mut self, span: Span) -> Walked {
        let entry: Entry = self.message(span)?;
        self.keep(entry.key.len() + entry.value.len())?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let metadata = &mut self.collected.metadata;
        metadata.insert(text(entry.key), text(entry.value));
        Ok(())
    }

    fn value(&mut self, span: Span) -> Result<Value, WireError> {
        self.charge(span.len() * VALUE_COST + ENTRY_COST)?;
        let value: ValueInfo = self.message(span)?;
        Ok(Value {
            name: value.name,
            kind: kind(value.kind),
        })
    }

    /// A small message.
    fn message<M: Message + Default>(&mut self, span: Span) -> Result<M, WireError> {
        let bytes = self.reader.bytes(span, MAX_MESSAGE)?;
        M::decode(bytes.as_slice()).map_err(|_| WireError::Damaged {
            at: span.start,
            problem: "a message is not of its type",
        })
    }

    /// A name. The default implementation of protobuf does not check that names are UTF-8.
    fn text(&mut self, span: Span) -> Result<String, WireError> {
        let bytes = self.reader.bytes(span, MAX_MESSAGE)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn reader_is_before(&self, end: u64) -> bool {
        self.reader.position() < end
    }

    /// Counts an entry with that many bytes of text.
    fn keep(&mut self, bytes: usize) -> Walked {
        self.charge(bytes as u64 + ENTRY_COST)
    }

    fn charge(&mut self, cost: u64) -> Walked {
        self.collected.kept = self.collected.kept.saturating_add(cost);
        if self.collected.kept > MAX_KEPT {
            return Err(WireError::TooComplex);
        }
        Ok(())
    }
}

impl Tensor {
    fn add_dimension(&mut self, length: u64) {
        // Negative lengths are nonsense in a tensor that exists.
        let length = u64::try_from(length.cast_signed()).unwrap_or(0);
        self.elements = self.elements.saturating_mul(length);
    }

    /// The length that its external file has to have: the offset, and either the length that is
    /// said or the one that the elements take. None if one of them is not a number.
    fn needed_bytes(&self) -> Option<u64> {
        let number = |key: &str| match self.entries.get(key) {
            None => Some(None),
            Some(text) => text.parse::<u64>().ok().map(Some),
        };
        let offset = number("offset")?.unwrap_or(0);
        let bits = ElementType::from_number(self.element).bits().unwrap_or(0);
        let own = self.elements.saturating_mul(u64::from(bits)).div_ceil(8);
        let length = number("length")?.unwrap_or(own);
        Some(offset.saturating_add(length))
    }
}

/// Whether a model has such a field.
fn is_model_field(number: u32, value: FieldValue) -> bool {
    match value {
        FieldValue::Varint(_) => matches!(number, 1 | 5),
        FieldValue::Bytes(_) => matches!(number, 2 | 3 | 4 | 6 | 7 | 8 | 14 | 20 | 25 | 26),
        FieldValue::Fixed32 | FieldValue::Fixed64 => false,
    }
}

/// The default domain has two spellings.
fn domain_name(domain: String) -> String {
    if domain.is_empty() {
        DEFAULT_DOMAIN.to_owned()
    } else {
        domain
    }
}
