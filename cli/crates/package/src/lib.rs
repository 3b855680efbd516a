//! From a Service to artifacts: layout, archives, digests, limits, ELF checks.
//!
//! - [`build`] packs one function for one cloud; [`BuildOptions`] and [`Built`] are its ends
//! - [`unpack`] is the way back, for running a package on this machine
//! - [`table`] sets the weight of an artifact beside the limits of its cloud ([`Table`])
//! - [`elf`] says whether a binary can be loaded on the target ([`Finding`])
//!
//! Inside, in the order in which a build uses them: `inspect` and `check` hold the manifest against
//! the model, `config` compiles what the shim reads, `layout` says where everything goes, `index`
//! knows what earlier runs left, `pack` compresses (`cache` keeps the library's compressed form),
//! `archive` writes zip and tar.gz, `limits` picks the way to the cloud.

mod archive;
mod build;
mod cache;
mod check;
mod config;
pub mod elf;
mod error;
mod index;
mod inspect;
mod layout;
mod limits;
mod pack;
mod source;
mod unpack;

pub use build::{BuildOptions, Built, Formats, build, link, remove_leftovers};
pub use elf::Finding;
pub use error::PackageError;
pub use limits::{RouteRow, Row, Table, table};
pub use unpack::unpack;
