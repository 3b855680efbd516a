//! One instance: how it starts, what a request to it comes to, what it may use.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;
use mlfn_core::Memory;
use tokio::sync::watch;

use super::cgroup::Groups;
use super::journal::{Journal, Report};
use super::share::Throttle;
use super::usage::Scratch;
use crate::blueprint::{Blueprint, Nest};
use crate::identifiers::{log_stream, since_epoch, timestamp};
use crate::log_file::LogFile;
use crate::packages::Lease;
use crate::platform::{self, Answer, Overrun, Platform, Work};
use crate::{EmulatorError, Exited, Failure, Outcome};

/// A request, and what its sender wants to know.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Its name.
    pub(crate) id: String,
    /// Whether the end of its log is wanted.
    pub(crate) wants_tail: bool,
    /// What the function gets.
    pub(crate) work: Work,
}

/// What a request came to.
#[derive(Debug)]
pub struct Done {
    /// Whether the function did its work.
    pub ending: Ending,
    /// What the caller gets: the function's answer, or the platform's own message.
    pub body: Bytes,
    /// The status of an HTTP answer; none on Lambda.
    pub status: Option<u16>,
    /// The headers of an HTTP answer.
    pub headers: HeaderMap,
    /// Which revision answered.
    pub version: String,
    /// The end of the request's log, if it was wanted.
    pub tail: Option<Vec<u8>>,
    /// What it took.
    pub report: Report,
}

/// Whether a function did its work, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It answered.
    Answered,
    /// It reported an error itself.
    Reported,
    /// It took longer than it may.
    TimedOut,
    /// Its process ended.
    Exited(Exited),
    /// It used more memory than it has, and was ended.
    OutOfMemory,
    /// It wrote more temporary files than it has room for, and was ended.
    DiskFull,
    /// Its answer is larger than the platform passes on.
    TooLarge,
    /// Its answer is not in the form that the platform reads.
    BadAnswer(String),
    /// Its instance did not start.
    NotStarted,
}

impl Ending {
    /// Whether it is the good one.
    pub fn is_success(&self) -> bool {
        *self == Self::Answered
    }

    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Answered,
            Outcome::FunctionError(Failure::Reported) => Self::Reported,
            Outcome::FunctionError(Failure::TimedOut) => Self::TimedOut,
            Outcome::FunctionError(Failure::Exited(how)) => Self::Exited(how),
            Outcome::FunctionError(Failure::ResponseTooLarge) => Self::TooLarge,
            Outcome::FunctionError(Failure::BadAnswer(why)) => Self::BadAnswer(why),
        }
    }

    /// As Lambda names it in a report.
    fn error_type(&self) -> Option<&'static str> {
        match self {
            Self::Answered => None,
            Self::Reported => Some("Runtime.Unknown"),
            Self::TimedOut => Some("timeout"),
            Self::Exited(_) | Self::DiskFull | Self::NotStarted => Some("Runtime.ExitError"),
            Self::OutOfMemory => Some("Runtime.OutOfMemory"),
            Self::TooLarge => Some("Function.ResponseSizeTooLarge"),
            Self::BadAnswer(_) => Some("Runtime.BadAnswer"),
        }
    }
}

/// What all instances of a pool are made from.
#[derive(Debug)]
pub(super) struct Mould {
    pub(super) blueprint: Blueprint,
    /// The most bytes of temporary files.
    pub(super) scratch: Memory,
    /// Where the folders for temporary files are made.
    pub(super) scratch_root: PathBuf,
    pub(super) log: Arc<LogFile>,
    /// Whether an instance gets several requests at a time.
    pub(super) is_shared: bool,
    /// By which the kernel enforces limits, where it may.
    pub(super) groups: Option<Arc<Groups>>,
    /// What an instance may have of each period of processor time, if that is seen to here.
    pub(super) quota: Option<Duration>,
    /// So that the package stays as long as anything is made from this.
    pub(super) _lease: Option<Arc<Lease>>,
}

/// How far an instance has come.
#[derive(Debug, Clone)]
enum Phase {
    Starting,
    Ready,
    Failed(Arc<EmulatorError>),
}

/// A process of the function. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    mould: Arc<Mould>,
    journal: Arc<Journal>,
    phase: watch::Sender<Phase>,
    running: OnceLock<Running>,
    /// What ended it, if it was the twin for one of these reasons.
    overrun: OnceLock<Overrun>,
    /// How long it took to start, until a request reports it.
    init: Mutex<Option<Duration>>,
    throttle: Option<Throttle>,
}

#[derive(Debug)]
struct Running {
    platform: Platform,
    scratch: Scratch,
}

impl Instance {
    /// Begins to start.
    pub(super) fn start(mould: &Arc<Mould>, is_provisioned: bool) -> Arc<Self> {
        let stream = log_stream(&mould.blueprint.version);
        let instance = Arc::new(Self {
            mould: Arc::clone(mould),
            journal: Arc::new(Journal::new(mould, stream.clone())),
            phase: watch::Sender::new(Phase::Starting),
            running: OnceLock::new(),
            overrun: OnceLock::new(),
            init: Mutex::default(),
            throttle: mould.quota.map(Throttle::new),
        });
        let nest = Nest {
            temp: None,
            is_provisioned,
            stream,
            witness: instance.journal.clone(),
        };
        let starting = Arc::clone(&instance);
        tokio::spawn(async move {
            let phase = match starting.launch(nest).await {
                Ok(()) => Phase::Ready,
                Err(error) => Phase::Failed(Arc::new(error)),
            };
            starting.phase.send_replace(phase);
        });
        instance
    }

    async fn launch(&self, mut nest: Nest) -> Result<(), EmulatorError> {
        let begin = Instant::now();
        let name = nest.stream.rsplit(']').next().unwrap_or_default();
        let folder = self.mould.scratch_root.join(name);
        let scratch = Scratch::new(folder).map_err(|source| EmulatorError::Machine {
            action: "make a folder for temporary files",
            source,
        })?;
        nest.temp = Some(scratch.path().to_owned());
        let is_provisioned = nest.is_provisioned;
        let platform = Platform::start(&self.mould.blueprint, nest).await?;
        let running = Running { platform, scratch };
        // This is the only place that sets it, and it runs once.
        let _ = self.running.set(running);
        if !is_provisioned {
            *self.init() = Some(begin.elapsed());
        }
        Ok(())
    }

    /// Waits for the end of the start.
    pub(super) async fn ready(&self) -> Result<(), Arc<EmulatorError>> {
        if self.running.get().is_some() {
            return Ok(());
        }
        let mut phase = self.phase.subscribe();
        let ended = phase
            .wait_for(|phase| !matches!(phase, Phase::Starting))
            .await;
        match ended.map(|phase| phase.clone()) {
            Ok(Phase::Failed(error)) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.running.get().is_some()
    }

    /// Whether it is of no use any more.
    pub(super) fn has_ended(&self) -> bool {
        match self.running.get() {
            Some(running) => running.platform.process().ended().is_some(),
            None => matches!(*self.phase.borrow(), Phase::Failed(_)),
        }
    }

    /// Asks the process to end, and waits for that.
    pub(super) async fn stop(&self) {
        if self.ready().await.is_ok()
            && let Some(running) = self.running.get()
        {
            let platform = &running.platform;
            platform.process().stop(platform.grace()).await;
        }
    }

    /// Sends a request. None if the instance had ended before.
    pub(super) async fn perform(&self, ask: Ask) -> Option<Done> {
        let running = self.running.get().filter(|_| !self.has_ended())?;
        let id = ask.id;
        self.begin(&id, ask.wants_tail);
        let begin = Instant::now();
        let answer = match running.platform.perform(ask.work).await {
            Ok(answer) => answer,
            Err(EmulatorError::Ended(_)) => return None,
            Err(error) => platform::no_answer(&self.mould.blueprint, &id, &error),
        };
        let duration = begin.elapsed();
        running.platform.process().drain();
        Some(self.finish(id, answer, duration))
    }

    /// What a request to an instance that did not start comes to.
    pub(super) fn refuse(&self, ask: &Ask, error: &EmulatorError) -> Done {
        self.begin(&ask.id, ask.wants_tail);
        if let EmulatorError::Package { .. } | EmulatorError::Spawn { .. } = error {
            self.journal.note(error.to_string());
        }
        let mut answer = platform::no_answer(&self.mould.blueprint, &ask.id, error);
        if let Some(overrun) = self.overrun() {
            answer = platform::overrun(&self.mould.blueprint, &ask.id, overrun);
        }
        let mut done = self.finish(ask.id.clone(), answer, Duration::ZERO);
        if done.ending != Ending::OutOfMemory {
            done.ending = Ending::NotStarted;
        }
        done
    }

    fn begin(&self, id: &str, wants_tail: bool) {
        if self.mould.is_shared {
            return;
        }
        self.journal.begin(id, wants_tail);
        let version = &self.mould.blueprint.version;
        self.journal
            .note(format!("START RequestId: {id} Version: {version}"));
    }

    fn finish(&self, id: String, mut answer: Answer, duration: Duration) -> Done {
        let blueprint = &self.mould.blueprint;
        let mut ending = Ending::of(answer.outcome.clone());
        if let (Ending::Exited(_), Some(overrun)) = (&ending, self.overrun()) {
            answer = platform::overrun(blueprint, &id, overrun);
            ending = match overrun {
                Overrun::Memory { .. } => Ending::OutOfMemory,
                Overrun::Disk { .. } => Ending::DiskFull,
            };
        }
        let report = Report {
            request: id,
            duration,
            init: self.init().take(),
            peak_mib: self.journal.gauge().peak_mib(),
            error: ending.error_type().map(str::to_owned),
        };
        let tail = self.conclude(&ending, &report, answer.logs);
        Done {
            ending,
            body: answer.body,
            status: answer.status,
            headers: answer.headers,
            version: blueprint.version.clone(),
            tail,
            report,
        }
    }

    /// What it used too much of, whether this or the kernel noticed.
    fn overrun(&self) -> Option<Overrun> {
        let limit = self.mould.blueprint.memory;
        let by_kernel = self.journal.ran_out_of_memory().then(|| Overrun::Memory {
            limit,
            used: limit.as_mib().into(),
        });
        self.overrun.get().copied().or(by_kernel)
    }

    /// The platform's lines at the end of a request.
    fn conclude(&self, ending: &Ending, report: &Report, lines: Vec<String>) -> Option<Vec<u8>> {
        let (blueprint, id) = (&self.mould.blueprint, &report.request);
        if self.mould.is_shared {
            let lines = lines.into_iter().chain([report.line(blueprint.memory)]);
            lines.for_each(|line| self.journal.note_about(id, line));
            return None;
        }
        if *ending == Ending::TimedOut {
            let (now, limit) = (timestamp(since_epoch()), blueprint.timeout.as_secs_f64());
            let text = format!("{now} {id} Task timed out after {limit:.2} seconds");
            self.journal.note(text);
        }
        self.journal.note(format!("END RequestId: {id}"));
        self.journal.note(report.line(blueprint.memory));
        self.journal.end()
    }

    /// Stops it for a while if it has had its share of the processor.
    pub(super) fn check_share(&self) {
        if let Some(throttle) = &self.throttle
            && !self.has_ended()
        {
            throttle.check(self.journal.gauge());
        }
    }

    /// Ends it if it uses more than it may.
    pub(super) fn check_memory(&self) {
        let limit = self.mould.blueprint.memory;
        let used = self.journal.gauge().now().unwrap_or_default();
        if used > u64::from(limit.as_mib()) * 1024 {
            let used = used.div_ceil(1024);
            self.end_for(Overrun::Memory { limit, used });
        }
    }

    /// Ends it if it has written more temporary files than it may.
    pub(super) fn check_scratch(&self) {
        let Some(running) = self.running.get() else {
            return;
        };
        let limit = self.mould.scratch;
        let used = running.scratch.size().div_ceil(1024 * 1024);
        if used > u64::from(limit.as_mib()) {
            self.end_for(Overrun::Disk { limit, used });
        }
    }

    fn end_for(&self, overrun: Overrun) {
        if !self.has_ended() && self.overrun.set(overrun).is_ok() {
            self.journal.note(overrun.to_string());
            self.journal.gauge().kill();
        }
    }

    fn init(&self) -> std::sync::MutexGuard<'_, Option<Duration>> {
        self.init.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
