//! The same model with its weights left where they are.
//!
//! ONNX Runtime maps weights that are in another file into memory, and copies those in the model
//! file itself, more than once. Nothing says that the other file has to be one of weights only: the
//! graph that is made here says of each weight where in the *original* file its bytes are. A package
//! holds both, and loads the small one. Not a bit of the model changes by it.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use fs_err::File;

use crate::error::ModelError;
use crate::wire::{Field, FieldValue, Reader, Span, WireError};

/// Smaller tensors stay in the graph: some are shapes, which the loader wants to look at, and a
/// mapping takes at least a page.
const SMALLEST: u64 = 4 << 10;

/// Models with less in larger tensors are read as fast as they are mapped.
const WORTHWHILE: u64 = 1 << 20;

/// What is left of a model without its weights has to fit into memory twice.
const LARGEST_GRAPH: u64 = 64 << 20;

/// Fields of onnx.proto's messages.
mod field {
    pub(super) const MODEL_GRAPH: u32 = 7;
    pub(super) const GRAPH_INITIALIZER: u32 = 5;
    pub(super) const TENSOR_RAW_DATA: u32 = 9;
    pub(super) const TENSOR_EXTERNAL_DATA: u32 = 13;
    pub(super) const TENSOR_DATA_LOCATION: u32 = 14;
    pub(super) const ENTRY_KEY: u32 = 1;
    pub(super) const ENTRY_VALUE: u32 = 2;
}

/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u64 = 1;

/// A graph whose weights are in the model file that it was made from, which has to lie beside it
/// under the same name. None if that would gain nothing. The same model gives the same bytes.
pub fn mapped(model: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    let Some(name) = model.file_name().and_then(|name| name.to_str()) else {
        return Ok(None);
    };
    let unreadable = |source| ModelError::Io {
        path: model.to_owned(),
        source,
    };
    let mut file = File::open(model).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    match plan(&mut file, length) {
        Ok(Some(plan)) => plan.write(&mut file, name).map(Some).map_err(unreadable),
        // Whoever inspects the model says what is wrong with it.
        Ok(None)
        | Err(WireError::Damaged { .. } | WireError::Ends { .. } | WireError::TooComplex) => {
            Ok(None)
        }
        Err(WireError::Io(source)) => Err(unreadable(source)),
    }
}

/// Where things are in the model file.
#[derive(Debug)]
struct Plan {
    file: Span,
    /// The field of the graph, and the graph in it.
    graph_field: Span,
    graph: Span,
    weights: Vec<Weight>,
}

/// An initializer that is to be mapped.
#[derive(Debug, Clone, Copy)]
struct Weight {
    /// The field in the graph, and the tensor in it.
    field: Span,
    tensor: Span,
    /// The field in the tensor, and the bytes in it.
    data_field: Span,
    data: Span,
}

fn plan(file: &mut File, length: u64) -> Result<Option<Plan>, WireError> {
    let mut reader = Reader::new(file, length);
    let mut graphs = Vec::new();
    let mut weights = Vec::new();
    let all = reader.span();
    while let Some((place, field)) = next(&mut reader, all.end)? {
        let FieldValue::Bytes(graph) = field.value else {
            continue;
        };
        if field.number == field::MODEL_GRAPH {
            graphs.push((place.to(graph.end), graph));
            find_weights(&mut reader, graph, &mut weights)?;
        }
        reader.go_to(graph.end)?;
    }
    let mapped: u64 = weights
        .iter()
        .map(|weight: &Weight| weight.data.len())
        .sum();
    let rest = length - mapped;
    // Protobuf merges a message that is there twice, which nobody writes.
    let &[(graph_field, graph)] = graphs.as_slice() else {
        return Ok(None);
    };
    Ok(
        (mapped >= WORTHWHILE && rest <= LARGEST_GRAPH).then_some(Plan {
            file: all,
            graph_field,
            graph,
            weights,
        }),
    )
}

/// Where a field starts.
#[derive(Debug, Clone, Copy)]
struct Place(u64);

impl Place {
    fn to(self, end: u64) -> Span {
        Span { start: self.0, end }
    }
}

fn next<R: Read + Seek>(
    reader: &mut Reader<R>,
    end: u64,
) -> Result<Option<(Place, Field)>, WireError> {
    let place = Place(reader.position());
    Ok(reader.field(end)?.map(|field| (place, field)))
}

fn find_weights<R: Read + Seek>(
    reader: &mut Reader<R>,
    graph: Span,
    weights: &mut Vec<Weight>,
) -> Result<(), WireError> {
    while let Some((place, field)) = next(reader, graph.end)? {
        let FieldValue::Bytes(tensor) = field.value else {
            continue;
        };
        if field.number == field::GRAPH_INITIALIZER
            && let Some((data_field, data)) = large_data(reader, tensor)?
        {
            weights.push(Weight {
                field: place.to(tensor.end),
                tensor,
                data_field,
                data,
            });
        }
        reader.go_to(tensor.end)?;
    }
    Ok(())
}

/// The bytes of a tensor, if it has enough of them and they are nowhere else.
fn large_data<R: Read + Seek>(
    reader: &mut Reader<R>,
    tensor: Span,
) -> Result<Option<(Span, Span)>, WireError> {
    let mut found = Vec::new();
    let mut elsewhere = false;
    while let Some((place, field)) = next(reader, tensor.end)? {
        elsewhere |= field.number == field::TENSOR_DATA_LOCATION
            || field.number == field::TENSOR_EXTERNAL_DATA;
        if let FieldValue::Bytes(data) = field.value {
            if field.number == field::TENSOR_RAW_DATA {
                found.push((place.to(data.end), data));
            }
            reader.go_to(data.end)?;
        }
    }
    Ok(match found.as_slice() {
        &[(place, data)] if !elsewhere && data.len() >= SMALLEST => Some((place, data)),
        _ => None,
    })
}

impl Plan {
    fn write(&self, file: &mut File, location: &str) -> io::Result<Vec<u8>> {
        let mut graph = Vec::new();
        let mut from = self.graph.start;
        for weight in &self.weights {
            copy(file, from, weight.field.start, &mut graph)?;
            message(
                field::GRAPH_INITIALIZER,
                &weight.write(file, location)?,
                &mut graph,
            );
            from = weight.field.end;
        }
        copy(file, from, self.graph.end, &mut graph)?;
        let mut model = Vec::new();
        copy(file, self.file.start, self.graph_field.start, &mut model)?;
        message(field::MODEL_GRAPH, &graph, &mut model);
        copy(file, self.graph_field.end, self.file.end, &mut model)?;
        Ok(model)
    }
}

impl Weight {
    /// The tensor with the place of its bytes instead of the bytes.
    fn write(&self, file: &mut File, location: &str) -> io::Result<Vec<u8>> {
        let mut tensor = Vec::new();
        copy(file, self.tensor.start, self.data_field.start, &mut tensor)?;
        copy(file, self.data_field.end, self.tensor.end, &mut tensor)?;
        let (offset, length) = (self.data.start.to_string(), self.data.len().to_string());
        for (key, value) in [
            ("location", location),
            ("offset", &offset),
            ("length", &length),
        ] {
            let mut entry = Vec::new();
            message(field::ENTRY_KEY, key.as_bytes(), &mut entry);
            message(field::ENTRY_VALUE, value.as_bytes(), &mut entry);
            message(field::TENSOR_EXTERNAL_DATA, &entry, &mut tensor);
        }
        varint(u64::from(field::TENSOR_DATA_LOCATION) << 3, &mut tensor);
        varint(EXTERNAL, &mut tensor);
        Ok(tensor)
    }
}

/// Appends the bytes of the file between two places.
fn copy(file: &mut File, start: u64, end: u64, out: &mut Vec<u8>) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    let wanted = end - start;
    let copied = file.by_ref().take(wanted).read_to_end(out)?;
    if copied as u64 == wanted {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Appends a field with bytes.
fn message(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn varint(value: u64, out: &mut Vec<u8>) {
    prost::encoding::encode_varint(value, out);
}
