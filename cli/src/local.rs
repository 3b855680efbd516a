//! The local cloud: where it lies, and the process that answers for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mlfn_core::{Cloud, ProviderName};
use mlfn_emulator::{EmulatorOptions, Launcher, Local};

use crate::pipeline::Checked;
use crate::registry;
use crate::settings::{Environment, LOCAL};

/// The verb by which mlfn starts itself, and which users do not see.
pub(crate) const VERB: &str = "local-cloud";

/// Where `checked` is deployed to.
pub(crate) fn cloud(checked: &Checked) -> anyhow::Result<Box<dyn Cloud>> {
    if checked.local {
        return Ok(Box::new(twin(checked)?));
    }
    Ok(registry::cloud(checked.service.provider)?)
}

/// Makes sure that the local cloud answers, in which something is deployed: its process does not
/// outlive the machine.
pub(crate) async fn wake(checked: &Checked) -> anyhow::Result<()> {
    let woken = twin(checked)?.wake().await;
    woken.context("the local cloud does not run")
}

/// Removes what is left of the local cloud, if nothing is deployed in it.
pub(crate) async fn clear(checked: &Checked) -> anyhow::Result<()> {
    let cleared = twin(checked)?.clear().await;
    cleared.context("the local cloud does not end")
}

fn twin(checked: &Checked) -> anyhow::Result<Local> {
    let name = checked.service.provider;
    let folder = folder(checked)?;
    let launcher = launcher(&folder, name)?;
    Ok(Local::new(registry::twin(name), folder, launcher))
}

/// What the local cloud of a service and stage keeps, as an absolute path.
pub(crate) fn folder(checked: &Checked) -> anyhow::Result<PathBuf> {
    let folder = checked.own_folder().join("local");
    let folder = std::path::absolute(folder.join(checked.service.stage.as_str()));
    folder.context("the current folder is gone")
}

/// What the local cloud in `folder` is like. Secrets are the cloud's; here they come from variables
/// of the same names.
pub(crate) fn options(
    folder: &Path,
    like: ProviderName,
    environment: Environment,
) -> EmulatorOptions {
    EmulatorOptions {
        secrets: std::sync::Arc::new(move |name| environment.get(name)),
        ..EmulatorOptions::new(like, folder)
    }
}

fn launcher(folder: &Path, like: ProviderName) -> anyhow::Result<Launcher> {
    let executable = std::env::current_exe().context("mlfn does not find itself")?;
    // It stays in the folder that it serves, wherever it was started from, and whatever the
    // variables of this process say.
    let words: [OsString; 7] = [
        "-C".into(),
        folder.into(),
        "--provider".into(),
        LOCAL.into(),
        "--as".into(),
        like.as_str().into(),
        VERB.into(),
    ];
    Ok(Launcher {
        executable,
        arguments: words.into(),
    })
}
