//! HTTP/1.1 as far as a benchmark needs it: messages over a connection that stays.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context, ensure};

/// One side of a connection, with room for its messages that is used again and again.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 64 * 1024],
            filled: 0,
        })
    }

    pub(super) fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(message)?)
    }

    /// Waits for a whole message, and returns it up to its body.
    pub(super) fn receive(&mut self) -> anyhow::Result<&str> {
        self.filled = 0;
        loop {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let read = self.stream.read(room)?;
            ensure!(read > 0, "the connection ended");
            self.filled += read;
            if let Some(head) = self.head()
                && self.is_whole(head)
            {
                let head = self.buffer.get(..head).unwrap_or_default();
                return std::str::from_utf8(head).context("a head that is no text");
            }
        }
    }

    fn message(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Where the body begins.
    fn head(&self) -> Option<usize> {
        let message = self.message();
        let end = message.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        Some(end + 4)
    }

    fn is_whole(&self, head: usize) -> bool {
        let (head, body) = self.message().split_at(head);
        let lines = head.split(|byte| *byte == b'\n');
        for line in lines {
            if let Some(length) = after(line, b"content-length:") {
                return length.trim().parse() == Ok(body.len());
            }
            if after(line, b"transfer-encoding:").is_some() {
                return body.ends_with(b"0\r\n\r\n");
            }
        }
        true
    }
}

/// What follows the name of a header.
fn after<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let (found, value) = line.split_at_checked(name.len())?;
    let value = std::str::from_utf8(value).ok();
    value.filter(|_| found.eq_ignore_ascii_case(name))
}
