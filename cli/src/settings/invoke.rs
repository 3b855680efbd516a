//! What `mlfn invoke` needs to know.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use super::{GlobalSettings, ManifestSettings, PartsSettings};
pub(crate) use crate::args::InvocationType;
use crate::args::InvokeArgs;
use crate::errors::CommandError;
use crate::printer::Verbosity;

/// Of `mlfn invoke`.
#[derive(Debug)]
pub(crate) struct InvokeSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) function: Option<String>,
    pub(crate) local: bool,
    pub(crate) request: RequestSource,
    pub(crate) kind: InvocationType,
    pub(crate) show_log: bool,
    pub(crate) parts: PartsSettings,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestSource {
    /// The command line.
    Given(String),
    /// The command line, input by input.
    Inputs(BTreeMap<String, InputSource>),
    /// A file.
    File(PathBuf),
    /// Whatever is piped in; the manifest's example if that is nothing.
    StdinOrExample,
    /// What is piped in.
    Stdin,
    /// The manifest.
    Example,
}

/// Where an input of a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InputSource {
    /// JSON.
    Given(String),
    /// A tensor.
    File(PathBuf),
}

impl InvokeSettings {
    pub(crate) fn resolve(args: InvokeArgs, global: GlobalSettings) -> anyhow::Result<Self> {
        let InvokeArgs {
            function,
            local,
            data,
            inputs,
            kind,
            path,
            log,
            parts,
        } = args;
        let mut manifest = global.manifest;
        let parts = PartsSettings::resolve(parts, &mut manifest)?;
        Ok(Self {
            manifest,
            function,
            local,
            request: if inputs.is_empty() {
                request_source(data, path, io::stdin().is_terminal())
            } else {
                RequestSource::Inputs(parse_inputs(&inputs)?)
            },
            kind,
            show_log: log || global.verbosity == Verbosity::Verbose,
            parts,
        })
    }
}

fn parse_inputs(texts: &[String]) -> Result<BTreeMap<String, InputSource>, CommandError> {
    let parse = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let source = match value.strip_prefix('@') {
                Some(path) => InputSource::File(path.into()),
                None => InputSource::Given(value.to_owned()),
            };
            Ok((name.to_owned(), source))
        }
        _ => Err(CommandError::usage(format!(
            "`--input {text}` has no name and value; write `--input name=@file.npy`"
        ))),
    };
    texts.iter().map(parse).collect()
}

/// Of `-d` and `-p`, and what else there is.
pub(super) fn request_source(
    data: Option<String>,
    path: Option<PathBuf>,
    at_terminal: bool,
) -> RequestSource {
    match (data, path) {
        (Some(data), _) => RequestSource::Given(data),
        (None, Some(path)) if path.as_os_str() == "-" => RequestSource::Stdin,
        (None, Some(path)) => RequestSource::File(path),
        (None, None) if at_terminal => RequestSource::Example,
        (None, None) => RequestSource::StdinOrExample,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_from_the_nearest_source() {
        let source = |data: Option<&str>, path: Option<&str>, terminal| {
            request_source(data.map(str::to_owned), path.map(PathBuf::from), terminal)
        };
        assert_eq!(
            source(Some("{}"), None, false),
            RequestSource::Given("{}".into())
        );
        assert_eq!(
            source(None, Some("a.json"), false),
            RequestSource::File("a.json".into())
        );
        assert_eq!(source(None, Some("-"), true), RequestSource::Stdin);
        assert_eq!(source(None, None, false), RequestSource::StdinOrExample);
        assert_eq!(source(None, None, true), RequestSource::Example);
    }

    #[test]
    fn an_input_is_json_or_a_file() {
        let texts = ["a=[1]", "b=@x.npy", "c=\"d=e\""].map(str::to_owned);
        let expected = [
            ("a", InputSource::Given("[1]".to_owned())),
            ("b", InputSource::File("x.npy".into())),
            ("c", InputSource::Given("\"d=e\"".to_owned())),
        ];
        let expected = expected.map(|(name, source)| (name.to_owned(), source));
        assert_eq!(parse_inputs(&texts).expect("reads"), expected.into());
        parse_inputs(&["@x.npy".to_owned()]).expect_err("is refused");
    }
}
