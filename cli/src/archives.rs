//! The archives that are or were deployed. They are kept as long as a rollback may need them.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlfn_core::{Artifact, FetchedFile, Layer, Purpose, Route, Severity};
use mlfn_engine::EngineError;
use mlfn_engine::state::{self, State};
use mlfn_package::Built;

use crate::errors::CommandError;
use crate::pipeline::Checked;
use crate::printer::Printer;

/// How long an archive is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Until it is built again.
    UntilTheNextBuild,
    /// As long as a rollback may need it.
    ForRollbacks,
}

/// The archive that is deployed, with its path relative to the manifest's folder, if it fits its
/// place and could start there.
pub(crate) fn checked(
    built: Built,
    keep: Keep,
    checked: &Checked,
    printer: Printer,
) -> anyhow::Result<Artifact> {
    for finding in &built.findings {
        let text = format!("{}: {} ({})", finding.file, finding.detail, finding.help);
        if finding.severity == Severity::Error && !checked.local {
            return Err(CommandError::failure(text).into());
        }
        printer.warning(&text);
    }
    let artifact = built.artifacts.into_iter().next();
    let mut artifact = artifact.context("nothing was packed")?;
    if let Route::TooLarge { advice } = &artifact.route {
        let (function, provider) = (&artifact.function, artifact.provider);
        let message = format!("`{function}` is too large for {provider}: {advice}");
        return Err(CommandError::failure(message).into());
    }
    let path = match keep {
        Keep::UntilTheNextBuild => artifact.path.clone(),
        Keep::ForRollbacks => kept(&artifact, checked).context("the package cannot be kept")?,
    };
    artifact.path = beside_manifest(&path, checked)?;
    if let Some(layer) = &mut artifact.layer {
        let path = match keep {
            Keep::UntilTheNextBuild => layer.path.clone(),
            Keep::ForRollbacks => kept_layer(layer, checked).context("the layer cannot be kept")?,
        };
        layer.path = beside_manifest(&path, checked)?;
    }
    for file in &mut artifact.fetched {
        file.source = model(file, keep, checked).context("the model cannot be kept")?;
    }
    Ok(artifact)
}

/// A file of a model that is not in the archive, with its path relative to the manifest's folder.
fn model(file: &FetchedFile, keep: Keep, checked: &Checked) -> anyhow::Result<PathBuf> {
    if keep == Keep::UntilTheNextBuild {
        let path = file.source.strip_prefix(&checked.folder);
        return Ok(path.unwrap_or(&file.source).to_owned());
    }
    let folder = checked.release_folder();
    fs_err::create_dir_all(&folder)?;
    let path = folder.join(format!("model.{}", file.digest.short()));
    copy(&file.source, &path)?;
    beside_manifest(&path, checked)
}

/// The path of what mlfn keeps, relative to the manifest's folder.
fn beside_manifest(path: &Path, checked: &Checked) -> anyhow::Result<PathBuf> {
    Ok(Path::new(".mlfn").join(path.strip_prefix(checked.own_folder())?))
}

/// The archive under a name that later builds do not use.
fn kept(artifact: &Artifact, checked: &Checked) -> io::Result<PathBuf> {
    let folder = checked.release_folder();
    fs_err::create_dir_all(&folder)?;
    let end = artifact.format.extension();
    let name = format!("{}.{}.{end}", artifact.function, artifact.digest.short());
    let path = folder.join(name);
    link(&artifact.path, &path)?;
    Ok(path)
}

/// The archive that functions share, likewise.
fn kept_layer(layer: &Layer, checked: &Checked) -> io::Result<PathBuf> {
    let folder = checked.release_folder();
    fs_err::create_dir_all(&folder)?;
    // Functions have no dots in their names, and their archives have two.
    let path = folder.join(format!("layer-{}.zip", layer.digest.short()));
    link(&layer.path, &path)?;
    Ok(path)
}

/// An archive under another name. Archives are replaced and not changed, so that both names may have the
/// same bytes, where disks can do that.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() || mlfn_package::link(from, to).is_ok() {
        return Ok(());
    }
    copy(from, to)
}

/// A copy, whole or not at all.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    let copy = tempfile::NamedTempFile::new_in(folder)?;
    fs_err::copy(from, copy.path())?;
    copy.persist(to)?;
    Ok(())
}

/// Removes what only `before` needed, the record of earlier deployments, and not `after`; and the
/// record itself if nothing is deployed any more. What others deploy at this moment is not touched.
pub(crate) fn sweep(
    checked: &Checked,
    (before, after): (Option<&State>, Option<&State>),
    purpose: Purpose,
) -> anyhow::Result<()> {
    if purpose == Purpose::Remove {
        mlfn_package::remove_leftovers(&checked.package_folder());
    }
    if purpose == Purpose::Remove && checked.bucket().is_none() {
        checked.forget()?;
        if !checked.own_folder().join("state").exists() {
            // Nothing is deployed anywhere; what is left is of plans that nobody applied.
            if_there(fs_err::remove_dir_all(checked.release_folder()))?;
        }
    }
    let Some(before) = before else {
        return Ok(());
    };
    let mut unused = archives(before);
    // The record of this stage may lie in a bucket; those of the others on this machine do not.
    let others = states(&checked.own_folder().join("state"))?;
    for state in others.iter().chain(after) {
        for archive in archives(state) {
            unused.remove(&archive);
        }
    }
    for path in unused {
        if_there(fs_err::remove_file(checked.folder.join(path)))?;
    }
    remove_if_empty(&checked.release_folder())?;
    Ok(())
}

/// The error of a rollback: packages stay on the machine that they were deployed from.
pub(crate) fn elsewhere(error: anyhow::Error, checked: &Checked) -> anyhow::Error {
    match error.downcast_ref() {
        Some(EngineError::File { path, .. }) if !checked.folder.join(path).exists() => {
            let message = format!("`{path}`, which that deployment was made of, is not here");
            let hint = "roll back on the machine that deployed it, or check out what was deployed \
                        and deploy it again";
            CommandError::failure(message).hint(hint).into()
        }
        _ => error,
    }
}

/// The files of all deployments that are remembered, relative to the manifest's folder.
fn archives(state: &State) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let resources = state.history.iter().flat_map(|old| &old.resources);
    for value in resources.flat_map(|resource| resource.fields.values()) {
        value.for_each_file(&mut |file| {
            paths.insert(file.path.clone());
        });
    }
    paths
}

/// The states of all stages and places. One that cannot be read may need anything.
fn states(folder: &Path) -> anyhow::Result<Vec<State>> {
    let mut states = Vec::new();
    for place in entries(folder)? {
        for stage in entries(&place)? {
            let path = stage.join("state.json");
            if path.exists() {
                let bytes = fs_err::read(&path)?;
                states.push(state::read(&bytes, &path.display().to_string())?);
            }
        }
    }
    Ok(states)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    fs_err::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect()
}

/// Removes a folder unless there is something in it.
pub(crate) fn remove_if_empty(folder: &Path) -> io::Result<()> {
    match fs_err::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => if_there(other),
    }
}

/// Removing what is gone already is success.
pub(crate) fn if_there(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
