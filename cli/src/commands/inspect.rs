//! `mlfn inspect <model>`.

use std::collections::BTreeMap;

use anyhow::Context as _;
use mlfn_model::Model;
use mlfn_package::Formats;
use serde_json::json;

use crate::engines::{self, Choice};
use crate::pipeline::{self, Packer, Place};
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::{InspectSettings, ManifestSettings, Target};
use crate::status::ExitStatus;

/// Shows what a model takes and gives, and what runs it.
pub(crate) fn inspect(
    settings: &InspectSettings,
    report: &dyn Report,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let model = mlfn_model::inspect(&settings.model)?;
    let auto = auto(settings, &model, report, printer).unwrap_or_else(|error| {
        printer.warning(&format!(
            "which engine is the better one is not known: {error:#}"
        ));
        None
    });
    report.model(&model, auto.as_ref())?;
    Ok(ExitStatus::Ok)
}

/// What `engine: auto` would choose on this machine, for the shortest manifest that has the model.
fn auto(
    settings: &InspectSettings,
    model: &Model,
    report: &dyn Report,
    printer: Printer,
) -> anyhow::Result<Option<Choice>> {
    if !model.foreign_domains.is_empty() {
        // No engine has operators of other domains, which is said.
        return Ok(None);
    }
    let folder = tempfile::tempdir().context("there is no room for a manifest")?;
    let manifest = folder.path().join("serverless.yaml");
    let path = fs_err::canonicalize(&model.path)?;
    let text = json!({
        "mlfn": 1,
        "service": "inspected",
        "engine": "auto",
        "models": { "model": { "path": path } },
    });
    // YAML has all of JSON.
    fs_err::write(&manifest, text.to_string())?;
    let manifest = ManifestSettings {
        file: Some(manifest),
        stage: "dev".parse()?,
        target: Target::default(),
        region: None,
        state: None,
        default_regions: BTreeMap::new(),
        params: BTreeMap::new(),
        environment: settings.environment,
    };
    let Some(checked) = pipeline::check(&manifest, report)? else {
        return Ok(None);
    };
    let packer = Packer {
        checked: &checked,
        parts: &settings.parts,
        output: folder.path().join("packages"),
        place: Place::Here,
        formats: Formats::Deployed,
        report,
        printer,
    };
    engines::choose(&packer, pipeline::function(&checked.service, None)?)
}
