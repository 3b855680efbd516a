//! The emulator against small fake handlers that speak each protocol, well and badly.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests end the test, as tests do"
)]

mod asynchronous;
mod azure;
mod changes;
mod contract;
mod detached;
mod gcp;
mod lambda;
mod lambda_api;
mod local;
mod plain;
mod platforms;
mod pool;
mod queues;
mod schedules;
mod storage;
mod streams;
mod support;
