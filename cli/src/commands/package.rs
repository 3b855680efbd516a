//! `mlfn package [function]`.

use mlfn_core::{Function, Route, Severity};
use mlfn_package::Formats;

use crate::pipeline::{self, Packed, Packer, Place};
use crate::printer::Printer;
use crate::report::{Packaged, Report};
use crate::settings::PackageSettings;
use crate::status::ExitStatus;

/// Packs one function, or all of them.
pub(crate) fn package(
    settings: &PackageSettings,
    report: &dyn Report,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    report.begin()?;
    let Some(checked) = pipeline::check(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let packer = Packer {
        checked: &checked,
        parts: &settings.parts,
        output: settings
            .output
            .clone()
            .unwrap_or_else(|| checked.package_folder()),
        place: Place::Cloud,
        formats: Formats::All,
        report,
        printer,
    };
    let functions: Vec<&Function> = match &settings.function {
        Some(name) => vec![pipeline::function(&checked.service, Some(name))?],
        None => checked.service.functions.iter().collect(),
    };
    let mut status = ExitStatus::Ok;
    for function in functions {
        let Some(Packed { built, choice }) = packer.pack(function)? else {
            return Ok(ExitStatus::InvalidManifest);
        };
        let routes = checked.provider.package(&checked.service, function).routes;
        let packaged = Packaged {
            built,
            choice,
            routes,
        };
        report.packaged(&packaged)?;
        if !packaged.is_deployable() {
            status = ExitStatus::Failure;
        }
    }
    Ok(status)
}

impl Packaged {
    /// Whether the cloud would take it and could start it.
    fn is_deployable(&self) -> bool {
        let fits = |route: &Route| matches!(route, Route::Fits { .. });
        let deployed = self.built.artifacts.first();
        let loads = |severity: Severity| severity != Severity::Error;
        deployed.is_some_and(|artifact| fits(&artifact.route))
            && self
                .built
                .findings
                .iter()
                .all(|finding| loads(finding.severity))
    }
}
