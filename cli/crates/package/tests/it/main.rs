//! Packages as files: what is in them, that they are the same everywhere, and when they are built.
//!
//! Other readers (Python's `zipfile` and `tarfile`) check what we write.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod apart;
mod archives;
mod cache;
mod contents;
mod determinism;
mod layers;
mod reuse;
mod support;
mod trouble;
mod unpacking;
