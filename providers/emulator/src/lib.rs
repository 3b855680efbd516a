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
mod error;
mod function;
mod http;
mod identifiers;
mod invocation;
mod logs;
mod platform;
mod process;

pub use blueprint::Blueprint;
pub use error::{EmulatorError, StartFailure};
pub use function::{LocalFunction, Start};
pub use invocation::{Exit, Exited, Failure, Invocation, Outcome};
