//! A request of the Open Inference Protocol -> one tensor for each input of the model.

use std::borrow::Cow;

use ::bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{datatype, raw};
use crate::codec::bytes::{self, Order};
use crate::codec::expected::{inputs_text, shape_text};
use crate::codec::failure::{Code, Failure, did_you_mean, json_problem, list, shortened};
use crate::codec::request::{agree, refuse_unsupported, values};
use crate::engine::{InputKind, Signature};
use crate::tensor::{Data, Element as _, ElementType, Tensor, count};

/// A request that the model can be run on.
#[derive(Debug, PartialEq)]
pub(crate) struct Inference {
    /// The client's name for the request.
    pub(crate) id: Option<String>,
    /// One for each input, in the order of the signature.
    pub(crate) inputs: Vec<Tensor>,
    /// The outputs that the client wants, in its order.
    pub(crate) outputs: Vec<Wanted>,
}

/// An output that the client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its place in the signature.
    pub(crate) index: usize,
    /// As bytes behind the JSON.
    pub(crate) is_binary: bool,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    parameters: Option<BodyParameters>,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(borrow)]
    outputs: Option<Vec<Output<'a>>>,
}

#[derive(Default, Deserialize)]
struct BodyParameters {
    binary_data_output: Option<bool>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<usize>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    parameters: Option<InputParameters>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct InputParameters {
    binary_data_size: Option<usize>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    parameters: Option<OutputParameters>,
}

#[derive(Default, Deserialize)]
struct OutputParameters {
    binary_data: Option<bool>,
}

/// Reads a request, of which `json_length` bytes are JSON and the others those of tensors; without
/// it, all is JSON. If it is 0, all are those of the only input.
pub(crate) fn read(
    body: &Bytes,
    json_length: Option<usize>,
    signature: &Signature,
) -> Result<Inference, Failure> {
    refuse_unsupported(signature)?;
    if json_length == Some(0) {
        return raw::read(body, signature);
    }
    let (json, binary) = match json_length {
        None => (body.clone(), Bytes::new()),
        Some(length) if length <= body.len() => (body.slice(..length), body.slice(length..)),
        Some(length) => {
            let size = body.len();
            let message = format!(
                "the header `inference-header-content-length` says that {length} bytes of the \
                 body are JSON, but the body has {size}"
            );
            return Err(Failure::new(Code::WrongShape, message));
        }
    };
    if json.trim_ascii().is_empty() {
        let message = format!("the request has no JSON; {}", inputs_text(signature));
        return Err(Failure::new(Code::EmptyBody, message));
    }
    let body: Body<'_> = serde_json::from_slice(&json).map_err(|error| {
        let problem = json_problem(&error);
        let message = format!("the request is not one of the Open Inference Protocol: {problem}");
        Failure::new(Code::NotJson, message)
    })?;
    let outputs = wanted(&body, signature)?;
    Ok(Inference {
        inputs: inputs(&body.inputs, binary, signature)?,
        outputs,
        id: body.id.map(Cow::into_owned),
    })
}

fn wanted(body: &Body<'_>, signature: &Signature) -> Result<Vec<Wanted>, Failure> {
    let parameters = body.parameters.as_ref();
    let by_default = parameters.and_then(|parameters| parameters.binary_data_output);
    let by_default = by_default.unwrap_or(false);
    let Some(outputs) = body.outputs.as_ref().filter(|outputs| !outputs.is_empty()) else {
        return Ok(all(signature, by_default));
    };
    let wanted = outputs.iter().map(|output| {
        let mut names = signature.outputs.iter();
        let index = names.position(|name| *name == output.name);
        let parameters = output.parameters.as_ref();
        let is_binary = parameters.and_then(|parameters| parameters.binary_data);
        Ok(Wanted {
            index: index.ok_or_else(|| unknown_output(&output.name, signature))?,
            is_binary: is_binary.unwrap_or(by_default),
        })
    });
    wanted.collect()
}

/// All outputs, in the model's order.
pub(super) fn all(signature: &Signature, is_binary: bool) -> Vec<Wanted> {
    let all = 0..signature.outputs.len();
    all.map(|index| Wanted { index, is_binary }).collect()
}

fn unknown_output(name: &str, signature: &Signature) -> Failure {
    let name = shortened(name);
    let message = format!(
        "`{name}` is not an output of the model, which has {}",
        list(&signature.outputs)
    );
    Failure::new(Code::UnknownOutput, message)
}

fn inputs(
    given: &[Input<'_>],
    mut binary: Bytes,
    signature: &Signature,
) -> Result<Vec<Tensor>, Failure> {
    let mut found: Vec<Option<Tensor>> = vec![None; signature.inputs.len()];
    for input in given {
        let mut names = signature.inputs.iter();
        let index = names.position(|known| known.name == input.name);
        let index = index.ok_or_else(|| unknown_input(&input.name, signature))?;
        if found[index].is_some() {
            let message = format!("`{}` is given twice", input.name);
            return Err(Failure::new(Code::DuplicateInput, message));
        }
        found[index] = Some(tensor(input, index, &mut binary, signature)?);
    }
    if !binary.is_empty() {
        let message = format!(
            "{} bytes follow those of the tensors: `binary_data_size` of the inputs and the length \
             of the body do not agree",
            binary.len()
        );
        return Err(Failure::new(Code::WrongShape, message));
    }
    complete(found, signature)
}

fn complete(found: Vec<Option<Tensor>>, signature: &Signature) -> Result<Vec<Tensor>, Failure> {
    let inputs = signature.inputs.iter().zip(&found);
    let missing: Vec<&str> = inputs
        .filter(|(_, tensor)| tensor.is_none())
        .map(|(input, _)| input.name.as_str())
        .collect();
    if !missing.is_empty() {
        let message = format!("the request misses {} under `inputs`", list(missing));
        return Err(Failure::new(Code::MissingInput, message));
    }
    let found: Vec<Tensor> = found.into_iter().flatten().collect();
    agree(signature, &found)?;
    Ok(found)
}

fn unknown_input(name: &str, signature: &Signature) -> Failure {
    let names = || signature.inputs.iter().map(|input| input.name.as_str());
    let hint = match did_you_mean(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the model has {}", list(names())),
    };
    let name = shortened(name);
    let message = format!("`{name}` is not an input of the model; {hint}");
    Failure::new(Code::UnknownInput, message)
}

/// An input, with its bytes taken off the beginning of `binary` if it has some.
fn tensor(
    input: &Input<'_>,
    index: usize,
    binary: &mut Bytes,
    signature: &Signature,
) -> Result<Tensor, Failure> {
    let count = check(input, &signature.inputs[index].kind)?;
    let size = input.parameters.as_ref();
    let size = size.and_then(|parameters| parameters.binary_data_size);
    let data = match (size, input.data) {
        (Some(size), None) => {
            let left = binary.len();
            if size > left {
                let message = format!("has {size} bytes, but {left} are left in the body");
                return Err(wrong(input, message));
            }
            of_bytes(input, &signature.inputs[index].kind, &binary.split_to(size))?
        }
        (None, Some(data)) => of_json(input, index, data, signature)?,
        (Some(_), Some(_)) => {
            return Err(wrong(input, "has `data` as well as bytes".to_owned()));
        }
        (None, None) => return Err(wrong(input, "has neither `data` nor bytes".to_owned())),
    };
    if data.len() != count {
        let values = data.len();
        let shape = shape_text(&input.shape);
        return Err(wrong(
            input,
            format!("has {values} values, but its shape {shape} has {count}"),
        ));
    }
    Ok(Tensor {
        shape: input.shape.clone(),
        data,
    })
}

/// Type and shape are those of the model: how many values there must be.
fn check(input: &Input<'_>, kind: &InputKind) -> Result<usize, Failure> {
    let InputKind::Tensor { element, dims } = kind else {
        return Ok(0);
    };
    let expected = datatype(*element);
    if input.datatype != expected {
        let found = shortened(&input.datatype);
        let message = format!(
            "`{}` is {found}, but the model takes {expected}",
            input.name
        );
        return Err(Failure::new(Code::WrongType, message));
    }
    let fits = dims.iter().zip(&input.shape);
    let fits = fits.into_iter().all(|(dim, size)| dim.allows(*size));
    // Graphs that do not say a shape take any.
    if !dims.is_empty() && (dims.len() != input.shape.len() || !fits) {
        let (found, takes) = (shape_text(&input.shape), shape_text(dims));
        return Err(wrong(
            input,
            format!("has the shape {found}, but the model takes {takes}"),
        ));
    }
    let count = count(&input.shape);
    count.ok_or_else(|| wrong(input, "has more values than there can be".to_owned()))
}

fn of_bytes(input: &Input<'_>, kind: &InputKind, own: &Bytes) -> Result<Data, Failure> {
    let data = match kind {
        InputKind::Tensor {
            element: ElementType::String,
            ..
        } => bytes::read_texts(own).map(String::pack),
        InputKind::Tensor { element, .. } => bytes::read(*element, own, Order::Little),
        InputKind::Unsupported(_) => None,
    };
    data.ok_or_else(|| {
        let size = own.len();
        wrong(
            input,
            format!(
                "has {size} bytes, which are no values of {}",
                input.datatype
            ),
        )
    })
}

fn of_json(
    input: &Input<'_>,
    index: usize,
    data: &RawValue,
    signature: &Signature,
) -> Result<Data, Failure> {
    let tensor = values(data, signature, index)?;
    // Flat or nested; what is nested must be nested as the shape says.
    if tensor.shape.len() > 1 && tensor.shape != input.shape {
        let (found, said) = (shape_text(&tensor.shape), shape_text(&input.shape));
        return Err(wrong(
            input,
            format!("has arrays of the shape {found}, but says {said}"),
        ));
    }
    Ok(tensor.data)
}

#[expect(clippy::needless_pass_by_value, reason = "all of them are made for it")]
fn wrong(input: &Input<'_>, what: String) -> Failure {
    Failure::new(
        Code::WrongShape,
        format!("`{}` {what}", shortened(&input.name)),
    )
}
