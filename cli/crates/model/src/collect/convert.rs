//! From the messages of the file to our types.

use crate::kind::{Dimension, ElementType, Kind, Shape};
use crate::proto::{DimensionEntry, DimensionValue, TensorShape, Type, TypeValue};

/// The kind that a type describes. Its depth is limited by prost, which decoded it.
pub(super) fn kind(found: Option<Type>) -> Kind {
    let Some(value) = found.and_then(|found| found.value) else {
        return Kind::Unknown;
    };
    match value {
        TypeValue::Tensor(tensor) => Kind::Tensor {
            element: ElementType::from_number(tensor.element),
            shape: shape(tensor.shape),
        },
        TypeValue::SparseTensor(tensor) => Kind::SparseTensor {
            element: ElementType::from_number(tensor.element),
            shape: shape(tensor.shape),
        },
        TypeValue::Sequence(sequence) => Kind::Sequence {
            of: boxed(sequence.element),
        },
        TypeValue::Optional(optional) => Kind::Optional {
            of: boxed(optional.element),
        },
        TypeValue::Map(map) => Kind::Map {
            key: ElementType::from_number(map.key),
            value: boxed(map.value),
        },
        TypeValue::Opaque(opaque) if opaque.domain.is_empty() => Kind::Opaque { name: opaque.name },
        TypeValue::Opaque(opaque) => Kind::Opaque {
            name: format!("{}.{}", opaque.domain, opaque.name),
        },
    }
}

fn boxed(found: Option<Box<Type>>) -> Box<Kind> {
    Box::new(kind(found.map(|found| *found)))
}

fn shape(found: Option<TensorShape>) -> Shape {
    let dimensions = |shape: TensorShape| shape.dimensions.into_iter().map(dimension).collect();
    Shape(found.map(dimensions))
}

fn dimension(entry: DimensionEntry) -> Dimension {
    match entry.value {
        // Some exporters write -1 for a length that they do not know.
        Some(DimensionValue::Length(length)) => {
            u64::try_from(length).map_or(Dimension::Unknown, Dimension::Fixed)
        }
        Some(DimensionValue::Name(name)) if !name.is_empty() => Dimension::Symbolic(name),
        _ => Dimension::Unknown,
    }
}

/// protobuf writes an `int32` as a number of 64 bits and reads its lower half.
pub(super) fn int32(number: u64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "protobuf reads the lower half of the number"
    )]
    let half = number as u32;
    half.cast_signed()
}
