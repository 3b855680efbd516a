//! From the text of a `serverless.yaml` to a [`mlfn_core::Service`], or to all that is wrong with
//! it.
//!
//! ```text
//! read       bytes -> text, within bounds
//! yaml       text -> a tree in which every key and value knows where it stands
//! version    what kind of file this is
//! stage      the stage's overrides laid over the rest
//! variables  `${..}` replaced; .env files, included files, git
//! effective  the tree as it holds, in which paths of diagnostics are looked up
//! structure  tree x JSON schema -> mistakes, and what is left without them
//! schema     the written types, and the JSON schema made of them
//! normalise  written -> meant: defaults, short forms, units, names
//! validate   rules between several values
//! load       all of this in order
//! source     paths -> lines and columns; diagnostics -> text with carets, without secrets
//! ```
//!
//! No step stops at its first mistake: what is wrong is reported and left out, and the rest goes
//! on. Decision 0003 says why the tree is our own.

mod effective;
mod load;
mod normalise;
mod problems;
mod read;
mod readable;
mod schema;
mod secrets;
mod source;
mod stage;
mod structure;
mod suggest;
mod validate;
mod variables;
mod version;
mod yaml;

pub use load::{FILE_NAMES, LoadError, LoadOptions, Loaded, load};
pub use schema::json_schema;
pub use source::{Position, Source};
