//! The text files that mlfn writes, as data, and a pure render function for each.
//!
//! A [`Template`] binds one file of this folder to the one struct that fills it, so that a missing
//! value does not compile. Texts go into JSON and YAML through Tera's `json_encode` only, and
//! templates decide nothing: what is optional is a list of none or one, made in Rust.
//!
//! - [`azure`]: `host.json` and a `function.json` for each kind of trigger
//! - [`gcp`]: the Python files that start the shim
//! - [`scaffold`]: the projects of `mlfn init`
//! - [`ci`]: workflows for continuous integration

pub mod azure;
pub mod ci;
pub mod gcp;
pub mod scaffold;
mod template;

pub use template::{RenderError, Template};
