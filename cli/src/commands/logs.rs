//! `mlfn logs`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mlfn_emulator::{LogLine, LogReader};

use super::state::nothing_deployed;
use crate::pipeline::{self, Checked};
use crate::report::Report;
use crate::settings::LogsSettings;
use crate::status::ExitStatus;
use crate::{local, registry};

/// How often a log is looked at that is followed.
const LOOK: Duration = Duration::from_millis(100);

/// Shows the log of a deployed function, and goes on as it grows if asked to.
pub(crate) async fn logs(
    settings: LogsSettings,
    report: &dyn Report,
) -> anyhow::Result<ExitStatus> {
    let Some(checked) = pipeline::check(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let mut reader = reader(&checked, &settings)?;
    let since = since(settings.since);
    let wanted = |line: &LogLine| {
        let filter = settings.filter.as_deref();
        line.time >= since && filter.is_none_or(|filter| line.text.contains(filter))
    };
    loop {
        for line in reader.read()?.iter().filter(|line| wanted(line)) {
            report.log_line(line)?;
        }
        if !settings.tail {
            return Ok(ExitStatus::Ok);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn reader(checked: &Checked, settings: &LogsSettings) -> anyhow::Result<LogReader> {
    let name = settings.function.as_deref();
    let function = pipeline::function(&checked.service, name)?;
    if !checked.local {
        registry::cloud(checked.service.provider)?;
    }
    let folder = local::folder(checked)?;
    if !folder.exists() {
        return Err(nothing_deployed(checked).into());
    }
    let options = local::options(
        &folder,
        checked.service.provider,
        settings.manifest.environment,
    );
    let name = checked.service.cloud_name(function.name.as_str());
    Ok(LogReader::new(options.log_path(&name)))
}

/// Milliseconds since 1970.
fn since(ago: Option<Duration>) -> u64 {
    let Some(ago) = ago else {
        return 0;
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX)
}
