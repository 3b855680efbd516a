//! The shim as platforms start it: the real binary, in a package with a real model and the real
//! ONNX Runtime, behind each wire protocol.
//!
//! - `support`: packages, processes, an HTTP client, a Lambda Runtime API
//! - `models`: what models answer through ONNX Runtime
//! - `requests`: golden requests, good and bad
//! - `http`, `lambda`, `azure`: one protocol each
//! - `open`: the Open Inference Protocol and other forms of requests
//! - `batching`: requests of one moment that share a run
//! - `events`: what AWS tells of queues, topics and streams
//! - `aws`: what AWS is asked for
//! - `start`: what happens before the first request
//! - `tract`: the same through the other engine, which builds of the whole workspace have, too

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod apart;
mod aws;
mod azure;
mod batching;
mod events;
mod http;
mod lambda;
mod mapped;
mod models;
mod open;
mod requests;
mod start;
mod support;
#[cfg(feature = "tract")]
mod tract;
