//! Results for programs. Short commands write one document; long ones write lines, of which the
//! first says the version of the format: a new minor version only adds to it.

use std::io;

use serde::Serialize;

use super::Report;
use crate::commands::version::Versions;
use crate::printer::Printer;

/// Writes for programs.
#[derive(Debug)]
pub(crate) struct Json {
    printer: Printer,
}

impl Json {
    pub(crate) fn new(printer: Printer) -> Self {
        Self { printer }
    }

    fn document(&self, value: &impl Serialize) -> io::Result<()> {
        self.printer.data(&serde_json::to_string_pretty(value)?)
    }
}

impl Report for Json {
    fn versions(&self, versions: &Versions) -> io::Result<()> {
        self.document(versions)
    }
}
