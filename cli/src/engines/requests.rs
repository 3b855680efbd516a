//! What both engines are asked: the example, variations of it, and values made from the graph's
//! shapes and types. The same on any machine and any day.

use mlfn_core::Function;
use mlfn_model::{Dimension, ElementType, Kind, Model, Shape};
use serde_json::{Map, Value as Json, json};

/// Variations of the example.
const VARIATIONS: u64 = 8;

/// Sizes of the leading open dimension of what is made from the graph, and how large values are.
const MADE: [(u64, f64); 8] = [
    (1, 1.0),
    (1, 10.0),
    (2, 0.1),
    (4, 1.0),
    (4, 5.0),
    (7, 100.0),
    (16, 1.0),
    (3, 1000.0),
];

/// Open dimensions beyond the first.
const LENGTH: u64 = 8;

/// Inputs of more values are not made.
const MOST_VALUES: u64 = 1 << 20;

/// Numbers that look random, the same each time: `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From -1 to 1, with few enough digits that all types of floats have them in common.
    fn unit(&mut self) -> f64 {
        let step = i16::try_from(self.next() % 2001).unwrap_or_default() - 1000;
        f64::from(step) / 1000.0
    }
}

/// Bodies of requests.
pub(super) fn requests(function: &Function, model: &Model) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(example) = &function.example {
        all.push(example.clone());
        all.extend((1..=VARIATIONS).map(|seed| vary(example, &mut Numbers(seed))));
    }
    let made = (1_u64..).zip(MADE);
    all.extend(
        made.filter_map(|(seed, (rows, scale))| make(model, &mut Numbers(seed), rows, scale)),
    );
    all.iter()
        .map(|body| body.to_string().into_bytes())
        .collect()
}

/// The same with floats that are up to twice as large, and as small as nothing. Whole numbers may
/// mean something else than an amount, and stay.
fn vary(example: &Json, numbers: &mut Numbers) -> Json {
    match example {
        Json::Number(number) if number.is_f64() => {
            let value = number.as_f64().unwrap_or_default();
            json!(value * (1.0 + numbers.unit()))
        }
        Json::Array(items) => items.iter().map(|item| vary(item, numbers)).collect(),
        Json::Object(members) => {
            let members = members.iter();
            let varied = members.map(|(key, value)| (key.clone(), vary(value, numbers)));
            Json::Object(varied.collect())
        }
        other => other.clone(),
    }
}

/// A request with a value for each input; none if there is an input that no value can be made for.
fn make(model: &Model, numbers: &mut Numbers, rows: u64, scale: f64) -> Option<Json> {
    let mut inputs = Map::new();
    for input in &model.inputs {
        let Kind::Tensor { element, shape } = &input.kind else {
            return None;
        };
        let sizes = sizes(shape, rows)?;
        let value = tensor(&sizes, &mut || scalar(*element, numbers, scale))?;
        inputs.insert(input.name.clone(), value);
    }
    Some(json!({ "inputs": inputs }))
}

fn sizes(shape: &Shape, rows: u64) -> Option<Vec<u64>> {
    let dimensions = shape.0.as_ref()?.iter().enumerate();
    let sizes: Vec<u64> = dimensions
        .map(|(axis, dimension)| match (axis, dimension) {
            (_, Dimension::Fixed(size)) => *size,
            (0, Dimension::Symbolic(_) | Dimension::Unknown) => rows,
            (_, Dimension::Symbolic(_) | Dimension::Unknown) => LENGTH,
        })
        .collect();
    let values = sizes
        .iter()
        .try_fold(1_u64, |all, size| all.checked_mul(*size))?;
    (values <= MOST_VALUES).then_some(sizes)
}

fn tensor(sizes: &[u64], value: &mut dyn FnMut() -> Option<Json>) -> Option<Json> {
    match sizes {
        [] => value(),
        [size, rest @ ..] => (0..*size).map(|_| tensor(rest, value)).collect(),
    }
}

/// Whole numbers are small: they may be places in a table.
fn scalar(element: ElementType, numbers: &mut Numbers, scale: f64) -> Option<Json> {
    const WORDS: [&str; 4] = ["", "a", "b", "some words"];
    Some(match element {
        ElementType::Float32 | ElementType::Float64 => json!(numbers.unit() * scale),
        ElementType::Float16 => json!(numbers.unit() * scale.min(100.0)),
        ElementType::Bool => json!(numbers.next().is_multiple_of(2)),
        ElementType::String => {
            let place = usize::try_from(numbers.next() % 4).unwrap_or_default();
            json!(WORDS.get(place)?)
        }
        ElementType::Int8
        | ElementType::Int16
        | ElementType::Int32
        | ElementType::Int64
        | ElementType::Uint8
        | ElementType::Uint16
        | ElementType::Uint32
        | ElementType::Uint64 => json!(numbers.next() % 5),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_varied_in_its_floats_alone() {
        let example = json!({"a": [1.5, 2], "b": {"c": "text", "d": true}});
        let varied = vary(&example, &mut Numbers(1));
        assert_ne!(varied["a"][0], example["a"][0]);
        assert_eq!(varied["a"][1], 2);
        assert_eq!(varied["b"], example["b"]);
        assert_eq!(
            varied,
            vary(&example, &mut Numbers(1)),
            "each time the same"
        );
    }

    #[test]
    fn open_dimensions_get_sizes() {
        let open = || Dimension::Symbolic("N".to_owned());
        let shape = Shape(Some(vec![open(), Dimension::Fixed(3), Dimension::Unknown]));
        assert_eq!(sizes(&shape, 4), Some(vec![4, 3, LENGTH]));
        assert_eq!(sizes(&Shape(None), 4), None);
        let huge = Shape(Some(vec![open(), Dimension::Fixed(1 << 40)]));
        assert_eq!(sizes(&huge, 4), None);
    }

    #[test]
    fn the_numbers_are_those_of_the_algorithm() {
        let mut numbers = Numbers(0);
        assert_eq!(numbers.next(), 0xe220_a839_7b1d_cdaf);
        assert!((-1.0..=1.0).contains(&numbers.unit()));
    }
}
