//! AWS Lambda: the life of an execution environment
//! (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>) around the
//! Runtime API that the process polls.

mod awake;
mod runtime_api;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::HeaderMap;
use mlfn_core::ProviderName;
use serde_json::json;
use tokio::time::sleep;

use self::runtime_api::{Handout, Phase, Reply, RuntimeApi};
use super::{Answer, Event, Overrun, check_size, package_root, start_failed};
use crate::blueprint::{Blueprint, Nest};
use crate::identifiers::{since_epoch, trace_header};
use crate::process::{Process, Program};
use crate::{EmulatorError, Exited, Failure, Outcome, StartFailure};

/// Bytes of a request or an answer: 6 MiB and a little for the envelope, as the service's own
/// messages say.
pub(crate) const MAX_BYTES: usize = 6 * 1024 * 1024 + 100;

/// The longest init phase. A function that takes longer is started again within the time-out of
/// its first request, so that in the end the longer of the two counts.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// The account in the function's ARN: the one of AWS's own examples.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The region when nobody chose one.
pub(crate) const REGION: &str = "us-east-1";

/// The function's name as AWS writes it where a name must be unique.
pub(crate) fn arn(region: Option<&str>, name: &str) -> String {
    let region = region.unwrap_or(REGION);
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}

/// A function behind the Runtime API.
#[derive(Debug)]
pub(crate) struct Lambda {
    api: RuntimeApi,
    process: Process,
    timeout: Duration,
    /// An environment has one request at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Lambda {
    pub(crate) async fn start(blueprint: &Blueprint, nest: Nest) -> Result<Self, EmulatorError> {
        let root = package_root(blueprint)?;
        let api = RuntimeApi::serve().await.map_err(machine)?;
        let program = Program {
            path: bootstrap(&root)?,
            arguments: Vec::new(),
            environment: environment(blueprint, &nest, &api.address(), &root),
            folder: root,
        };
        let process = Process::spawn(&program, nest.witness).await?;
        initialise(&api, &process, blueprint.timeout.max(INIT_LIMIT)).await?;
        Ok(Self {
            api,
            process,
            timeout: blueprint.timeout,
            turn: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) async fn invoke(&self, event: Event) -> Result<Answer, EmulatorError> {
        check_size(ProviderName::Aws, event.payload.len(), MAX_BYTES)?;
        let _turn = self.turn.lock().await;
        if let Some(how) = self.process.ended() {
            return Err(EmulatorError::Ended(how));
        }
        let id = event.id.clone();
        let handout = Handout {
            event,
            deadline: since_epoch() + self.timeout,
            trace: trace_header(),
        };
        Ok(tokio::select! {
            biased;
            reply = self.api.hand_out(handout) => replied(reply),
            how = self.process.wait() => exited(&id, how),
            () = sleep(self.timeout) => {
                self.process.kill().await;
                timed_out(&id, self.timeout)
            }
        })
    }
}

fn machine(source: io::Error) -> EmulatorError {
    EmulatorError::Machine {
        action: "serve the Runtime API on 127.0.0.1",
        source,
    }
}

/// Lambda looks there and does not set the executable bit.
fn bootstrap(root: &Path) -> Result<PathBuf, EmulatorError> {
    let path = root.join("bootstrap");
    if path.is_file() {
        return Ok(path);
    }
    Err(EmulatorError::Package {
        platform: ProviderName::Aws,
        path,
        problem: "the file that Lambda starts is missing; package it again".to_owned(),
    })
}

/// Waits until the process asks for its first request.
async fn initialise(
    api: &RuntimeApi,
    process: &Process,
    limit: Duration,
) -> Result<(), EmulatorError> {
    let failure = tokio::select! {
        biased;
        phase = api.started() => match phase {
            Phase::Failed(payload) => StartFailure::Reported(payload.to_vec()),
            Phase::Starting | Phase::Ready => return Ok(()),
        },
        how = process.wait() => StartFailure::Exited(how),
        () = sleep(limit) => StartFailure::NotReady(limit),
    };
    Err(start_failed(ProviderName::Aws, process, failure).await)
}

/// The variables that Lambda defines for OS-only runtimes
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>), except for
/// credentials.
fn environment(
    blueprint: &Blueprint,
    nest: &Nest,
    api: &str,
    root: &Path,
) -> BTreeMap<String, String> {
    let name = blueprint.name.as_str();
    let region = blueprint.region.as_deref().unwrap_or(REGION);
    let root = root.to_string_lossy();
    let libraries =
        format!("/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{root}:{root}/lib:/opt/lib");
    let kind = if nest.is_provisioned {
        "provisioned-concurrency"
    } else {
        "on-demand"
    };
    let own = [
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("LD_LIBRARY_PATH", libraries.as_str()),
        ("LAMBDA_TASK_ROOT", &root),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("_HANDLER", "handler"),
        ("AWS_LAMBDA_RUNTIME_API", api),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", &blueprint.version),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            &blueprint.memory.as_mib().to_string(),
        ),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", kind),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", &nest.stream),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
    ];
    nest.environment(blueprint, &own)
}

fn replied(reply: Reply) -> Answer {
    match reply {
        Reply::Response(body) => Answer {
            outcome: Outcome::Success,
            body,
            status: None,
            headers: HeaderMap::new(),
            logs: Vec::new(),
        },
        Reply::Error(body) => Answer::failed(Failure::Reported, None, body),
        Reply::TooLarge => failed(
            Failure::ResponseTooLarge,
            "Function.ResponseSizeTooLarge",
            &format!(
                "Response payload size exceeded maximum allowed payload size ({MAX_BYTES} bytes)."
            ),
        ),
    }
}

fn exited(id: &str, how: Exited) -> Answer {
    let reason = match how {
        Exited::Code(0) => "Runtime exited without providing a reason".to_owned(),
        how => format!("Runtime exited with error: {how}"),
    };
    let message = format!("RequestId: {id} Error: {reason}");
    failed(Failure::Exited(how), "Runtime.ExitError", &message)
}

fn timed_out(id: &str, limit: Duration) -> Answer {
    let seconds = limit.as_secs_f64();
    let message = format!("RequestId: {id} Error: Task timed out after {seconds:.2} seconds");
    failed(Failure::TimedOut, "Sandbox.Timedout", &message)
}

/// What the caller gets when the environment did not start.
pub(super) fn no_answer(failure: Failure, id: &str, error: &EmulatorError) -> Answer {
    match error {
        EmulatorError::Start { failure, .. } => match failure {
            StartFailure::Exited(how) => exited(id, *how),
            StartFailure::NotReady(limit) => timed_out(id, *limit),
            StartFailure::Reported(body) => Answer::failed(Failure::Reported, None, body.clone()),
        },
        EmulatorError::Package { .. } => {
            let places = "[/var/task/bootstrap /opt/bootstrap]";
            let message =
                format!("RequestId: {id} Error: Couldn't find valid bootstrap(s): {places}");
            failed(failure, "Runtime.InvalidEntrypoint", &message)
        }
        EmulatorError::Spawn { source, .. } => {
            let message = format!("RequestId: {id} Error: fork/exec /var/task/bootstrap: {source}");
            failed(failure, "Runtime.InvalidEntrypoint", &message)
        }
        error => failed(
            failure,
            "Sandbox.Failure",
            &format!("RequestId: {id} Error: {error}"),
        ),
    }
}

/// What the caller gets when the environment was ended for using too much.
pub(super) fn overrun(id: &str, overrun: Overrun) -> Answer {
    let kind = match overrun {
        Overrun::Memory { .. } => "Runtime.OutOfMemory",
        Overrun::Disk { .. } => "Runtime.ExitError",
    };
    let message = format!("RequestId: {id} Error: Runtime exited with error: signal: killed");
    let killed = Exited::Signal(rustix::process::Signal::KILL.as_raw());
    failed(Failure::Exited(killed), kind, &message)
}

/// Errors that Lambda itself reports have this form.
fn failed(failure: Failure, kind: &str, message: &str) -> Answer {
    let body = json!({ "errorType": kind, "errorMessage": message });
    Answer::failed(failure, None, body.to_string())
}
