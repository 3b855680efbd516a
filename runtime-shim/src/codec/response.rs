//! Outputs of a model -> the JSON of an answer.

use std::borrow::Cow;

use half::{bf16, f16};
use mlfn_shim_contract::OutputConfig;
use serde::Serialize;

use super::failure::{Code, Failure, list};
use super::request::Rows;
use crate::tensor::{Data, Tensor, Value, each_type};

/// Writes `{"prediction": ..}`. `names` and `values` are the outputs in the order of the model.
pub(crate) fn write(
    names: &[String],
    values: &[Value],
    config: &OutputConfig,
    rows: Rows,
) -> Result<Vec<u8>, Failure> {
    let answer = Answer::of(names, values, config)?;
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(b"{\"prediction\":");
    match rows {
        Rows::One => answer.row(&mut out, 0)?,
        Rows::Batch(count) if answer.has_rows(count) => {
            joined(&mut out, b"[]", count, |out, row| answer.row(out, row))?;
        }
        Rows::Batch(_) | Rows::Whole => answer.whole(&mut out),
    }
    out.push(b'}');
    Ok(out)
}

/// What kind of model answered.
enum Answer<'a> {
    /// A class, and how probable each class is.
    Classes {
        label: &'a Tensor,
        scores: Scores<'a>,
        config: &'a OutputConfig,
    },
    /// The probability of one class, which the manifest chose.
    Probability {
        scores: Scores<'a>,
        config: &'a OutputConfig,
        class: &'a str,
    },
    /// A score for each class of the manifest.
    Scores {
        scores: Scores<'a>,
        config: &'a OutputConfig,
    },
    /// Any other outputs, by name if there are several.
    Outputs {
        names: &'a [String],
        values: &'a [Value],
        labels: &'a [String],
    },
}

/// A number for each class.
#[derive(Clone, Copy)]
enum Scores<'a> {
    /// Of shape [N, C].
    Table {
        data: &'a Data,
        classes: usize,
        rows: usize,
    },
    /// One dictionary a row.
    Maps(&'a [Value]),
}

impl<'a> Answer<'a> {
    fn of(
        names: &'a [String],
        values: &'a [Value],
        config: &'a OutputConfig,
    ) -> Result<Self, Failure> {
        let labels = config.labels.as_slice();
        let classes = classifier(names, values);
        let scores = match classes {
            Some((_, scores)) => Some(scores),
            None => scores_of_labels(values, labels),
        };
        if let Some(class) = config.probability.as_deref() {
            return match scores {
                Some(scores) => Ok(Self::Probability {
                    scores,
                    config,
                    class,
                }),
                // A model with one number a row answers a probability already.
                None if one_number(values) => Ok(Self::Outputs {
                    names,
                    values,
                    labels,
                }),
                None => Err(no_probabilities(class, names)),
            };
        }
        Ok(match (classes, scores) {
            (Some((label, scores)), _) => Self::Classes {
                label,
                scores,
                config,
            },
            (None, Some(scores)) => Self::Scores { scores, config },
            (None, None) => Self::Outputs {
                names,
                values,
                labels,
            },
        })
    }

    /// Whether there is something to say of each row of the batch.
    fn has_rows(&self, count: usize) -> bool {
        match self {
            Self::Classes { .. } | Self::Probability { .. } | Self::Scores { .. } => true,
            Self::Outputs { values, .. } => {
                values.iter().all(|value| rows_of(value) == Some(count))
            }
        }
    }

    fn row(&self, out: &mut Vec<u8>, row: usize) -> Result<(), Failure> {
        match self {
            Self::Classes {
                label,
                scores,
                config,
            } => {
                out.extend_from_slice(b"{\"label\":");
                class_label(out, label, row, *scores, &config.labels);
                out.extend_from_slice(b",\"probabilities\":");
                scores.object(out, row, &config.labels);
                out.push(b'}');
            }
            Self::Probability {
                scores,
                config,
                class,
            } => {
                let index = scores.class(row, &config.labels, class)?;
                scores.number(out, row, index);
            }
            Self::Scores { scores, config } => {
                out.extend_from_slice(b"{\"label\":");
                let best = scores.best(row).and_then(|best| config.labels.get(best));
                json(out, &best);
                out.extend_from_slice(b",\"scores\":");
                scores.object(out, row, &config.labels);
                out.push(b'}');
            }
            Self::Outputs {
                names,
                values,
                labels,
            } => {
                outputs(out, names, |out, index| {
                    value_row(out, values, index, row, labels)
                });
            }
        }
        Ok(())
    }

    /// Everything, with all dimensions.
    fn whole(&self, out: &mut Vec<u8>) {
        if let Self::Outputs {
            names,
            values,
            labels,
        } = self
        {
            outputs(out, names, |out, index| {
                let labels = labels_for(values, index, labels);
                value(out, &values[index], labels);
            });
        }
    }
}

/// The only output, or an object of all.
fn outputs(out: &mut Vec<u8>, names: &[String], mut each: impl FnMut(&mut Vec<u8>, usize)) {
    if names.len() == 1 {
        return each(out, 0);
    }
    out.push(b'{');
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json(out, name);
        out.push(b':');
        each(out, index);
    }
    out.push(b'}');
}

/// A classifier answers a label and, for each class, a number: as scikit-learn's exporter does,
/// with or without dictionaries.
fn classifier<'a>(names: &[String], values: &'a [Value]) -> Option<(&'a Tensor, Scores<'a>)> {
    let [first, second] = values else { return None };
    let [first_name, second_name] = names else {
        return None;
    };
    match (labels_of(first), labels_of(second)) {
        (Some(label), _) => Some((label, probabilities(second_name, second)?)),
        (None, Some(label)) => Some((label, probabilities(first_name, first)?)),
        (None, None) => None,
    }
}

fn labels_of(value: &Value) -> Option<&Tensor> {
    let Value::Tensor(tensor) = value else {
        return None;
    };
    let is_label = matches!(tensor.data, Data::Int64(_) | Data::String(_));
    (is_label && tensor.shape.len() == 1).then_some(tensor)
}

fn probabilities<'a>(name: &str, value: &'a Value) -> Option<Scores<'a>> {
    match value {
        Value::Tensor(_) if name.to_lowercase().contains("prob") => table(value),
        Value::Sequence(maps) if !maps.is_empty() && maps.iter().all(is_class_map) => {
            Some(Scores::Maps(maps))
        }
        _ => None,
    }
}

fn is_class_map(value: &Value) -> bool {
    matches!(value, Value::Map { values, .. } if values.element().is_float())
}

/// A table of floats, one row a sample.
fn table(value: &Value) -> Option<Scores<'_>> {
    let Value::Tensor(Tensor { shape, data }) = value else {
        return None;
    };
    let [rows, classes] = *shape.as_slice() else {
        return None;
    };
    data.element().is_float().then_some(Scores::Table {
        data,
        classes,
        rows,
    })
}

/// The only output, if it has a column for each label of the manifest.
fn scores_of_labels<'a>(values: &'a [Value], labels: &[String]) -> Option<Scores<'a>> {
    let [only] = values else { return None };
    table(only).filter(|scores| match scores {
        Scores::Table { classes, .. } => *classes == labels.len(),
        Scores::Maps(_) => false,
    })
}

fn one_number(values: &[Value]) -> bool {
    let [Value::Tensor(Tensor { shape, data })] = values else {
        return false;
    };
    data.element().is_float() && matches!(shape.as_slice(), [] | [_] | [_, 1])
}

fn no_probabilities(class: &str, names: &[String]) -> Failure {
    let message = format!(
        "the manifest asks for the probability of `{class}`, but the model answers no \
         probabilities: its outputs are {}",
        list(names)
    );
    Failure::new(Code::WrongConfiguration, message)
}

impl Scores<'_> {
    /// The numbers of a row, and where in the data they begin.
    fn row(&self, row: usize) -> Option<(&Data, usize, usize)> {
        match self {
            Self::Table {
                data,
                classes,
                rows,
            } if row < *rows => Some((data, row * classes, *classes)),
            Self::Table { .. } => None,
            Self::Maps(maps) => match maps.get(row)? {
                Value::Map { values, .. } => Some((values, 0, values.len())),
                _ => None,
            },
        }
    }

    /// The model's own names of the classes of a row.
    fn keys(&self, row: usize) -> Option<&Data> {
        match self {
            Self::Table { .. } => None,
            Self::Maps(maps) => match maps.get(row)? {
                Value::Map { keys, .. } => Some(keys),
                _ => None,
            },
        }
    }

    /// The name of a class: the manifest's, else the model's, else its number.
    fn name<'l>(&'l self, row: usize, class: usize, labels: &'l [String]) -> Cow<'l, str> {
        if let Some(label) = labels.get(class) {
            return label.into();
        }
        match self.keys(row) {
            Some(Data::Int64(keys)) => keys
                .get(class)
                .map_or_else(String::new, i64::to_string)
                .into(),
            Some(Data::String(keys)) => keys.get(class).map_or("", String::as_str).into(),
            _ => class.to_string().into(),
        }
    }

    /// The index of the class of that name.
    fn class(&self, row: usize, labels: &[String], name: &str) -> Result<usize, Failure> {
        let count = self.row(row).map_or(0, |(_, _, count)| count);
        let found = (0..count).find(|class| self.name(row, *class, labels) == name);
        found.ok_or_else(|| {
            let names = (0..count).map(|class| self.name(row, class, labels));
            let message = format!(
                "the manifest asks for the probability of `{name}`, but the model's classes are {}",
                list(names)
            );
            Failure::new(Code::WrongConfiguration, message)
        })
    }

    /// The class with the highest number; none if no number can be compared.
    fn best(&self, row: usize) -> Option<usize> {
        let (data, start, count) = self.row(row)?;
        let numbers = (0..count).filter_map(|class| {
            let number = data.float(start + class)?;
            (!number.is_nan()).then_some((class, number))
        });
        // Of equal numbers the first counts, as in NumPy.
        let best = numbers.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(class, _)| class)
    }

    fn number(&self, out: &mut Vec<u8>, row: usize, class: usize) {
        match self.row(row) {
            Some((data, start, _)) => scalar(out, data, start + class),
            None => json(out, &()),
        }
    }

    /// `{"<class>": number, ..}`
    fn object(&self, out: &mut Vec<u8>, row: usize, labels: &[String]) {
        let count = self.row(row).map_or(0, |(_, _, count)| count);
        joined_infallibly(out, b"{}", count, |out, class| {
            json(out, &self.name(row, class, labels));
            out.push(b':');
            self.number(out, row, class);
        });
    }
}

/// The label of a row, in the manifest's words if it has any.
fn class_label(
    out: &mut Vec<u8>,
    label: &Tensor,
    row: usize,
    scores: Scores<'_>,
    labels: &[String],
) {
    let class = match (scores.keys(row), &label.data) {
        (Some(Data::Int64(keys)), Data::Int64(values)) => values
            .get(row)
            .and_then(|value| keys.iter().position(|key| key == value)),
        (Some(Data::String(keys)), Data::String(values)) => values
            .get(row)
            .and_then(|value| keys.iter().position(|key| key == value)),
        (_, Data::Int64(values)) => values
            .get(row)
            .and_then(|value| usize::try_from(*value).ok()),
        _ => None,
    };
    match class.and_then(|class| labels.get(class)) {
        Some(name) => json(out, name),
        None => scalar(out, &label.data, row),
    }
}

/// The labels of the manifest, if this is the only output that can hold class numbers.
fn labels_for<'a>(values: &[Value], index: usize, labels: &'a [String]) -> &'a [String] {
    let holds = |value: &Value| matches!(value, Value::Tensor(Tensor { shape, data: Data::Int64(_) }) if shape.len() == 1);
    let only = values.iter().filter(|value| holds(value)).count() == 1;
    if only && holds(&values[index]) {
        labels
    } else {
        &[]
    }
}

/// How many rows a value has: its leading dimension.
fn rows_of(value: &Value) -> Option<usize> {
    match value {
        Value::Tensor(tensor) => tensor.shape.first().copied(),
        Value::Sequence(items) => Some(items.len()),
        Value::Map { .. } => None,
    }
}

/// One row of an output; all of it if it has no rows.
fn value_row(out: &mut Vec<u8>, values: &[Value], index: usize, row: usize, labels: &[String]) {
    let labels = labels_for(values, index, labels);
    match &values[index] {
        Value::Tensor(Tensor { shape, data }) => match shape.as_slice() {
            [rows, rest @ ..] if row < *rows => {
                // One number a row needs no array around it.
                let rest = if rest == [1] { &[] } else { rest };
                let size: usize = rest.iter().product();
                array(out, rest, data, row * size, labels);
            }
            _ => value(out, &values[index], labels),
        },
        Value::Sequence(items) => match items.get(row) {
            Some(item) => value(out, item, &[]),
            None => value(out, &values[index], &[]),
        },
        Value::Map { .. } => value(out, &values[index], &[]),
    }
}

fn value(out: &mut Vec<u8>, value_: &Value, labels: &[String]) {
    match value_ {
        Value::Tensor(Tensor { shape, data }) => array(out, shape, data, 0, labels),
        Value::Sequence(items) => {
            joined_infallibly(out, b"[]", items.len(), |out, index| {
                value(out, &items[index], &[])
            });
        }
        Value::Map { keys, values } => {
            joined_infallibly(out, b"{}", keys.len(), |out, index| {
                key(out, keys, index);
                out.push(b':');
                scalar(out, values, index);
            });
        }
    }
}

/// Keys of JSON are texts.
fn key(out: &mut Vec<u8>, keys: &Data, index: usize) {
    match keys {
        Data::String(_) => scalar(out, keys, index),
        _ => {
            out.push(b'"');
            scalar(out, keys, index);
            out.push(b'"');
        }
    }
}

/// Values from `start` on, as nested arrays of these sizes.
fn array(out: &mut Vec<u8>, sizes: &[usize], data: &Data, start: usize, labels: &[String]) {
    let Some((size, inner)) = sizes.split_first() else {
        return labelled(out, data, start, labels);
    };
    let step: usize = inner.iter().product();
    joined_infallibly(out, b"[]", *size, |out, index| {
        array(out, inner, data, start + index * step, labels);
    });
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
fn scalar(out: &mut Vec<u8>, data: &Data, index: usize) {
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

fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Neither writing to a vector nor a number or a text can fail.
    let _ = serde_json::to_writer(out, value);
}

/// Items between brackets, with commas.
fn joined(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    count: usize,
    mut each: impl FnMut(&mut Vec<u8>, usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    out.push(brackets[0]);
    for index in 0..count {
        if index > 0 {
            out.push(b',');
        }
        each(out, index)?;
    }
    out.push(brackets[1]);
    Ok(())
}

fn joined_infallibly(
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    count: usize,
    mut each: impl FnMut(&mut Vec<u8>, usize),
) {
    let each = |out: &mut Vec<u8>, index| {
        each(out, index);
        Ok(())
    };
    // The closure never fails.
    let _ = joined(out, brackets, count, each);
}
