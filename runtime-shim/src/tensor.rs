//! Tensors of every element type that JSON can carry.

use half::{bf16, f16};
use zerocopy::FromBytes as _;
#[cfg(feature = "onnxruntime")]
use zerocopy::IntoBytes as _;

mod values;

pub(crate) use values::Values;

/// A tensor: `values.len()` is the product of `shape`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    /// Sizes by dimension, outermost first; empty for a scalar.
    pub(crate) shape: Vec<usize>,
    /// The values in row-major order.
    pub(crate) data: Data,
}

/// The largest product of the other sizes of a tensor that has none of one: it holds nothing, but
/// whoever goes over its rows goes over that many.
const MOST_EMPTY: usize = 1 << 20;

/// How many values a tensor of this shape has; none if that is more than there can be.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    let sizes = shape.iter().copied();
    let places = sizes
        .filter(|size| *size > 0)
        .try_fold(1_usize, usize::checked_mul)?;
    if shape.contains(&0) {
        return (places <= MOST_EMPTY).then_some(0);
    }
    Some(places)
}

/// What a model answers: tensors and, from scikit-learn, lists and dictionaries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// An array.
    Tensor(Tensor),
    /// A list.
    Sequence(Vec<Value>),
    /// A dictionary; the key at a position belongs to the value at the same position.
    Map {
        /// 64-bit integers or text.
        keys: Data,
        /// As many values as there are keys.
        values: Data,
    },
}

/// A type of Rust that a tensor can hold.
pub(crate) trait Element: Sized + Clone {
    /// Its name in ONNX.
    const TYPE: ElementType;

    /// Forgets the type.
    fn pack(values: Vec<Self>) -> Data {
        Self::wrap(values.into())
    }

    /// The same for values that may lie elsewhere.
    fn wrap(values: Values<Self>) -> Data;

    /// The values, if they are of this type.
    fn unpack(data: &Data) -> Option<&[Self]>;

    /// Bytes as values, where they lie; none if they do not lie as this machine has values, or do
    /// not have to be values.
    fn view(bytes: &[u8]) -> Option<&[Self]>;

    /// Values as the bytes of this machine; none for those of which [`Element::view`] is none.
    #[cfg(feature = "onnxruntime")]
    fn bytes(values: &[Self]) -> Option<&[u8]>;
}

/// Not all bytes are truth values, and no bytes are texts.
macro_rules! view {
    (bool) => {
        view!(String);
    };
    (String) => {
        fn view(_: &[u8]) -> Option<&[Self]> {
            None
        }

        #[cfg(feature = "onnxruntime")]
        fn bytes(_: &[Self]) -> Option<&[u8]> {
            None
        }
    };
    ($rust:ty) => {
        fn view(bytes: &[u8]) -> Option<&[Self]> {
            <[Self]>::ref_from_bytes(bytes).ok()
        }

        #[cfg(feature = "onnxruntime")]
        fn bytes(values: &[Self]) -> Option<&[u8]> {
            Some(values.as_bytes())
        }
    };
}

macro_rules! element_types {
    ($($variant:ident($rust:tt) = $name:literal,)*) => {
        /// The type of a tensor's values.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ElementType { $($variant,)* }

        impl ElementType {
            /// The name that users know it by.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        /// The values of a tensor in row-major order.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Data { $($variant(Values<$rust>),)* }

        impl Data {
            /// The type of the values.
            pub(crate) fn element(&self) -> ElementType {
                match self { $(Self::$variant(_) => ElementType::$variant,)* }
            }
        }

        $(impl Element for $rust {
            const TYPE: ElementType = ElementType::$variant;

            fn wrap(values: Values<Self>) -> Data {
                Data::$variant(values)
            }

            fn unpack(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$variant(values) => Some(values),
                    _ => None,
                }
            }

            view!($rust);
        })*
    };
}

element_types! {
    Bool(bool) = "bool",
    Int8(i8) = "int8",
    Int16(i16) = "int16",
    Int32(i32) = "int32",
    Int64(i64) = "int64",
    Uint8(u8) = "uint8",
    Uint16(u16) = "uint16",
    Uint32(u32) = "uint32",
    Uint64(u64) = "uint64",
    Float16(f16) = "float16",
    Bfloat16(bf16) = "bfloat16",
    Float32(f32) = "float32",
    Float64(f64) = "float64",
    String(String) = "string",
}

impl ElementType {
    /// Whether the values have a fraction.
    pub(crate) fn is_float(self) -> bool {
        matches!(
            self,
            Self::Float16 | Self::Bfloat16 | Self::Float32 | Self::Float64
        )
    }
}

/// Runs an expression with the vector of whichever type is there.
macro_rules! each_type {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            $crate::tensor::Data::Bool($values) => $body,
            $crate::tensor::Data::Int8($values) => $body,
            $crate::tensor::Data::Int16($values) => $body,
            $crate::tensor::Data::Int32($values) => $body,
            $crate::tensor::Data::Int64($values) => $body,
            $crate::tensor::Data::Uint8($values) => $body,
            $crate::tensor::Data::Uint16($values) => $body,
            $crate::tensor::Data::Uint32($values) => $body,
            $crate::tensor::Data::Uint64($values) => $body,
            $crate::tensor::Data::Float16($values) => $body,
            $crate::tensor::Data::Bfloat16($values) => $body,
            $crate::tensor::Data::Float32($values) => $body,
            $crate::tensor::Data::Float64($values) => $body,
            $crate::tensor::Data::String($values) => $body,
        }
    };
}
pub(crate) use each_type;

impl Data {
    /// How many values.
    pub(crate) fn len(&self) -> usize {
        each_type!(self, values => values.len())
    }

    /// The values from `start` on, `count` of them; none if there are not so many.
    pub(crate) fn part(&self, start: usize, count: usize) -> Option<Self> {
        fn pack<T: Element>(values: &[T]) -> Data {
            T::pack(values.to_vec())
        }
        let end = start.checked_add(count)?;
        each_type!(self, values => values.get(start..end).map(pack))
    }

    /// The values at these places, in their order; none if one of them is beyond the end.
    pub(crate) fn pick(&self, places: &[usize]) -> Option<Self> {
        fn pick<T: Element>(values: &[T], places: &[usize]) -> Option<Data> {
            let picked = places.iter().map(|place| values.get(*place).cloned());
            picked.collect::<Option<_>>().map(T::pack)
        }
        each_type!(self, values => pick(values, places))
    }

    /// Adds values of the same type at the end; false if they are of another one.
    pub(crate) fn append(&mut self, other: &Self) -> bool {
        fn append<T: Element>(values: &mut Values<T>, other: &Data) -> bool {
            let other = T::unpack(other);
            values.to_mut().extend_from_slice(other.unwrap_or_default());
            other.is_some()
        }
        each_type!(self, values => append(values, other))
    }

    /// The value at a position as a float, for comparing; none for text and beyond the end.
    pub(crate) fn float(&self, index: usize) -> Option<f64> {
        match self {
            Self::Float16(values) => values.get(index).map(|value| value.to_f64()),
            Self::Bfloat16(values) => values.get(index).map(|value| value.to_f64()),
            Self::Float32(values) => values.get(index).copied().map(f64::from),
            Self::Float64(values) => values.get(index).copied(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_says_how_many_values_there_are_and_may_not_be_absurd() {
        assert_eq!(count(&[]), Some(1));
        assert_eq!(count(&[2, 3]), Some(6));
        assert_eq!(count(&[usize::MAX, 2]), None);
        assert_eq!(count(&[0, 3]), Some(0));
        assert_eq!(count(&[1 << 30, 0]), None);
    }
}
