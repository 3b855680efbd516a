//! What a process writes, line by line, within bounds.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;
use tokio::net::unix::pipe;

/// Longer lines are cut; CloudWatch does so at 256 KiB.
const MAX_LINE: usize = 256 * 1024;

/// More than this is not kept: the oldest lines go first.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How much is read at a time: many times what is written for a request.
const CHUNK: usize = 4 * 1024;

/// Who is told about a process.
pub(crate) trait Witness: fmt::Debug + Send + Sync {
    /// It has started.
    fn born(&self, _process: Pid) {}

    /// It wrote a line, which comes without its end and may not be text.
    fn line(&self, line: &[u8]);
}

/// Cuts what comes through a pipe into lines.
#[derive(Debug)]
pub(crate) struct Lines {
    pipe: pipe::Receiver,
    /// The line that has no end yet.
    partial: Mutex<Vec<u8>>,
}

impl Lines {
    pub(crate) fn of(end: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: pipe::Receiver::from_owned_fd(end)?,
            partial: Mutex::default(),
        })
    }

    /// Reads to the end. Never stops reading, or the writer would have to wait.
    pub(crate) async fn follow(&self, witness: &dyn Witness) {
        while self.pipe.readable().await.is_ok() {
            if !self.read_available(witness) {
                break;
            }
        }
        let mut partial = self.partial();
        if !partial.is_empty() {
            witness.line(&partial);
            partial.clear();
        }
    }

    /// Reads what is there already, without waiting for the runtime to notice that it is.
    pub(crate) fn drain(&self, witness: &dyn Witness) {
        let mut partial = self.partial();
        let mut chunk = [0; CHUNK];
        while let Ok(read @ 1..) = rustix::io::read(&self.pipe, &mut chunk) {
            cut(&mut partial, &chunk[..read], witness);
            if read < CHUNK {
                return;
            }
        }
    }

    /// False at the end.
    fn read_available(&self, witness: &dyn Witness) -> bool {
        let mut partial = self.partial();
        let mut chunk = [0; CHUNK];
        loop {
            match self.pipe.try_read(&mut chunk) {
                Ok(0) => return false,
                Ok(read) => cut(&mut partial, &chunk[..read], witness),
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    fn partial(&self) -> MutexGuard<'_, Vec<u8>> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut(partial: &mut Vec<u8>, chunk: &[u8], witness: &dyn Witness) {
    for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
        let text = piece.strip_suffix(b"\n").unwrap_or(piece);
        let room = MAX_LINE - partial.len();
        partial.extend_from_slice(&text[..text.len().min(room)]);
        if text.len() < piece.len() {
            witness.line(partial);
            partial.clear();
        }
    }
}

/// Keeps lines until somebody takes them.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Lot>);

#[derive(Debug, Default)]
struct Lot {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: usize,
}

impl Kept {
    /// The lines so far, which are then forgotten here.
    pub(crate) fn take(&self) -> Vec<String> {
        let lot = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let note = (lot.dropped > 0).then(|| format!("({} earlier lines dropped)", lot.dropped));
        note.into_iter().chain(lot.lines).collect()
    }
}

impl Witness for Kept {
    fn line(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let mut lot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lot.bytes += line.len();
        lot.lines.push_back(line);
        while lot.bytes > MAX_BYTES {
            let Some(oldest) = lot.lines.pop_front() else {
                break;
            };
            lot.bytes -= oldest.len();
            lot.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What is kept of a process that writes `bytes`.
    async fn collect(kept: &Kept, bytes: &[u8]) {
        let (reader, mut writer) = std::io::pipe().expect("makes a pipe");
        let lines = Lines::of(reader.into()).expect("is a pipe");
        let bytes = bytes.to_vec();
        let write = tokio::task::spawn_blocking(move || writer.write_all(&bytes));
        lines.follow(kept).await;
        write.await.expect("ends").expect("writes");
    }

    #[tokio::test]
    async fn lines_are_kept_in_order_until_they_are_taken() {
        let kept = Kept::default();
        collect(&kept, b"one\ntwo\n\nend \xff without newline").await;
        assert_eq!(
            kept.take(),
            ["one", "two", "", "end \u{fffd} without newline"]
        );
        assert_eq!(kept.take(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_long_line_is_cut_and_what_is_too_much_goes_from_the_front() {
        let kept = Kept::default();
        collect(&kept, &vec![b'x'; 3 * MAX_LINE]).await;
        assert_eq!(kept.take()[0].len(), MAX_LINE);

        let line = [vec![b'y'; 1023], vec![b'\n']].concat();
        collect(&kept, &line.repeat(2 * MAX_BYTES / 1024)).await;
        let lines = kept.take();
        assert!(lines[0].ends_with("earlier lines dropped)"), "{}", lines[0]);
        assert_eq!(lines.len(), 1 + MAX_BYTES / 1023);
    }

    #[tokio::test]
    async fn what_was_written_is_there_at_once_and_once_only() {
        let kept = Kept::default();
        let (reader, mut writer) = std::io::pipe().expect("makes a pipe");
        let lines = Lines::of(reader.into()).expect("is a pipe");
        writer.write_all(b"one\ntw").expect("writes");
        lines.drain(&kept);
        assert_eq!(kept.take(), ["one"]);
        writer.write_all(b"o\n").expect("writes");
        drop(writer);
        lines.follow(&kept).await;
        assert_eq!(kept.take(), ["two"]);
    }
}
