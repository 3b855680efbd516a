//! Our tensors <-> tract's.

use std::borrow::Cow;

use half::f16;
use tract_onnx::prelude::tract_ndarray::{ArrayD, IxDyn};
use tract_onnx::prelude::{
    Datum, DatumType, IntoTensor as _, TValue, Tensor as TractTensor, TractResult,
};

use crate::tensor::{Data, Element, ElementType, Tensor};

/// The same type in tract, which does not know bfloat16.
pub(super) fn datum_type(element: ElementType) -> Option<DatumType> {
    Some(match element {
        ElementType::Bool => DatumType::Bool,
        ElementType::Int8 => DatumType::I8,
        ElementType::Int16 => DatumType::I16,
        ElementType::Int32 => DatumType::I32,
        ElementType::Int64 => DatumType::I64,
        ElementType::Uint8 => DatumType::U8,
        ElementType::Uint16 => DatumType::U16,
        ElementType::Uint32 => DatumType::U32,
        ElementType::Uint64 => DatumType::U64,
        ElementType::Float16 => DatumType::F16,
        ElementType::Float32 => DatumType::F32,
        ElementType::Float64 => DatumType::F64,
        ElementType::String => DatumType::String,
        ElementType::Bfloat16 => return None,
    })
}

/// Takes the values over.
pub(super) fn to_tract(tensor: Tensor) -> TractResult<TValue> {
    fn pack<T: Datum>(shape: &[usize], values: Vec<T>) -> TractResult<TValue> {
        let array = ArrayD::from_shape_vec(IxDyn(shape), values)?;
        Ok(array.into_tensor().into())
    }
    let shape = &tensor.shape;
    match tensor.data {
        Data::Bool(values) => pack(shape, values.into_vec()),
        Data::Int8(values) => pack(shape, values.into_vec()),
        Data::Int16(values) => pack(shape, values.into_vec()),
        Data::Int32(values) => pack(shape, values.into_vec()),
        Data::Int64(values) => pack(shape, values.into_vec()),
        Data::Uint8(values) => pack(shape, values.into_vec()),
        Data::Uint16(values) => pack(shape, values.into_vec()),
        Data::Uint32(values) => pack(shape, values.into_vec()),
        Data::Uint64(values) => pack(shape, values.into_vec()),
        Data::Float16(values) => pack(shape, values.into_vec()),
        Data::Float32(values) => pack(shape, values.into_vec()),
        Data::Float64(values) => pack(shape, values.into_vec()),
        Data::String(values) => pack(shape, values.into_vec()),
        // Models with such inputs are refused when they are loaded.
        Data::Bfloat16(values) => pack(shape, values.iter().map(|v| v.to_f32()).collect()),
    }
}

/// The values in the type that the graph declares: tract computes sizes in a type of its own.
pub(super) fn from_tract(tensor: &TractTensor, declared: ElementType) -> TractResult<Tensor> {
    let Some(datum) = datum_type(declared) else {
        return Err(unknown(declared));
    };
    let tensor = if tensor.datum_type() == datum {
        Cow::Borrowed(tensor)
    } else {
        tensor.cast_to_dt(datum)?
    };
    let data = match declared {
        ElementType::Bool => unpack::<bool>(&tensor),
        ElementType::Int8 => unpack::<i8>(&tensor),
        ElementType::Int16 => unpack::<i16>(&tensor),
        ElementType::Int32 => unpack::<i32>(&tensor),
        ElementType::Int64 => unpack::<i64>(&tensor),
        ElementType::Uint8 => unpack::<u8>(&tensor),
        ElementType::Uint16 => unpack::<u16>(&tensor),
        ElementType::Uint32 => unpack::<u32>(&tensor),
        ElementType::Uint64 => unpack::<u64>(&tensor),
        ElementType::Float16 => unpack::<f16>(&tensor),
        ElementType::Float32 => unpack::<f32>(&tensor),
        ElementType::Float64 => unpack::<f64>(&tensor),
        ElementType::String => unpack::<String>(&tensor),
        ElementType::Bfloat16 => return Err(unknown(declared)),
    }?;
    Ok(Tensor {
        shape: tensor.shape().to_vec(),
        data,
    })
}

fn unpack<T: Datum + Element>(tensor: &TractTensor) -> TractResult<Data> {
    let view = tensor.to_plain_array_view::<T>()?;
    Ok(T::pack(view.iter().cloned().collect()))
}

fn unknown(element: ElementType) -> tract_onnx::prelude::TractError {
    tract_onnx::prelude::TractError::msg(format!("tract does not know {}", element.name()))
}
