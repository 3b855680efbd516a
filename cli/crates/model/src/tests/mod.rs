//! Tests of the whole crate: `good` and `bad` files, and what holds for `any` file.

mod any;
mod bad;
mod good;
mod mapped;
mod protobuf;
