//! Arrays as `NumPy` saves them, in requests and answers.
//!
//! - this file: arrays -> a request, and outputs -> an answer
//! - `npy`: one array
//! - `npz`: many, in a zip archive

use bytes::Bytes;

use super::content::{Content, Form};
use super::failure::{Code, Failure, list};
use super::names::{FEATURES, Names};
use super::request::{Request, from_arrays, refuse_unsupported};
use super::table;
use crate::engine::Signature;
use crate::tensor::{Tensor, Value};

mod npy;
mod npz;

/// How the bytes of an array begin.
pub(crate) const NPY_MAGIC: &[u8] = b"\x93NUMPY";

/// How a zip archive begins.
pub(crate) const NPZ_MAGIC: &[u8] = b"PK\x03\x04";

/// What `numpy.savez` calls an array without a name.
const UNNAMED: &str = "arr_0";

/// Reads one array, the only input of a model.
pub(crate) fn read_one(
    body: &Bytes,
    signature: &Signature,
    names: &Names,
) -> Result<Request, Failure> {
    refuse_unsupported(signature)?;
    let [only] = signature.inputs.as_slice() else {
        let inputs = list(signature.inputs.iter().map(|input| &input.name));
        let message = format!(
            "one array cannot be all of the inputs {inputs}: send an archive that names them, as \
             `numpy.savez` writes it (`application/x-npz`)"
        );
        return Err(Failure::new(Code::MissingInput, message));
    };
    let array = npy::read(body, FEATURES)?;
    from_arrays(vec![(only.name.clone(), array)], signature, names)
}

/// Reads arrays by name. `limit` is how many bytes they may have unpacked.
pub(crate) fn read_many(
    body: &[u8],
    limit: u64,
    signature: &Signature,
    names: &Names,
) -> Result<Request, Failure> {
    refuse_unsupported(signature)?;
    let mut arrays = npz::read(body, limit)?;
    if let ([only], [(name, _)]) = (signature.inputs.as_slice(), arrays.as_mut_slice())
        && (name == UNNAMED || name == FEATURES)
    {
        name.clone_from(&only.name);
    }
    from_arrays(arrays, signature, names)
}

/// Writes the only output as an array, or all of them as an archive.
pub(crate) fn write(form: Form, names: &[String], values: &[Value]) -> Result<Content, Failure> {
    let mut tensors = Vec::new();
    for (name, value) in names.iter().zip(values) {
        let tensor = table::of(value).ok_or_else(|| not_an_array(name))?;
        tensors.push((name.as_str(), tensor));
    }
    if form == Form::Npz {
        let tensors = tensors
            .iter()
            .map(|(name, tensor)| (*name, tensor.as_ref()));
        return npz::write(tensors).map(|body| Content::of(form, body));
    }
    match tensors.as_slice() {
        [(_, only)] => Ok(Content::of(Form::Npy, npy::write(only))),
        _ => Err(Failure::new(Code::NotAcceptable, several(names))),
    }
}

fn several(names: &[String]) -> String {
    let names = list(names);
    format!("the model has the outputs {names}; ask for them with `accept: application/x-npz`")
}

fn not_an_array(name: &str) -> Failure {
    let message = format!("the model's output `{name}` is not an array; ask for JSON");
    Failure::new(Code::NotAcceptable, message)
}

/// An array, and what it was called.
pub(crate) type Named = (String, Tensor);

#[cfg(test)]
mod tests;
