//! Types of values: element types, shapes, tensors, sequences and maps.

use std::fmt;

use serde::{Serialize, Serializer};

/// The type of a model's input or output.
///
/// Displays as `float32[N, 4]`, `sequence(map(int64, float32))`, `optional(int64[?])`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A dense tensor.
    Tensor {
        /// Of its elements.
        element: ElementType,
        /// Its dimensions.
        shape: Shape,
    },
    /// A tensor that stores only what is not zero.
    SparseTensor {
        /// Of its elements.
        element: ElementType,
        /// Its dimensions.
        shape: Shape,
    },
    /// A list of values of one kind.
    Sequence {
        /// Of each value.
        of: Box<Kind>,
    },
    /// Keys with values, as scikit-learn's classifiers give probabilities.
    Map {
        /// Of the keys.
        key: ElementType,
        /// Of each value.
        value: Box<Kind>,
    },
    /// A value that may be absent.
    Optional {
        /// Of the value.
        of: Box<Kind>,
    },
    /// Something that only its maker understands.
    Opaque {
        /// Domain and name, e.g. `com.example.Image`.
        name: String,
    },
    /// The file does not say.
    Unknown,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor { element, shape } => write!(f, "{element}{shape}"),
            Self::SparseTensor { element, shape } => write!(f, "sparse({element}{shape})"),
            Self::Sequence { of } => write!(f, "sequence({of})"),
            Self::Map { key, value } => write!(f, "map({key}, {})", Plain(value)),
            Self::Optional { of } => write!(f, "optional({of})"),
            Self::Opaque { name } => write!(f, "opaque({name})"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A map's value, where the shape of a scalar is noise.
struct Plain<'a>(&'a Kind);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Tensor { element, shape } if shape.is_scalar() => write!(f, "{element}"),
            other => write!(f, "{other}"),
        }
    }
}

/// The dimensions of a tensor, or none if not even their number is known.
///
/// Displays as `[N, 4]`, or `[...]` for an unknown number of dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Shape(pub Option<Vec<Dimension>>);

impl Shape {
    /// The number of dimensions, if known.
    pub fn rank(&self) -> Option<usize> {
        self.0.as_ref().map(Vec::len)
    }

    /// Whether it has no dimensions, or says nothing of them.
    fn is_scalar(&self) -> bool {
        self.0.as_ref().is_none_or(Vec::is_empty)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(dimensions) = &self.0 else {
            return f.write_str("[...]");
        };
        f.write_str("[")?;
        for (index, dimension) in dimensions.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{dimension}")?;
        }
        f.write_str("]")
    }
}

/// One dimension. In JSON a number, a text, or null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Dimension {
    /// Always this long.
    Fixed(u64),
    /// As long as every other dimension of this name in the same request.
    Symbolic(String),
    /// Any length.
    Unknown,
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Symbolic(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// The type of a tensor's elements. Displays by the names that `NumPy` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum ElementType {
    Float32,
    Uint8,
    Int8,
    Uint16,
    Int16,
    Int32,
    Int64,
    String,
    Bool,
    Float16,
    Float64,
    Uint32,
    Uint64,
    Complex64,
    Complex128,
    Bfloat16,
    Float8E4M3Fn,
    Float8E4M3FnUz,
    Float8E5M2,
    Float8E5M2FnUz,
    Uint4,
    Int4,
    Float4E2M1,
    Float8E8M0,
    Uint2,
    Int2,
    Float6E2M3,
    Float6E3M2,
    /// A number that ONNX does not define, or 0: the file does not say.
    Other(i32),
}

/// Number in `TensorProto.DataType` (onnx.proto of ONNX 1.23), type, name, bits of one element
/// (none where the length varies).
const ELEMENT_TYPES: [(i32, ElementType, &str, Option<u8>); 28] = [
    (1, ElementType::Float32, "float32", Some(32)),
    (2, ElementType::Uint8, "uint8", Some(8)),
    (3, ElementType::Int8, "int8", Some(8)),
    (4, ElementType::Uint16, "uint16", Some(16)),
    (5, ElementType::Int16, "int16", Some(16)),
    (6, ElementType::Int32, "int32", Some(32)),
    (7, ElementType::Int64, "int64", Some(64)),
    (8, ElementType::String, "string", None),
    (9, ElementType::Bool, "bool", Some(8)),
    (10, ElementType::Float16, "float16", Some(16)),
    (11, ElementType::Float64, "float64", Some(64)),
    (12, ElementType::Uint32, "uint32", Some(32)),
    (13, ElementType::Uint64, "uint64", Some(64)),
    (14, ElementType::Complex64, "complex64", Some(64)),
    (15, ElementType::Complex128, "complex128", Some(128)),
    (16, ElementType::Bfloat16, "bfloat16", Some(16)),
    (17, ElementType::Float8E4M3Fn, "float8e4m3fn", Some(8)),
    (18, ElementType::Float8E4M3FnUz, "float8e4m3fnuz", Some(8)),
    (19, ElementType::Float8E5M2, "float8e5m2", Some(8)),
    (20, ElementType::Float8E5M2FnUz, "float8e5m2fnuz", Some(8)),
    (21, ElementType::Uint4, "uint4", Some(4)),
    (22, ElementType::Int4, "int4", Some(4)),
    (23, ElementType::Float4E2M1, "float4e2m1", Some(4)),
    (24, ElementType::Float8E8M0, "float8e8m0", Some(8)),
    (25, ElementType::Uint2, "uint2", Some(2)),
    (26, ElementType::Int2, "int2", Some(2)),
    (27, ElementType::Float6E2M3, "float6e2m3", Some(6)),
    (28, ElementType::Float6E3M2, "float6e3m2", Some(6)),
];

impl ElementType {
    /// From its number in the file.
    pub fn from_number(number: i32) -> Self {
        ELEMENT_TYPES
            .iter()
            .find(|row| row.0 == number)
            .map_or(Self::Other(number), |row| row.1)
    }

    /// The bits that one element takes in a file; none where the length varies or is not known.
    pub fn bits(self) -> Option<u8> {
        ELEMENT_TYPES
            .iter()
            .find(|row| row.1 == self)
            .and_then(|row| row.3)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(0) => f.write_str("unknown"),
            Self::Other(number) => write!(f, "unknown({number})"),
            known => {
                let row = ELEMENT_TYPES.iter().find(|row| row.1 == *known);
                f.write_str(row.map_or("unknown", |row| row.2))
            }
        }
    }
}

impl Serialize for ElementType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(element: ElementType, shape: Option<Vec<Dimension>>) -> Kind {
        let shape = Shape(shape);
        Kind::Tensor { element, shape }
    }

    #[track_caller]
    fn check(kind: &Kind, expected: &str) {
        assert_eq!(kind.to_string(), expected);
    }

    #[test]
    fn kinds_read_like_numpy() {
        let float = ElementType::Float32;
        let rows = vec![Dimension::Symbolic("N".to_owned()), Dimension::Fixed(4)];
        check(&tensor(float, Some(rows)), "float32[N, 4]");
        check(&tensor(float, Some(vec![])), "float32[]");
        check(&tensor(float, Some(vec![Dimension::Unknown])), "float32[?]");
        check(&tensor(float, None), "float32[...]");
        check(&tensor(ElementType::Other(99), None), "unknown(99)[...]");
        let map = Kind::Map {
            key: ElementType::Int64,
            value: Box::new(tensor(float, None)),
        };
        let of = Box::new(map);
        check(&Kind::Sequence { of }, "sequence(map(int64, float32))");
    }

    #[test]
    fn every_element_type_is_in_the_table_once() {
        for (index, (number, element, name, _)) in ELEMENT_TYPES.into_iter().enumerate() {
            assert_eq!(usize::try_from(number), Ok(index + 1));
            assert_eq!(ElementType::from_number(number), element);
            assert_eq!(element.to_string(), name);
        }
    }
}
