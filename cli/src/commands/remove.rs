//! `mlfn remove`.

use mlfn_engine::Request;

use crate::deployment::{Bench, Job};
use crate::errors::CommandError;
use crate::pipeline;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::{Questions, RemoveSettings};
use crate::status::ExitStatus;
use crate::stop::Stop;

/// Removes everything that was deployed, and the record of it.
pub(crate) async fn remove(
    settings: RemoveSettings,
    report: &dyn Report,
    printer: Printer,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    if settings.questions == Questions::No {
        let message = "nobody is there to confirm that everything is removed";
        let hint = format!(
            "add `--yes`: mlfn remove{} --yes",
            settings.manifest.flags()
        );
        return Err(CommandError::usage(message).hint(hint).into());
    }
    report.begin()?;
    let Some(checked) = pipeline::check(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let environment = settings.manifest.environment;
    let bench = Bench::connect(checked, environment, settings.lock_timeout).await?;
    let job = Job {
        bench: &bench,
        verb: "remove",
        questions: settings.questions,
        report,
        printer,
        stop,
    };
    job.carry_out(&Request::remove()).await
}
