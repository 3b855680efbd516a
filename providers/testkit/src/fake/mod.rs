//! A cloud in memory, or in a file, with the habits of real ones: things inside other things,
//! names that are not unique, fields that cannot be read, things that take a while to get ready,
//! versions that cannot be deleted while something points to them.

mod cloud;
mod service;
mod session;

pub use cloud::{FakeCloud, Thing};
pub use service::{FakeFunction, FakeService, KINDS};
pub use session::FakeSession;
