//! `mlfn schema`.

use crate::printer::Printer;
use crate::status::ExitStatus;

/// Prints the JSON schema of the manifest.
pub(crate) fn schema(printer: Printer) -> anyhow::Result<ExitStatus> {
    printer.data(&serde_json::to_string_pretty(&mlfn_manifest::json_schema())?)?;
    Ok(ExitStatus::Ok)
}
