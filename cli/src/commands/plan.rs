//! `mlfn plan`.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use mlfn_core::{Plan, Session};
use mlfn_engine::{Request, plan_file};

use crate::archives::Keep;
use crate::deployment::{self, Bench, Prepared};
use crate::errors::CommandError;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::PlanSettings;
use crate::status::ExitStatus;
use crate::stop::Stop;

/// Shows what a deploy would do. Changes nothing.
pub(crate) async fn plan(
    settings: PlanSettings,
    report: Arc<dyn Report>,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    report.begin()?;
    let environment = settings.manifest.environment;
    let source = (settings.manifest, settings.parts);
    // Only a plan that is saved will be applied.
    let keep = match settings.out {
        Some(_) => Keep::ForRollbacks,
        None => Keep::UntilTheNextBuild,
    };
    let reported = Arc::clone(&report);
    let prepared = deployment::prepared_and_connected(source, keep, reported, printer).await?;
    let Some((prepared, session)) = prepared else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let Prepared {
        checked,
        wanted,
        release,
    } = prepared;
    let bench = Bench::new((checked, session), environment, Duration::ZERO).await?;
    let mut request = Request::deploy(wanted, release);
    request.drift = deployment::drift(settings.keep_drift);
    // Nothing is changed, so that Ctrl-C may end it at any time.
    let stop = Stop::default();
    let plan = bench.engine(&|_| (), stop.gently()).plan(&request).await?;
    if let Some(path) = &settings.out {
        save(&plan, path)?;
    }
    if settings.policy {
        show_policy(bench.session.as_ref(), &plan, printer)?;
    } else {
        report.plan(&deployment::named(&plan, &*bench.session))?;
    }
    if settings.detailed_exitcode && !plan.is_empty() {
        return Ok(ExitStatus::Changes);
    }
    Ok(ExitStatus::Ok)
}

/// A document that goes into the cloud's own tools as it is.
fn show_policy(session: &dyn Session, plan: &Plan, printer: Printer) -> anyhow::Result<()> {
    let Some(policy) = session.policy(plan) else {
        let message = format!("there are no policies for {}", session.provider());
        let hint = "leave `--policy` out, or plan for a cloud: `--provider aws`";
        return Err(CommandError::failure(message).hint(hint).into());
    };
    let text = serde_json::to_string_pretty(&policy)?;
    Ok(printer.data(&text)?)
}

/// For its owner only: a plan may hold values that are shown to nobody.
fn save(plan: &Plan, path: &Path) -> anyhow::Result<()> {
    let bytes = plan_file::write(plan)?;
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).context("the plan cannot be saved")?;
    file.write_all(&bytes).context("the plan cannot be saved")
}
