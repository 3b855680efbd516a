//! The shape that a request gave -> the shape that the model takes.

use super::Rows;
use crate::codec::expected::shape_text;
use crate::codec::failure::{Code, Failure, list};
use crate::engine::Dim;

/// An input as it was given.
pub(super) struct Given<'a> {
    /// What the request calls it.
    pub(super) key: &'a str,
    /// The sizes of the nested arrays.
    pub(super) shape: &'a [usize],
    /// What the model takes.
    pub(super) dims: &'a [Dim],
    /// The names along the last dimension.
    pub(super) names: &'a [String],
    /// Whether the request names the features of one sample.
    pub(super) is_one_object: bool,
}

/// Adds the batch dimension to a sample, and checks every size.
pub(super) fn fit(given: &Given<'_>) -> Result<(Vec<usize>, Rows), Failure> {
    let (shape, rows) = place(given)?;
    if given.dims.is_empty() {
        return Ok((shape, rows));
    }
    for (position, (dim, size)) in given.dims.iter().zip(&shape).enumerate() {
        if !dim.allows(*size) {
            return Err(wrong_size(given, &shape, position));
        }
    }
    Ok((shape, rows))
}

fn place(given: &Given<'_>) -> Result<(Vec<usize>, Rows), Failure> {
    let Given { shape, dims, .. } = given;
    match (shape.len(), dims.len()) {
        (_, 0) => return Ok((shape.to_vec(), Rows::Whole)),
        // A batch without samples: there is nothing to predict, and many operators fail on it. An
        // input of one dimension may be a text of any length, so that one is left to the model.
        (found, rank) if rank > 1 && found > 0 && is_empty_batch(shape, rank) => {
            let message = format!(
                "`{}` is an empty batch; send at least one sample",
                given.key
            );
            return Err(Failure::new(Code::EmptyBatch, message));
        }
        // Of a column, a list is that many samples and not one sample of many values.
        (0, 2) if is_column(dims) => return Ok((vec![1, 1], Rows::One)),
        (1, 2) if is_column(dims) && !given.is_one_object => {
            return Ok((vec![shape[0], 1], Rows::Batch(shape[0])));
        }
        (found, rank) if found == rank => return Ok((shape.to_vec(), batch(shape[0], &dims[0]))),
        (found, rank) if found + 1 == rank => {
            let with_batch = std::iter::once(1).chain(shape.iter().copied());
            return Ok((with_batch.collect(), Rows::One));
        }
        _ => {}
    }
    let levels = match dims.len() {
        1 => "a list of values".to_owned(),
        2 => "a list of values for one sample, a list of lists for a batch".to_owned(),
        rank => format!(
            "{} levels of lists for one sample, {rank} for a batch",
            rank - 1
        ),
    };
    let message = format!(
        "`{}` has the shape {}, but the model takes {}: {levels}",
        given.key,
        shape_text(shape),
        shape_text(dims),
    );
    Err(Failure::new(Code::WrongShape, message))
}

fn is_empty_batch(shape: &[usize], rank: usize) -> bool {
    shape[0] == 0 && (shape.len() == rank || shape.len() == 1)
}

/// `[N, 1]`: what scikit-learn's pipelines take for each column of a table.
fn is_column(dims: &[Dim]) -> bool {
    matches!(dims, [first, Dim::Fixed(1)] if first.allows(1) || !matches!(first, Dim::Fixed(_)))
}

/// A leading dimension of a fixed size other than 1 is no batch.
fn batch(rows: usize, first: &Dim) -> Rows {
    match first {
        Dim::Fixed(size) if *size != 1 => Rows::Whole,
        _ => Rows::Batch(rows),
    }
}

fn wrong_size(given: &Given<'_>, shape: &[usize], position: usize) -> Failure {
    let Given {
        key, dims, names, ..
    } = given;
    let (found, wanted) = (shape[position], &dims[position]);
    let last = position + 1 == dims.len();
    let names = if last && !names.is_empty() {
        format!(" ({})", list(*names))
    } else {
        String::new()
    };
    let sample = if given.shape == shape {
        String::new()
    } else {
        format!(" (one sample: {})", shape_text(shape))
    };
    let message = format!(
        "`{key}` has the shape {}{sample}, but the model takes {}: dimension {position} is \
         {found} and must be {wanted}{names}",
        shape_text(given.shape),
        shape_text(dims),
    );
    Failure::new(Code::WrongShape, message)
}
