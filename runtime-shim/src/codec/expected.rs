//! What a model expects, shown to whoever sent it something else.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value as Json, json};

use super::failure::list;
use super::names::{FEATURES, Names};
use crate::engine::{Dim, Input, InputKind, Signature};
use crate::tensor::ElementType;

/// A longer example would hide what it is to show. In bytes of JSON.
const MAX_EXAMPLE: usize = 4096;

/// A larger sample is not generated, and more names are not shown.
const MAX_VALUES: usize = 256;

/// The object under `expected` of a failure.
#[derive(Serialize)]
struct Expected<'a> {
    inputs: Vec<ExpectedInput<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<Json>,
}

/// An input in it.
#[derive(Serialize)]
struct ExpectedInput<'a> {
    name: &'a str,
    r#type: &'a str,
    /// Numbers, names of dimensions, and null for dimensions of any size without a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<Vec<Json>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    names: &'a [String],
}

/// Renders it once, when the model is loaded. `example` is the manifest's; without one, a request
/// of the right shape is made up.
pub(crate) fn expected(
    signature: &Signature,
    names: &Names,
    example: Option<&Json>,
) -> Option<Box<RawValue>> {
    let inputs = signature.inputs.iter();
    let example = match example {
        Some(example) => Some(example.clone()),
        None => made_up(signature, names),
    };
    to_raw_value(&Expected {
        inputs: inputs.map(|input| show(input, names)).collect(),
        example: example.filter(|example| example.to_string().len() <= MAX_EXAMPLE),
    })
    .ok()
}

fn show<'a>(input: &'a Input, names: &'a Names) -> ExpectedInput<'a> {
    let (kind, shape) = match &input.kind {
        InputKind::Tensor { element, dims } => {
            (element.name(), Some(dims.iter().map(dim).collect()))
        }
        InputKind::Unsupported(kind) => (kind.as_str(), None),
    };
    ExpectedInput {
        name: &input.name,
        r#type: kind,
        shape,
        names: Some(names.of(&input.name))
            .filter(|names| names.len() <= MAX_VALUES)
            .unwrap_or_default(),
    }
}

fn dim(dim: &Dim) -> Json {
    match dim {
        Dim::Fixed(size) => json!(size),
        Dim::Symbol(name) => json!(name),
        Dim::Any => Json::Null,
    }
}

/// One sample of zeros, or none if the model is too large or takes what JSON cannot carry.
fn made_up(signature: &Signature, names: &Names) -> Option<Json> {
    let mut request = Map::new();
    for input in &signature.inputs {
        let InputKind::Tensor { element, dims } = &input.kind else {
            return None;
        };
        let sample = sample_of(*element, dims, names.of(&input.name))?;
        let key = match signature.inputs.len() {
            1 => FEATURES,
            _ => input.name.as_str(),
        };
        request.insert(key.to_owned(), sample);
    }
    Some(Json::Object(request))
}

fn sample_of(element: ElementType, dims: &[Dim], names: &[String]) -> Option<Json> {
    // The leading dimension is the batch unless its size is fixed to something else than 1.
    let sample = match dims {
        [first, rest @ ..] if first.allows(1) => rest,
        all => all,
    };
    let last = sample.len().saturating_sub(1);
    let size = |(position, dim): (usize, &Dim)| match dim {
        Dim::Fixed(size) => *size,
        Dim::Symbol(_) | Dim::Any if position == last => names.len().max(1),
        Dim::Symbol(_) | Dim::Any => 1,
    };
    let sizes: Vec<usize> = sample.iter().enumerate().map(size).collect();
    let values = sizes
        .iter()
        .try_fold(1_usize, |all, size| all.checked_mul(*size))?;
    if values > MAX_VALUES {
        return None;
    }
    let leaf = match element {
        ElementType::Bool => json!(false),
        ElementType::String => json!("text"),
        element if element.is_float() => json!(0.5),
        _ => json!(1),
    };
    // A column takes a scalar for a sample.
    if let [1] = sizes.as_slice() {
        return Some(leaf);
    }
    Some(
        sizes
            .iter()
            .rev()
            .fold(leaf, |inner, size| Json::Array(vec![inner; *size])),
    )
}

/// A shape as people write it: `[batch, 4]`.
pub(crate) fn shape_text<T: std::fmt::Display>(dims: &[T]) -> String {
    let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
    format!("[{}]", dims.join(", "))
}

/// The inputs of a model in a sentence.
pub(crate) fn inputs_text(signature: &Signature) -> String {
    match signature.inputs.as_slice() {
        [] => "the model has no inputs".to_owned(),
        [only] if only.name == FEATURES => format!("the model has one input, `{FEATURES}`"),
        [only] => format!(
            "the model has one input, `{FEATURES}`, also known as `{}`",
            only.name
        ),
        several => format!(
            "the model has the inputs {}",
            list(several.iter().map(|input| &input.name))
        ),
    }
}
