//! What the command line, the environment and the user's file mean together.
//!
//! The order is: flag, `MLFN_<FLAG>` (clap reads both), the manifest, the user's file, default.
//! Every `resolve` takes its struct of arguments apart without `..`, so that a new flag does not
//! compile before it is handled here.

mod environment;
mod user_file;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use mlfn_core::{ProviderName, StageName};

pub(crate) use self::environment::Environment;
pub(crate) use self::user_file::UserFile;

use crate::args::{
    CompletionArgs, DoctorArgs, GlobalArgs, InitArgs, InspectArgs, InvokeArgs, PackageArgs,
    PartsArgs, SchemaArgs, ValidateArgs, VersionArgs,
};
use crate::errors::CommandError;
use crate::printer::Verbosity;
use crate::shim::ShimSource;

/// What every verb has.
#[derive(Debug, Clone)]
pub(crate) struct GlobalSettings {
    /// The folder to go to first.
    pub(crate) cwd: Option<PathBuf>,
    /// Results for programs.
    pub(crate) json: bool,
    /// What to do where a question could be asked.
    pub(crate) questions: Questions,
    /// How much is said.
    pub(crate) verbosity: Verbosity,
    /// No colours.
    pub(crate) no_color: bool,
    /// Which manifest, and how it is read.
    pub(crate) manifest: ManifestSettings,
}

/// What to do where a question could be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Questions {
    /// Ask.
    Ask,
    /// Take it as answered with yes.
    Yes,
    /// Take it as answered with no.
    No,
}

/// Which manifest, and how it is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ManifestSettings {
    /// The file, if the user names one.
    pub(crate) file: Option<PathBuf>,
    /// The stage.
    pub(crate) stage: StageName,
    /// Instead of the manifest's.
    pub(crate) provider: Option<ProviderName>,
    /// Instead of the manifest's.
    pub(crate) region: Option<String>,
    /// Where the manifest and the flags name no region.
    pub(crate) default_regions: BTreeMap<ProviderName, String>,
    /// Values of `${param:..}`.
    pub(crate) params: BTreeMap<String, String>,
    /// The variables.
    pub(crate) environment: Environment,
}

impl GlobalSettings {
    /// Of the flags that every verb takes.
    pub(crate) fn resolve(
        args: GlobalArgs,
        environment: Environment,
        user: UserFile,
    ) -> Result<Self, CommandError> {
        let GlobalArgs {
            cwd,
            config,
            stage,
            region,
            params,
            provider,
            json,
            yes,
            non_interactive,
            no_color,
            verbose,
            quiet,
        } = args;
        Ok(Self {
            cwd,
            json,
            questions: questions(yes, non_interactive || !io::stdin().is_terminal()),
            verbosity: verbosity(verbose, quiet),
            no_color: no_color || user.no_color,
            manifest: ManifestSettings {
                file: config,
                stage: parse_stage(stage.or(user.stage))?,
                provider: provider.as_deref().map(parse_provider).transpose()?,
                region,
                default_regions: user.region,
                params: params
                    .iter()
                    .map(|text| parse_param(text))
                    .collect::<Result<_, _>>()?,
                environment,
            },
        })
    }
}

/// What packages are made of besides the model.
#[derive(Debug, Clone)]
pub(crate) struct PartsSettings {
    /// Where the shim comes from.
    pub(crate) shim: ShimSource,
    /// A library of the user's.
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Never use the network.
    pub(crate) offline: bool,
    /// Where downloads are kept.
    pub(crate) cache: PathBuf,
}

impl PartsSettings {
    /// Also puts `--platform` where `--provider` is.
    fn resolve(args: PartsArgs, manifest: &mut ManifestSettings) -> anyhow::Result<Self> {
        let PartsArgs {
            platform,
            shim,
            onnxruntime,
            offline,
        } = args;
        if let Some(platform) = platform {
            manifest.provider = Some(parse_provider(&platform)?);
        }
        let theirs = manifest.environment.get("ORT_DYLIB_PATH");
        Ok(Self {
            shim: ShimSource::new(shim),
            onnxruntime: onnxruntime.or(theirs.filter(|path| !path.is_empty()).map(PathBuf::from)),
            offline,
            cache: cache_folder()?,
        })
    }
}

/// Of `mlfn init`.
#[derive(Debug)]
pub(crate) struct InitSettings {
    /// Where the project goes; empty for the current folder.
    pub(crate) folder: PathBuf,
    pub(crate) template: Option<String>,
    pub(crate) model: Option<PathBuf>,
    pub(crate) provider: ProviderName,
    pub(crate) ci: Option<String>,
    pub(crate) overwrite: Questions,
    pub(crate) list: bool,
    pub(crate) manifest: ManifestSettings,
}

impl InitSettings {
    pub(crate) fn resolve(args: InitArgs, global: GlobalSettings) -> Self {
        let InitArgs {
            folder,
            template,
            model,
            ci,
            force,
            list,
        } = args;
        Self {
            folder: folder.unwrap_or_default(),
            template,
            model,
            provider: global.manifest.provider.unwrap_or(ProviderName::Aws),
            ci,
            overwrite: if force {
                Questions::Yes
            } else {
                global.questions
            },
            list,
            manifest: global.manifest,
        }
    }
}

/// Of `mlfn validate`.
#[derive(Debug)]
pub(crate) struct ValidateSettings {
    pub(crate) manifest: ManifestSettings,
}

impl ValidateSettings {
    pub(crate) fn resolve(args: &ValidateArgs, global: GlobalSettings) -> Self {
        let ValidateArgs {} = *args;
        Self {
            manifest: global.manifest,
        }
    }
}

/// Of `mlfn inspect`.
#[derive(Debug)]
pub(crate) struct InspectSettings {
    pub(crate) model: PathBuf,
}

impl InspectSettings {
    pub(crate) fn resolve(args: InspectArgs) -> Self {
        let InspectArgs { model } = args;
        Self { model }
    }
}

/// Of `mlfn package`.
#[derive(Debug)]
pub(crate) struct PackageSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) function: Option<String>,
    pub(crate) output: Option<PathBuf>,
    pub(crate) parts: PartsSettings,
}

impl PackageSettings {
    pub(crate) fn resolve(args: PackageArgs, global: GlobalSettings) -> anyhow::Result<Self> {
        let PackageArgs {
            function,
            output,
            parts,
        } = args;
        let mut manifest = global.manifest;
        let parts = PartsSettings::resolve(parts, &mut manifest)?;
        Ok(Self {
            manifest,
            function,
            output,
            parts,
        })
    }
}

/// Of `mlfn invoke`.
#[derive(Debug)]
pub(crate) struct InvokeSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) function: Option<String>,
    pub(crate) local: bool,
    pub(crate) request: RequestSource,
    pub(crate) show_log: bool,
    pub(crate) parts: PartsSettings,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestSource {
    /// The command line.
    Given(String),
    /// A file.
    File(PathBuf),
    /// Whatever is piped in; the manifest's example if that is nothing.
    StdinOrExample,
    /// What is piped in.
    Stdin,
    /// The manifest.
    Example,
}

impl InvokeSettings {
    pub(crate) fn resolve(args: InvokeArgs, global: GlobalSettings) -> anyhow::Result<Self> {
        let InvokeArgs {
            function,
            local,
            data,
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
            request: request_source(data, path, io::stdin().is_terminal()),
            show_log: log || global.verbosity == Verbosity::Verbose,
            parts,
        })
    }
}

/// Of `mlfn doctor`.
#[derive(Debug)]
pub(crate) struct DoctorSettings {
    pub(crate) manifest: ManifestSettings,
    pub(crate) parts: PartsSettings,
}

impl DoctorSettings {
    pub(crate) fn resolve(args: DoctorArgs, global: GlobalSettings) -> anyhow::Result<Self> {
        let DoctorArgs { parts } = args;
        let mut manifest = global.manifest;
        let parts = PartsSettings::resolve(parts, &mut manifest)?;
        Ok(Self { manifest, parts })
    }
}

/// Of `mlfn schema`, which has none.
pub(crate) fn resolve_schema(args: &SchemaArgs) {
    let SchemaArgs {} = *args;
}

/// Of `mlfn version`, which has none.
pub(crate) fn resolve_version(args: &VersionArgs) {
    let VersionArgs {} = *args;
}

/// Of `mlfn completion`.
#[derive(Debug)]
pub(crate) struct CompletionSettings {
    pub(crate) shell: clap_complete::Shell,
}

impl CompletionSettings {
    pub(crate) fn resolve(args: &CompletionArgs) -> Self {
        let CompletionArgs { shell } = *args;
        Self { shell }
    }
}

fn questions(yes: bool, nobody_there: bool) -> Questions {
    match (yes, nobody_there) {
        (true, _) => Questions::Yes,
        (false, true) => Questions::No,
        (false, false) => Questions::Ask,
    }
}

fn verbosity(verbose: bool, quiet: bool) -> Verbosity {
    match (verbose, quiet) {
        (true, _) => Verbosity::Verbose,
        (false, true) => Verbosity::Quiet,
        (false, false) => Verbosity::Normal,
    }
}

fn parse_stage(stage: Option<String>) -> Result<StageName, CommandError> {
    let stage = stage.unwrap_or_else(|| "dev".to_owned());
    stage
        .parse()
        .map_err(|error| CommandError::usage(format!("the stage `{stage}` {error}")))
}

fn parse_provider(name: &str) -> Result<ProviderName, CommandError> {
    name.parse().map_err(CommandError::usage)
}

fn parse_param(text: &str) -> Result<(String, String), CommandError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(CommandError::usage(format!(
            "`--param {text}` has no key and value; write `--param key=value`"
        ))),
    }
}

fn request_source(data: Option<String>, path: Option<PathBuf>, at_terminal: bool) -> RequestSource {
    match (data, path) {
        (Some(data), _) => RequestSource::Given(data),
        (None, Some(path)) if path.as_os_str() == "-" => RequestSource::Stdin,
        (None, Some(path)) => RequestSource::File(path),
        (None, None) if at_terminal => RequestSource::Example,
        (None, None) => RequestSource::StdinOrExample,
    }
}

/// `$XDG_CACHE_HOME/mlfn` or `~/.cache/mlfn`.
fn cache_folder() -> anyhow::Result<PathBuf> {
    let folders = etcetera::choose_base_strategy()
        .context("there is no home folder to keep downloads in; set HOME or XDG_CACHE_HOME")?;
    Ok(folders.cache_dir().join("mlfn"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    fn global(words: &[&str], user: &str) -> Result<GlobalSettings, CommandError> {
        let words = ["mlfn"].iter().chain(words).chain(&["version"]);
        let cli = Cli::try_parse_from(words).expect("parses");
        let user = serde_saphyr::from_str(user).expect("reads");
        GlobalSettings::resolve(cli.global, Environment::new(|_| None), user)
    }

    #[track_caller]
    fn check_stage(words: &[&str], user: &str, expected: &str) {
        let settings = global(words, user).expect("resolves");
        assert_eq!(settings.manifest.stage.as_str(), expected);
    }

    #[test]
    fn a_flag_wins_over_the_users_file_and_that_over_the_default() {
        check_stage(&[], "{}", "dev");
        check_stage(&[], "stage: test", "test");
        check_stage(&["--stage", "prod"], "stage: test", "prod");
    }

    #[track_caller]
    fn check_error(words: &[&str], expected: &str) {
        let error = global(words, "{}").expect_err("is refused");
        assert_eq!(error.to_string(), expected);
        assert_eq!(
            crate::errors::status(&error.into()),
            crate::ExitStatus::Usage
        );
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        check_error(
            &["--provider", "ibm"],
            "`ibm` is not a provider; use `aws`, `azure` or `gcp`",
        );
        check_error(
            &["--param", "alpha"],
            "`--param alpha` has no key and value; write `--param key=value`",
        );
        check_error(
            &["--param", "=1"],
            "`--param =1` has no key and value; write `--param key=value`",
        );
        check_error(
            &["--stage", "Prod"],
            "the stage `Prod` must not contain `P`; use lower-case letters, digits and `-`",
        );
    }

    #[test]
    fn a_parameter_may_hold_equal_signs() {
        assert_eq!(
            parse_param("a=b=c").expect("reads"),
            ("a".into(), "b=c".into())
        );
    }

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
    fn questions_are_only_asked_when_somebody_is_there() {
        assert_eq!(questions(false, false), Questions::Ask);
        assert_eq!(questions(false, true), Questions::No);
        assert_eq!(questions(true, true), Questions::Yes);
    }
}
