//! What the command line, the environment and the user's file mean together.
//!
//! The order is: flag, `MLFN_<FLAG>` (clap reads both), the manifest, the user's file, default.
//! Every `resolve` takes its struct of arguments apart without `..`, so that a new flag does not
//! compile before it is handled here.

mod deploy;
mod environment;
mod events;
mod invoke;
mod user_file;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use mlfn_core::{BucketUrl, BucketUrlError, ProviderName, StageName};

pub(crate) use self::deploy::{
    DeploySettings, EmulateSettings, How, InfoSettings, LocalCloudSettings, LogsSettings,
    PlanSettings, RemoveSettings, RollbackSettings, StateSettings,
};
pub(crate) use self::environment::Environment;
pub(crate) use self::events::{QueueAction, QueueSettings, TopicAction, TopicSettings};
pub(crate) use self::invoke::{InputSource, InvocationType, InvokeSettings, RequestSource};
pub(crate) use self::user_file::UserFile;

use crate::args::{
    BuildArgs, CompletionArgs, DoctorArgs, GlobalArgs, InitArgs, InspectArgs, PackageArgs,
    PartsArgs, SchemaArgs, ValidateArgs, VersionArgs,
};
use crate::errors::CommandError;
use crate::printer::Verbosity;
use crate::shim::{ShimKind, ShimSource};

/// The stage unless somebody says otherwise.
const DEFAULT_STAGE: &str = "dev";

/// The variable that stands for `--param`.
const PARAM: &str = "MLFN_PARAM";

/// The provider that is this machine.
pub(crate) const LOCAL: &str = "local";

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
    /// Where it runs, instead of the manifest's place.
    pub(crate) target: Target,
    /// Instead of the manifest's.
    pub(crate) region: Option<String>,
    /// The bucket that the state lies in, instead of the manifest's place.
    pub(crate) state: Option<BucketUrl>,
    /// Where the manifest and the flags name no region.
    pub(crate) default_regions: BTreeMap<ProviderName, String>,
    /// Values of `${param:..}`.
    pub(crate) params: BTreeMap<String, String>,
    /// The variables.
    pub(crate) environment: Environment,
}

/// Where things run, as far as the user says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Target {
    /// The cloud that is used or, on this machine, imitated; none for the manifest's.
    pub(crate) cloud: Option<ProviderName>,
    /// On this machine.
    pub(crate) local: bool,
}

impl Target {
    /// Of `--provider` and `--as`.
    fn resolve(provider: Option<&str>, imitate: Option<&str>) -> Result<Self, CommandError> {
        let is_local = provider == Some(LOCAL);
        let named = provider.filter(|_| !is_local).map(parse_provider);
        let imitated = imitate.map(parse_cloud).transpose()?;
        match (named.transpose()?, imitated) {
            (Some(named), Some(_)) => Err(CommandError::usage(format!(
                "`--as` is for this machine, and `--provider {named}` is not"
            ))
            .hint("use `--provider local`, or leave it out")),
            (named, imitated) => Ok(Self {
                cloud: named.or(imitated),
                local: is_local || imitated.is_some(),
            }),
        }
    }
}

impl ManifestSettings {
    /// What has to be typed after a verb to mean the same manifest, stage and place.
    pub(crate) fn flags(&self) -> String {
        let mut flags = Vec::new();
        let mut add = |flag: &str, value: &str| flags.push(format!(" {flag} {}", quoted(value)));
        if let Some(file) = &self.file {
            add("-c", &file.display().to_string());
        }
        if self.stage.as_str() != DEFAULT_STAGE {
            add("-s", self.stage.as_str());
        }
        if self.target.local {
            add("--provider", LOCAL);
        }
        if let Some(cloud) = self.target.cloud {
            add(
                if self.target.local {
                    "--as"
                } else {
                    "--provider"
                },
                cloud.as_str(),
            );
        }
        if let Some(region) = &self.region {
            add("-r", region);
        }
        if let Some(state) = &self.state {
            add("--state", &state.to_string());
        }
        for (key, value) in &self.params {
            add("--param", &format!("{key}={value}"));
        }
        flags.concat()
    }
}

/// As a shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
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
            state,
            provider,
            imitate,
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
                target: Target::resolve(provider.as_deref(), imitate.as_deref())?,
                region,
                state: state.as_deref().map(parse_state).transpose()?,
                default_regions: user.region,
                params: parse_params(&params, environment.get(PARAM))?,
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
    /// Where the shim for tract comes from.
    pub(crate) tract_shim: ShimSource,
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
        let PartsArgs { platform, build } = args;
        if let Some(platform) = platform {
            manifest.target.cloud = Some(parse_cloud(&platform)?);
        }
        Self::of_build(build, manifest)
    }

    fn of_build(args: BuildArgs, manifest: &ManifestSettings) -> anyhow::Result<Self> {
        let BuildArgs {
            shim,
            tract_shim,
            onnxruntime,
            offline,
        } = args;
        let theirs = manifest.environment.get("ORT_DYLIB_PATH");
        Ok(Self {
            shim: ShimSource::new(ShimKind::OnnxRuntime, shim),
            tract_shim: ShimSource::new(ShimKind::Tract, tract_shim),
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
            provider: global.manifest.target.cloud.unwrap_or(ProviderName::Aws),
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
    pub(crate) parts: PartsSettings,
    /// The variables.
    pub(crate) environment: Environment,
}

impl InspectSettings {
    pub(crate) fn resolve(args: InspectArgs, global: &GlobalSettings) -> anyhow::Result<Self> {
        let InspectArgs { model, build } = args;
        Ok(Self {
            model,
            parts: PartsSettings::of_build(build, &global.manifest)?,
            environment: global.manifest.environment,
        })
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
    let stage = stage.unwrap_or_else(|| DEFAULT_STAGE.to_owned());
    stage
        .parse()
        .map_err(|error| CommandError::usage(format!("the stage `{stage}` {error}")))
}

fn parse_provider(name: &str) -> Result<ProviderName, CommandError> {
    name.parse().map_err(|_| {
        CommandError::usage(format!(
            "`{name}` is not a provider; use `aws`, `azure`, `gcp` or `{LOCAL}`"
        ))
    })
}

fn parse_cloud(name: &str) -> Result<ProviderName, CommandError> {
    name.parse().map_err(CommandError::usage)
}

/// The parameters of the flags over those of the variable, in which several may stand. Where there
/// are no flags, clap has put the variable there as it is.
fn parse_params(
    flags: &[String],
    variable: Option<String>,
) -> Result<BTreeMap<String, String>, CommandError> {
    let variable = variable.unwrap_or_default();
    let several = variable.split([';', '\n']).map(str::trim);
    let several = several.filter(|text| !text.is_empty());
    let own = flags.iter().filter(|flag| **flag != variable);
    several
        .chain(own.map(String::as_str))
        .map(parse_param)
        .collect()
}

fn parse_state(url: &str) -> Result<BucketUrl, CommandError> {
    url.parse().map_err(|error: BucketUrlError| {
        CommandError::usage(format!("`--state {url}`: {error}")).hint(error.help())
    })
}

fn parse_param(text: &str) -> Result<(String, String), CommandError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(CommandError::usage(format!(
            "`--param {text}` has no key and value; write `--param key=value`"
        ))),
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
            "`ibm` is not a provider; use `aws`, `azure`, `gcp` or `local`",
        );
        check_error(
            &["--state", "gcs://states"],
            "`--state gcs://states`: `gcs://` is no place for state",
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

    #[track_caller]
    fn check_target(words: &[&str], cloud: Option<ProviderName>, local: bool, flags: &str) {
        let settings = global(words, "{}").expect("resolves").manifest;
        assert_eq!(settings.target, Target { cloud, local });
        assert_eq!(settings.flags(), flags);
    }

    #[test]
    fn this_machine_may_imitate_any_cloud() {
        let gcp = Some(ProviderName::Gcp);
        check_target(&[], None, false, "");
        check_target(&["--provider", "gcp"], gcp, false, " --provider gcp");
        check_target(&["--provider", "local"], None, true, " --provider local");
        check_target(&["--as", "gcp"], gcp, true, " --provider local --as gcp");
        check_error(
            &["--provider", "gcp", "--as", "aws"],
            "`--as` is for this machine, and `--provider gcp` is not",
        );
    }

    #[test]
    fn flags_can_be_typed_again() {
        let words = ["-s", "prod", "-c", "my file.yaml", "--param", "a=it's"];
        let settings = global(&words, "{}").expect("resolves").manifest;
        let expected = r" -c 'my file.yaml' -s prod --param 'a=it'\''s'";
        assert_eq!(settings.flags(), expected);
    }

    #[test]
    fn a_variable_may_hold_several_parameters_and_flags_win() {
        #[track_caller]
        fn check(flags: &[&str], variable: &str, expected: &[(&str, &str)]) {
            let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
            let found = parse_params(&flags, Some(variable.to_owned())).expect("reads");
            let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (&**k, &**v)).collect();
            assert_eq!(found, expected);
        }
        check(&["a=1;b=2"], "a=1;b=2", &[("a", "1"), ("b", "2")]);
        check(&[], "a=1\n b=x=y\n\n", &[("a", "1"), ("b", "x=y")]);
        check(
            &["b=3", "c=4;5"],
            "a=1;b=2;",
            &[("a", "1"), ("b", "3"), ("c", "4;5")],
        );
        check(&["a=1"], "", &[("a", "1")]);
        assert!(parse_params(&[], Some("a=1;b".to_owned())).is_err());
    }

    #[test]
    fn a_parameter_may_hold_equal_signs() {
        assert_eq!(
            parse_param("a=b=c").expect("reads"),
            ("a".into(), "b=c".into())
        );
    }

    #[test]
    fn questions_are_only_asked_when_somebody_is_there() {
        assert_eq!(questions(false, false), Questions::Ask);
        assert_eq!(questions(false, true), Questions::No);
        assert_eq!(questions(true, true), Questions::Yes);
    }
}
