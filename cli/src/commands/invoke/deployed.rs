//! `mlfn invoke` of what is deployed.

use anyhow::Context as _;
use mlfn_core::{Answer, Function, Invocation};
use mlfn_engine::state::{self, Document, State};

use super::{own_words, request};
use crate::commands::state::nothing_deployed;
use crate::errors::CommandError;
use crate::pipeline::{self, Checked};
use crate::printer::Printer;
use crate::report::Human;
use crate::settings::{InvocationType, InvokeSettings};
use crate::status::ExitStatus;
use crate::{deployment, lambda, local, state_place};

/// Sends a request to a deployed function and shows the answer.
pub(super) async fn invoke(
    settings: InvokeSettings,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    // Reading from stdin would keep Ctrl-C from being seen, so another thread does it.
    let prepare = move || {
        // Stdout belongs to the function's answer, whatever the format of other results.
        let Some(checked) = pipeline::check_again(&settings.manifest, &Human::new(printer))? else {
            return Ok(None);
        };
        let function = pipeline::function(&checked.service, settings.function.as_deref())?.clone();
        let payload = request::bytes(&settings.request, &function, printer)?;
        anyhow::Ok(Some((checked, function, payload, settings)))
    };
    let prepared = tokio::task::spawn_blocking(prepare).await??;
    let Some((checked, function, payload, settings)) = prepared else {
        return Ok(ExitStatus::InvalidManifest);
    };
    let cloud = local::cloud(&checked)?;
    let invocation = Invocation {
        function: remote_name(&checked, &function).await?,
        kind: settings.kind.into(),
        payload,
    };
    let answer = if checked.local {
        here(&checked, invocation).await?
    } else {
        let session = deployment::connect(&*cloud, &checked).await?;
        let operate = session.operate().with_context(|| no_requests(&checked))?;
        let answer = operate.invoke(&invocation).await;
        answer.with_context(|| format!("`{}` cannot be asked", function.name))?
    };
    show(&answer, &function, &settings, printer)
}

/// The local cloud answers for every imitated cloud.
async fn here(checked: &Checked, invocation: Invocation) -> anyhow::Result<Answer> {
    local::wake(checked).await?;
    let url = mlfn_emulator::find_detached(&local::folder(checked)?).await;
    let url = url.context("the local cloud has just ended")?;
    lambda::invoke(&url, invocation).await
}

fn no_requests(checked: &Checked) -> String {
    format!("{} takes no requests from mlfn", checked.place_name())
}

/// What others call the function by: its alias if it has one.
async fn remote_name(checked: &Checked, function: &Function) -> anyhow::Result<String> {
    let store = state_place::store(checked).await?;
    let Some(found) = store.read(Document::State).await? else {
        return Err(nothing_deployed(checked).into());
    };
    let state = state::read(&found.bytes, &store.place(Document::State))?;
    let name = named(&state, ":alias", function).or_else(|| named(&state, ":function", function));
    let missing = || {
        let message = format!("`{}` is in the manifest, and not deployed", function.name);
        let hint = format!("deploy it with `mlfn deploy{}`", checked.flags);
        CommandError::failure(message).hint(hint)
    };
    Ok(name.ok_or_else(missing)?)
}

fn named(state: &State, kind: &str, function: &Function) -> Option<String> {
    let mut resources = state.resources.values();
    let is_it = |id: &mlfn_core::ResourceId| {
        id.kind().ends_with(kind) && id.name() == function.name.as_str()
    };
    let found = resources.find(|recorded| is_it(&recorded.id))?;
    Some(found.remote_name.clone())
}

fn show(
    answer: &Answer,
    function: &Function,
    settings: &InvokeSettings,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    if settings.show_log {
        printer.block(&answer.log);
    }
    if answer.failed || settings.kind == InvocationType::RequestResponse {
        printer.data_bytes(&answer.body)?;
    }
    if answer.failed {
        let (name, words) = (&function.name, own_words(&answer.body));
        let message = format!("`{name}` answered with an error{words}");
        return Err(CommandError::failure(message).into());
    }
    match settings.kind {
        InvocationType::RequestResponse => {}
        InvocationType::Event => printer.note(&format!("`{}` has the request", function.name)),
        InvocationType::DryRun => printer.note(&format!("`{}` can be called", function.name)),
    }
    Ok(ExitStatus::Ok)
}
