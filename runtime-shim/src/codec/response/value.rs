//! Outputs as JSON.

use half::{bf16, f16};
use serde::Serialize;

use crate::codec::failure::Failure;
use crate::tensor::{Data, Tensor, Value, each_type};

/// How many rows a value has. A list has them if it is scikit-learn's: one dictionary a row.
pub(super) fn rows_of(value: &Value) -> Option<usize> {
    match value {
        Value::Tensor(tensor) => tensor.shape.first().copied(),
        Value::Sequence(items) if items.iter().all(|item| matches!(item, Value::Map { .. })) => {
            Some(items.len())
        }
        Value::Sequence(_) | Value::Map { .. } => None,
    }
}

/// One row of an output that has so many rows; any other output as a whole.
pub(super) fn row_of(
    out: &mut Vec<u8>,
    value: &Value,
    row: usize,
    rows: usize,
    labels: &[String],
) -> Result<(), Failure> {
    if rows_of(value) != Some(rows) {
        return whole(out, value, labels);
    }
    match value {
        Value::Tensor(Tensor { shape, data }) => {
            // One number a row needs no array around it.
            let inner = match &shape[1..] {
                [1] => &[],
                inner => inner,
            };
            let size: usize = inner.iter().product();
            array(out, inner, data, row * size, labels)
        }
        Value::Sequence(items) => whole(out, &items[row], &[]),
        Value::Map { .. } => whole(out, value, &[]),
    }
}

/// An output with all its dimensions.
pub(super) fn whole(out: &mut Vec<u8>, value: &Value, labels: &[String]) -> Result<(), Failure> {
    match value {
        Value::Tensor(Tensor { shape, data }) => array(out, shape, data, 0, labels),
        Value::Sequence(items) => joined(out, Brackets::ARRAY, items.len(), |out, index| {
            whole(out, &items[index], &[])
        }),
        Value::Map { keys, values } => joined(out, Brackets::OBJECT, keys.len(), |out, index| {
            key(out, keys, index);
            out.push(b':');
            scalar(out, values, index);
            Ok(())
        }),
    }
}

/// Keys of JSON are texts.
fn key(out: &mut Vec<u8>, keys: &Data, index: usize) {
    let quote = match keys {
        Data::String(_) => "",
        _ => "\"",
    };
    out.extend_from_slice(quote.as_bytes());
    scalar(out, keys, index);
    out.extend_from_slice(quote.as_bytes());
}

/// Values from `start` on, as nested arrays of these sizes.
fn array(
    out: &mut Vec<u8>,
    sizes: &[usize],
    data: &Data,
    start: usize,
    labels: &[String],
) -> Result<(), Failure> {
    let Some((size, inner)) = sizes.split_first() else {
        labelled(out, data, start, labels);
        return Ok(());
    };
    let step: usize = inner.iter().product();
    joined(out, Brackets::ARRAY, *size, |out, index| {
        array(out, inner, data, start + index * step, labels)
    })
}

/// A class number as its label, if there is one.
fn labelled(out: &mut Vec<u8>, data: &Data, index: usize, labels: &[String]) {
    let class = match data {
        Data::Int64(values) => values
            .get(index)
            .and_then(|value| usize::try_from(*value).ok()),
        _ => None,
    };
    match class.and_then(|class| labels.get(class)) {
        Some(label) => json(out, label),
        None => scalar(out, data, index),
    }
}

/// One value. Floats are printed so that reading them gives the same float; those that are no
/// numbers become null, because JSON has no word for them.
pub(in crate::codec) fn scalar(out: &mut Vec<u8>, data: &Data, index: usize) {
    each_type!(data, values => match values.get(index) {
        Some(value) => value.print(out),
        None => json(out, &()),
    });
}

/// What a tensor can hold, as JSON.
trait Print {
    fn print(&self, out: &mut Vec<u8>);
}

macro_rules! print {
    ($($rust:ty),*) => {$(
        impl Print for $rust {
            fn print(&self, out: &mut Vec<u8>) {
                json(out, self);
            }
        }
    )*};
}
print!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, String);

impl Print for f16 {
    fn print(&self, out: &mut Vec<u8>) {
        json(out, &self.to_f32());
    }
}

impl Print for bf16 {
    fn print(&self, out: &mut Vec<u8>) {
        json(out, &self.to_f32());
    }
}

pub(in crate::codec) fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Neither writing to a vector nor a number or a text can fail.
    let _ = serde_json::to_writer(out, value);
}

/// What stands around items.
#[derive(Debug, Clone, Copy)]
pub(in crate::codec) struct Brackets(u8, u8);

impl Brackets {
    pub(in crate::codec) const ARRAY: Self = Self(b'[', b']');
    pub(in crate::codec) const OBJECT: Self = Self(b'{', b'}');
}

/// Items between brackets, with commas.
pub(in crate::codec) fn joined(
    out: &mut Vec<u8>,
    brackets: Brackets,
    count: usize,
    mut each: impl FnMut(&mut Vec<u8>, usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    out.push(brackets.0);
    for index in 0..count {
        if index > 0 {
            out.push(b',');
        }
        each(out, index)?;
    }
    out.push(brackets.1);
    Ok(())
}
