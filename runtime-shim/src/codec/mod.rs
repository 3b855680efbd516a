//! Requests to tensors, and tensors and failures to answers.
//!
//! - `request`, `response`: the simple format, JSON
//! - `open`: the Open Inference Protocol, JSON and bytes
//! - `numpy`: arrays as `NumPy` saves them
//! - `openapi`: what a function answers, for programs
//! - `content`: the forms that there are
//! - `bytes`, `table`: what several of them need
//! - `names`, `expected`, `failure`: what is said of inputs, and of mistakes
//! - `stack`: many requests as one
//!
//! Nothing here builds a tree of JSON values: numbers go from the text of the request straight
//! into the vectors of tensors, and from there into the text of the answer.

pub(crate) mod bytes;
pub(crate) mod content;
pub(crate) mod expected;
pub(crate) mod failure;
pub(crate) mod names;
pub(crate) mod numpy;
pub(crate) mod open;
pub(crate) mod openapi;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stack;
mod table;
