//! The log of one instance: its own lines, and those of the platform around each request.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mlfn_core::Memory;
use rustix::process::Pid;

use super::cgroup::{Group, Groups};
use super::instance::Mould;
use super::usage::Gauge;
use crate::identifiers::since_epoch;
use crate::log_file::{LogFile, LogLine};
use crate::logs::Witness;

/// What the Invoke API returns of the log of a request, in bytes
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>).
const TAIL: usize = 4 * 1024;

/// Passes the lines of one instance on to the function's log.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Arc<LogFile>,
    stream: String,
    current: Mutex<Current>,
    gauge: Gauge,
    memory: Memory,
    groups: Option<Arc<Groups>>,
    /// The group of the process, by which the kernel holds it to its limits.
    group: OnceLock<Group>,
}

/// The request that the lines belong to, if it is certain.
#[derive(Debug, Default)]
struct Current {
    request: Option<String>,
    tail: Option<Vec<u8>>,
}

impl Journal {
    pub(super) fn new(mould: &Mould, stream: String) -> Self {
        Self {
            log: Arc::clone(&mould.log),
            memory: mould.blueprint.memory,
            groups: mould.groups.clone(),
            group: OnceLock::new(),
            stream,
            current: Mutex::default(),
            gauge: Gauge::default(),
        }
    }

    /// Whether the kernel ended the process because it had no memory left.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.group.get().is_some_and(Group::ran_out_of_memory)
    }

    /// What the process uses.
    pub(super) fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// From now on, lines belong to this request.
    pub(super) fn begin(&self, request: &str, wants_tail: bool) {
        *self.current() = Current {
            request: Some(request.to_owned()),
            tail: wants_tail.then(Vec::new),
        };
    }

    /// From now on, lines belong to no request. Returns the end of its log, if it was wanted.
    pub(super) fn end(&self) -> Option<Vec<u8>> {
        std::mem::take(&mut *self.current()).tail
    }

    /// A line of the platform.
    pub(super) fn note(&self, text: String) {
        let current = self.current();
        self.write(current, text);
    }

    /// A line of the platform about a request, whichever lines belong to which.
    pub(super) fn note_about(&self, request: &str, text: String) {
        self.log.append(&LogLine {
            time: milliseconds(),
            stream: self.stream.clone(),
            request: Some(request.to_owned()),
            text,
        });
    }

    fn write(&self, mut current: MutexGuard<'_, Current>, text: String) {
        if let Some(tail) = &mut current.tail {
            tail.extend_from_slice(text.as_bytes());
            tail.push(b'\n');
            let excess = tail.len().saturating_sub(TAIL);
            tail.drain(..excess);
        }
        self.log.append(&LogLine {
            time: milliseconds(),
            stream: self.stream.clone(),
            request: current.request.clone(),
            text,
        });
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for Journal {
    fn born(&self, process: Pid) {
        self.gauge.watch(process);
        let groups = self.groups.as_ref();
        match groups.map(|groups| groups.confine(process, self.memory)) {
            // There is one process in the life of a journal.
            Some(Ok(group)) => drop(self.group.set(group)),
            Some(Err(error)) => self.note(format!("mlfn: the kernel enforces no limits: {error}")),
            None => (),
        }
    }

    fn line(&self, line: &[u8]) {
        self.write(self.current(), String::from_utf8_lossy(line).into_owned());
    }
}

fn milliseconds() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// What a request took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The request's name.
    pub request: String,
    /// From handing it to the function until its answer.
    pub duration: Duration,
    /// How long the instance took to start, with the first request of an instance that was
    /// started for a request.
    pub init: Option<Duration>,
    /// The most memory that the instance has had, in MB; none where the machine does not tell.
    pub peak_mib: Option<u32>,
    /// The platform's word for what went wrong, e.g. `timeout` or `Runtime.ExitError`.
    pub error: Option<String>,
}

impl Report {
    /// What AWS charges for: both times in whole milliseconds. It charges for the start of
    /// custom runtimes, as this is one.
    pub fn billed(&self) -> Duration {
        let total = self.duration + self.init.unwrap_or_default();
        let nanoseconds = total.as_nanos();
        Duration::from_millis(u64::try_from(nanoseconds.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// The line as Lambda writes it.
    pub(super) fn line(&self, memory: Memory) -> String {
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB",
            self.request,
            self.duration.as_secs_f64() * 1000.0,
            self.billed().as_millis(),
            memory.as_mib(),
        );
        // Writing to a string cannot fail.
        if let Some(peak) = self.peak_mib {
            let _ = write!(line, "\tMax Memory Used: {peak} MB");
        }
        if let Some(init) = self.init {
            let _ = write!(
                line,
                "\tInit Duration: {:.2} ms",
                init.as_secs_f64() * 1000.0
            );
        }
        match self.error.as_deref() {
            Some("timeout") => line.push_str("\tStatus: timeout"),
            Some(kind) => {
                let _ = write!(line, "\tStatus: error\tError Type: {kind}");
            }
            None => (),
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mlfn_core::ProviderName;

    use super::*;
    use crate::Blueprint;

    #[test]
    fn a_report_reads_as_that_of_lambda() {
        let mut report = Report {
            request: "1".to_owned(),
            duration: Duration::from_micros(12_345),
            init: None,
            peak_mib: Some(35),
            error: None,
        };
        let memory = Memory::mib(512);
        assert_eq!(
            report.line(memory),
            "REPORT RequestId: 1\tDuration: 12.35 ms\tBilled Duration: 13 ms\tMemory Size: 512 MB\tMax Memory Used: 35 MB"
        );
        report.init = Some(Duration::from_millis(20));
        report.peak_mib = None;
        report.error = Some("Runtime.ExitError".to_owned());
        assert_eq!(
            report.line(memory),
            "REPORT RequestId: 1\tDuration: 12.35 ms\tBilled Duration: 33 ms\tMemory Size: 512 MB\tInit Duration: 20.00 ms\tStatus: error\tError Type: Runtime.ExitError"
        );
    }

    #[tokio::test]
    async fn the_tail_is_the_end_of_one_request() {
        let folder = tempfile::TempDir::new().expect("makes a folder");
        let mould = Mould {
            blueprint: Blueprint {
                platform: ProviderName::Aws,
                root: folder.path().to_owned(),
                name: "f".to_owned(),
                version: "1".to_owned(),
                region: None,
                memory: Memory::mib(512),
                timeout: Duration::from_secs(1),
                environment: BTreeMap::new(),
            },
            scratch: Memory::mib(512),
            scratch_root: folder.path().join("tmp"),
            log: LogFile::open(folder.path().join("f.jsonl")),
            is_shared: false,
            groups: None,
            quota: None,
            _lease: None,
        };
        let journal = Journal::new(&mould, "s".to_owned());
        journal.note("before".to_owned());
        journal.begin("1", true);
        journal.line(b"first");
        journal.line(&[b'x'; TAIL]);
        journal.note("END".to_owned());
        let tail = String::from_utf8(journal.end().expect("was wanted")).expect("is text");
        assert_eq!(tail.len(), TAIL);
        assert!(
            tail.starts_with('x') && tail.ends_with("x\nEND\n"),
            "{tail}"
        );
        journal.begin("2", false);
        assert_eq!(journal.end(), None);
    }
}
