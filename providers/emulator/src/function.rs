//! One running instance of a packaged function.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mlfn_core::{FunctionName, Memory, ProviderName, Seconds, ServiceName, StageName};

use crate::blueprint::{Blueprint, Nest};
use crate::identifiers::uuid;
use crate::logs::Kept;
use crate::platform::{Event, Platform, Work, arn};
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
    fn blueprint(&self) -> Blueprint {
        let name = format!("{}-{}-{}", self.service, self.stage, self.function);
        let version = match self.platform {
            ProviderName::Gcp => format!("{name}-00001-loc"),
            ProviderName::Aws | ProviderName::Azure => "$LATEST".to_owned(),
        };
        Blueprint {
            platform: self.platform,
            root: self.root.to_owned(),
            name,
            version,
            region: self.region.map(str::to_owned),
            memory: self.memory,
            timeout: Duration::from_secs(self.timeout.get().into()),
            environment: self.environment.clone(),
        }
    }
}

/// A packaged function, running as a process of this machine behind its platform's wire protocol.
///
/// Needs a tokio runtime with I/O and time enabled. The process and everything that it started
/// end when this is dropped; [`LocalFunction::stop`] ends them in an orderly way.
#[derive(Debug)]
pub struct LocalFunction {
    platform: Platform,
    /// As whom it is called (Lambda).
    arn: String,
    logs: Arc<Kept>,
    /// How long the start took, until the first invocation reports it.
    init: Mutex<Option<Duration>>,
}

impl LocalFunction {
    /// Starts the package's executable with the environment that the platform gives it, and waits
    /// until it is ready for requests in the platform's own sense.
    pub async fn start(start: &Start<'_>) -> Result<Self, EmulatorError> {
        let begin = Instant::now();
        let blueprint = start.blueprint();
        let logs = Arc::new(Kept::default());
        let nest = Nest {
            temp: None,
            is_provisioned: false,
            stream: "local".to_owned(),
            witness: logs.clone(),
        };
        let started = Platform::start(&blueprint, nest).await;
        let platform = started.map_err(|error| error.with_logs(logs.take()))?;
        Ok(Self {
            platform,
            arn: arn(start.region, &blueprint.name),
            logs,
            init: Mutex::new(Some(begin.elapsed())),
        })
    }

    /// Sends `payload` (usually JSON) to the function as its platform does, and waits for the
    /// answer, for the function's end or for its time-out.
    ///
    /// Lambda has one request at a time, so that concurrent calls wait for each other there.
    pub async fn invoke(&self, payload: &[u8]) -> Result<Invocation, EmulatorError> {
        let begin = Instant::now();
        let event = Event {
            id: uuid(),
            arn: self.arn.clone(),
            client_context: None,
            payload: Bytes::copy_from_slice(payload),
        };
        let answer = self.platform.perform(Work::Event(event)).await?;
        let duration = begin.elapsed();
        let mut init = self.init.lock().unwrap_or_else(PoisonError::into_inner);
        self.platform.process().drain();
        let mut logs = self.logs.take();
        logs.extend(answer.logs);
        Ok(Invocation {
            outcome: answer.outcome,
            body: answer.body.into(),
            status: answer.status,
            duration,
            init_duration: init.take(),
            logs,
        })
    }

    /// Asks the process to end, waits as long as the platform does, and ends it otherwise.
    pub async fn stop(self) -> Exit {
        let how = self.platform.process().stop(self.platform.grace()).await;
        Exit {
            how,
            logs: self.logs.take(),
        }
    }
}
