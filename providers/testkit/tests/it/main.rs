//! The engine, held to its contract on the fake cloud.

#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod buckets;
mod lab;
mod lifecycle;
mod locks;
mod processes;
mod proxy;
mod requests;
mod schedules;
mod servers;
#[cfg(target_os = "linux")]
mod trace;
