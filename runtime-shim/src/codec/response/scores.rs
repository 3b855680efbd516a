//! A number for each class, and which outputs are such numbers.

use std::borrow::Cow;

use super::value::{Brackets, joined, json, scalar};
use crate::codec::failure::{Code, Failure, list};
use crate::tensor::{Data, Tensor, Value};

/// A number for each class.
#[derive(Clone, Copy)]
pub(super) enum Scores<'a> {
    /// Of shape [N, C].
    Table {
        data: &'a Data,
        classes: usize,
        rows: usize,
    },
    /// One dictionary a row.
    Maps(&'a [Value]),
}

/// A classifier answers a label and, for each class, a number: as scikit-learn's exporter does,
/// with or without dictionaries.
pub(super) fn classifier<'a>(
    names: &[String],
    values: &'a [Value],
) -> Option<(&'a Tensor, Scores<'a>)> {
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
pub(super) fn score_table<'a>(values: &'a [Value], labels: &[String]) -> Option<Scores<'a>> {
    let [only] = values else { return None };
    table(only).filter(|scores| match scores {
        Scores::Table { classes, .. } => !labels.is_empty() && *classes == labels.len(),
        Scores::Maps(_) => false,
    })
}

/// The only output, if it is one dictionary a row.
pub(super) fn score_maps(values: &[Value]) -> Option<Scores<'_>> {
    let [Value::Sequence(maps)] = values else {
        return None;
    };
    maps.iter().all(is_class_map).then_some(Scores::Maps(maps))
}

impl Scores<'_> {
    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Table { rows, .. } => *rows,
            Self::Maps(maps) => maps.len(),
        }
    }

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
    pub(super) fn keys(&self, row: usize) -> Option<&Data> {
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
    pub(super) fn class(
        &self,
        row: usize,
        labels: &[String],
        name: &str,
    ) -> Result<usize, Failure> {
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
    pub(super) fn best(&self, row: usize) -> Option<usize> {
        let (data, start, count) = self.row(row)?;
        let numbers = (0..count).filter_map(|class| {
            let number = data.float(start + class)?;
            (!number.is_nan()).then_some((class, number))
        });
        // Of equal numbers the first counts, as in NumPy.
        let best = numbers.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(class, _)| class)
    }

    pub(super) fn number(&self, out: &mut Vec<u8>, row: usize, class: usize) {
        match self.row(row) {
            Some((data, start, _)) => scalar(out, data, start + class),
            None => json(out, &()),
        }
    }

    /// `{"<class>": number, ..}`
    pub(super) fn object(
        &self,
        out: &mut Vec<u8>,
        row: usize,
        labels: &[String],
    ) -> Result<(), Failure> {
        let count = self.row(row).map_or(0, |(_, _, count)| count);
        joined(out, Brackets::OBJECT, count, |out, class| {
            json(out, &self.name(row, class, labels));
            out.push(b':');
            self.number(out, row, class);
            Ok(())
        })
    }
}
