//! What calls functions, on ministack: each kind is made, changed and removed, and boto3 finds
//! exactly what was declared. The files of `expected/` have what it says at each point.
//!
//! - `account`: an account, and what can be done there
//! - `kinds`: the life of each kind
//! - `http`: that of an HTTP API and its parts
//! - `moto`: the same on another imitation of AWS
//! - `others`: what belongs to others stays as it is

#![expect(clippy::expect_used, reason = "a failing helper is a failing test")]

mod account;
mod http;
mod kinds;
mod moto;
mod others;
