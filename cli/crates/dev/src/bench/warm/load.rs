//! Requests, one after the other on each of some connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Requests a second.
    pub(super) rate: f64,
    /// In milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Where a request goes, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) port: u16,
    pub(super) bytes: Vec<u8>,
}

impl Request {
    /// A `POST`.
    pub(super) fn post(port: u16, path: &str, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{headers}\r\n");
        let bytes = [head.as_bytes(), body].concat();
        Self { port, bytes }
    }

    /// Sends it again and again for some time. The first answers do not count: they make the server
    /// do what it does once.
    pub(super) fn run(&self, connections: usize, time: Duration) -> anyhow::Result<Sample> {
        let one = || self.send_for(time);
        let times = thread::scope(|scope| {
            let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
            let times = threads.into_iter().map(|thread| match thread.join() {
                Ok(times) => times,
                Err(_) => bail!("a thread panicked"),
            });
            times.collect::<anyhow::Result<Vec<_>>>()
        })?;
        sample(times.concat(), time)
    }

    fn send_for(&self, time: Duration) -> anyhow::Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; 64 * 1024];
        self.exchange(&mut stream, &mut buffer)?;
        let begin = Instant::now();
        let mut times = Vec::new();
        while begin.elapsed() < time {
            let sent = Instant::now();
            self.exchange(&mut stream, &mut buffer)?;
            times.push(sent.elapsed());
        }
        Ok(times)
    }

    fn exchange(&self, stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
        stream.write_all(&self.bytes)?;
        let mut filled = 0;
        loop {
            let room = buffer.get_mut(filled..).unwrap_or_default();
            let read = stream.read(room)?;
            ensure!(
                read > 0,
                "the server closed the connection or said too much"
            );
            filled += read;
            let said = buffer.get(..filled).unwrap_or_default();
            if let Some(size) = size(said)? {
                ensure!(filled <= size, "more than one answer");
                if filled == size {
                    return Ok(());
                }
            }
        }
    }
}

/// How long an answer is with its head, as soon as that is known.
fn size(said: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = said.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = str::from_utf8(said.get(..end).unwrap_or_default())?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("{}", String::from_utf8_lossy(said));
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("no length")?.trim().parse()?;
    Ok(Some(end + 4 + length))
}

fn sample(mut times: Vec<Duration>, took: Duration) -> anyhow::Result<Sample> {
    times.sort();
    let at = |share: usize| times.get(times.len().checked_sub(1)? * share / 100);
    let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0;
    let count = u32::try_from(times.len())?;
    Ok(Sample {
        rate: f64::from(count) / took.as_secs_f64(),
        p50: at(50).map(milliseconds).context("no answer in time")?,
        p99: at(99).map(milliseconds).context("no answer in time")?,
    })
}
