//! The command line.
//!
//! What happens to `mlfn package classifier`, in order:
//!
//! - `args.rs` parses the words; it is clap's structs and nothing else.
//! - `settings.rs` merges flags, variables and the user's file into what the verb needs to know.
//! - `commands/<verb>.rs` calls one operation and returns how it ended (`status.rs`).
//! - `pipeline.rs` is the chain that the verbs are prefixes of: load, check, package. `registry.rs`
//!   is the only file that names all clouds, `shim.rs` knows where the shim comes from, `engines/`
//!   which of the two a model runs with.
//! - `doctor.rs` looks at the machine; `scaffold.rs` plans what `init` writes.
//! - `report/` shows results, to people or to programs; `printer.rs` owns the two streams.
//! - This file puts them together, and prints an error (`errors.rs`) once.

mod archives;
mod args;
mod commands;
mod deployment;
mod doctor;
mod engines;
mod errors;
mod lambda;
mod local;
mod pipeline;
mod printer;
mod registry;
mod report;
mod scaffold;
mod settings;
mod shim;
mod state_place;
mod status;
mod stop;
mod tensor_file;
mod unrecorded;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};

pub use crate::status::ExitStatus;

use crate::args::{Cli, Command};
use crate::printer::{Printer, Verbosity};
use crate::report::Report;
use crate::settings::{
    CompletionSettings, DeploySettings, DoctorSettings, EmulateSettings, Environment,
    GlobalSettings, InfoSettings, InitSettings, InspectSettings, InvokeSettings,
    LocalCloudSettings, LogsSettings, PackageSettings, PlanSettings, QueueSettings, RemoveSettings,
    RollbackSettings, StateSettings, TopicSettings, UserFile, ValidateSettings,
};
use crate::stop::Stop;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    start().into()
}

/// Everything that can be typed, for reference pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

fn start() -> ExitStatus {
    let environment = Environment::of_process();
    let first = Printer::new(Verbosity::Normal, false, environment);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error, first),
    };
    let global = UserFile::load()
        .and_then(|user| Ok(GlobalSettings::resolve(cli.global, environment, user)?));
    let global = match global {
        Ok(global) => global,
        Err(error) => return failed(&error, first),
    };
    let printer = Printer::new(global.verbosity, global.no_color, environment);
    run(cli.command, global, printer).unwrap_or_else(|error| failed(&error, printer))
}

/// What clap has to say: help and version are results, everything else is an error.
fn usage(error: &clap::Error, printer: Printer) -> ExitStatus {
    let text = error.render();
    if error.use_stderr() {
        let coloured = printer.has_colour();
        printer.block(&if coloured {
            text.ansi().to_string()
        } else {
            text.to_string()
        });
        return ExitStatus::Usage;
    }
    let styled = printer.data_palette().strong != anstyle::Style::new();
    match printer.data(&if styled {
        text.ansi().to_string()
    } else {
        text.to_string()
    }) {
        Ok(()) => ExitStatus::Ok,
        Err(error) => failed(&error.into(), printer),
    }
}

fn failed(error: &anyhow::Error, printer: Printer) -> ExitStatus {
    printer.error(error);
    errors::status(error)
}

/// Commands run away from this thread, which waits for them or for Ctrl-C, whichever is first.
fn run(command: Command, global: GlobalSettings, printer: Printer) -> anyhow::Result<ExitStatus> {
    if let Some(folder) = &global.cwd {
        std::env::set_current_dir(folder)
            .with_context(|| format!("cannot go to the folder `{}`", folder.display()))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let status = runtime.block_on(async {
        let stop = Stop::default();
        let mut work = std::pin::pin!(dispatch(command, global, printer, &stop));
        loop {
            tokio::select! {
                // Signals are caught before anything starts.
                biased;
                () = interrupted() => {
                    if !stop.ask() {
                        return Ok(ExitStatus::Interrupted);
                    }
                    printer.note("stopping after the calls in flight; once more stops at once");
                }
                status = &mut work => return status,
            }
        }
    });
    // What still runs has nothing that must be finished: files are moved into place when complete.
    runtime.shutdown_background();
    status
}

async fn dispatch(
    command: Command,
    global: GlobalSettings,
    printer: Printer,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    let report = report::choose(global.json, printer);
    match command {
        Command::Plan(args) => {
            let settings = PlanSettings::resolve(args, global)?;
            commands::plan::plan(settings, report, printer).await
        }
        Command::Deploy(args) => {
            let settings = DeploySettings::resolve(args, global)?;
            commands::deploy::deploy(settings, report, printer, stop).await
        }
        Command::Info(args) => {
            let settings = InfoSettings::resolve(&args, global);
            commands::info::info(settings, &*report).await
        }
        Command::Rollback(args) => {
            let settings = RollbackSettings::resolve(&args, global);
            commands::rollback::rollback(settings, &*report, printer, stop).await
        }
        Command::Remove(args) => {
            let settings = RemoveSettings::resolve(&args, global)?;
            commands::remove::remove(settings, report, printer, stop).await
        }
        Command::Invoke(args) => {
            let settings = InvokeSettings::resolve(args, global)?;
            commands::invoke::invoke(settings, printer).await
        }
        Command::Emulate(args) => {
            let settings = EmulateSettings::resolve(args, global)?;
            commands::emulate::emulate(settings, report, printer, stop).await
        }
        Command::Logs(args) => {
            let settings = LogsSettings::resolve(args, global);
            commands::logs::logs(settings, &*report).await
        }
        Command::Queue(args) => {
            let settings = QueueSettings::resolve(args, global);
            commands::queue::queue(settings, &*report, printer).await
        }
        Command::Topic(args) => {
            let settings = TopicSettings::resolve(args, global);
            commands::topic::topic(settings, &*report, printer).await
        }
        Command::LocalCloud(args) => {
            let settings = LocalCloudSettings::resolve(&args, &global);
            commands::local_cloud::local_cloud(settings, stop).await
        }
        Command::State(args) => {
            let settings = StateSettings::resolve(args, global);
            commands::state::state(settings, &*report, printer).await
        }
        command => tokio::task::spawn_blocking(move || {
            dispatch_blocking(command, global, printer, &*report)
        })
        .await
        .context("the command stopped in the middle; please report this")?,
    }
}

fn dispatch_blocking(
    command: Command,
    global: GlobalSettings,
    printer: Printer,
    report: &dyn Report,
) -> anyhow::Result<ExitStatus> {
    match command {
        Command::Init(args) => {
            commands::init::init(&InitSettings::resolve(args, global), report, printer)
        }
        Command::Validate(args) => {
            commands::validate::validate(&ValidateSettings::resolve(&args, global), report)
        }
        Command::Inspect(args) => {
            let settings = InspectSettings::resolve(args, &global)?;
            commands::inspect::inspect(&settings, report, printer)
        }
        Command::Package(args) => {
            commands::package::package(&PackageSettings::resolve(args, global)?, report, printer)
        }
        Command::Doctor(args) => {
            commands::doctor::doctor(&DoctorSettings::resolve(args, global)?, report)
        }
        Command::Schema(args) => {
            settings::resolve_schema(&args);
            commands::schema::schema(printer)
        }
        Command::Completion(args) => {
            commands::completion::completion(&CompletionSettings::resolve(&args), printer)
        }
        Command::Version(args) => {
            settings::resolve_version(&args);
            commands::version::version(report)
        }
        Command::Plan(_)
        | Command::Deploy(_)
        | Command::Info(_)
        | Command::Rollback(_)
        | Command::Remove(_)
        | Command::Invoke(_)
        | Command::LocalCloud(_)
        | Command::Logs(_)
        | Command::Queue(_)
        | Command::Topic(_)
        | Command::Emulate(_)
        | Command::State(_) => Ok(ExitStatus::Ok),
    }
}

/// Waits for Ctrl-C or a polite request to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        Some(()) = terminate.recv() => {}
        else => std::future::pending().await,
    }
}
