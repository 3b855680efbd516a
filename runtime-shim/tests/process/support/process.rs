//! Shims as processes.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use mlfn_shim_contract::env::HOST;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{Answer, Connection, Package, json, post};

/// Nothing in these tests takes as long, even when the machine has other things to do.
const LIMIT: Duration = Duration::from_mins(2);

/// A running shim. It ends with its owner.
pub(crate) struct Shim {
    child: Child,
    lines: Receiver<String>,
    /// What was read from the log.
    log: Vec<Json>,
    address: String,
    _package: Option<TempDir>,
}

impl Shim {
    /// Starts a binary with these variables, on the loopback interface, and with no others.
    pub(crate) fn start(binary: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_in(None, binary, variables)
    }

    /// Keeps the folder of a package as long as the process.
    fn start_in(package: Option<TempDir>, binary: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env(HOST, "127.0.0.1")
            .envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = spawn(&mut command).expect("the shim starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            log: Vec::new(),
            address: String::new(),
            _package: package,
        }
    }

    /// Starts the shim of a package with these variables.
    pub(crate) fn with(package: &Package, variables: &[(&str, &str)]) -> Self {
        let folder = package.write();
        let root = folder.path().to_str().expect("text").to_owned();
        let mut all = vec![("MLFN_ROOT", root.as_str())];
        all.extend(variables);
        let binary = Path::new(env!("CARGO_BIN_EXE_mlfn-shim"));
        Self::start_in(Some(folder), binary, &all)
    }

    /// Starts it as a server with a port of its choice, and waits until it listens.
    pub(crate) fn serving(package: &Package, variables: &[(&str, &str)]) -> Self {
        let mut shim = Self::with(package, variables);
        let line = shim.wait_for("listening");
        line["address"]
            .as_str()
            .expect("an address")
            .clone_into(&mut shim.address);
        shim
    }

    /// An HTTP server, as on Google.
    pub(crate) fn http(package: &Package) -> Self {
        Self::serving(package, &[("PORT", "0")])
    }

    /// A custom handler, as on Azure.
    pub(crate) fn azure(package: &Package) -> Self {
        Self::serving(package, &[("FUNCTIONS_CUSTOMHANDLER_PORT", "0")])
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A new connection.
    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::to(&self.address)
    }

    /// Posts JSON on a new connection.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.connect().send(&post(path, &[], body))
    }

    /// Posts a request to the route of the package.
    #[track_caller]
    pub(crate) fn predict(&self, body: &str) -> Answer {
        self.post("/predict", body)
    }

    /// The prediction on a good request.
    #[track_caller]
    pub(crate) fn prediction(&self, body: &str) -> Json {
        let answer = self.predict(body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        json(&answer.body)["prediction"].clone()
    }

    /// Reads the log until a line has this message. All lines must be objects of JSON.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, message: &str) -> Json {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no `{message}` in the log: {:#?}", self.log);
            };
            let line = json(&line);
            assert!(line.is_object(), "{line}");
            self.log.push(line.clone());
            let found = line["message"].as_str().expect("a message");
            if found.contains(message) {
                return line;
            }
        }
    }

    /// Whether the log as far as it was read has a line with this text.
    pub(crate) fn has_said(&self, message: &str) -> bool {
        let mut messages = self.log.iter().map(|line| line["message"].as_str());
        messages.any(|found| found.is_some_and(|found| found.contains(message)))
    }

    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status();
        assert!(killed.expect("kill runs").success());
    }

    /// Waits until it has ended: how, and everything in its log.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<Json>) {
        let end = Instant::now() + LIMIT;
        // The pipe closes when the process ends.
        loop {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                left > Duration::ZERO,
                "the shim does not end: {:#?}",
                self.log
            );
            match self.lines.recv_timeout(left) {
                Ok(line) => self.log.push(json(&line)),
                Err(_) => break,
            }
        }
        let status = self.child.wait().expect("it has ended");
        (status, std::mem::take(&mut self.log))
    }

    /// Asks it to end and checks that it ends well.
    #[track_caller]
    pub(crate) fn stopped(self) -> Vec<Json> {
        self.terminate();
        let (status, log) = self.ended();
        assert_eq!(status.code(), Some(0), "{log:#?}");
        log
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another test that starts a process while this one writes the binary holds it open until that
/// process runs its own program.
fn spawn(command: &mut Command) -> io::Result<Child> {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
            started => return started,
        }
    }
}
