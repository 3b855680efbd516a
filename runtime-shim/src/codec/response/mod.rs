//! Outputs of a model -> the JSON of an answer.
//!
//! - this file: what kind of model answered, and which rows it answered
//! - `scores`: a number for each class
//! - `value`: any output as JSON

use mlfn_shim_contract::OutputConfig;

use super::failure::{Code, Failure, list};
use super::request::Rows;
use crate::tensor::{Data, Tensor, Value};

mod scores;
pub(super) mod value;

use scores::{Scores, classifier, score_maps, score_table};
use value::{Brackets, joined, json, row_of, rows_of, scalar, whole};

/// Writes `{"prediction": ..}`. `names` and `values` are the outputs in the order of the model.
pub(crate) fn write(
    names: &[String],
    values: &[Value],
    config: &OutputConfig,
    rows: Rows,
) -> Result<Vec<u8>, Failure> {
    let answer = Answer {
        names,
        values,
        labels: &config.labels,
        kind: Kind::of(names, values, config)?,
    };
    let mut out = b"{\"prediction\":".to_vec();
    let batch = match rows {
        Rows::One => None,
        Rows::Batch(count) => answer.has_rows(count).then_some(count),
        Rows::Whole => answer.own_rows(),
    };
    match (batch, rows) {
        (Some(count), _) => {
            joined(&mut out, Brackets::ARRAY, count, |out, row| {
                answer.row(out, row, count)
            })?;
        }
        (None, Rows::One) => answer.row(&mut out, 0, 1)?,
        (None, Rows::Batch(_) | Rows::Whole) => answer.whole(&mut out)?,
    }
    out.push(b'}');
    Ok(out)
}

/// What a model answered.
struct Answer<'a> {
    names: &'a [String],
    values: &'a [Value],
    labels: &'a [String],
    kind: Kind<'a>,
}

/// Which kind of model it is.
enum Kind<'a> {
    /// A class, and how probable each class is.
    Classes(&'a Tensor, Scores<'a>),
    /// The probability of one class, which the manifest chose.
    Probability(Scores<'a>, &'a str),
    /// A score for each class of the manifest.
    Scores(Scores<'a>),
    /// Any other outputs. The manifest's labels are for the one at this position.
    Outputs(Option<usize>),
}

impl<'a> Kind<'a> {
    fn of(
        names: &'a [String],
        values: &'a [Value],
        config: &'a OutputConfig,
    ) -> Result<Self, Failure> {
        let classes = classifier(names, values);
        let table = score_table(values, &config.labels);
        if let Some(class) = config.probability.as_deref() {
            let scores = classes.map(|(_, scores)| scores);
            return match scores.or(table).or_else(|| score_maps(values)) {
                Some(scores) => Ok(Self::Probability(scores, class)),
                // A model with one number a row answers a probability already.
                None if one_number(values) => Ok(Self::Outputs(None)),
                None => Err(no_probabilities(class, names)),
            };
        }
        Ok(match (classes, table) {
            (Some((label, scores)), _) => Self::Classes(label, scores),
            (None, Some(scores)) => Self::Scores(scores),
            (None, None) => Self::Outputs(class_numbers(values)),
        })
    }
}

impl Answer<'_> {
    /// Whether there is something to say of each row of a batch.
    fn has_rows(&self, count: usize) -> bool {
        match &self.kind {
            Kind::Outputs(_) => {
                let mut values = self.values.iter();
                values.all(|value| rows_of(value) == Some(count))
            }
            _ => self.own_rows() == Some(count),
        }
    }

    /// How many classes were answered, one for each row.
    fn own_rows(&self) -> Option<usize> {
        match &self.kind {
            Kind::Classes(label, _) => label.shape.first().copied(),
            Kind::Probability(scores, _) | Kind::Scores(scores) => Some(scores.rows()),
            Kind::Outputs(_) => None,
        }
    }

    /// One row of an answer with so many.
    fn row(&self, out: &mut Vec<u8>, row: usize, rows: usize) -> Result<(), Failure> {
        match &self.kind {
            Kind::Classes(label, scores) => {
                out.extend_from_slice(b"{\"label\":");
                class_label(out, label, row, *scores, self.labels);
                out.extend_from_slice(b",\"probabilities\":");
                scores.object(out, row, self.labels)?;
                out.push(b'}');
            }
            Kind::Probability(scores, class) => {
                let index = scores.class(row, self.labels, class)?;
                scores.number(out, row, index);
            }
            Kind::Scores(scores) => {
                let best = scores.best(row).and_then(|best| self.labels.get(best));
                out.extend_from_slice(b"{\"label\":");
                json(out, &best);
                out.extend_from_slice(b",\"scores\":");
                scores.object(out, row, self.labels)?;
                out.push(b'}');
            }
            Kind::Outputs(_) => self.outputs(out, |out, value, labels| {
                row_of(out, value, row, rows, labels)
            })?,
        }
        Ok(())
    }

    /// Everything, with all dimensions.
    fn whole(&self, out: &mut Vec<u8>) -> Result<(), Failure> {
        match self.own_rows() {
            Some(rows) => joined(out, Brackets::ARRAY, rows, |out, row| {
                self.row(out, row, rows)
            }),
            None => self.outputs(out, whole),
        }
    }

    /// The only output, or an object of all.
    fn outputs(
        &self,
        out: &mut Vec<u8>,
        each: impl Fn(&mut Vec<u8>, &Value, &[String]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let labels = |index| match self.kind {
            Kind::Outputs(Some(labelled)) if labelled == index => self.labels,
            _ => &[],
        };
        if let [only] = self.values {
            return each(out, only, labels(0));
        }
        joined(out, Brackets::OBJECT, self.values.len(), |out, index| {
            json(out, &self.names[index]);
            out.push(b':');
            each(out, &self.values[index], labels(index))
        })
    }
}

/// The only output that can be class numbers, such as the clusters of k-means.
fn class_numbers(values: &[Value]) -> Option<usize> {
    let is_numbers = |value: &Value| match value {
        Value::Tensor(Tensor { shape, data }) => shape.len() == 1 && matches!(data, Data::Int64(_)),
        Value::Sequence(_) | Value::Map { .. } => false,
    };
    let mut found = (0..values.len()).filter(|index| is_numbers(&values[*index]));
    match (found.next(), found.next()) {
        (Some(index), None) => Some(index),
        _ => None,
    }
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
