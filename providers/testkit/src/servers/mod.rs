//! Servers that others wrote, as long as a test needs them: on a free port of 127.0.0.1, and gone
//! with the test, however that ends.

mod aws;
mod azurite;

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

pub use aws::{Ministack, Moto};
pub use azurite::Azurite;

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_mins(1);

/// How often it is started, should others take its ports.
const TRIES: u32 = 3;

/// How long it may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to answer a request of [`Server::ask`].
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Nobody tells when a foreign process is ready or over, so that it has to be looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Becomes the program in its arguments, and leaves a process behind that takes away its files and
/// kills the whole group when the standard input ends: when the test's process is gone, even if that
/// was killed.
const LEASH: &str =
    r#"exec 3<&0; (read -r _ <&3; rm -rf "$TMPDIR"; kill -KILL 0) & exec "$@" 3<&- </dev/null"#;

/// The file of [`Server::output`].
const OUTPUT: &str = "output";

/// When a server is ready.
#[derive(Debug, Clone, Copy)]
pub enum Ready {
    /// It accepts connections.
    Listening,
    /// It answers `GET` of this path with 200.
    Answering(&'static str),
}

/// A running server. It and everything in its process group ends with this, or with the process
/// that started it. Nothing here needs a tokio runtime, so that a test binary can keep one server in
/// a `static` for all of its tests.
#[derive(Debug)]
pub struct Server {
    child: Child,
    group: Pid,
    /// Its temporary files, and what it has written to its standard output.
    files: TempDir,
    /// Where it listens.
    pub port: u16,
}

impl Server {
    /// Starts `program` with what `set_up` makes of free ports of 127.0.0.1, and waits until it is
    /// ready on the first of them. Others may take a port before it does, so there are several
    /// tries.
    ///
    /// # Panics
    ///
    /// If it does not start; with what it has written.
    pub fn start<const PORTS: usize>(
        program: impl AsRef<OsStr>,
        ready: Ready,
        set_up: impl Fn(&mut Command, [u16; PORTS]),
    ) -> Self {
        for _ in 0..TRIES {
            let ports = free_ports();
            let mut command = on_a_leash(program.as_ref());
            set_up(&mut command, ports);
            match Self::start_on(&mut command, ports[0], ready) {
                Err(problem) if is_about_ports(&problem) => {}
                other => return other.unwrap_or_else(|problem| panic!("{problem}")),
            }
        }
        panic!("{TRIES} times, others took its ports");
    }

    fn start_on(command: &mut Command, port: u16, ready: Ready) -> Result<Self, String> {
        let files = TempDir::new().expect("makes a folder");
        // One and the same, as each would overwrite what another has written at its own position.
        let file = fs_err::File::create(files.path().join(OUTPUT)).expect("makes a file");
        let file = file.into_file();
        let child = command
            .env("TMPDIR", files.path())
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("is open"))
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let group = Pid::from_raw(child.id().cast_signed()).expect("has an id");
        let mut server = Self {
            child,
            group,
            files,
            port,
        };
        server.until(ready)?;
        Ok(server)
    }

    fn until(&mut self, ready: Ready) -> Result<(), String> {
        let start = Instant::now();
        while !self.is(ready) {
            if let Some(status) = self.child.try_wait().expect("can be asked") {
                return Err(format!("it ended with {status}\n{}", self.output()));
            }
            if start.elapsed() > START_LIMIT {
                return Err(format!("it does not get ready\n{}", self.output()));
            }
            sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn is(&self, ready: Ready) -> bool {
        match ready {
            Ready::Listening => TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok(),
            Ready::Answering(path) => self.ask("GET", path).is_ok_and(|status| status == 200),
        }
    }

    /// Sends a request without a body, and returns the status of the answer.
    ///
    /// # Errors
    ///
    /// If there is no answer in the form of HTTP.
    pub fn ask(&self, method: &str, path: &str) -> std::io::Result<u16> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let head = "Host: localhost\r\nContent-Length: 0\r\nConnection: close\r\n";
        write!(stream, "{method} {path} HTTP/1.1\r\n{head}\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        status.ok_or_else(|| std::io::Error::other(format!("not HTTP: {answer}")))
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has written so far.
    ///
    /// # Panics
    ///
    /// If that cannot be read.
    pub fn output(&self) -> String {
        let bytes = fs_err::read(self.files.path().join(OUTPUT)).expect("reads");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits for that. Returns what it has written, and its exit code.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn stop(mut self) -> (String, Option<i32>) {
        kill_process_group(self.group, Signal::TERM).expect("runs");
        let status = self.until_ended();
        (self.output(), status.code())
    }

    fn until_ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        while start.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait().expect("can be asked") {
                return status;
            }
            sleep(LOOK_EVERY);
        }
        panic!("it does not end\n{}", self.output());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when all have ended, which is what is wanted.
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A program that ends with the standard input that it is given.
fn on_a_leash(program: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", LEASH, "leash"]).arg(program);
    command
}

fn is_about_ports(problem: &str) -> bool {
    let problem = problem.to_lowercase();
    problem.contains("address already in use") || problem.contains("eaddrinuse")
}

/// Different ports that are free at this moment.
fn free_ports<const PORTS: usize>() -> [u16; PORTS] {
    let listeners =
        [(); PORTS].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds"));
    listeners.map(|listener| listener.local_addr().expect("has an address").port())
}
