//! Arrays that are no JSON, with a type of their own -> one tensor for each input of the model.

use half::{bf16, f16};

use super::array::{Found, by_type, range};
use super::element::{FromJson, Mismatch};
use super::{Request, agree, fit, rows};
use crate::codec::expected::inputs_text;
use crate::codec::failure::{Code, Failure, did_you_mean, list, shortened};
use crate::codec::names::Names;
use crate::engine::{Input, InputKind, Signature};
use crate::tensor::{Data, Element, ElementType, Tensor, each_type};

/// Finds the input that each array is for. A sample gets its batch dimension, and numbers of another
/// type become those of the model if nothing is lost.
pub(crate) fn from_arrays(
    arrays: Vec<(String, Tensor)>,
    signature: &Signature,
    names: &Names,
) -> Result<Request, Failure> {
    let mut found: Vec<Option<Found>> = signature.inputs.iter().map(|_| None).collect();
    for (name, array) in arrays {
        let mut inputs = signature.inputs.iter();
        let index = inputs.position(|input| input.name == name);
        let index = index.ok_or_else(|| unknown(&name, signature))?;
        let input = &signature.inputs[index];
        found[index] = Some(fitted(input, array, names.of(&input.name))?);
    }
    let inputs = signature.inputs.iter().zip(&found);
    let missing: Vec<&String> = inputs
        .filter(|(_, found)| found.is_none())
        .map(|(input, _)| &input.name)
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "no array is named {}; {}",
            list(missing),
            inputs_text(signature)
        );
        return Err(Failure::new(Code::MissingInput, message));
    }
    let found: Vec<Found> = found.into_iter().flatten().collect();
    let rows = rows(&found);
    let inputs: Vec<Tensor> = found.into_iter().map(|found| found.tensor).collect();
    agree(signature, &inputs)?;
    Ok(Request { inputs, rows })
}

fn unknown(name: &str, signature: &Signature) -> Failure {
    let names = signature.inputs.iter().map(|input| input.name.as_str());
    let hint = match did_you_mean(name, names) {
        Some(near) => format!("did you mean `{near}`? "),
        None => String::new(),
    };
    let (name, rest) = (shortened(name), inputs_text(signature));
    let message = format!("`{name}` is not an input of the model; {hint}({rest})");
    Failure::new(Code::UnknownInput, message)
}

fn fitted(input: &Input, array: Tensor, names: &[String]) -> Result<Found, Failure> {
    // Models with other inputs are refused before.
    let InputKind::Tensor { element, dims } = &input.kind else {
        return Err(Failure::new(
            Code::UnsupportedInput,
            "an input that is no array",
        ));
    };
    let (shape, rows) = fit::fit(&fit::Given {
        key: &input.name,
        shape: &array.shape,
        dims,
        names,
        is_one_object: false,
    })?;
    let data = converted(array.data, *element, &input.name)?;
    Ok(Found {
        tensor: Tensor { shape, data },
        rows,
    })
}

/// The same values in another type.
fn converted(data: Data, element: ElementType, name: &str) -> Result<Data, Failure> {
    if data.element() == element {
        return Ok(data);
    }
    let found = data.element();
    by_type!(element, T => {
        each_type!(&data, values => {
            let values = values.iter().map(Become::become_::<T>);
            values.collect::<Result<Vec<T>, _>>().map(T::pack)
        })
    })
    .map_err(|mismatch| refused(mismatch, found, element, name))
}

fn refused(mismatch: Mismatch, found: ElementType, element: ElementType, name: &str) -> Failure {
    let (is, takes) = (found.name(), element.name());
    let (code, what) = match mismatch {
        Mismatch::Type | Mismatch::Nul => (Code::WrongType, String::new()),
        Mismatch::Fraction => (
            Code::WrongType,
            ", and some of the values have a fraction".to_owned(),
        ),
        Mismatch::Range | Mismatch::Inexact => (
            Code::OutOfRange,
            format!(
                ", and some of the values are out of its range{}",
                range(element)
            ),
        ),
    };
    let message = format!("`{name}` has values of {is}, but the model takes {takes}{what}");
    Failure::new(code, message)
}

/// A value of a type that may become one of another.
trait Become: Element {
    fn become_<T: FromJson>(&self) -> Result<T, Mismatch>;
}

macro_rules! becomes {
    ($($rust:ty => $of:ident $value:ty),*) => {$(
        impl Become for $rust {
            fn become_<T: FromJson>(&self) -> Result<T, Mismatch> {
                T::$of(<$value>::from(self.clone()))
            }
        }
    )*};
}
becomes!(
    bool => of_bool bool, i8 => of_i64 i64, i16 => of_i64 i64, i32 => of_i64 i64,
    i64 => of_i64 i64, u8 => of_u64 u64, u16 => of_u64 u64, u32 => of_u64 u64, u64 => of_u64 u64,
    f16 => of_f64 f64, bf16 => of_f64 f64, f32 => of_f64 f64, f64 => of_f64 f64
);

impl Become for String {
    fn become_<T: FromJson>(&self) -> Result<T, Mismatch> {
        T::of_str(self)
    }
}
