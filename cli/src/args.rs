//! What can be typed: clap's structs and nothing else. `settings.rs` says what it means.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use mlfn_core::Seconds;
use mlfn_emulator::CpuShare;

/// Machine-learning models on AWS Lambda, Azure Functions and Google Cloud from one file
#[derive(Debug, Parser)]
#[command(name = "mlfn", bin_name = "mlfn", version, max_term_width = 100)]
#[command(
    after_help = "Every option can be set as MLFN_<OPTION>, e.g. MLFN_STAGE=prod. Exit codes: \
    0 ok, 1 failure, 2 `plan --detailed-exitcode` with changes, 3 invalid manifest, 4 locked, \
    5 not signed in or not allowed, 6 partly done, 64 usage, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every verb takes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Do everything as if started in this folder
    #[arg(short = 'C', long, global = true, env = "MLFN_CWD", hide_env = true)]
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) cwd: Option<PathBuf>,
    /// The manifest [default: serverless.yaml or mlfn.yaml]
    #[arg(short, long, global = true, env = "MLFN_CONFIG", hide_env = true)]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The stage [default: dev]
    #[arg(short, long, global = true, env = "MLFN_STAGE", hide_env = true)]
    pub(crate) stage: Option<String>,
    /// The cloud's region, instead of the manifest's
    #[arg(short, long, global = true, env = "MLFN_REGION", hide_env = true)]
    pub(crate) region: Option<String>,
    /// The value of a `${param:key}`; may be repeated
    #[arg(long = "param", global = true, env = "MLFN_PARAM", hide_env = true)]
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) params: Vec<String>,
    /// Where the record of what is deployed lies, instead of the manifest's place: `s3://bucket/folder`,
    /// `az://account/container/folder` or `gs://bucket/folder`
    #[arg(
        long,
        global = true,
        env = "MLFN_STATE",
        hide_env = true,
        value_name = "URL"
    )]
    pub(crate) state: Option<String>,
    /// Where it runs, instead of the manifest's: aws, azure, gcp, or local for this machine
    #[arg(
        long,
        global = true,
        env = "MLFN_PROVIDER",
        hide_env = true,
        value_name = "NAME"
    )]
    pub(crate) provider: Option<String>,
    /// Run on this machine, which imitates that cloud: aws, azure or gcp
    #[arg(
        long = "as",
        global = true,
        env = "MLFN_AS",
        hide_env = true,
        value_name = "NAME"
    )]
    pub(crate) imitate: Option<String>,
    /// Write the result as JSON, for programs
    #[arg(long, global = true, env = "MLFN_JSON", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true, env = "MLFN_YES", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) yes: bool,
    /// Never wait for somebody at the keyboard
    #[arg(long, global = true, env = "MLFN_NON_INTERACTIVE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) non_interactive: bool,
    /// No colours, as with `NO_COLOR`
    #[arg(long, global = true, env = "MLFN_NO_COLOR", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) no_color: bool,
    /// Say more of what is done
    #[arg(short, long, global = true, env = "MLFN_VERBOSE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) verbose: bool,
    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true, env = "MLFN_QUIET", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(InitArgs),
    Validate(ValidateArgs),
    Inspect(InspectArgs),
    Package(PackageArgs),
    #[command(visible_alias = "diff")]
    Plan(PlanArgs),
    Deploy(DeployArgs),
    Invoke(InvokeArgs),
    #[command(visible_alias = "outputs")]
    Info(InfoArgs),
    Logs(LogsArgs),
    Queue(QueueArgs),
    Topic(TopicArgs),
    #[command(visible_alias = "dev")]
    Emulate(EmulateArgs),
    Rollback(RollbackArgs),
    #[command(visible_aliases = ["destroy", "delete"])]
    Remove(RemoveArgs),
    State(StateArgs),
    #[command(hide = true)]
    LocalCloud(LocalCloudArgs),
    Doctor(DoctorArgs),
    Schema(SchemaArgs),
    Completion(CompletionArgs),
    Version(VersionArgs),
}

/// Write a new project: a manifest, and a model to begin with
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder to write; its name becomes the service's [default: the current folder]
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
    /// The template to start from
    #[arg(long, env = "MLFN_TEMPLATE", hide_env = true, value_name = "NAME")]
    pub(crate) template: Option<String>,
    /// An ONNX model to serve; it is copied, and its inputs become the manifest's example
    #[arg(long, env = "MLFN_MODEL", hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) model: Option<PathBuf>,
    /// Write a workflow for this continuous-integration service, too: github
    #[arg(long, env = "MLFN_CI", hide_env = true, value_name = "SERVICE")]
    pub(crate) ci: Option<String>,
    /// Overwrite files that are there
    #[arg(long, env = "MLFN_FORCE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) force: bool,
    /// Show the templates and write nothing
    #[arg(long, env = "MLFN_LIST", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) list: bool,
}

/// Check the manifest, and everything in it against the limits of the cloud
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {}

/// Show what an ONNX model takes and gives
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The model
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

/// Pack functions as their cloud wants them, and show how large they are
#[derive(Debug, Args)]
pub(crate) struct PackageArgs {
    /// The function [default: all of them]
    pub(crate) function: Option<String>,
    /// Where the archives go [default: .mlfn/package beside the manifest]
    #[arg(short, long, env = "MLFN_OUTPUT", hide_env = true, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) parts: PartsArgs,
}

/// Send a request to a function and show its answer
#[derive(Debug, Args)]
pub(crate) struct InvokeArgs {
    /// The function; may be left out if there is only one
    pub(crate) function: Option<String>,
    /// Run the packaged function on this machine
    #[arg(long, env = "MLFN_LOCAL", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) local: bool,
    /// The request as JSON [default: stdin, else the manifest's example]
    #[arg(
        short,
        long,
        env = "MLFN_DATA",
        hide_env = true,
        value_name = "JSON",
        conflicts_with = "path"
    )]
    pub(crate) data: Option<String>,
    /// An input of the model: JSON, or a tensor in a file of `NumPy`; may be repeated
    #[arg(
        long = "input",
        env = "MLFN_INPUT",
        hide_env = true,
        value_name = "NAME=JSON|NAME=@FILE.npy"
    )]
    #[arg(conflicts_with_all = ["data", "path"])]
    pub(crate) inputs: Vec<String>,
    /// Wait for the answer, only hand the request over, or only see whether one may
    #[arg(
        long = "type",
        env = "MLFN_TYPE",
        hide_env = true,
        value_enum,
        ignore_case = true
    )]
    #[arg(default_value = "RequestResponse", conflicts_with = "local")]
    pub(crate) kind: InvocationType,
    /// A file that holds the request; `-` is stdin
    #[arg(short, long, env = "MLFN_PATH", hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) path: Option<PathBuf>,
    /// Show the function's log on stderr
    #[arg(short, long, env = "MLFN_LOG", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) log: bool,
    #[command(flatten)]
    pub(crate) parts: PartsArgs,
}

/// Show what a deploy would do, and change nothing
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Save the plan, to be applied with `mlfn deploy --plan`
    #[arg(short, long, env = "MLFN_OUT", hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Exit with 2 if something would be changed
    #[arg(long, env = "MLFN_DETAILED_EXITCODE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) detailed_exitcode: bool,
    /// Print what the deployer must be allowed, as a policy of the cloud, instead of the plan
    #[arg(long, env = "MLFN_POLICY", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) policy: bool,
    #[command(flatten)]
    pub(crate) drift: DriftArgs,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

/// What is done about changes that somebody else made.
#[derive(Debug, Args)]
pub(crate) struct DriftArgs {
    /// Leave what was changed outside of mlfn as it is
    #[arg(long, env = "MLFN_KEEP_DRIFT", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) keep_drift: bool,
}

/// How long to wait for somebody else.
#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// Wait that long for another run that holds the lock, e.g. 5m [default: do not wait]
    #[arg(long, env = "MLFN_LOCK_TIMEOUT", hide_env = true, value_name = "TIME")]
    pub(crate) lock_timeout: Option<Seconds>,
}

/// Bring the cloud to what the manifest says
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// Apply this plan of `mlfn plan --out`, if it still holds
    #[arg(long, env = "MLFN_PLAN", hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["dry_run", "keep_drift"])]
    pub(crate) plan: Option<PathBuf>,
    /// Only show what would be done, as `mlfn plan`
    #[arg(long, env = "MLFN_DRY_RUN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) drift: DriftArgs,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

/// Show what is deployed: endpoints, versions, and the state of each resource
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {}

/// Serve all functions on this machine until Ctrl-C, and follow changes of their files
#[derive(Debug, Args)]
pub(crate) struct EmulateArgs {
    /// The port; it is an error if it is taken [default: any that is free]
    #[arg(long, env = "MLFN_PORT", hide_env = true, value_name = "NUMBER")]
    pub(crate) port: Option<u16>,
    /// How much of a processor each instance gets: `lambda` for what goes with its memory there
    /// (1769 MB: one processor), a number such as 0.5, or `off`
    #[arg(
        long,
        env = "MLFN_CPU_SHARE",
        hide_env = true,
        value_name = "SHARE",
        default_value = "off"
    )]
    pub(crate) cpu_share: CpuShare,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

/// Show the log of a function
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The function; may be left out if there is only one
    pub(crate) function: Option<String>,
    /// Go on as it grows, until Ctrl-C
    #[arg(short, long, env = "MLFN_TAIL", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) tail: bool,
    /// Only what is not older, e.g. 5h or 10m
    #[arg(long, env = "MLFN_SINCE", hide_env = true, value_name = "TIME")]
    pub(crate) since: Option<Seconds>,
    /// Only lines that contain this text
    #[arg(long, env = "MLFN_FILTER", hide_env = true, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
}

/// Send messages to queues of the local cloud, and look at them
#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    #[command(flatten)]
    pub(crate) place: CloudArgs,
    #[command(subcommand)]
    pub(crate) command: QueueCommand,
}

/// What can be done with queues.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Send a message
    Send {
        /// The queue, by its name in the manifest or in the cloud
        queue: String,
        #[command(flatten)]
        message: MessageArgs,
    },
    /// List the queues, and how many messages each has
    List,
    /// Show the oldest messages, which stay where they are
    Peek {
        /// The queue, by its name in the manifest or in the cloud
        queue: String,
        /// Those that were tried too often, instead
        #[arg(long, env = "MLFN_DEAD", hide_env = true, value_parser = FalseyValueParser::new())]
        dead: bool,
        /// How many
        #[arg(
            short = 'n',
            long,
            env = "MLFN_MOST",
            hide_env = true,
            value_name = "NUMBER"
        )]
        #[arg(default_value = "10")]
        most: u32,
    },
    /// Remove all messages
    Purge {
        /// The queue, by its name in the manifest or in the cloud
        queue: String,
        /// Those that were tried too often, instead
        #[arg(long, env = "MLFN_DEAD", hide_env = true, value_parser = FalseyValueParser::new())]
        dead: bool,
    },
}

/// Publish messages to topics of the local cloud
#[derive(Debug, Args)]
pub(crate) struct TopicArgs {
    #[command(flatten)]
    pub(crate) place: CloudArgs,
    #[command(subcommand)]
    pub(crate) command: TopicCommand,
}

/// What can be done with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Publish a message
    Publish {
        /// The topic, by its name in the manifest or in the cloud
        topic: String,
        #[command(flatten)]
        message: MessageArgs,
    },
    /// List the topics
    List,
}

/// Which local cloud is meant.
#[derive(Debug, Args)]
pub(crate) struct CloudArgs {
    /// The address that `mlfn emulate` shows [default: that of what is deployed]
    #[arg(
        long,
        global = true,
        env = "MLFN_URL",
        hide_env = true,
        value_name = "URL"
    )]
    pub(crate) url: Option<String>,
}

/// Where a message comes from.
#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// The message [default: stdin, else the example of the model that gets it]
    #[arg(
        short,
        long,
        env = "MLFN_DATA",
        hide_env = true,
        value_name = "TEXT",
        conflicts_with = "path"
    )]
    pub(crate) data: Option<String>,
    /// A file that holds the message; `-` is stdin
    #[arg(short, long, env = "MLFN_PATH", hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) path: Option<PathBuf>,
}

/// Bring an earlier deployment back, models included
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The number of the deployment, as `mlfn info` shows it [default: the one before]
    #[arg(long, env = "MLFN_TO", hide_env = true, value_name = "NUMBER")]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
}

/// Remove everything that was deployed
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Leave the logs of the functions where they are
    #[arg(long)]
    pub(crate) keep_logs: bool,
    #[command(flatten)]
    pub(crate) lock: LockArgs,
}

/// Answer for the local cloud in the current folder
#[derive(Debug, Args)]
pub(crate) struct LocalCloudArgs {}

/// Look at the record of what is deployed
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(subcommand)]
    pub(crate) command: StateCommand,
}

/// What can be done with the record.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// List the resources that are recorded
    List,
    /// Show everything that is recorded of a resource
    Show {
        /// The resource, e.g. aws:function/classifier
        resource: String,
    },
    /// Take the lock away from a run that has ended without giving it back
    Unlock,
    /// Write the record itself to stdout, e.g. for a copy
    Pull,
}

/// How a function is called, in the words of Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InvocationType {
    /// Wait for the answer
    #[value(name = "RequestResponse")]
    RequestResponse,
    /// Hand the request over
    #[value(name = "Event")]
    Event,
    /// See whether one may call it
    #[value(name = "DryRun")]
    DryRun,
}

impl From<InvocationType> for mlfn_core::InvocationKind {
    fn from(kind: InvocationType) -> Self {
        match kind {
            InvocationType::RequestResponse => Self::RequestResponse,
            InvocationType::Event => Self::Event,
            InvocationType::DryRun => Self::DryRun,
        }
    }
}

/// What a package is made of besides the model.
#[derive(Debug, Args)]
pub(crate) struct PartsArgs {
    /// The cloud whose package and protocol are used, instead of the manifest's: aws, azure or gcp
    #[arg(long, env = "MLFN_PLATFORM", hide_env = true, value_name = "NAME")]
    pub(crate) platform: Option<String>,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
}

/// Where the parts of a package come from.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// A shim of your own, e.g. for another processor [default: the one in this program]
    #[arg(long, env = "MLFN_SHIM", hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) shim: Option<PathBuf>,
    /// As `--shim`, for models that tract runs [default: the one in this program, if it has one]
    #[arg(long, env = "MLFN_TRACT_SHIM", hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tract_shim: Option<PathBuf>,
    /// An ONNX Runtime library of your own, as `ORT_DYLIB_PATH` [default: the official one, fetched once]
    #[arg(long, env = "MLFN_ONNXRUNTIME", hide_env = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) onnxruntime: Option<PathBuf>,
    /// Do not use the network, even if something is missing
    #[arg(long, env = "MLFN_OFFLINE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) offline: bool,
}

/// Look for what is missing on this machine, and say what to do about it
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) parts: PartsArgs,
}

/// Print the JSON schema of the manifest, for editors
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {}

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Print the version; with --json, of everything inside
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {}
