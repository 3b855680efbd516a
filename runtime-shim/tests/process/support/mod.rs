//! What the tests stand on.

mod aws;
mod client;
mod package;
mod process;
mod runtime_api;

pub(crate) use aws::{Aws, Stock};
pub(crate) use client::{Answer, Connection, post};
pub(crate) use package::{Package, models};
pub(crate) use process::Shim;
pub(crate) use runtime_api::RuntimeApi;

use serde_json::Value as Json;

/// Reads JSON that must be JSON.
#[track_caller]
pub(crate) fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
