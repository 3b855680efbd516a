//! The local twin: a packaged function as a process behind the wire protocol of its platform.
//!
//! - [`LocalFunction`] (`function.rs`) is one running instance; [`Invocation`] (`invocation.rs`) is
//!   what a request to it came to, in the terms of the platform.
//! - `platform/` has one file or folder for each wire protocol. They know HTTP and the names of
//!   environment variables, and nothing of models.
//! - `process.rs` starts the package's executable, collects its output (`logs.rs`) and makes sure
//!   that nothing stays behind.
//! - `http.rs` is the client side of HTTP on loopback; `identifiers.rs` makes request ids.

mod blueprint;
mod cloud;
mod daemon;
mod emulator;
mod error;
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

pub use blueprint::Blueprint;
pub use cloud::record::RecordError;
pub use daemon::{Launcher, find_detached, run_detached};
pub use emulator::{Call, Emulator, EmulatorOptions, FunctionHandle, InvokeError, Limits, Secrets};
pub use error::{EmulatorError, StartFailure};
pub use function::{LocalFunction, Start};
pub use invocation::{Exit, Exited, Failure, Invocation, Outcome};
pub use local::{Like, Local};
pub use local_cloud::{CloudError, LocalCloud};
pub use log_file::{LogLine, LogReader};
pub use packages::PackageError;
pub use pool::{Done, Ending, Report, Throttled};
pub use session::LocalSession;
