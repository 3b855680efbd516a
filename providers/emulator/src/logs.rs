//! What a process writes, line by line, within bounds.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Longer lines are cut; CloudWatch does so at 256 KiB.
const MAX_LINE: usize = 256 * 1024;

/// More than this is not kept: the oldest lines go first.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The lines that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Logs(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    dropped: usize,
}

impl Logs {
    /// Reads to the end of `stream`. Never stops reading, or the writer would have to wait.
    pub(crate) async fn collect(&self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(stream) = stream else { return };
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while let Ok(chunk) = reader.fill_buf().await {
            if chunk.is_empty() {
                break;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let text = &chunk[..end.unwrap_or(chunk.len())];
            line.extend_from_slice(&text[..text.len().min(MAX_LINE - line.len())]);
            let used = end.map_or(chunk.len(), |end| end + 1);
            reader.consume(used);
            if end.is_some() {
                self.push(&line);
                line.clear();
            }
        }
        if !line.is_empty() {
            self.push(&line);
        }
    }

    /// The lines so far, which are then forgotten here.
    pub(crate) fn take(&self) -> Vec<String> {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let note = (kept.dropped > 0).then(|| format!("({} earlier lines dropped)", kept.dropped));
        note.into_iter().chain(kept.lines).collect()
    }

    fn push(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += line.len();
        kept.lines.push_back(line);
        while kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.lines.pop_front() else {
                break;
            };
            kept.bytes -= oldest.len();
            kept.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_kept_in_order_until_they_are_taken() {
        let logs = Logs::default();
        logs.collect(Some(&b"one\ntwo\n\nend \xff without newline"[..]))
            .await;
        assert_eq!(
            logs.take(),
            ["one", "two", "", "end \u{fffd} without newline"]
        );
        assert_eq!(logs.take(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_long_line_is_cut_and_what_is_too_much_goes_from_the_front() {
        let logs = Logs::default();
        let long = vec![b'x'; 3 * MAX_LINE];
        logs.collect(Some(&long[..])).await;
        assert_eq!(logs.take()[0].len(), MAX_LINE);

        let line = [vec![b'y'; 1023], vec![b'\n']].concat();
        logs.collect(Some(&line.repeat(2 * MAX_BYTES / 1024)[..]))
            .await;
        let lines = logs.take();
        assert!(lines[0].ends_with("earlier lines dropped)"), "{}", lines[0]);
        assert_eq!(lines.len(), 1 + MAX_BYTES / 1023);
    }
}
