//! The process of an instance: its environment, its output, its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::EmulatorError;
use crate::invocation::{Exit, Exited};
use crate::logs::Logs;

/// What to start.
#[derive(Debug)]
pub(crate) struct Program {
    /// The executable, absolute.
    pub(crate) path: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its working directory.
    pub(crate) folder: PathBuf,
    /// All environment variables that it gets.
    pub(crate) environment: BTreeMap<String, String>,
}

/// A running process and everything that it starts. Ends when this is dropped, and also when the
/// process that holds it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    group: Pid,
    exit: watch::Receiver<Option<ExitStatus>>,
    logs: Arc<Logs>,
}

impl Process {
    /// Starts `program` in a process group of its own, with nothing on its standard input.
    pub(crate) async fn spawn(program: &Program) -> Result<Self, EmulatorError> {
        let spawned = match spawn(program).await {
            Ok(child) => process_id(&child).map(|group| (child, group)),
            Err(source) => Err(source),
        };
        let (child, group) = spawned.map_err(|source| EmulatorError::Spawn {
            path: program.path.clone(),
            source,
        })?;
        let watchdog = watchdog(group).map_err(|source| EmulatorError::Machine {
            action: "run `sh`, which ends the function should mlfn be killed",
            source,
        })?;
        let logs = Arc::new(Logs::default());
        let (sender, exit) = watch::channel(None);
        let attended = attend(child, group, Arc::clone(&logs));
        tokio::spawn(async move {
            let status = attended.await;
            release(watchdog).await;
            sender.send_replace(status);
        });
        Ok(Self { group, exit, logs })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<Exited> {
        self.exit.borrow().map(Exited::of)
    }

    /// Waits for its end. All of its output is in the logs by then.
    pub(crate) async fn wait(&self) -> Exited {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await.ok().and_then(|s| *s);
        // The sender sends before it goes, unless the runtime shuts down with a kill.
        status.map_or(Exited::Signal(Signal::KILL.as_raw()), Exited::of)
    }

    /// Asks it to end (`SIGTERM`), and ends it after `grace`.
    pub(crate) async fn stop(&self, grace: Duration) -> Exit {
        self.signal(Signal::TERM);
        let how = match timeout(grace, self.wait()).await {
            Ok(how) => how,
            Err(_) => self.kill().await,
        };
        let logs = self.logs.take();
        Exit { how, logs }
    }

    /// Ends it at once.
    pub(crate) async fn kill(&self) -> Exited {
        self.signal(Signal::KILL);
        self.wait().await
    }

    /// The lines that it wrote since the last call.
    pub(crate) fn take_logs(&self) -> Vec<String> {
        self.logs.take()
    }

    fn signal(&self, signal: Signal) {
        if self.ended().is_none() {
            // Fails only when the group has ended just now, which is what is wanted.
            let _ = kill_process_group(self.group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// How often and how long a busy executable is waited for.
const BUSY_TRIES: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

async fn spawn(program: &Program) -> io::Result<Child> {
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .current_dir(&program.folder)
        .env_clear()
        .envs(&program.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    // A file that was just written counts as busy while any other thread is between fork and exec
    // and so holds a copy of the descriptor that wrote it. That is over in a moment.
    for _ in 1..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                sleep(BUSY_PAUSE).await;
            }
            result => return result,
        }
    }
    command.spawn()
}

fn process_id(child: &Child) -> io::Result<Pid> {
    child
        .id()
        .and_then(|id| Pid::from_raw(id.cast_signed()))
        .ok_or_else(|| io::Error::other("the process has no id"))
}

/// How long output is waited for after the end, should somebody outside the group hold it open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Collects the output of `child` until it and everything that it started has ended.
async fn attend(mut child: Child, group: Pid, logs: Arc<Logs>) -> Option<ExitStatus> {
    let output = child.stdout.take();
    let errors = child.stderr.take();
    let collected =
        tokio::spawn(async move { tokio::join!(logs.collect(output), logs.collect(errors)) });
    let status = child.wait().await.ok();
    // Whatever it started and left behind would keep its output open.
    let _ = kill_process_group(group, Signal::KILL);
    let _ = timeout(LAST_WORDS, collected).await;
    status
}

/// What `sh` runs beside each process: waits for a word on its standard input, and ends the group
/// when the input closes without one. That happens when mlfn is killed and can do nothing itself.
const WATCHDOG: &str = r#"read -r word; [ "$word" = released ] || kill -s KILL -- "-$1""#;

fn watchdog(group: Pid) -> io::Result<Child> {
    let group = OsString::from(group.as_raw_nonzero().to_string());
    Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "mlfn-watchdog"])
        .arg(group)
        .current_dir(Path::new("/"))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

async fn release(mut watchdog: Child) {
    if let Some(mut input) = watchdog.stdin.take() {
        // Fails only when somebody ended the watchdog, and then there is nothing to release.
        let _ = input.write_all(b"released\n").await;
    }
    let _ = watchdog.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(script: &str) -> Program {
        Program {
            path: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            folder: PathBuf::from("/"),
            environment: BTreeMap::from([("ONLY".to_owned(), "this".to_owned())]),
        }
    }

    #[tokio::test]
    async fn it_gets_the_given_environment_and_no_other() {
        let process = Process::spawn(&program("env >&2; pwd; exit 3"))
            .await
            .expect("starts");
        assert_eq!(process.wait().await, Exited::Code(3));
        let mut lines = process.take_logs();
        // The shell itself adds these.
        lines.retain(|line| {
            !["PWD=", "SHLVL=", "_=", "OLDPWD="]
                .iter()
                .any(|own| line.starts_with(own))
        });
        lines.sort();
        assert_eq!(lines, ["/", "ONLY=this"]);
    }

    #[tokio::test]
    async fn what_it_started_ends_with_it() {
        // The grandchild keeps the output open, so that waiting would take ten minutes.
        let process = Process::spawn(&program("sleep 600 & echo started"))
            .await
            .expect("starts");
        assert_eq!(process.wait().await, Exited::Code(0));
        assert_eq!(process.take_logs(), ["started"]);
    }

    #[tokio::test]
    async fn it_is_asked_first_and_ended_when_it_does_not_listen() {
        let polite = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
        let deaf = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
        for (script, expected) in [(polite, Exited::Code(0)), (deaf, Exited::Signal(9))] {
            let process = Process::spawn(&program(script)).await.expect("starts");
            let mut lines = Vec::new();
            while lines.is_empty() {
                tokio::task::yield_now().await;
                lines = process.take_logs();
            }
            let exit = process.stop(Duration::from_millis(500)).await;
            assert_eq!(exit.how, expected, "{script}");
        }
    }

    #[tokio::test]
    async fn a_missing_executable_is_named() {
        let program = Program {
            path: PathBuf::from("/nowhere/bootstrap"),
            ..program("")
        };
        let error = Process::spawn(&program).await.expect_err("does not start");
        let message = error.to_string();
        assert!(
            message.starts_with("cannot start /nowhere/bootstrap: "),
            "{message}"
        );
    }

    #[tokio::test]
    async fn the_watchdog_ends_the_group_when_mlfn_is_gone() {
        let mut child = spawn(&program("sleep 600 & wait")).await.expect("starts");
        let group = process_id(&child).expect("has an id");
        let mut watchdog = watchdog(group).expect("starts");
        // What the kernel does to the descriptors of a process that was killed.
        drop(watchdog.stdin.take());
        let status = child.wait().await.expect("ends");
        assert_eq!(Exited::of(status), Exited::Signal(9));
        watchdog.wait().await.expect("ends");
    }
}
