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
use crate::invocation::Exited;
use crate::logs::{Lines, Witness};

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
    output: Arc<Output>,
}

/// What it writes, and where that goes.
#[derive(Debug)]
struct Output {
    pipes: [Lines; 2],
    witness: Arc<dyn Witness>,
}

impl Output {
    fn of(child: &mut Child, witness: Arc<dyn Witness>) -> io::Result<Self> {
        let missing = || io::Error::other("the process has no output");
        let output = child.stdout.take().ok_or_else(missing)?.into_owned_fd()?;
        let errors = child.stderr.take().ok_or_else(missing)?.into_owned_fd()?;
        let pipes = [Lines::of(output)?, Lines::of(errors)?];
        Ok(Self { pipes, witness })
    }

    async fn follow(&self) {
        let [output, errors] = &self.pipes;
        tokio::join!(output.follow(&*self.witness), errors.follow(&*self.witness));
    }
}

impl Process {
    /// Starts `program` in a process group of its own, with nothing on its standard input, whose
    /// lines go to `witness`.
    pub(crate) async fn spawn(
        program: &Program,
        witness: Arc<dyn Witness>,
    ) -> Result<Self, EmulatorError> {
        let failed = |source| EmulatorError::Spawn {
            path: program.path.clone(),
            source,
        };
        let mut child = spawn(program).await.map_err(failed)?;
        let group = process_id(&child).map_err(failed)?;
        witness.born(group);
        let output = Arc::new(Output::of(&mut child, witness).map_err(failed)?);
        let watchdog = watchdog(group).map_err(|source| EmulatorError::Machine {
            action: "run `sh`, which ends the function should mlfn be killed",
            source,
        })?;
        let (sender, exit) = watch::channel(None);
        let attended = attend(child, group, Arc::clone(&output));
        tokio::spawn(async move {
            let status = attended.await;
            release(watchdog).await;
            sender.send_replace(status);
        });
        Ok(Self {
            group,
            exit,
            output,
        })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<Exited> {
        self.exit.borrow().map(Exited::of)
    }

    /// Waits for its end. The witness has all of its output by then.
    pub(crate) async fn wait(&self) -> Exited {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await.ok().and_then(|s| *s);
        // The sender sends before it goes, unless the runtime shuts down with a kill.
        status.map_or(Exited::Signal(Signal::KILL.as_raw()), Exited::of)
    }

    /// Asks it to end (`SIGTERM`), and ends it after `grace`.
    pub(crate) async fn stop(&self, grace: Duration) -> Exited {
        self.signal(Signal::TERM);
        // What is stopped hears nothing.
        self.signal(Signal::CONT);
        match timeout(grace, self.wait()).await {
            Ok(how) => how,
            Err(_) => self.kill().await,
        }
    }

    /// Ends it at once.
    pub(crate) async fn kill(&self) -> Exited {
        self.signal(Signal::KILL);
        self.wait().await
    }

    /// Passes on what it has written up to now.
    pub(crate) fn drain(&self) {
        for pipe in &self.output.pipes {
            pipe.drain(&*self.output.witness);
        }
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
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Collects the output of `child` until it and everything that it started has ended.
async fn attend(mut child: Child, group: Pid, output: Arc<Output>) -> Option<ExitStatus> {
    let collected = tokio::spawn(async move { output.follow().await });
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
    use crate::logs::Kept;

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
        let kept = Arc::new(Kept::default());
        let process = Process::spawn(&program("env >&2; pwd; exit 3"), kept.clone())
            .await
            .expect("starts");
        assert_eq!(process.wait().await, Exited::Code(3));
        let mut lines = kept.take();
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
        // Waiting would take longer if it kept the output open.
        let kept = Arc::new(Kept::default());
        let process = Process::spawn(&program("sleep 600 & echo started"), kept.clone())
            .await
            .expect("starts");
        let wait = timeout(LAST_WORDS / 2, process.wait());
        assert_eq!(wait.await, Ok(Exited::Code(0)));
        assert_eq!(kept.take(), ["started"]);
    }

    #[tokio::test]
    async fn it_is_asked_first_and_ended_when_it_does_not_listen() {
        let polite = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
        let deaf = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
        for (script, expected) in [(polite, Exited::Code(0)), (deaf, Exited::Signal(9))] {
            let kept = Arc::new(Kept::default());
            let process = Process::spawn(&program(script), kept.clone())
                .await
                .expect("starts");
            while kept.take().is_empty() {
                tokio::task::yield_now().await;
            }
            let how = process.stop(Duration::from_millis(500)).await;
            assert_eq!(how, expected, "{script}");
        }
    }

    #[tokio::test]
    async fn a_missing_executable_is_named() {
        let program = Program {
            path: PathBuf::from("/nowhere/bootstrap"),
            ..program("")
        };
        let spawned = Process::spawn(&program, Arc::new(Kept::default())).await;
        let error = spawned.expect_err("does not start");
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
