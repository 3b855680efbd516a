//! Values that are arrays, or can be seen as such.

use std::borrow::Cow;

use crate::tensor::{Tensor, Value};

/// A tensor as it is, and scikit-learn's list of one dictionary a row as a table with a column for
/// each key, in the order of the first dictionary; none for anything else.
pub(crate) fn of(value: &Value) -> Option<Cow<'_, Tensor>> {
    let rows = match value {
        Value::Tensor(tensor) => return Some(Cow::Borrowed(tensor)),
        Value::Sequence(rows) => rows,
        Value::Map { .. } => return None,
    };
    let (first, others) = rows.split_first()?;
    let Value::Map { keys, values } = first else {
        return None;
    };
    let mut all = values.clone();
    for row in others {
        match row {
            Value::Map { keys: own, values } if own == keys && all.append(values) => {}
            _ => return None,
        }
    }
    Some(Cow::Owned(Tensor {
        shape: vec![rows.len(), keys.len()],
        data: all,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Data;

    fn row(keys: &[i64], values: &[f32]) -> Value {
        Value::Map {
            keys: Data::Int64(keys.to_vec().into()),
            values: Data::Float32(values.to_vec().into()),
        }
    }

    #[test]
    fn dictionaries_with_the_same_keys_are_a_table() {
        let rows = Value::Sequence(vec![row(&[0, 1], &[0.5, 0.25]), row(&[0, 1], &[1.0, 2.0])]);
        let table = of(&rows).expect("a table");
        assert_eq!(table.shape, [2, 2]);
        assert_eq!(table.data, Data::Float32(vec![0.5, 0.25, 1.0, 2.0].into()));
    }

    #[test]
    fn other_lists_are_none() {
        let rows = Value::Sequence(vec![row(&[0, 1], &[0.5, 0.25]), row(&[1, 0], &[1.0, 2.0])]);
        assert_eq!(of(&rows), None);
        assert_eq!(of(&Value::Sequence(vec![])), None);
        assert_eq!(of(&Value::Sequence(vec![Value::Sequence(vec![])])), None);
        assert_eq!(of(&row(&[0], &[1.0])), None);
    }
}
