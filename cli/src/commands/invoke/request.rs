//! The request that a function is asked with.

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use anyhow::Context as _;
use mlfn_core::Function;
use serde_json::Value as Json;

use crate::errors::CommandError;
use crate::printer::Printer;
use crate::settings::{InputSource, RequestSource};
use crate::tensor_file;

/// The bytes that are sent, whatever they are: it is the function that judges them.
pub(in crate::commands) fn bytes(
    source: &RequestSource,
    function: &Function,
    printer: Printer,
) -> anyhow::Result<Vec<u8>> {
    match source {
        RequestSource::Given(data) => Ok(data.clone().into_bytes()),
        RequestSource::Inputs(inputs) => named(inputs),
        RequestSource::File(path) => fs_err::read(path).context("the request cannot be read"),
        RequestSource::Stdin => read_stdin(printer),
        RequestSource::Example => example(function, printer),
        RequestSource::StdinOrExample => match read_stdin(printer)? {
            nothing if nothing.trim_ascii().is_empty() => example(function, printer),
            request => Ok(request),
        },
    }
}

fn read_stdin(printer: Printer) -> anyhow::Result<Vec<u8>> {
    printer.detail("reading the request from stdin");
    let mut request = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut request)
        .context("the request cannot be read from stdin")?;
    Ok(request)
}

fn example(function: &Function, printer: Printer) -> anyhow::Result<Vec<u8>> {
    let Some(example) = &function.example else {
        let message = format!(
            "`{}` has no `example` in the manifest, and no request is given",
            function.name
        );
        let hint =
            "pass one with `-d '{\"features\": [..]}'`, `-p request.json`, or through a pipe";
        return Err(CommandError::usage(message).hint(hint).into());
    };
    printer.note(&format!(
        "sending the example of `{}`: {example}",
        function.name
    ));
    Ok(serde_json::to_vec(example)?)
}

/// An object with a value for each input.
fn named(inputs: &BTreeMap<String, InputSource>) -> anyhow::Result<Vec<u8>> {
    let mut request = serde_json::Map::new();
    for (name, source) in inputs {
        let value = match source {
            InputSource::Given(text) => serde_json::from_str(text)
                .with_context(|| format!("the input `{name}` is not JSON"))?,
            InputSource::File(path) => {
                let bytes = fs_err::read(path).context("the input cannot be read")?;
                tensor_file::npy(&bytes)
                    .with_context(|| format!("`{}` cannot be sent", path.display()))?
            }
        };
        request.insert(name.clone(), value);
    }
    Ok(serde_json::to_vec(&Json::Object(request))?)
}
