//! One running instance of a packaged function.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlfn_core::{FunctionName, Memory, ProviderName, Seconds, ServiceName, StageName};

use crate::platform::Platform;
use crate::{EmulatorError, Exit, Invocation};

/// What to start, and how the platform is set up for it.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The platform whose protocol is spoken.
    pub platform: ProviderName,
    /// The folder of the unpacked package.
    pub root: &'a Path,
    /// The service that the function belongs to.
    pub service: &'a ServiceName,
    /// The stage.
    pub stage: &'a StageName,
    /// The function.
    pub function: &'a FunctionName,
    /// The region that the function believes to run in; none means a usual one.
    pub region: Option<&'a str>,
    /// What the function is told about its memory. It is not held to it.
    pub memory: Memory,
    /// The longest that one request may take.
    pub timeout: Seconds,
    /// The environment variables that the user wants. Those of the platform win.
    pub environment: &'a BTreeMap<String, String>,
}

impl Start<'_> {
    /// The function's name on the cloud.
    pub(crate) fn cloud_name(&self) -> String {
        format!("{}-{}-{}", self.service, self.stage, self.function)
    }

    /// [`Self::timeout`] as a duration.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.get().into())
    }
}

/// A packaged function, running as a process of this machine behind its platform's wire protocol.
///
/// Needs a tokio runtime with I/O and time enabled. The process and everything that it started
/// end when this is dropped; [`LocalFunction::stop`] ends them in an orderly way.
#[derive(Debug)]
pub struct LocalFunction {
    platform: Platform,
    /// How long the start took, until the first invocation reports it.
    init: Mutex<Option<Duration>>,
}

impl LocalFunction {
    /// Starts the package's executable with the environment that the platform gives it, and waits
    /// until it is ready for requests in the platform's own sense.
    pub async fn start(start: &Start<'_>) -> Result<Self, EmulatorError> {
        let begin = Instant::now();
        let platform = Platform::start(start).await?;
        let init = Mutex::new(Some(begin.elapsed()));
        Ok(Self { platform, init })
    }

    /// Sends `payload` (usually JSON) to the function as its platform does, and waits for the
    /// answer, for the function's end or for its time-out.
    ///
    /// Lambda has one request at a time, so that concurrent calls wait for each other there.
    pub async fn invoke(&self, payload: &[u8]) -> Result<Invocation, EmulatorError> {
        let begin = Instant::now();
        let answer = self.platform.invoke(payload).await?;
        let init = self
            .init
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut logs = self.platform.process().take_logs();
        logs.extend(answer.logs);
        Ok(Invocation {
            outcome: answer.outcome,
            body: answer.body,
            status: answer.status,
            duration: begin.elapsed(),
            init_duration: init,
            logs,
        })
    }

    /// Asks the process to end, waits as long as the platform does, and ends it otherwise.
    pub async fn stop(self) -> Exit {
        self.platform.process().stop(self.platform.grace()).await
    }
}
