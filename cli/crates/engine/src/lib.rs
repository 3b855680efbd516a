//! Brings a cloud to what is wanted: decides what to do, does it, and remembers what it did, so
//! that a run which ends at any point can be done again.
//!
//! ```text
//! wanted ----------------+
//! state (+ its journal) -+- diff -> Plan -> order -> apply -> cloud, state, Events
//! what the cloud says ---+
//! ```
//!
//! - [`Engine`]: the operations: plan, apply, deploy, rollback
//! - [`diff`] and `order`: pure; what to do, why, and in which order
//! - `check`: what the engine asks of a provider's resources
//! - `look`, `recover`: what there is, and what an interrupted run left
//! - `files`: what will be sent is what was planned with
//! - `apply`: the only writer; obeys the plan
//! - [`retry`]: the only place that tries again
//! - [`state`]: what was deployed; where that lies; who may write it
//! - [`plan_file`]: a plan that is applied later
//! - [`Host`]: time, sleep and chance, for tests to decide
//!
//! The engine names no cloud: it knows kinds and fields from
//! [`KindSpec`](mlfn_core::KindSpec)s, and does everything through a
//! [`Session`](mlfn_core::Session).

mod apply;
mod cancel;
mod check;
mod diff;
mod engine;
mod error;
mod event;
mod files;
mod history;
mod host;
mod look;
mod order;
pub mod plan_file;
mod recover;
pub mod retry;
pub mod state;
mod time;

pub use apply::{Done, Failed, Outcome, Status, StepError};
pub use cancel::Cancel;
pub use diff::{DriftPolicy, Question, diff};
pub use engine::{Engine, Freshness, Request, Settings};
pub use error::{EngineError, Foreign, PlanError, StateError};
pub use event::Event;
pub use host::{Host, Process, SystemHost};
pub use look::Seen;
pub use order::{Graph, Part, Step, graph};
pub use time::Timestamp;
