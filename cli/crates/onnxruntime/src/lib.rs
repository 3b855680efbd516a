//! Fetches the ONNX Runtime library of a target, pinned, into the user's cache.
//!
//! - [`library`] answers where it is, and fetches it if need be ([`Options`], [`Progress`])
//! - [`Platform`] and its [`Pin`]: which wheel of `PyPI`, which file in it, and their SHA-256
//! - [`FetchError`] says why there is none, with a hint
//!
//! Inside: `chosen` checks a library that the user names, `cache` keeps ours, `download` lets pip
//! or uv get the wheel, `extract` takes the library out of it.
//!
//! Whatever happens, the cache holds a whole library or none: it is renamed into place when its
//! digest is known to be right. `docs/decisions/0005-onnx-runtime-from-the-wheel.md` says why pip.

mod cache;
mod chosen;
mod download;
mod error;
mod extract;
mod library;
mod platform;
#[cfg(test)]
mod tests;

pub use download::{Candidate, Tool};
pub use error::FetchError;
pub use library::{Library, OLDEST, Options, Origin, Progress, library};
pub use platform::{Pin, Platform};
