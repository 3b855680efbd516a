//! The simple request format: JSON to tensors, tensors to JSON, failures to JSON.
//!
//! Nothing here builds a tree of JSON values: numbers go from the text of the request straight
//! into the vectors of tensors, and from there into the text of the answer.

pub(crate) mod expected;
pub(crate) mod failure;
pub(crate) mod names;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stack;
