//! What the engine decides, how it waits, and what it remembers. That it survives anything is
//! tested where the fake cloud is: in the testkit.

#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod canary;
mod order;
mod plans;
mod retry;
mod state;
mod stores;
