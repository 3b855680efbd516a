//! `mlfn rollback`.

use crate::archives;
use crate::deployment::{Bench, Job};
use crate::pipeline;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::RollbackSettings;
use crate::status::ExitStatus;
use crate::stop::Stop;

/// Brings an earlier deployment back.
pub(crate) async fn rollback(
    settings: RollbackSettings,
    report: &dyn Report,
    printer: Printer,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    report.begin()?;
    let Some(checked) = pipeline::check_again(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let environment = settings.manifest.environment;
    let bench = Bench::connect(checked, environment, settings.lock_timeout).await?;
    let job = Job {
        bench: &bench,
        verb: "rollback",
        questions: settings.questions,
        report,
        printer,
        stop,
    };
    let request = job.quietly().rollback(settings.to).await?;
    let done = job.carry_out(&request).await;
    done.map_err(|error| archives::elsewhere(error, &bench.checked))
}
