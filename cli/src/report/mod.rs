//! How results are shown: to people (`human.rs`) or to programs (`json.rs`).

mod human;
mod json;

use std::io;


use crate::commands::version::Versions;
use crate::printer::Printer;

/// Shows the results of commands on stdout.
pub(crate) trait Report: Send {
    /// Of `mlfn version`.
    fn versions(&self, versions: &Versions) -> io::Result<()>;
}

/// The report that the user wants.
pub(crate) fn choose(json: bool, printer: Printer) -> Box<dyn Report> {
    if json {
        return Box::new(json::Json::new(printer));
    }
    Box::new(human::Human::new(printer))
}
