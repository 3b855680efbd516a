//! A request's JSON -> one tensor for each input of the model.
//!
//! - this file: the body, its keys, and what inputs have to do with each other
//! - `array`: nested arrays -> values and the shape that was found
//! - `element`: one JSON value -> one value of a tensor
//! - `arrays`: arrays that are no JSON -> the same
//! - `fast`: plain numbers, and many of them
//! - `fit`: the shape that was found -> the shape that the model takes

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::expected::inputs_text;
use super::failure::{Code, Failure, did_you_mean, json_problem, list, shortened};
use super::names::{FEATURES, Names};
use crate::engine::{Dim, Input, InputKind, Signature};
use crate::tensor::{ElementType, Tensor};

mod array;
mod arrays;
mod element;
mod fast;
mod fit;

use array::Found;
pub(crate) use arrays::from_arrays;

/// The key under which inputs may stand by name.
const INPUTS: &str = "inputs";

/// A request that the model can be run on.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// One for each input, in the order of the signature.
    pub(crate) inputs: Vec<Tensor>,
    /// Whether the answer is for one sample or for several.
    pub(crate) rows: Rows,
}

/// What the leading dimension of the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// One sample was sent without a batch dimension: the answer loses it too.
    One,
    /// A batch of this many samples.
    Batch(usize),
    /// The model does not work on batches.
    Whole,
}

/// Reads a request.
pub(crate) fn read(body: &[u8], signature: &Signature, names: &Names) -> Result<Request, Failure> {
    refuse_unsupported(signature)?;
    if body.iter().all(u8::is_ascii_whitespace) {
        let message = format!("the request has no body; {}", inputs_text(signature));
        return Err(Failure::new(Code::EmptyBody, message));
    }
    if let Some(request) = fast::read(body, signature, names) {
        return Ok(request);
    }
    let reader = Reader {
        signature,
        names,
        failure: RefCell::new(None),
        found: RefCell::new(signature.inputs.iter().map(|_| None).collect()),
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = Body {
        reader: &reader,
        top: true,
    }
    .deserialize(&mut json)
    .and_then(|()| json.end());
    match (reader.failure.into_inner(), read) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(not_json(body, &error)),
        (None, Ok(())) => finish(signature, reader.found.into_inner()),
    }
}

/// Inputs that JSON cannot carry are refused before anything is read.
pub(crate) fn refuse_unsupported(signature: &Signature) -> Result<(), Failure> {
    for input in &signature.inputs {
        if let InputKind::Unsupported(kind) = &input.kind {
            let message = format!(
                "the model's input `{}` is {kind}, which a JSON request cannot carry; export the \
                 model with tensors of bool, int, uint, float16/32/64, bfloat16 or string as inputs",
                input.name
            );
            return Err(Failure::new(Code::UnsupportedInput, message));
        }
    }
    Ok(())
}

/// Reads the values of an input, in arrays nested in any way: the tensor has the shape that was
/// found.
pub(crate) fn values(
    text: &RawValue,
    signature: &Signature,
    index: usize,
) -> Result<Tensor, Failure> {
    if let InputKind::Tensor {
        element: ElementType::Float32,
        ..
    } = signature.inputs[index].kind
        && let Some(tensor) = fast::values(text.get().as_bytes())
    {
        return Ok(tensor);
    }
    let names = Names::default();
    let reader = Reader {
        signature,
        names: &names,
        failure: RefCell::new(None),
        found: RefCell::new(Vec::new()),
    };
    let seed = array::Seed {
        reader: &reader,
        index,
        key: &signature.inputs[index].name,
        any_shape: true,
    };
    let mut json = serde_json::Deserializer::from_str(text.get());
    let read = seed.deserialize(&mut json);
    match (reader.failure.into_inner(), read) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(not_json(text.get().as_bytes(), &error)),
        (None, Ok(found)) => Ok(found.tensor),
    }
}

/// What a body is read with. The failure stands beside serde's errors, which hold only text.
struct Reader<'a> {
    signature: &'a Signature,
    names: &'a Names,
    failure: RefCell<Option<Failure>>,
    found: RefCell<Vec<Option<Found>>>,
}

impl Reader<'_> {
    /// Stops reading because of this failure.
    fn stop<E: de::Error>(&self, code: Code, message: String) -> E {
        *self.failure.borrow_mut() = Some(Failure::new(code, message));
        E::custom("stopped")
    }

    /// What a key means.
    fn meaning(&self, key: &str) -> Meaning<'_> {
        let inputs = &self.signature.inputs;
        if let Some(index) = inputs.iter().position(|input| input.name == key) {
            return Meaning::Input(index);
        }
        match inputs.as_slice() {
            [_] if key == FEATURES => Meaning::Input(0),
            [only] if self.names.of(&only.name).iter().any(|name| name == key) => {
                Meaning::Feature(only)
            }
            _ if key == INPUTS => Meaning::Inputs,
            _ => Meaning::Unknown,
        }
    }

    fn unknown(&self, key: &str) -> String {
        let inputs = &self.signature.inputs;
        let names = inputs.iter().map(|input| input.name.as_str());
        let features = match inputs.as_slice() {
            [only] => self.names.of(&only.name),
            _ => &[],
        };
        let alias = (inputs.len() == 1).then_some(FEATURES);
        let all = names
            .chain(features.iter().map(String::as_str))
            .chain(alias);
        let hint = match did_you_mean(key, all) {
            Some(name) => format!("did you mean `{name}`? "),
            None => String::new(),
        };
        let rest = inputs_text(self.signature);
        if key == FEATURES {
            return format!("`{FEATURES}` stands for the only input of a model, but {rest}");
        }
        let key = shortened(key);
        if hint.is_empty() {
            format!("`{key}` is not an input of the model: {rest}")
        } else {
            format!("`{key}` is not an input of the model; {hint}({rest})")
        }
    }
}

enum Meaning<'a> {
    Input(usize),
    Feature(&'a Input),
    Inputs,
    Unknown,
}

/// The body, or the object under `inputs`.
struct Body<'r, 'a> {
    reader: &'r Reader<'a>,
    top: bool,
}

impl<'de> DeserializeSeed<'de> for Body<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Body<'_, '_> {
    fn refuse<E: de::Error>(&self, what: &str) -> E {
        let place = if self.top { "the request" } else { "`inputs`" };
        let rest = inputs_text(self.reader.signature);
        let message = format!(
            "{place} is {what}, but must be an object with the inputs by name, \
             e.g. {{\"{FEATURES}\": [..]}}; {rest}"
        );
        self.reader.stop(Code::NotAnObject, message)
    }

    fn read_key<'de, A: MapAccess<'de>>(&self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let reader = self.reader;
        match reader.meaning(key) {
            Meaning::Input(index) => {
                if reader.found.borrow()[index].is_some() {
                    let message = format!("`{key}` gives the same input twice");
                    return Err(reader.stop(Code::DuplicateInput, message));
                }
                let seed = array::Seed {
                    reader,
                    index,
                    key,
                    any_shape: false,
                };
                let found = map.next_value_seed(seed)?;
                reader.found.borrow_mut()[index] = Some(found);
                Ok(())
            }
            Meaning::Inputs if self.top => map.next_value_seed(Body { reader, top: false }),
            Meaning::Feature(_) if reader.found.borrow()[0].is_none() => {
                let found = array::read_row(reader, key, map)?;
                reader.found.borrow_mut()[0] = Some(found);
                Ok(())
            }
            Meaning::Feature(input) => {
                let message = format!(
                    "`{key}` is a feature of `{}`, which is given already",
                    input.name
                );
                Err(reader.stop(Code::DuplicateInput, message))
            }
            Meaning::Inputs | Meaning::Unknown => {
                Err(reader.stop(Code::UnknownInput, reader.unknown(key)))
            }
        }
    }
}

impl<'de> Visitor<'de> for Body<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the inputs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            self.read_key(&key, &mut map)?;
        }
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.refuse("a boolean"))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Err(self.refuse("a number"))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Err(self.refuse("a number"))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Err(self.refuse("a number"))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.refuse("a text"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.refuse("null"))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.refuse("an array"))
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// What other languages print for numbers that JSON does not have.
const NOT_NUMBERS: [&str; 7] = ["NaN", "-NaN", "Infinity", "-Infinity", "nan", "inf", "-inf"];

/// What serde found wrong with the text, in words that help.
fn not_json(body: &[u8], error: &serde_json::Error) -> Failure {
    let (line, column) = (error.line(), error.column());
    let at = format!("line {line}, column {column}");
    let start = offset(body, line, column);
    let literal = [start.saturating_sub(1), start]
        .into_iter()
        .find_map(|from| {
            let rest = body.get(from..)?;
            let mut literals = NOT_NUMBERS.into_iter();
            literals.find(|literal| rest.starts_with(literal.as_bytes()))
        });
    if let Some(literal) = literal {
        let message = format!(
            "`{literal}` at {at} is not JSON, which has no such numbers; send finite ones only"
        );
        return Failure::new(Code::NotJson, message);
    }
    // There is no other way to tell this error of `serde_json` from the others.
    if error.to_string().starts_with("number out of range") {
        let message = format!("a number at {at} is out of the range of doubles (up to 1.7976e308)");
        return Failure::new(Code::OutOfRange, message);
    }
    let message = format!("the request is not JSON: {}", json_problem(error));
    Failure::new(Code::NotJson, message)
}

/// Where the character that serde complains about stands.
fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    before + column.saturating_sub(1)
}

/// All inputs are there, and their shared dimensions agree.
fn finish(signature: &Signature, found: Vec<Option<Found>>) -> Result<Request, Failure> {
    let inputs = signature.inputs.iter();
    let missing: Vec<&str> = inputs
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|(input, _)| input.name.as_str())
        .collect();
    if !missing.is_empty() {
        let message = match signature.inputs.len() {
            1 => format!("the input is missing; {}", inputs_text(signature)),
            _ => format!("{} missing; {}", is_are(&missing), inputs_text(signature)),
        };
        return Err(Failure::new(Code::MissingInput, message));
    }
    let found: Vec<Found> = found.into_iter().flatten().collect();
    let rows = rows(&found);
    let inputs: Vec<Tensor> = found.into_iter().map(|found| found.tensor).collect();
    agree(signature, &inputs)?;
    Ok(Request { inputs, rows })
}

fn is_are(missing: &[&str]) -> String {
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", list(missing))
}

/// A dimension with a name has one size wherever it stands.
pub(crate) fn agree(signature: &Signature, found: &[Tensor]) -> Result<(), Failure> {
    let mut sizes: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (input, tensor) in signature.inputs.iter().zip(found) {
        let InputKind::Tensor { dims, .. } = &input.kind else {
            continue;
        };
        for (dim, size) in dims.iter().zip(&tensor.shape) {
            let Dim::Symbol(symbol) = dim else { continue };
            let (first, owner) = *sizes.entry(symbol).or_insert((*size, &input.name));
            if first != *size {
                let message = format!(
                    "the dimension `{symbol}` is {first} in `{owner}`, but {size} in `{}`; \
                     it must be the same everywhere",
                    input.name
                );
                return Err(Failure::new(Code::WrongShape, message));
            }
        }
    }
    Ok(())
}

fn rows(found: &[Found]) -> Rows {
    let batch = found.iter().find_map(|found| match found.rows {
        Rows::Batch(rows) => Some(Rows::Batch(rows)),
        Rows::One | Rows::Whole => None,
    });
    let one = found.iter().any(|found| found.rows == Rows::One);
    batch.unwrap_or(if one { Rows::One } else { Rows::Whole })
}
