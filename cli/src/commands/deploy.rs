//! `mlfn deploy`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use mlfn_core::Plan;
use mlfn_engine::{Request, plan_file};

use super::plan;
use crate::archives::Keep;
use crate::deployment::{self, Bench, Job, Prepared};
use crate::pipeline;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::{DeploySettings, How};
use crate::status::ExitStatus;
use crate::stop::Stop;

/// Brings the cloud to what the manifest says.
pub(crate) async fn deploy(
    settings: DeploySettings,
    report: Arc<dyn Report>,
    printer: Printer,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    match settings.how {
        How::DryRun => plan::plan(settings.into_plan(), report, printer).await,
        How::Saved(ref path) => saved(path, &settings, &*report, printer, stop).await,
        How::Now => now(settings, report, printer, stop).await,
    }
}

async fn now(
    settings: DeploySettings,
    report: Arc<dyn Report>,
    printer: Printer,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    report.begin()?;
    let DeploySettings {
        manifest,
        parts,
        keep_drift,
        questions,
        lock_timeout,
        ..
    } = settings;
    let environment = manifest.environment;
    let prepared = deployment::prepared_and_connected(
        (manifest, parts),
        Keep::ForRollbacks,
        Arc::clone(&report),
        printer,
    )
    .await?;
    let Some((prepared, session)) = prepared else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let Prepared {
        checked,
        wanted,
        release,
    } = prepared;
    let bench = Bench::new((checked, session), environment, lock_timeout).await?;
    let mut request = Request::deploy(wanted, release);
    request.drift = deployment::drift(keep_drift);
    let job = Job {
        bench: &bench,
        verb: "deploy",
        questions,
        report: &*report,
        printer,
        stop,
    };
    job.carry_out(&request).await
}

async fn saved(
    path: &Path,
    settings: &DeploySettings,
    report: &dyn Report,
    printer: Printer,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    report.begin()?;
    let plan = read(path)?;
    let Some(checked) = pipeline::check_again(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let environment = settings.manifest.environment;
    let bench = Bench::connect(checked, environment, settings.lock_timeout).await?;
    let job = Job {
        bench: &bench,
        verb: "deploy",
        questions: settings.questions,
        report,
        printer,
        stop,
    };
    job.apply(&plan).await
}

fn read(path: &Path) -> anyhow::Result<Plan> {
    let bytes = fs_err::read(path).context("the plan cannot be read")?;
    plan_file::read(&bytes).with_context(|| format!("`{}` cannot be used", path.display()))
}
