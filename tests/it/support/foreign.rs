//! Servers that others wrote, as long as a test needs them.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_mins(1);

/// How often it is started, should others take its ports.
const TRIES: u32 = 3;

/// How long it may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running server. It and everything in its process group ends with this.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    group: Pid,
    output: NamedTempFile,
    /// Where it listens.
    pub(crate) port: u16,
}

impl Server {
    /// Starts what `command` makes of free ports of 127.0.0.1, and waits until it listens on the
    /// first of them. Others may take a port before it does, so there are several tries.
    pub(crate) async fn start<const PORTS: usize>(
        command: impl Fn([u16; PORTS]) -> Command,
    ) -> Self {
        for _ in 0..TRIES {
            let ports = free_ports();
            match Self::start_on(command(ports), ports[0]).await {
                Err(problem) if problem.to_lowercase().contains("address already in use") => {}
                other => return other.unwrap_or_else(|problem| panic!("{problem}")),
            }
        }
        panic!("{TRIES} times, others took its ports");
    }

    async fn start_on(mut command: Command, port: u16) -> Result<Self, String> {
        let output = NamedTempFile::new().expect("makes a file");
        let file = || output.reopen().expect("opens the file again");
        command
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file())
            .process_group(0)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = id.expect("has an id");
        let mut server = Self {
            child,
            group,
            output,
            port,
        };
        server.until_listening().await?;
        Ok(server)
    }

    /// Nobody tells when a foreign server is ready, so that it has to be looked for.
    async fn until_listening(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .await
            .is_err()
        {
            if let Some(status) = self.child.try_wait().expect("can be asked") {
                return Err(format!("it ended with {status}\n{}", self.output()));
            }
            if start.elapsed() > START_LIMIT {
                return Err(format!("it does not listen\n{}", self.output()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        fs_err::read_to_string(self.output.path()).expect("reads")
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("runs")
    }

    /// Asks it to end, and waits for that. Returns what it has written, and its exit code.
    pub(crate) async fn stop(mut self) -> (String, Option<i32>) {
        kill_process_group(self.group, Signal::TERM).expect("runs");
        let ended = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it does not end\n{}", self.output()));
        (self.output(), status.expect("ends").code())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when all have ended, which is what is wanted.
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

/// Different ports that are free at this moment.
fn free_ports<const PORTS: usize>() -> [u16; PORTS] {
    let listeners =
        [(); PORTS].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds"));
    listeners.map(|listener| listener.local_addr().expect("has an address").port())
}
