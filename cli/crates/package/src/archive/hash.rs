//! A writer that hashes: on another core, because both take about as long.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use mlfn_core::Digest;
use sha2::{Digest as _, Sha256};

/// Bytes that are written and hashed at a time.
const BUFFER: usize = 1 << 18;

/// Buffers there are: one is filled, the others are hashed.
const BUFFERS: usize = 4;

/// Counts and hashes what passes through.
pub(crate) struct HashWriter<W> {
    inner: W,
    /// What is not yet written.
    buffer: Vec<u8>,
    /// Bytes so far.
    size: u64,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Sha256>,
}

impl<W: Write> HashWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        let (full, filled) = sync_channel::<Vec<u8>>(BUFFERS);
        let (emptied, empty) = sync_channel(BUFFERS);
        for _ in 1..BUFFERS {
            // It has room for all of them.
            let _ = emptied.send(Vec::with_capacity(BUFFER));
        }
        let thread = thread::spawn(move || {
            let mut hash = Sha256::new();
            for mut buffer in filled {
                hash.update(&buffer);
                buffer.clear();
                // Nobody wants it back at the end.
                let _ = emptied.send(buffer);
            }
            hash
        });
        Self {
            inner,
            buffer: Vec::with_capacity(BUFFER),
            size: 0,
            full,
            empty,
            thread,
        }
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The digest of all bytes, which are written then.
    pub(super) fn finish(mut self) -> io::Result<Digest> {
        self.hand_on()?;
        self.inner.flush()?;
        drop(self.full);
        let hash = self.thread.join().map_err(|_| ended())?;
        Ok(Digest::from_sha256(&hash.finalize()))
    }

    /// Writes what is in the buffer, and has it hashed.
    fn hand_on(&mut self) -> io::Result<()> {
        self.inner.write_all(&self.buffer)?;
        let empty = self.empty.recv().map_err(|_| ended())?;
        let full = std::mem::replace(&mut self.buffer, empty);
        self.full.send(full).map_err(|_| ended())
    }
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == BUFFER {
            self.hand_on()?;
        }
        let taken = bytes.len().min(BUFFER - self.buffer.len());
        self.buffer
            .extend_from_slice(bytes.get(..taken).unwrap_or_default());
        self.size += taken as u64;
        Ok(taken)
    }

    /// Does nothing: a buffer is written when it is full, and the last one by [`Self::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that hashes has ended")
}
