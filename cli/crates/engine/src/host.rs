//! What the engine asks of the machine it runs on, in one place, so that tests decide it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::Timestamp;

/// Time, sleep and chance.
#[async_trait]
pub trait Host: Send + Sync {
    /// What the clock says.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;

    /// Comes back after that time.
    async fn sleep(&self, time: Duration);

    /// Any number, each as likely as the others.
    fn random(&self) -> u64;

    /// This process, for those who meet its lock.
    fn process(&self) -> Process;

    /// Whether a process that has the same [`Process::machine`] has ended.
    fn has_ended(&self, pid: u32) -> bool;
}

/// A process, as others can recognise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The machine's name, for people.
    pub host: String,
    /// What is the same for two processes exactly if each can see whether the other is alive: the
    /// same boot of the same machine, and the same numbering of processes.
    pub machine: String,
    /// Its number there.
    pub pid: u32,
}

/// 128 random bits in hexadecimal.
pub(crate) fn random_name(host: &dyn Host) -> String {
    format!("{:016x}{:016x}", host.random(), host.random())
}

/// This machine. Sleeps by tokio's timer.
#[derive(Debug)]
pub struct SystemHost {
    start: std::time::Instant,
    process: Process,
}

impl SystemHost {
    /// Starts to count [elapsed](Host::elapsed) time.
    pub fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
            process: this_process(),
        }
    }
}

impl Default for SystemHost {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Host for SystemHost {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_unix(since.as_secs())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }

    fn process(&self) -> Process {
        self.process.clone()
    }

    fn has_ended(&self, pid: u32) -> bool {
        let Some(pid) = i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        else {
            return true;
        };
        // A process that one may not signal is alive.
        rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
    }
}

fn this_process() -> Process {
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let pid = std::process::id();
    Process {
        machine: machine().unwrap_or_else(|| host.clone()),
        host,
        pid,
    }
}

/// Linux tells both in files; elsewhere there are no numberings of processes to mix up.
fn machine() -> Option<String> {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let numbering = fs_err::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), numbering.display()))
}
