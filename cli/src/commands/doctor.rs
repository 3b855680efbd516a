//! `mlfn doctor`.

use crate::doctor::{self, State};
use crate::report::Report;
use crate::settings::DoctorSettings;
use crate::status::ExitStatus;

/// Shows what works on this machine and what does not.
pub(crate) fn doctor(settings: &DoctorSettings, report: &dyn Report) -> anyhow::Result<ExitStatus> {
    let checks = doctor::examine(settings);
    report.examined(&checks)?;
    if checks.iter().any(|check| check.state == State::Failure) {
        return Ok(ExitStatus::Failure);
    }
    Ok(ExitStatus::Ok)
}
