//! `mlfn invoke --local`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mlfn_core::{EnvironmentValue, Function, Service};
use mlfn_emulator::{Failure, Invocation, LocalFunction, Outcome, Start};
use mlfn_package::Formats;
use tempfile::TempDir;

use super::{own_words, request};
use crate::errors::CommandError;
use crate::pipeline::{self, Checked, Packer, Place};
use crate::printer::Printer;
use crate::report::Human;
use crate::settings::{Environment, InvokeSettings};
use crate::shim;
use crate::status::ExitStatus;

/// A packaged function, unpacked and ready to be started, and what it will be asked.
struct Prepared {
    root: TempDir,
    service: Service,
    function: Function,
    environment: BTreeMap<String, String>,
    request: Vec<u8>,
}

/// Packages a function, starts it, sends a request and shows the answer.
pub(super) async fn invoke(
    settings: InvokeSettings,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let show_log = settings.show_log;
    let prepare = move || prepare(&settings, printer);
    let Some(prepared) = tokio::task::spawn_blocking(prepare).await?? else {
        return Ok(ExitStatus::InvalidManifest);
    };
    run(&prepared, show_log, printer).await
}

fn prepare(settings: &InvokeSettings, printer: Printer) -> anyhow::Result<Option<Prepared>> {
    // Stdout belongs to the function's answer, whatever the format of other results.
    let report = &Human::new(printer);
    let Some(checked) = pipeline::check(&settings.manifest, report)? else {
        return Ok(None);
    };
    let function = pipeline::function(&checked.service, settings.function.as_deref())?.clone();
    let request = request::bytes(&settings.request, &function, printer)?;
    let environment = environment(&function, settings.manifest.environment, printer);
    let (function, output) = on_this_machine(function, &checked, printer);
    let packer = Packer {
        checked: &checked,
        parts: &settings.parts,
        output,
        place: Place::Here,
        formats: Formats::Deployed,
        report,
        printer,
    };
    let Some(root) = pipeline::unpacked(&packer, &function)? else {
        return Ok(None);
    };
    let service = checked.service;
    Ok(Some(Prepared {
        root,
        service,
        function,
        environment,
        request,
    }))
}

/// The function as it can run here, and where its package goes: beside the one for the cloud if
/// that is for another processor.
fn on_this_machine(
    mut function: Function,
    checked: &Checked,
    printer: Printer,
) -> (Function, PathBuf) {
    let folder = checked.package_folder();
    let here = shim::host_architecture();
    if function.architecture == here {
        return (function, folder);
    }
    let there = function.architecture;
    printer.warning(&format!(
        "`{}` runs on {here} here, and on {there} in the cloud",
        function.name
    ));
    function.architecture = here;
    (function, folder.join(here.as_str()))
}

/// The function's variables. Secrets are the cloud's; here they come from variables of the same
/// names.
fn environment(
    function: &Function,
    ours: Environment,
    printer: Printer,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (name, value) in &function.environment {
        let value = match value {
            EnvironmentValue::Plain(value) => Some(value.clone()),
            EnvironmentValue::Secret(_) => ours.get(name),
        };
        match value {
            Some(value) => drop(environment.insert(name.clone(), value)),
            None => printer.warning(&format!(
                "the secret `{name}` is not set here; set the variable `{name}` to pass one to `{}`",
                function.name
            )),
        }
    }
    environment
}

async fn run(prepared: &Prepared, show_log: bool, printer: Printer) -> anyhow::Result<ExitStatus> {
    let Prepared {
        root,
        service,
        function,
        environment,
        request,
    } = prepared;
    let local = LocalFunction::start(&Start {
        platform: service.provider,
        root: root.path(),
        service: &service.name,
        stage: &service.stage,
        function: &function.name,
        region: service.region.as_deref(),
        memory: function.memory,
        timeout: function.timeout,
        environment,
    })
    .await?;
    let invocation = local.invoke(request).await?;
    printer.data_bytes(&invocation.body)?;
    let exit = local.stop().await;
    if show_log {
        let lines = invocation.logs.iter().chain(&exit.logs);
        lines.for_each(|line| printer.block(line));
    }
    printer.detail(&durations(&invocation));
    match &invocation.outcome {
        Outcome::Success => Ok(ExitStatus::Ok),
        Outcome::FunctionError(failure) => {
            Err(refusal(function, failure, &invocation.body, show_log).into())
        }
    }
}

fn durations(invocation: &Invocation) -> String {
    let request = invocation.duration.as_secs_f64() * 1000.0;
    match invocation.init_duration {
        Some(init) => {
            let init = init.as_secs_f64() * 1000.0;
            format!("started in {init:.1} ms, answered in {request:.1} ms")
        }
        None => format!("answered in {request:.1} ms"),
    }
}

/// What went wrong inside of the function. Its own payload is on stdout already.
fn refusal(function: &Function, failure: &Failure, body: &[u8], log_shown: bool) -> CommandError {
    let name = &function.name;
    let message = match failure {
        Failure::Reported => format!("`{name}` answered with an error{}", own_words(body)),
        Failure::TimedOut => format!(
            "`{name}` took longer than its time-out of {}",
            function.timeout
        ),
        Failure::Exited(how) => {
            format!("the process of `{name}` ended with {how} before it answered")
        }
        Failure::ResponseTooLarge => {
            format!("the answer of `{name}` is larger than its platform passes on")
        }
        Failure::BadAnswer(problem) => {
            format!("the answer of `{name}` cannot be read by its platform: {problem}")
        }
    };
    let error = CommandError::failure(message);
    let is_explained = *failure == Failure::Reported && !own_words(body).is_empty();
    if log_shown || is_explained {
        return error;
    }
    error.hint("add `--log` to see the log of the function")
}
