//! `mlfn remove`.

use std::sync::Arc;

use mlfn_core::Resource;
use mlfn_engine::Request;

use crate::deployment::{Bench, Job};
use crate::errors::CommandError;
use crate::local;
use crate::pipeline::{self, Checked};
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::{ManifestSettings, PartsSettings, Questions, RemoveSettings};
use crate::status::ExitStatus;
use crate::stop::Stop;
use crate::unrecorded;

/// Removes everything that was deployed, and the record of it.
pub(crate) async fn remove(
    settings: RemoveSettings,
    report: Arc<dyn Report>,
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
    let Some(checked) = pipeline::check_again(&settings.manifest, &*report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let spared = if settings.keep_logs {
        logs(&checked)?
    } else {
        Vec::new()
    };
    let environment = settings.manifest.environment;
    let bench = Bench::connect(checked, environment, settings.lock_timeout).await?;
    let job = Job {
        bench: &bench,
        verb: "remove",
        questions: settings.questions,
        report: &*report,
        printer,
        stop,
    };
    let mut request = Request::remove();
    request.spared = spared;
    let parts = (settings.manifest, settings.parts);
    request.suspects = suspects(&job, parts, &report).await?;
    job.carry_out(&request).await
}

/// The kinds of resources that hold logs.
fn logs(checked: &Checked) -> anyhow::Result<Vec<&'static str>> {
    let kinds = local::cloud(checked)?.logs();
    if kinds.is_empty() {
        let place = checked.place_name();
        let message = format!("mlfn cannot keep the logs of {place}");
        let hint = "remove the service without `--keep-logs`; on AWS, log groups can stay";
        return Err(CommandError::usage(message).hint(hint).into());
    }
    Ok(kinds.to_vec())
}

/// What has to go though nothing is recorded of it. Usually that is nothing, and nobody is asked.
async fn suspects(
    job: &Job<'_>,
    settings: (ManifestSettings, PartsSettings),
    report: &Arc<dyn Report>,
) -> anyhow::Result<Vec<Resource>> {
    let engine = job.quietly();
    let state = engine.state().await?;
    if !unrecorded::is_possible(state.as_ref()) {
        return Ok(Vec::new());
    }
    let checked = &job.bench.checked;
    let request = Request {
        suspects: unrecorded::by_name(checked)?,
        ..Request::remove()
    };
    if !unrecorded::is_there(&engine, &request, state.as_ref()).await? {
        return Ok(request.suspects);
    }
    let service = &checked.service;
    job.printer.warning(&format!(
        "there is no record of what is deployed, so everything is removed that has a name of this \
         manifest and the tags of service {}, stage {}; what an earlier manifest named otherwise \
         stays",
        service.name, service.stage
    ));
    unrecorded::exactly(checked, settings, Arc::clone(report), job.printer).await
}
