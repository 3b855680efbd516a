//! What events need beyond themselves: the objects that they name, and places for predictions.

use bytes::Bytes;

use crate::codec::failure::{Code, Failure};
use crate::platform::aws::objects::{Content, Object};
use crate::platform::outputs::{Outputs, Place};

/// A prediction on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Where it goes.
    pub(crate) place: Place,
    /// The record that it is for.
    pub(crate) source: String,
    /// Predictions of one group arrive in their order, as far as that can be.
    pub(crate) group: Option<String>,
    /// An answer in the simple format.
    pub(crate) body: Bytes,
}

/// Who is asked for objects and takes predictions. Calls wait until all is done.
pub(crate) trait Cloud {
    /// Where predictions go.
    fn outputs(&self) -> Result<&Outputs, Failure>;

    /// The most bytes of objects that are held at a time, and that one may have.
    fn capacity(&self) -> usize;

    /// Reads objects: each for itself, in their order.
    fn fetch(&self, objects: Vec<Object>) -> Vec<Result<Content, Failure>>;

    /// Takes predictions: each for itself, in their order.
    fn deliver(&self, deliveries: Vec<Delivery>) -> Vec<Result<(), Failure>>;
}

/// Why an object is not read.
pub(crate) fn too_large(capacity: usize, size: Option<u64>) -> Failure {
    let found = match size {
        Some(size) => format!("has {size} bytes"),
        None => "is larger".to_owned(),
    };
    let message = format!(
        "the object {found}, but at most {capacity} are read, an eighth of the function's memory; \
         raise `memory:`, or put fewer samples into an object"
    );
    Failure::new(Code::RequestTooLarge, message)
}
