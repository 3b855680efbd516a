//! How results are shown: to people (`human.rs`) or to programs (`json.rs`).

mod human;
mod json;
mod model;
mod package;
mod table;

use std::io;
use std::path::{Path, PathBuf};

use mlfn_core::RouteSpec;
use mlfn_model::Model;
use mlfn_package::Built;
use mlfn_templates::scaffold::Scaffold;

pub(crate) use self::human::Human;

use crate::commands::version::Versions;
use crate::doctor::Check;
use crate::pipeline::{Problems, Verdict};
use crate::printer::Printer;

/// Shows the results of commands.
pub(crate) trait Report: Send {
    /// Of `mlfn validate`.
    fn verdict(&self, verdict: &Verdict) -> io::Result<()>;

    /// What is wrong with a manifest on the way to something else.
    fn problems(&self, problems: Problems<'_>) -> io::Result<()>;

    /// Of `mlfn inspect`.
    fn model(&self, model: &Model) -> io::Result<()>;

    /// Says that a long command begins.
    fn begin(&self) -> io::Result<()>;

    /// Of `mlfn package`: one function.
    fn packaged(&self, packaged: &Packaged) -> io::Result<()>;

    /// Of `mlfn doctor`.
    fn examined(&self, checks: &[Check]) -> io::Result<()>;

    /// Of `mlfn init`: what was written.
    fn initialized(&self, folder: &Path, files: &[PathBuf]) -> io::Result<()>;

    /// Of `mlfn init --list`.
    fn templates(&self, templates: &[Scaffold]) -> io::Result<()>;

    /// Of `mlfn version`.
    fn versions(&self, versions: &Versions) -> io::Result<()>;
}

/// The report that the user wants.
pub(crate) fn choose(json: bool, printer: Printer) -> Box<dyn Report> {
    if json {
        return Box::new(json::Json::new(printer));
    }
    Box::new(Human::new(printer))
}

/// A packed function, and how it may get to its cloud.
pub(crate) struct Packaged {
    pub(crate) built: Built,
    pub(crate) routes: Vec<RouteSpec>,
}
