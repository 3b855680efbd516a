//! `mlfn init [folder]`.

use std::path::{Path, PathBuf};

use crate::errors::CommandError;
use crate::pipeline;
use crate::printer::Printer;
use crate::report::{Human, Report};
use crate::scaffold;
use crate::settings::{InitSettings, ManifestSettings, Questions};
use crate::status::ExitStatus;

/// Writes a project, checks it, and says what to do next.
pub(crate) fn init(
    settings: &InitSettings,
    report: &dyn Report,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    if settings.list {
        report.templates(mlfn_templates::scaffold::scaffolds())?;
        return Ok(ExitStatus::Ok);
    }
    let files = scaffold::plan(settings)?;
    let existing: Vec<&Path> = files
        .iter()
        .map(|file| file.path.as_path())
        .filter(|path| path.exists())
        .collect();
    if !existing.is_empty() && !may_overwrite(&existing, settings.overwrite, printer)? {
        return Err(refusal(&existing).into());
    }
    files.iter().try_for_each(scaffold::File::write)?;
    let manifest = ManifestSettings {
        file: Some(settings.folder.join("serverless.yaml")),
        ..settings.manifest.clone()
    };
    if pipeline::check(&manifest, &Human::new(printer))?.is_none() {
        return Ok(ExitStatus::InvalidManifest);
    }
    let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
    report.initialized(&settings.folder, &paths)?;
    Ok(ExitStatus::Ok)
}

fn may_overwrite(
    existing: &[&Path],
    questions: Questions,
    printer: Printer,
) -> anyhow::Result<bool> {
    Ok(match questions {
        Questions::Yes => true,
        Questions::No => false,
        Questions::Ask => printer.confirm(&format!("{}\noverwrite them?", there(existing)))?,
    })
}

fn refusal(existing: &[&Path]) -> CommandError {
    CommandError::failure(format!("{}\nnothing was written", there(existing)))
        .hint("choose another folder, or overwrite them with `--force`")
}

fn there(existing: &[&Path]) -> String {
    let names: Vec<String> = existing
        .iter()
        .map(|path| format!("  {}", path.display()))
        .collect();
    format!("these files are there already:\n{}", names.join("\n"))
}
