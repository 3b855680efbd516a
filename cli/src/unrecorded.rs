//! What is deployed and recorded nowhere: the record is lost, or it was begun anew when a removal
//! without one was interrupted. Names are deterministic and everything has tags, so that it can be
//! found again.

use std::path::PathBuf;
use std::sync::Arc;

use mlfn_core::{
    Action, ArchiveFormat, Artifact, Change, Digest, Function, PackageSpec, Plan, Resource, Route,
};
use mlfn_engine::state::State;
use mlfn_engine::{Engine, EngineError, Request};

use crate::archives::Keep;
use crate::deployment;
use crate::local;
use crate::pipeline::Checked;
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::{ManifestSettings, PartsSettings};

/// Whether there may be things of which the record does not know.
pub(crate) fn is_possible(state: Option<&State>) -> bool {
    state.is_none_or(|state| state.history.is_empty())
}

/// What the manifest names, without packing anything: names that hold a digest are wrong.
pub(crate) fn by_name(checked: &Checked) -> anyhow::Result<Vec<Resource>> {
    let functions = checked.service.functions.iter();
    let artifacts: Vec<Artifact> = functions
        .map(|function| {
            let package = checked.provider.package(&checked.service, function);
            placeholder(function, &package, checked)
        })
        .collect();
    Ok(local::cloud(checked)?.lower(&checked.service, &artifacts))
}

fn placeholder(function: &Function, package: &PackageSpec, checked: &Checked) -> Artifact {
    Artifact {
        function: function.name.clone(),
        provider: checked.service.provider,
        path: PathBuf::new(),
        format: package
            .formats
            .first()
            .copied()
            .unwrap_or(ArchiveFormat::Zip),
        digest: Digest::of(b""),
        packed: 0,
        unpacked: 0,
        parts: Vec::new(),
        fetched: Vec::new(),
        layer: None,
        route: Route::Fits {
            name: "none",
            max_packed: None,
            max_unpacked: None,
        },
    }
}

/// Whether `request` would remove something of which the record does not know.
pub(crate) async fn is_there(
    engine: &Engine<'_>,
    request: &Request,
    state: Option<&State>,
) -> Result<bool, EngineError> {
    let plan: Plan = engine.plan(request).await?;
    let is_recorded = |change: &Change| {
        let id = |id: &mlfn_core::ResourceId| change.id == *id;
        state.is_some_and(|state| {
            state.resources.keys().any(id)
                || state.superseded.iter().any(|recorded| id(&recorded.id))
                || state.pending.iter().any(|intent| id(&intent.id))
        })
    };
    let mut removed = plan
        .effective()
        .filter(|change| change.action == Action::Delete);
    Ok(removed.any(|change| !is_recorded(change)))
}

/// What the manifest names, digests included; those without, if it cannot be packed now.
pub(crate) async fn exactly(
    checked: &Checked,
    settings: (ManifestSettings, PartsSettings),
    report: Arc<dyn Report>,
    printer: Printer,
) -> anyhow::Result<Vec<Resource>> {
    let mut suspects = by_name(checked)?;
    let prepared = deployment::prepared(settings, Keep::UntilTheNextBuild, report, printer).await;
    match prepared {
        Ok(Some(prepared)) => suspects.extend(prepared.wanted),
        Ok(None) => (),
        Err(error) => printer.warning(&format!(
            "the service cannot be packed now, so that what is named by its content may not be \
             found: {error:#}"
        )),
    }
    Ok(suspects)
}
