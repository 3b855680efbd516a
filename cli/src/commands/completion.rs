//! `mlfn completion <shell>`.

use crate::command;
use crate::printer::Printer;
use crate::settings::CompletionSettings;
use crate::status::ExitStatus;

/// Prints a completion script.
pub(crate) fn completion(
    settings: &CompletionSettings,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(settings.shell, &mut command(), "mlfn", &mut script);
    printer.data(&String::from_utf8(script)?)?;
    Ok(ExitStatus::Ok)
}
