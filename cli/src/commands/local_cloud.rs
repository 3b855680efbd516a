//! `mlfn local-cloud`, which no user types: the process that answers for a local cloud.

use mlfn_emulator::run_detached;

use crate::local;
use crate::settings::LocalCloudSettings;
use crate::status::ExitStatus;
use crate::stop::Stop;

/// Answers until it is told to stop.
pub(crate) async fn local_cloud(
    settings: LocalCloudSettings,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    let options = local::options(&settings.folder, settings.like, settings.environment);
    run_detached(options, stop.gently().cancelled()).await?;
    Ok(ExitStatus::Ok)
}
