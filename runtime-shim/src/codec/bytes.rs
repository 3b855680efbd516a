//! Values as bytes: those of fixed size one after the other, texts with their length before them.

use bytes::Bytes;
use half::{bf16, f16};

use crate::tensor::{Data, Element, ElementType, Values, each_type};

/// Bytes before each text, which hold its length.
const TEXT_HEAD: usize = 4;

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The lowest.
    Little,
    /// The highest.
    Big,
}

impl Order {
    /// That of the numbers that this machine computes with.
    const OF_MACHINE: Self = if cfg!(target_endian = "little") {
        Self::Little
    } else {
        Self::Big
    };
}

/// What has the same number of bytes for each value.
trait Fixed: Element {
    fn read(bytes: &[u8], order: Order) -> Option<Values<Self>>;
    fn write(values: &[Self], out: &mut Vec<u8>);
}

macro_rules! fixed {
    ($($rust:ty),*) => {$(
        impl Fixed for $rust {
            fn read(bytes: &[u8], order: Order) -> Option<Values<Self>> {
                let (values, rest) = bytes.as_chunks();
                let values = values.iter();
                // Compiled to one copy where the order is the machine's.
                let values = match order {
                    Order::Little => values.map(|value| Self::from_le_bytes(*value)).collect(),
                    Order::Big => values.map(|value| Self::from_be_bytes(*value)).collect(),
                };
                rest.is_empty().then_some(values)
            }

            fn write(values: &[Self], out: &mut Vec<u8>) {
                let start = out.len();
                out.resize(start + size_of_val(values), 0);
                let (places, _) = out[start..].as_chunks_mut();
                for (place, value) in places.iter_mut().zip(values) {
                    *place = value.to_le_bytes();
                }
            }
        }
    )*};
}
fixed!(i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64);

impl Fixed for bool {
    fn read(bytes: &[u8], _: Order) -> Option<Values<Self>> {
        Some(bytes.iter().map(|byte| *byte != 0).collect())
    }

    fn write(values: &[Self], out: &mut Vec<u8>) {
        out.extend(values.iter().map(|value| u8::from(*value)));
    }
}

/// Values of a type of fixed size; none if a value ends in its middle or the type has no size. They
/// stay where they are if they lie there as the machine has them.
pub(crate) fn read(element: ElementType, bytes: &Bytes, order: Order) -> Option<Data> {
    fn all<T: Fixed>(bytes: &Bytes, order: Order) -> Option<Data> {
        let shared = if order == Order::OF_MACHINE {
            Values::shared(bytes.clone())
        } else {
            None
        };
        shared.or_else(|| T::read(bytes, order)).map(T::wrap)
    }
    match element {
        ElementType::Bool => all::<bool>(bytes, order),
        ElementType::Int8 => all::<i8>(bytes, order),
        ElementType::Int16 => all::<i16>(bytes, order),
        ElementType::Int32 => all::<i32>(bytes, order),
        ElementType::Int64 => all::<i64>(bytes, order),
        ElementType::Uint8 => all::<u8>(bytes, order),
        ElementType::Uint16 => all::<u16>(bytes, order),
        ElementType::Uint32 => all::<u32>(bytes, order),
        ElementType::Uint64 => all::<u64>(bytes, order),
        ElementType::Float16 => all::<f16>(bytes, order),
        ElementType::Bfloat16 => all::<bf16>(bytes, order),
        ElementType::Float32 => all::<f32>(bytes, order),
        ElementType::Float64 => all::<f64>(bytes, order),
        ElementType::String => None,
    }
}

/// Writes values with the lowest byte first; texts as [`read_texts`] reads them.
pub(crate) fn write(data: &Data, out: &mut Vec<u8>) {
    match data {
        Data::Bool(values) => Fixed::write(values, out),
        Data::Int8(values) => Fixed::write(values, out),
        Data::Int16(values) => Fixed::write(values, out),
        Data::Int32(values) => Fixed::write(values, out),
        Data::Int64(values) => Fixed::write(values, out),
        Data::Uint8(values) => Fixed::write(values, out),
        Data::Uint16(values) => Fixed::write(values, out),
        Data::Uint32(values) => Fixed::write(values, out),
        Data::Uint64(values) => Fixed::write(values, out),
        Data::Float16(values) => Fixed::write(values, out),
        Data::Bfloat16(values) => Fixed::write(values, out),
        Data::Float32(values) => Fixed::write(values, out),
        Data::Float64(values) => Fixed::write(values, out),
        Data::String(values) => write_texts(values, out),
    }
}

/// How many bytes [`write()`] writes.
pub(crate) fn length(data: &Data) -> usize {
    match data {
        Data::String(values) => values.iter().map(|value| TEXT_HEAD + value.len()).sum(),
        data => each_type!(data, values => size_of_val(&**values)),
    }
}

fn write_texts(values: &[String], out: &mut Vec<u8>) {
    for value in values {
        // Answers are limited to far less.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(value.as_bytes());
    }
}

/// Texts, each after its length in 4 bytes; none if one ends in its middle or is not UTF-8, or has a
/// NUL, which the engine's texts cannot hold.
pub(crate) fn read_texts(mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        let text = str::from_utf8(text).ok()?;
        if text.contains('\0') {
            return None;
        }
        texts.push(text.to_owned());
        bytes = rest;
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(data: &Data, bytes: &[u8]) {
        let mut out = vec![9];
        write(data, &mut out);
        assert_eq!(out[1..], *bytes);
        assert_eq!(length(data), bytes.len());
        let read = match data {
            Data::String(_) => read_texts(bytes).map(Into::into).map(Data::String),
            data => read(
                data.element(),
                &Bytes::copy_from_slice(bytes),
                Order::Little,
            ),
        };
        assert_eq!(read.as_ref(), Some(data));
    }

    #[test]
    fn values_become_bytes_and_come_back() {
        check(&Data::Bool(vec![true, false].into()), &[1, 0]);
        check(&Data::Int8(vec![-1].into()), &[255]);
        check(&Data::Uint16(vec![1, 0x203].into()), &[1, 0, 3, 2]);
        check(&Data::Float16(vec![f16::ONE].into()), &[0, 0x3c]);
        check(
            &Data::Float32(vec![1.0, -2.0].into()),
            &[0, 0, 128, 63, 0, 0, 0, 192],
        );
        check(&Data::Float64(vec![].into()), &[]);
        let texts = vec!["é".to_owned(), String::new()];
        check(
            &Data::String(texts.into()),
            &[2, 0, 0, 0, 0xc3, 0xa9, 0, 0, 0, 0],
        );
    }

    #[test]
    fn bytes_that_are_no_values_are_refused() {
        assert_eq!(
            read(
                ElementType::Float32,
                &Bytes::from_static(&[0; 5]),
                Order::Little
            ),
            None
        );
        assert_eq!(
            read(ElementType::String, &Bytes::new(), Order::Little),
            None
        );
        for texts in [
            &[1, 0, 0][..],
            &[2, 0, 0, 0, 65],
            &[1, 0, 0, 0, 0xff],
            &[1, 0, 0, 0, 0],
        ] {
            assert_eq!(read_texts(texts), None, "{texts:?}");
        }
    }

    #[test]
    fn the_other_order_of_bytes_is_read_too() {
        let read = read(ElementType::Int16, &Bytes::from_static(&[1, 2]), Order::Big);
        assert_eq!(read, Some(Data::Int16(vec![0x102].into())));
    }
}
