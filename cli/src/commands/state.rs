//! `mlfn state list|show|unlock|pull`.

use anyhow::Context as _;
use mlfn_core::Recorded;
use mlfn_engine::SystemHost;
use mlfn_engine::state::{self, Document, LockPolicy, Locksmith, State, StateStore};

use crate::args::StateCommand;
use crate::errors::{CommandError, nearest};
use crate::pipeline::{self, Checked};
use crate::printer::Printer;
use crate::report::Report;
use crate::settings::StateSettings;
use crate::state_place;
use crate::status::ExitStatus;

/// Looks at the record of what is deployed.
pub(crate) async fn state(
    settings: StateSettings,
    report: &dyn Report,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let Some(checked) = pipeline::check_again(&settings.manifest, report)? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let store = state_place::store(&checked).await?;
    let store = &*store;
    match settings.command {
        StateCommand::List => report.state(&recorded(store, &checked).await?)?,
        StateCommand::Show { resource } => {
            let state = recorded(store, &checked).await?;
            report.recorded(find(&state, &resource)?)?;
        }
        StateCommand::Unlock => unlock(store, printer).await?,
        StateCommand::Pull => pull(store, &checked, printer).await?,
    }
    Ok(ExitStatus::Ok)
}

async fn recorded(store: &dyn StateStore, checked: &Checked) -> anyhow::Result<State> {
    let (bytes, place) = bytes(store, checked).await?;
    Ok(state::read(&bytes, &place)?)
}

/// Not even a state that cannot be used is kept from who wants to look at it.
async fn pull(store: &dyn StateStore, checked: &Checked, printer: Printer) -> anyhow::Result<()> {
    let (bytes, place) = bytes(store, checked).await?;
    if let Err(error) = state::read(&bytes, &place) {
        printer.warning(&error.to_string());
    }
    Ok(printer.data_bytes(&bytes)?)
}

async fn bytes(store: &dyn StateStore, checked: &Checked) -> anyhow::Result<(Vec<u8>, String)> {
    let place = store.place(Document::State);
    match store.read(Document::State).await? {
        Some(found) => Ok((found.bytes, place)),
        None => Err(nothing_deployed(checked).into()),
    }
}

/// There is no record, so that there is nothing to show, call or take back.
pub(crate) fn nothing_deployed(checked: &Checked) -> CommandError {
    let message = format!(
        "nothing is deployed: there is no state `{}`",
        state_place::name(checked)
    );
    CommandError::failure(message).hint(format!(
        "deploy with `mlfn deploy{}`, or choose another stage with `-s`",
        checked.flags
    ))
}

async fn unlock(store: &dyn StateStore, printer: Printer) -> anyhow::Result<()> {
    let policy = LockPolicy::default();
    let locksmith = Locksmith {
        store,
        host: &SystemHost::new(),
        policy: &policy,
    };
    let lock = locksmith.break_open().await.context("the lock stays")?;
    let text = match lock {
        Some(lock) => format!(
            "took the lock away from {} ({} on {}, process {}, since {})",
            lock.holder, lock.operation, lock.host, lock.pid, lock.since
        ),
        None => "nobody holds the lock".to_owned(),
    };
    Ok(printer.data(&text)?)
}

fn find<'a>(state: &'a State, name: &str) -> Result<&'a Recorded, CommandError> {
    let of_name = |recorded: &&Recorded| recorded.id.to_string() == name;
    state.resources.values().find(of_name).ok_or_else(|| {
        let known: Vec<String> = state.resources.keys().map(ToString::to_string).collect();
        let error = CommandError::usage(format!("there is no resource `{name}` in the state"));
        error.hint(match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`mlfn state list` shows all of them".to_owned(),
        })
    })
}
