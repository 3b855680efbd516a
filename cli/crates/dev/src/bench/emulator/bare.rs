//! The shim with nothing around it but the Runtime API that it asks for work, which costs next to
//! nothing here.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::load::{Sample, at_once};
use super::wire::Wire;

/// A shim that waits for work. Ends with this.
struct Shim {
    child: Child,
    wire: Wire,
    event: Vec<u8>,
}

/// Sends requests for some time, to a shim for each that runs at a time.
pub(super) fn run(
    package: &Path,
    body: &str,
    shims: usize,
    time: Duration,
) -> anyhow::Result<Sample> {
    at_once(shims, time, || {
        let mut shim = Shim::start(package, body)?;
        shim.exchange()?;
        Ok(move || shim.exchange())
    })
}

impl Shim {
    fn start(package: &Path, body: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let child = Command::new(package.join("bootstrap"))
            .current_dir(package)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .env("LAMBDA_TASK_ROOT", package)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("starting the shim")?;
        let mut wire = Wire::new(listener.accept()?.0)?;
        wire.receive()?;
        let event = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
             lambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 9999999999999\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self {
            child,
            wire,
            event: event.into_bytes(),
        })
    }

    /// An event, its answer, and the next question.
    fn exchange(&mut self) -> anyhow::Result<()> {
        self.wire.send(&self.event)?;
        let answer = self.wire.receive()?;
        ensure!(answer.contains("/response"), "{answer}");
        self.wire
            .send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
        self.wire.receive()?;
        Ok(())
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
