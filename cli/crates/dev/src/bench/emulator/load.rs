//! Requests, one after the other on each of some connections.

use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::wire::Wire;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Requests a second.
    pub(super) rate: f64,
    /// In milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Sample {
    pub(super) fn of(mut times: Vec<Duration>, took: Duration) -> anyhow::Result<Self> {
        times.sort();
        let at = |share: usize| times.get(times.len().checked_sub(1)? * share / 100);
        let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0;
        let count = u32::try_from(times.len()).context("too many requests")?;
        Ok(Self {
            rate: f64::from(count) / took.as_secs_f64(),
            p50: at(50).map(milliseconds).context("no request")?,
            p99: at(99).map(milliseconds).context("no request")?,
        })
    }
}

/// Where requests go, and what they are.
pub(super) struct Target {
    pub(super) port: u16,
    request: Vec<u8>,
}

impl Target {
    /// A `POST` of JSON.
    pub(super) fn new(port: u16, path: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        Self {
            port,
            request: (head + body).into_bytes(),
        }
    }

    fn connect(&self) -> anyhow::Result<Wire> {
        Wire::new(TcpStream::connect(("127.0.0.1", self.port))?)
    }

    fn exchange(&self, wire: &mut Wire) -> anyhow::Result<()> {
        wire.send(&self.request)?;
        let head = wire.receive()?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        Ok(())
    }

    /// Sends requests for some time.
    pub(super) fn run(&self, connections: usize, time: Duration) -> anyhow::Result<Sample> {
        at_once(connections, time, || {
            let mut wire = self.connect()?;
            self.exchange(&mut wire)?;
            Ok(move || self.exchange(&mut wire))
        })
    }

    /// Sends so many requests on each connection.
    pub(super) fn send(&self, connections: usize, each: usize) -> anyhow::Result<()> {
        let one = || {
            let mut wire = self.connect()?;
            (0..each).try_for_each(|_| self.exchange(&mut wire))
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
            let ends = threads.into_iter().map(join);
            ends.collect()
        })
    }
}

/// Does something again and again on several threads, each of which begins when all are ready.
pub(super) fn at_once<T>(
    threads: usize,
    time: Duration,
    prepare: impl Fn() -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Sample>
where
    T: FnMut() -> anyhow::Result<()>,
{
    let barrier = Barrier::new(threads);
    let one = || {
        let ready = prepare();
        barrier.wait();
        let mut step = ready?;
        let begin = Instant::now();
        let mut times = Vec::new();
        while begin.elapsed() < time {
            let sent = Instant::now();
            step()?;
            times.push(sent.elapsed());
        }
        anyhow::Ok(times)
    };
    let times = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let times = threads.into_iter().map(join);
        times.collect::<anyhow::Result<Vec<_>>>()
    })?;
    Sample::of(times.concat(), time)
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, anyhow::Result<T>>) -> anyhow::Result<T> {
    let ended = thread.join();
    ended.map_err(|_| anyhow::anyhow!("a thread panicked"))?
}
