//! The local twin: packaged functions as processes behind the wire protocols of their platform, and
//! a cloud around them that can be deployed to.
//!
//! One function:
//!
//! - [`LocalFunction`] (`function.rs`) is one running instance; [`Invocation`] (`invocation.rs`) is
//!   what a request to it came to, in the terms of the platform.
//! - `platform/` has one file or folder for each wire protocol. They know HTTP and the names of
//!   environment variables, and nothing of models.
//! - `process.rs` starts the package's executable, cuts its output into lines (`logs.rs`) and makes
//!   sure that nothing stays behind. `blueprint.rs` is what it is started from.
//!
//! A cloud:
//!
//! - `pool/` has the instances of one revision: how many, for how long, within which limits, and
//!   what is reported of each request.
//! - [`Emulator`] (`emulator/`) has all pools and the table of what leads to which; a change of the
//!   table drops no request.
//! - `front/` is its port: the Lambda API, function URLs, HTTP APIs, plain HTTP.
//! - `cloud/` is what the imitated clouds consist of: a record in a file, what each kind of resource
//!   tells others, and what of it takes requests.
//! - [`LocalSession`] (`session.rs`) writes the record for the engine; [`LocalCloud`]
//!   (`local_cloud.rs`) is record and emulator in this process, [`run_detached`] (`daemon.rs`) in one
//!   that stays; what killed ones left goes by [`remove_abandoned`] (`abandoned.rs`); [`Local`] (`local.rs`) is the provider.
//! - `packages.rs` unpacks each package once; `log_file.rs` keeps logs for other processes to read.
//! - `sources/` is what sends events of its own accord, told by the same record; [`Clock`]
//!   (`clock.rs`) is the time that it goes by. [`EventClient`] (`event_client.rs`) reaches its queues
//!   and topics from other processes.

mod abandoned;
mod blueprint;
mod clock;
mod cloud;
mod daemon;
mod emulator;
mod error;
mod event_client;
mod front;
mod function;
mod http;
mod identifiers;
mod invocation;
mod local;
mod local_cloud;
mod log_file;
mod logs;
mod packages;
mod platform;
mod pool;
mod process;
mod session;
mod sources;

pub use abandoned::remove_abandoned;
pub use blueprint::Blueprint;
pub use clock::Clock;
pub use cloud::record::RecordError;
pub use daemon::{Launcher, find_detached, run_detached};
pub use emulator::{
    Call, Emulator, EmulatorOptions, Enforcement, FunctionHandle, InvokeError, Limits, Secrets,
};
pub use error::{EmulatorError, StartFailure};
pub use event_client::{ClientError, EventClient, QueueSummary, QueuedMessage};
pub use function::{LocalFunction, Start};
pub use invocation::{Exit, Exited, Failure, Invocation, Outcome};
pub use local::{Like, Local, not_imitated};
pub use local_cloud::{CloudError, LocalCloud};
pub use log_file::{LogLine, LogReader};
pub use packages::PackageError;
pub use pool::{CpuShare, Done, Ending, NoShare, Report, Throttled};
pub use session::LocalSession;
