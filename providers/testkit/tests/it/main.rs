//! The engine, held to its contract on the fake cloud.

#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod lab;
mod lifecycle;
mod processes;
mod schedules;
