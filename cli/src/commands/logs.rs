//! `mlfn logs`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use mlfn_core::{LogCursor, LogLine, LogQuery, Session};
use mlfn_emulator::LogReader;

use super::state::nothing_deployed;
use crate::pipeline::{self, Checked};
use crate::report::Report;
use crate::settings::LogsSettings;
use crate::status::ExitStatus;
use crate::{deployment, local};

/// How often the log of a local function is looked at that is followed.
const LOOK: Duration = Duration::from_millis(100);

/// How often a cloud is asked, which limits such calls to a few in a second for an account.
const ASK: Duration = Duration::from_secs(1);

/// Shows the log of a deployed function, and goes on as it grows if asked to.
pub(crate) async fn logs(
    settings: LogsSettings,
    report: &dyn Report,
) -> anyhow::Result<ExitStatus> {
    let Some(checked) = pipeline::check_again(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let source = Source::of(&checked, &settings).await?;
    show(source, &settings, report).await
}

/// Where lines come from.
enum Source {
    /// The file of a local function.
    Here(LogReader),
    /// A function in a cloud.
    Cloud {
        session: Box<dyn Session>,
        query: LogQuery,
    },
}

impl Source {
    async fn of(checked: &Checked, settings: &LogsSettings) -> anyhow::Result<Self> {
        let name = settings.function.as_deref();
        let function = pipeline::function(&checked.service, name)?;
        let name = checked.service.cloud_name(function.name.as_str());
        if checked.local {
            return Ok(Self::Here(reader(checked, &name, settings)?));
        }
        let cloud = local::cloud(checked)?;
        let session = deployment::connect(&*cloud, checked).await?;
        let query = LogQuery {
            function: name,
            filter: settings.filter.clone(),
            from: LogCursor {
                time: since(settings.since),
                ..LogCursor::default()
            },
        };
        Ok(Self::Cloud { session, query })
    }

    /// The lines that came since the last call.
    async fn read(&mut self) -> anyhow::Result<Vec<LogLine>> {
        match self {
            Self::Here(reader) => Ok(reader.read()?),
            Self::Cloud { session, query } => {
                let operate = session.operate().context("this cloud has no logs")?;
                let page = operate
                    .logs(query)
                    .await
                    .context("the log cannot be read")?;
                query.from = page.next;
                Ok(page.lines)
            }
        }
    }

    /// How often it is looked at if it is followed.
    fn pace(&self) -> Duration {
        match self {
            Self::Here(_) => LOOK,
            Self::Cloud { .. } => ASK,
        }
    }
}

async fn show(
    mut source: Source,
    settings: &LogsSettings,
    report: &dyn Report,
) -> anyhow::Result<ExitStatus> {
    let since = since(settings.since);
    let wanted = |line: &LogLine| {
        let filter = settings.filter.as_deref();
        line.time >= since && filter.is_none_or(|filter| line.text.contains(filter))
    };
    loop {
        let lines = source.read().await?;
        for line in lines.iter().filter(|line| wanted(line)) {
            report.log_line(line)?;
        }
        if !lines.is_empty() {
            continue;
        }
        if !settings.tail {
            return Ok(ExitStatus::Ok);
        }
        tokio::time::sleep(source.pace()).await;
    }
}

fn reader(checked: &Checked, name: &str, settings: &LogsSettings) -> anyhow::Result<LogReader> {
    let folder = local::folder(checked)?;
    if !folder.exists() {
        return Err(nothing_deployed(checked).into());
    }
    let options = local::options(
        &folder,
        checked.service.provider,
        settings.manifest.environment,
    );
    Ok(LogReader::new(options.log_path(name)))
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
