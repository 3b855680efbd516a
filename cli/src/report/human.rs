//! Results for people: tables and sentences, readable without colours.

use std::io;


use super::Report;
use crate::commands::version::Versions;
use crate::printer::Printer;

/// Writes for people.
#[derive(Debug)]
pub(crate) struct Human {
    printer: Printer,
}

impl Human {
    pub(crate) fn new(printer: Printer) -> Self {
        Self { printer }
    }
}

impl Report for Human {
    fn versions(&self, versions: &Versions) -> io::Result<()> {
        self.printer.data(&format!("mlfn {}", versions.mlfn))
    }
}
