//! What Azure and Google have in common: a process that serves HTTP on a port that it is told.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use mlfn_core::ProviderName;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::start_failed;
use crate::http::{self, Client, HttpError};
use crate::logs::Witness;
use crate::process::{Process, Program};
use crate::{EmulatorError, Exited, StartFailure};

/// How a platform finds out that the process is ready.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Probe {
    /// It accepts a connection.
    Connection,
    /// It answers `GET /`, with any status.
    Answer,
}

/// When a platform looks, and when it gives up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Startup {
    pub(crate) probe: Probe,
    pub(crate) pause: Duration,
    pub(crate) limit: Duration,
}

/// A process that serves HTTP.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    client: Client,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Exchange {
    Answered(Response<Bytes>),
    TooLarge,
    Broken(String),
    Exited(Exited),
    TimedOut,
}

impl Server {
    /// Starts what `program` makes of a free port, and waits until it is ready.
    pub(crate) async fn start(
        platform: ProviderName,
        startup: Startup,
        witness: &Arc<dyn Witness>,
        program: impl Fn(u16) -> Program,
    ) -> Result<Self, EmulatorError> {
        let port = free_port()?;
        let start = async |port| {
            let process = Process::spawn(&program(port), Arc::clone(witness)).await?;
            Self::await_ready(platform, startup, process, port).await
        };
        match start(port).await {
            // Somebody else may take the port between our looking and its binding. Once is bad
            // luck, twice is not.
            Err(EmulatorError::Start {
                failure: StartFailure::Exited(_),
                ..
            }) if is_taken(port) => start(free_port()?).await,
            result => result,
        }
    }

    async fn await_ready(
        platform: ProviderName,
        startup: Startup,
        process: Process,
        port: u16,
    ) -> Result<Self, EmulatorError> {
        let failure = tokio::select! {
            biased;
            how = process.wait() => StartFailure::Exited(how),
            ready = timeout(startup.limit, until_ready(startup, port)) => match ready {
                Ok(()) => return Ok(Self { process, client: Client::of(port) }),
                Err(_) => StartFailure::NotReady(startup.limit),
            },
        };
        Err(start_failed(platform, &process, failure).await)
    }

    /// The process.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Sends a request, and waits at most `time` for an answer of at most `size` bytes.
    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        time: Duration,
        size: usize,
    ) -> Result<Exchange, EmulatorError> {
        if let Some(how) = self.process.ended() {
            return Err(EmulatorError::Ended(how));
        }
        Ok(match timeout(time, self.client.send(request, size)).await {
            Err(_) => Exchange::TimedOut,
            Ok(Ok(response)) => Exchange::Answered(response),
            Ok(Err(HttpError::TooLarge)) => Exchange::TooLarge,
            Ok(Err(error)) => self.broken(&error).await,
        })
    }

    /// Tells a process that has ended from one that talks nonsense: the connection breaks a moment
    /// before the end is known.
    async fn broken(&self, error: &HttpError) -> Exchange {
        const MOMENT: Duration = Duration::from_millis(500);
        match timeout(MOMENT, self.process.wait()).await {
            Ok(how) => Exchange::Exited(how),
            Err(_) => Exchange::Broken(error.to_string()),
        }
    }
}

async fn until_ready(startup: Startup, port: u16) {
    loop {
        let ready = match startup.probe {
            Probe::Connection => TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_ok(),
            Probe::Answer => answers(port).await,
        };
        if ready {
            return;
        }
        sleep(startup.pause).await;
    }
}

async fn answers(port: u16) -> bool {
    match http::request("GET", "/", &[], &[]) {
        Ok(request) => Client::of(port).send(request, 64 * 1024).await.is_ok(),
        Err(_) => false,
    }
}

/// A port that is free at this moment.
fn free_port() -> Result<u16, EmulatorError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| EmulatorError::Machine {
            action: "find a free port on 127.0.0.1",
            source,
        })
}

fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}
