//! The values of one tensor.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::Element;

/// Values that are a tensor's own, or that stay where they are: in the body of a request, or with
/// the engine.
#[derive(Clone)]
pub(crate) struct Values<T>(Place<T>);

#[derive(Clone)]
enum Place<T> {
    Own(Vec<T>),
    /// Bytes that [`Element::view`] can see as values.
    Shared(Bytes),
}

/// What memory is aligned to that a tensor has allocated, in bytes. Sums that are vectorised begin
/// where such an address is, and their last bits depend on where they begin.
const ALIGNMENT: usize = 16;

impl<T: Element> Values<T> {
    /// Values that stay where they are; none if their bytes do not lie as values of a tensor of its
    /// own would.
    pub(crate) fn shared(bytes: Bytes) -> Option<Self> {
        if !bytes.as_ptr().addr().is_multiple_of(ALIGNMENT) {
            return None;
        }
        T::view(&bytes)?;
        Some(Self(Place::Shared(bytes)))
    }

    /// The values for a tensor of another kind.
    #[cfg(feature = "tract")]
    pub(crate) fn into_vec(mut self) -> Vec<T> {
        std::mem::take(self.to_mut())
    }

    /// The values, to be changed: they are copied first if they are not the tensor's own.
    pub(super) fn to_mut(&mut self) -> &mut Vec<T> {
        if let Place::Shared(_) = &self.0 {
            *self = self.to_vec().into();
        }
        match &mut self.0 {
            Place::Own(values) => values,
            Place::Shared(_) => unreachable!("they are the tensor's own by now"),
        }
    }
}

impl<T: Element> Deref for Values<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Own(values) => values,
            // It was some when the values were made, and bytes do not move.
            Place::Shared(bytes) => T::view(bytes).unwrap_or_default(),
        }
    }
}

impl<T> From<Vec<T>> for Values<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Place::Own(values))
    }
}

impl<T> FromIterator<T> for Values<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl<T: Element + PartialEq> PartialEq for Values<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Element + fmt::Debug> fmt::Debug for Values<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_seen_as_values_where_they_lie() {
        let bytes: Vec<u8> = [1.5_f32, -2.0]
            .iter()
            .flat_map(|x| x.to_ne_bytes())
            .collect();
        // Allocations are aligned for every number.
        let bytes = Bytes::from(bytes);
        let values = Values::<f32>::shared(bytes.clone()).expect("is aligned");
        assert_eq!(*values, [1.5, -2.0]);
        assert_eq!(values.as_ptr().cast(), bytes.as_ptr(), "nothing was copied");
        assert!(
            Values::<f32>::shared(bytes.slice(1..5)).is_none(),
            "not aligned"
        );
        assert!(
            Values::<f32>::shared(bytes.slice(4..8)).is_none(),
            "not where an allocation would begin"
        );
        assert!(
            Values::<f32>::shared(bytes.slice(..7)).is_none(),
            "not whole"
        );
        assert!(
            Values::<bool>::shared(bytes).is_none(),
            "not all bytes are truth values"
        );
    }

    #[test]
    fn what_is_changed_is_copied() {
        let bytes = Bytes::from(7_i64.to_ne_bytes().to_vec());
        let mut values = Values::<i64>::shared(bytes.clone()).expect("is aligned");
        values.to_mut().push(8);
        assert_eq!(*values, [7, 8]);
        assert_eq!(*bytes, 7_i64.to_ne_bytes());
    }
}
