//! The end-to-end tests; ../README.md says what they stand on.
//!
//! - `examples`: every example on every platform, against scikit-learn's answers
//! - `lambda`, `google`, `azure`: packages in the hands of the vendors' own programs
//! - `events`: the package for Lambda, called by all that calls functions
//! - `arm64`: packages for another processor
//! - `aws`: deployed to AWS, as ministack makes it
//! - `boto3`, `doors`: the local cloud in the hands of AWS's own client
//! - `packages`: the same bytes everywhere
//! - `protocol`: what a function answers, in the hands of Triton's client, `NumPy` and schemathesis
//! - `queues`: from `mlfn queue send` to the model
//! - `engines`: models that tract runs, and how it is chosen
//! - `cache`: empty, warm and without a network
//! - `scaffolds`: what `mlfn init` writes
//! - `conventions`, `transcripts`: what the command line promises
//! - `support`: how to run all of these

#![expect(
    clippy::expect_used,
    reason = "helpers of tests end the test, as tests do"
)]

mod arm64;
mod aws;
mod azure;
mod boto3;
mod cache;
mod conventions;
mod doors;
mod engines;
mod events;
mod examples;
mod google;
mod lambda;
mod packages;
mod protocol;
mod queues;
mod scaffolds;
mod state;
mod storage;
mod support;
mod transcripts;
