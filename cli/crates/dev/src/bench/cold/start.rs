//! One cold start under AWS's Runtime Interface Emulator.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use fs_err::File;

/// The memory of one whole processor: one thread for everybody.
const MEMORY: &str = "1769";

/// The slowest start takes two seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What took how long, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// As the emulator logs it: from the start of the bootstrap until it asks for an event.
    pub(super) init: f64,
    /// From the start of the emulator until the first answer.
    pub(super) answer: f64,
}

/// A bootstrap, and what it is asked.
pub(super) struct Bootstrap {
    /// The folder of the function.
    pub(super) folder: PathBuf,
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// Variables that it needs.
    pub(super) environment: Vec<(&'static str, String)>,
    /// The first event.
    pub(super) event: String,
}

impl Bootstrap {
    /// Starts it afresh, asks it once, and ends it.
    pub(super) fn start(&self, rie: &Path, log: &Path) -> anyhow::Result<Start> {
        let (front, api) = (free_address()?, free_address()?);
        let begin = Instant::now();
        let mut emulator = self.emulator(rie, log, front, api)?;
        let answer = ask(front, "function", &self.event, begin);
        let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
        end(&mut emulator)?;
        let text = fs_err::read_to_string(log)?;
        let answer = answer.with_context(|| text.clone())?;
        ensure!(
            answer.starts_with("HTTP/1.1 200") && !answer.contains("errorType"),
            "{answer}\n{text}"
        );
        Ok(Start {
            init: logged_init(&text).with_context(|| format!("no time of the start in {text}"))?,
            answer: milliseconds,
        })
    }

    fn emulator(
        &self,
        rie: &Path,
        log: &Path,
        front: SocketAddr,
        api: SocketAddr,
    ) -> anyhow::Result<Child> {
        let log = File::create(log)?.into_file();
        let mut command = Command::new(rie);
        command
            .args(["--log-level", "info"])
            .args(["--runtime-interface-emulator-address", &front.to_string()])
            .args(["--runtime-api-address", &api.to_string()])
            .args(&self.command)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LAMBDA_TASK_ROOT", &self.folder)
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "60")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY)
            .envs(self.environment.iter().cloned())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log));
        command.spawn().context("starting AWS's emulator")
    }
}

/// An answer with its head. The start of the bootstrap is part of the first request: emulators are
/// as lazy as that.
pub(super) fn ask(
    front: SocketAddr,
    function: &str,
    event: &str,
    begin: Instant,
) -> anyhow::Result<String> {
    let mut stream = loop {
        match TcpStream::connect(front) {
            Ok(stream) => break stream,
            Err(error) if begin.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => std::thread::yield_now(),
        }
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = event.len();
    let head = format!(
        "POST /2015-03-31/functions/{function}/invocations HTTP/1.1\r\nHost: {front}\r\n\
         X-Amz-Log-Type: Tail\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(event.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Politely: the emulator ends its bootstrap too.
fn end(emulator: &mut Child) -> anyhow::Result<()> {
    let id = emulator.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status()?;
    let begin = Instant::now();
    while emulator.try_wait()?.is_none() {
        if begin.elapsed() > PATIENCE {
            bail!("AWS's emulator does not end");
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn logged_init(log: &str) -> Option<f64> {
    let (_, rest) = log.split_once("INIT REPORT(durationMs: ")?;
    rest.split_once(')')?.0.parse().ok()
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
