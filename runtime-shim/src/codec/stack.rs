//! Many requests as one: their tensors stacked along the leading dimension, and what the model
//! answers taken apart again by the rows of each request.

use super::request::Request;
use crate::engine::{Dim, InputKind, Signature};
use crate::tensor::{Tensor, Value};

/// What requests have in common that can be stacked: the sizes of each input's dimensions but the
/// leading one.
pub(crate) type Form = Vec<Vec<usize>>;

/// The form of a request's inputs; none if it has to stay alone: the model has no leading dimension of free
/// size that is the same in all inputs and stands nowhere else, or this request has not.
pub(crate) fn form(signature: &Signature, inputs: &[Tensor]) -> Option<Form> {
    if !has_free_rows(signature) {
        return None;
    }
    let rows = rows(inputs).filter(|rows| *rows > 0)?;
    let sizes = inputs.iter().map(|tensor| {
        let (first, sizes) = tensor.shape.split_first()?;
        (*first == rows).then(|| sizes.to_vec())
    });
    sizes.collect()
}

fn has_free_rows(signature: &Signature) -> bool {
    let dims = signature.inputs.iter().map(|input| match &input.kind {
        InputKind::Tensor { dims, .. } => dims.split_first(),
        InputKind::Unsupported(_) => None,
    });
    let Some(dims) = dims.collect::<Option<Vec<_>>>() else {
        return false;
    };
    let same = dims.windows(2).all(|pair| pair[0].0 == pair[1].0);
    let is_free = |(first, others): &(&Dim, &[Dim])| match first {
        Dim::Fixed(_) => false,
        Dim::Symbol(_) => !others.contains(first),
        Dim::Any => true,
    };
    same && dims.iter().all(is_free)
}

/// How many rows a request has that has a [`Form`].
fn rows(inputs: &[Tensor]) -> Option<usize> {
    inputs.first()?.shape.first().copied()
}

/// The inputs of all requests, one below the other; none unless they have the same [`Form`].
pub(crate) fn stack(requests: &[Request]) -> Option<Vec<Tensor>> {
    let (first, others) = requests.split_first()?;
    let mut inputs = first.inputs.clone();
    for request in others {
        push_all(&mut inputs, &request.inputs)?;
    }
    Some(inputs)
}

/// The inputs of a request, one below the other, as of two equal requests.
pub(crate) fn twice(inputs: &[Tensor]) -> Option<Vec<Tensor>> {
    let mut both = inputs.to_vec();
    push_all(&mut both, inputs)?;
    Some(both)
}

fn push_all(all: &mut [Tensor], more: &[Tensor]) -> Option<()> {
    if all.len() != more.len() {
        return None;
    }
    let mut pairs = all.iter_mut().zip(more);
    pairs.try_for_each(|(all, one)| push(all, one))
}

fn push(all: &mut Tensor, one: &Tensor) -> Option<()> {
    let (rows, sizes) = all.shape.split_first_mut()?;
    let (more, same) = one.shape.split_first()?;
    if sizes != same || !all.data.append(&one.data) {
        return None;
    }
    *rows += more;
    Some(())
}

/// What belongs to each of the stacked requests, in their order; none if the model did not answer
/// one row to each row.
pub(crate) fn split(values: &[Value], requests: &[Request]) -> Option<Vec<Vec<Value>>> {
    let counts = requests.iter().map(|request| rows(&request.inputs));
    let counts = counts.collect::<Option<Vec<_>>>()?;
    let total: usize = counts.iter().sum();
    if !values.iter().all(|value| has_rows(value, total)) {
        return None;
    }
    let mut start = 0;
    let parts = counts.into_iter().map(|count| {
        let from = start;
        start += count;
        let part = values.iter().map(|value| part(value, from, count));
        part.collect()
    });
    parts.collect()
}

/// What belongs to each of two requests of one row; none if the model did not answer two rows.
pub(crate) fn halves(values: &[Value]) -> Option<[Vec<Value>; 2]> {
    if !values.iter().all(|value| has_rows(value, 2)) {
        return None;
    }
    let row = |at| {
        let parts = values.iter().map(|value| part(value, at, 1));
        parts.collect::<Option<Vec<_>>>()
    };
    Some([row(0)?, row(1)?])
}

fn has_rows(value: &Value, total: usize) -> bool {
    match value {
        Value::Tensor(tensor) => tensor.shape.first() == Some(&total),
        // scikit-learn's list of one dictionary a row.
        Value::Sequence(items) => {
            items.len() == total && items.iter().all(|item| matches!(item, Value::Map { .. }))
        }
        Value::Map { .. } => false,
    }
}

fn part(value: &Value, start: usize, count: usize) -> Option<Value> {
    match value {
        Value::Tensor(tensor) => {
            let sizes = tensor.shape.get(1..)?;
            let step: usize = sizes.iter().product();
            let shape = std::iter::once(count).chain(sizes.iter().copied());
            Some(Value::Tensor(Tensor {
                shape: shape.collect(),
                data: tensor.data.part(start * step, count * step)?,
            }))
        }
        Value::Sequence(items) => {
            let items = items.get(start..start + count)?;
            Some(Value::Sequence(items.to_vec()))
        }
        Value::Map { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::request::Rows;
    use crate::engine::echo::input;
    use crate::tensor::{Data, ElementType};

    fn signature(dims: &[&[Dim]]) -> Signature {
        let inputs = dims.iter().enumerate();
        let inputs =
            inputs.map(|(n, dims)| input(&format!("x{n}"), ElementType::Int64, dims.to_vec()));
        Signature {
            inputs: inputs.collect(),
            outputs: Vec::new(),
            output_kinds: Vec::new(),
        }
    }

    fn tensor(shape: &[usize], first: i64) -> Tensor {
        let count: usize = shape.iter().product();
        Tensor {
            shape: shape.to_vec(),
            data: Data::Int64((first..).take(count).collect()),
        }
    }

    fn request(inputs: Vec<Tensor>) -> Request {
        Request {
            inputs,
            rows: Rows::One,
        }
    }

    #[track_caller]
    fn check_form(dims: &[&[Dim]], shapes: &[&[usize]], expected: Option<&[&[usize]]>) {
        let inputs: Vec<_> = shapes.iter().map(|shape| tensor(shape, 0)).collect();
        let expected = expected.map(|sizes| sizes.iter().map(|s| s.to_vec()).collect());
        assert_eq!(form(&signature(dims), &inputs), expected);
    }

    #[test]
    fn only_rows_of_a_free_number_can_be_stacked() {
        let free: &[Dim] = &[Dim::Symbol("N".to_owned()), Dim::Any];
        check_form(&[free], &[&[1, 2]], Some(&[&[2]]));
        check_form(&[free, &free[..1]], &[&[3, 2], &[3]], Some(&[&[2], &[]]));
        check_form(&[free, &[Dim::Any]], &[&[3, 2], &[3]], None);
        let other = Dim::Symbol("M".to_owned());
        check_form(&[free, &[other]], &[&[3, 2], &[3]], None);
        let square = [free[0].clone(), free[0].clone()];
        check_form(&[&square], &[&[2, 2]], None);
        check_form(
            &[&[Dim::Any, Dim::Any][..]; 2],
            &[&[2, 2], &[2, 3]],
            Some(&[&[2], &[3]]),
        );
        check_form(&[free, free], &[&[3, 2], &[2, 2]], None);
        check_form(
            &[free, &[Dim::Fixed(1), Dim::Any]],
            &[&[1, 2], &[1, 2]],
            None,
        );
        check_form(&[free, &[]], &[&[1, 2], &[]], None);
        check_form(&[&[]], &[&[1, 2]], None);
        check_form(&[&[Dim::Any]], &[&[0]], None);
        check_form(&[], &[], None);
    }

    #[test]
    fn what_is_stacked_comes_apart_again() {
        let requests = [
            request(vec![tensor(&[1, 2], 0), tensor(&[1], 10)]),
            request(vec![tensor(&[3, 2], 20), tensor(&[3], 30)]),
        ];
        let stacked = stack(&requests).expect("they have one form");
        assert_eq!(stacked[0].shape, [4, 2]);
        assert_eq!(
            stacked[0].data,
            Data::Int64(vec![0, 1, 20, 21, 22, 23, 24, 25].into())
        );
        assert_eq!(stacked[1].data, Data::Int64(vec![10, 30, 31, 32].into()));
        let values: Vec<_> = stacked.into_iter().map(Value::Tensor).collect();
        let parts = split(&values, &requests).expect("there are rows");
        for (part, request) in parts.into_iter().zip(requests) {
            let inputs: Vec<_> = request.inputs.into_iter().map(Value::Tensor).collect();
            assert_eq!(part, inputs);
        }
    }

    #[test]
    fn a_row_is_doubled_and_halved_again() {
        let row = [tensor(&[1, 2], 7), tensor(&[1], 3)];
        let both = twice(&row).expect("they have rows");
        assert_eq!(both[0].data, Data::Int64(vec![7, 8, 7, 8].into()));
        assert_eq!(both[1].shape, [2]);
        let values: Vec<_> = both.into_iter().map(Value::Tensor).collect();
        let expected: Vec<_> = row.into_iter().map(Value::Tensor).collect();
        assert_eq!(halves(&values), Some([expected.clone(), expected.clone()]));
        assert_eq!(halves(&expected), None);
        assert_eq!(twice(&[tensor(&[], 0)]), None);
    }

    #[test]
    fn other_sizes_and_types_are_not_stacked() {
        let texts = Tensor {
            shape: vec![1, 2],
            data: Data::String(vec![String::new(); 2].into()),
        };
        for other in [tensor(&[1, 3], 0), tensor(&[2], 0), tensor(&[], 0), texts] {
            let requests = [request(vec![tensor(&[1, 2], 0)]), request(vec![other])];
            assert_eq!(stack(&requests), None);
        }
        assert_eq!(
            stack(&[request(Vec::new()), request(vec![tensor(&[1], 0)])]),
            None
        );
        assert_eq!(stack(&[]), None);
    }

    #[test]
    fn answers_without_a_row_for_each_row_are_not_split() {
        let requests = [1, 2].map(|first| request(vec![tensor(&[1, 2], first)]));
        let map = || Value::Map {
            keys: Data::Int64(vec![1].into()),
            values: Data::Float32(vec![0.5].into()),
        };
        let good = Value::Tensor(tensor(&[2], 0));
        let maps = |count| Value::Sequence((0..count).map(|_| map()).collect());
        assert!(split(&[good.clone(), maps(2)], &requests).is_some());
        for bad in [
            Value::Tensor(tensor(&[3], 0)),
            Value::Tensor(tensor(&[], 0)),
            Value::Sequence(vec![good.clone(), good.clone()]),
            maps(1),
            map(),
        ] {
            assert_eq!(split(&[good.clone(), bad], &requests), None);
        }
    }
}
