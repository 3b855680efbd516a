//! What `mlfn queue` and `mlfn topic` have in common: the local cloud that they reach, and the message
//! that they send.

use anyhow::Context as _;
use mlfn_core::{Function, Trigger};
use mlfn_emulator::EventClient;

use super::invoke::request;
use super::state::nothing_deployed;
use crate::errors::{CommandError, nearest};
use crate::local;
use crate::pipeline::Checked;
use crate::printer::Printer;
use crate::settings::RequestSource;

/// The local cloud at `url`, or the one in which the service is deployed.
pub(super) async fn client(checked: &Checked, url: Option<&str>) -> anyhow::Result<EventClient> {
    if let Some(url) = url {
        let client = EventClient::at(url);
        let wrong = || CommandError::usage(format!("`{url}` is no address of this machine"));
        return Ok(client.ok_or_else(|| wrong().hint("write `--url http://127.0.0.1:PORT`"))?);
    }
    if !checked.local {
        let message = "only queues and topics of the local cloud are reached by mlfn";
        let hint = "use the tools of the cloud, or add `--provider local`";
        return Err(CommandError::usage(message).hint(hint).into());
    }
    let folder = local::folder(checked)?;
    if !folder.exists() {
        return Err(nothing_deployed(checked).into());
    }
    local::wake(checked).await?;
    let url = mlfn_emulator::find_detached(&folder).await;
    let client = url.as_deref().and_then(EventClient::at);
    client.context("the local cloud has just ended")
}

/// The one of `names` that is meant by a name of the manifest, or by itself.
pub(super) fn find<'a>(
    checked: &Checked,
    what: &str,
    name: &str,
    names: &[&'a str],
) -> Result<&'a str, CommandError> {
    let remote = checked.service.cloud_name(name);
    let end = name.rsplit(':').next().unwrap_or(name);
    let is_it = |known: &&&str| **known == remote || **known == end;
    let found = names.iter().find(is_it);
    found.copied().ok_or_else(|| {
        let error = CommandError::usage(format!("there is no {what} `{name}`"));
        error.hint(match nearest(&remote, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`mlfn {what} list` shows all of them"),
        })
    })
}

/// The text that is sent. The example is that of a function with a trigger for which `is_read`.
pub(super) async fn message(
    source: RequestSource,
    checked: &Checked,
    is_read: impl Fn(&Trigger) -> bool,
    printer: Printer,
) -> anyhow::Result<String> {
    let functions = &checked.service.functions;
    let reader = |function: &&Function| function.triggers.iter().any(&is_read);
    let function = functions.iter().find(reader).or(functions.first());
    let function = function.context("the service has no function")?.clone();
    // Reading from stdin would keep Ctrl-C from being seen, so another thread does it.
    let read = move || request::bytes(&source, &function, printer);
    let bytes = tokio::task::spawn_blocking(read).await??;
    let text = String::from_utf8(bytes).context("a message is text, and this is not UTF-8")?;
    // What an editor or `echo` adds is no part of it.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
