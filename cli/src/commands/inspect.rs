//! `mlfn inspect <model>`.

use crate::report::Report;
use crate::settings::InspectSettings;
use crate::status::ExitStatus;

/// Shows what a model takes and gives.
pub(crate) fn inspect(
    settings: &InspectSettings,
    report: &dyn Report,
) -> anyhow::Result<ExitStatus> {
    report.model(&mlfn_model::inspect(&settings.model)?)?;
    Ok(ExitStatus::Ok)
}
