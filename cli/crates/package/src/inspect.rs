//! Reading the model, with problems that point into the manifest.

use std::error::Error;
use std::path::Path;

use mlfn_core::{Diagnostic, Function};
use mlfn_model::{Model, ModelError};

use crate::PackageError;
use crate::check::nearest;

/// What the model file of `function` says. Problems point at the model's `path:`.
pub(crate) fn inspect(function: &Function, path: &Path) -> Result<Model, PackageError> {
    mlfn_model::inspect(path)
        .map_err(|error| PackageError::Invalid(vec![diagnostic(function, path, &error)]))
}

/// The model without its weights, if a package is loaded faster with it.
pub(crate) fn graph(function: &Function, path: &Path) -> Result<Option<Vec<u8>>, PackageError> {
    mlfn_model::mapped(path)
        .map_err(|error| PackageError::Invalid(vec![diagnostic(function, path, &error)]))
}

fn diagnostic(function: &Function, path: &Path, error: &ModelError) -> Diagnostic {
    let at = function.at().key("path");
    if let ModelError::NotFound { .. } = error {
        let detail = format!("There is no file `{}`.", path.display());
        let help = similar_file(path)
            .unwrap_or_else(|| "check the path; it is relative to the manifest".to_owned());
        return Diagnostic::error("model-not-found", "the model is not there", at, detail)
            .help(help);
    }
    let mut detail = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        detail = format!("{detail}: {source}");
        cause = source.source();
    }
    Diagnostic::error(
        "model-unusable",
        "the model cannot be used",
        at,
        detail + ".",
    )
    .help(error.hint())
}

/// "did you mean", from the models in the same folder.
fn similar_file(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let entries = fs_err::read_dir(path.parent()?).ok()?;
    let names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "onnx"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    match (nearest(wanted, &names), names.as_slice()) {
        (Some(name), _) => Some(format!("did you mean `{name}`?")),
        (None, [only]) => Some(format!("the only model in that folder is `{only}`")),
        (None, _) => None,
    }
}
