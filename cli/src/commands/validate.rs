//! `mlfn validate`.

use crate::pipeline;
use crate::report::Report;
use crate::settings::ValidateSettings;
use crate::status::ExitStatus;

/// Shows everything that is wrong with the manifest.
pub(crate) fn validate(
    settings: &ValidateSettings,
    report: &dyn Report,
) -> anyhow::Result<ExitStatus> {
    let verdict = pipeline::judge(&settings.manifest)?;
    report.verdict(&verdict)?;
    if !verdict.is_valid() {
        return Ok(ExitStatus::InvalidManifest);
    }
    Ok(ExitStatus::Ok)
}
