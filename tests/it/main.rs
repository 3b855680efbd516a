//! The end-to-end tests; ../README.md says what they stand on.
//!
//! - `examples`: every example on every platform, against scikit-learn's answers
//! - `lambda`, `google`, `azure`: packages in the hands of the vendors' own programs
//! - `packages`: the same bytes everywhere
//! - `cache`: empty, warm and without a network
//! - `scaffolds`: what `mlfn init` writes
//! - `conventions`, `transcripts`: what the command line promises
//! - `support`: how to run all of these

#![expect(
    clippy::expect_used,
    reason = "helpers of tests end the test, as tests do"
)]

mod azure;
mod cache;
mod conventions;
mod examples;
mod google;
mod lambda;
mod packages;
mod scaffolds;
mod support;
mod transcripts;
