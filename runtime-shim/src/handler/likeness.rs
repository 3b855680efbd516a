//! How alike the outputs of two runs are.

use crate::codec::bytes;
use crate::tensor::{Data, Value};

/// From other answers to the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// Other answers.
    None,
    /// The same but for what rounding does to numbers.
    Rounding,
    /// The same bits.
    Bits,
}

/// What sums of numbers with 24 bits and more may differ by in another order: so much, plus a part of
/// the larger one.
const ROUNDING: [f64; 2] = [1e-5, 1e-4];

/// The same of those with 8 or 11 bits.
const HALF_ROUNDING: [f64; 2] = [1e-3, 1e-2];

/// Of the outputs of one request.
pub(super) fn likeness(one: &[Value], other: &[Value]) -> Likeness {
    least(one, other, of_values)
}

/// Of the pair that is least alike.
fn least<T>(one: &[T], other: &[T], of: fn(&T, &T) -> Likeness) -> Likeness {
    if one.len() != other.len() {
        return Likeness::None;
    }
    let pairs = one.iter().zip(other);
    let all = pairs.map(|(one, other)| of(one, other));
    all.min().unwrap_or(Likeness::Bits)
}

fn of_values(one: &Value, other: &Value) -> Likeness {
    match (one, other) {
        (Value::Tensor(one), Value::Tensor(other)) if one.shape == other.shape => {
            of_data(&one.data, &other.data)
        }
        (Value::Sequence(one), Value::Sequence(other)) => least(one, other, of_values),
        (
            Value::Map { keys, values },
            Value::Map {
                keys: others,
                values: other,
            },
        ) if of_data(keys, others) == Likeness::Bits => of_data(values, other),
        _ => Likeness::None,
    }
}

fn of_data(one: &Data, other: &Data) -> Likeness {
    match (one, other) {
        _ if has_same_bits(one, other) => Likeness::Bits,
        (Data::Float32(one), Data::Float32(other)) => of_floats(one, other, ROUNDING),
        (Data::Float64(one), Data::Float64(other)) => of_floats(one, other, ROUNDING),
        (Data::Float16(one), Data::Float16(other)) => of_floats(one, other, HALF_ROUNDING),
        (Data::Bfloat16(one), Data::Bfloat16(other)) => of_floats(one, other, HALF_ROUNDING),
        _ => Likeness::None,
    }
}

/// Numbers that are none are not equal to themselves, but their bits are.
fn has_same_bits(one: &Data, other: &Data) -> bool {
    let bits = |data: &Data| {
        let mut bits = Vec::new();
        bytes::write(data, &mut bits);
        bits
    };
    one.element() == other.element() && bits(one) == bits(other)
}

fn of_floats<T: Copy + Into<f64>>(
    one: &[T],
    other: &[T],
    [absolute, relative]: [f64; 2],
) -> Likeness {
    let is_close = |one: f64, other: f64| {
        let bound = absolute + relative * one.abs().max(other.abs());
        let is_within = (one - other).abs() <= bound && bound.is_finite();
        is_within || one.total_cmp(&other).is_eq() || (one.is_nan() && other.is_nan())
    };
    let mut pairs = one.iter().zip(other);
    let all_close = pairs.all(|(one, other)| is_close((*one).into(), (*other).into()));
    if one.len() == other.len() && all_close {
        Likeness::Rounding
    } else {
        Likeness::None
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;
    use crate::tensor::{Element, Tensor};

    fn tensor<T: Element>(values: Vec<T>) -> Value {
        Value::Tensor(Tensor {
            shape: vec![values.len()],
            data: T::wrap(values.into()),
        })
    }

    #[track_caller]
    fn check<T: Element>(one: Vec<T>, other: Vec<T>, expected: Likeness) {
        assert_eq!(likeness(&[tensor(one)], &[tensor(other)]), expected);
    }

    #[test]
    fn numbers_are_the_same_or_close_or_others() {
        use Likeness::{Bits, None, Rounding};
        check(vec![1.5_f32, f32::NAN], vec![1.5, f32::NAN], Bits);
        check(vec![0.0_f32], vec![-0.0], Rounding);
        check(vec![1000.0_f32], vec![1000.01], Rounding);
        check(vec![1000.0_f32], vec![1001.0], None);
        check(vec![1.0_f32, 2.0], vec![1.0, 2.1], None);
        check(vec![f32::INFINITY], vec![f32::MAX], None);
        check(vec![f32::NAN], vec![1.0], None);
        check(vec![1e-9_f64], vec![2e-9], Rounding);
        check(
            vec![f16::from_f32(8.0)],
            vec![f16::from_f32(8.01)],
            Rounding,
        );
        check(vec![bf16::from_f32(8.0)], vec![bf16::from_f32(9.0)], None);
        check(vec![1_i64], vec![2], None);
        check(vec!["a".to_owned()], vec!["a".to_owned()], Bits);
    }

    #[test]
    fn outputs_are_as_alike_as_the_least_alike_of_them() {
        let same = || tensor(vec![1_i64]);
        let [one, other] = [0.5, 0.500_01].map(|p: f32| tensor(vec![p]));
        let outputs = [[same(), one.clone()], [same(), other.clone()]];
        assert_eq!(likeness(&outputs[0], &outputs[1]), Likeness::Rounding);
        assert_eq!(likeness(&outputs[0], &outputs[1][..1]), Likeness::None);
        let map = |value: &Value, class: i64| {
            let Value::Tensor(values) = value else {
                panic!("is a tensor")
            };
            Value::Sequence(vec![Value::Map {
                keys: i64::wrap(vec![class].into()),
                values: values.data.clone(),
            }])
        };
        let found = likeness(&[map(&one, 7)], &[map(&other, 7)]);
        assert_eq!(found, Likeness::Rounding);
        let found = likeness(&[map(&one, 7)], &[map(&one, 8)]);
        assert_eq!(found, Likeness::None);
        assert_eq!(likeness(&[one], &[map(&other, 7)]), Likeness::None);
    }
}
