//! The log of a function in a file: one JSON object a line, bounded, to be read by other processes
//! while it is written.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fs_err::File;
pub use mlfn_core::LogLine;
use tokio::sync::Notify;
use tokio::time::sleep;

/// A file that has grown over this makes room for a new one; one old one is kept.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// What waits to be written is bounded, too, should the disk not keep up.
const MAX_WAITING: usize = 8 * 1024 * 1024;

/// How long lines are gathered, so that a busy function does not make a call for each.
const GATHER: Duration = Duration::from_millis(20);

/// Writes lines to a file, soon.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    waiting: Mutex<Vec<u8>>,
    /// Held while the file is written.
    file: Mutex<()>,
    wake: Notify,
}

impl LogFile {
    /// In `path`, which need not exist. Needs a runtime, whose task writes.
    pub(crate) fn open(path: PathBuf) -> Arc<Self> {
        let log = Arc::new(Self {
            path,
            waiting: Mutex::default(),
            file: Mutex::default(),
            wake: Notify::new(),
        });
        let weak = Arc::downgrade(&log);
        tokio::spawn(async move {
            while let Some(log) = weak.upgrade() {
                // Without lines, it looks from time to time whether anybody needs it still.
                let _ = tokio::time::timeout(Duration::from_secs(1), log.wake.notified()).await;
                sleep(GATHER).await;
                log.flush().await;
            }
        });
        log
    }

    /// Adds a line.
    pub(crate) fn append(&self, line: &LogLine) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() > MAX_WAITING {
            return;
        }
        let was_empty = waiting.is_empty();
        // Texts and numbers always have a JSON form.
        if serde_json::to_writer(&mut *waiting, line).is_ok() {
            waiting.push(b'\n');
        }
        if was_empty {
            self.wake.notify_one();
        }
    }

    /// Writes what is waiting. A log that cannot be written is lost; the function runs on.
    pub(crate) async fn flush(self: &Arc<Self>) {
        let log = Arc::clone(self);
        let _ = tokio::task::spawn_blocking(move || log.write()).await;
    }

    fn write(&self) -> io::Result<()> {
        let _turn = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            make(folder)?;
        }
        if fs_err::metadata(&self.path).is_ok_and(|file| file.len() > MAX_FILE) {
            fs_err::rename(&self.path, older(&self.path))?;
        }
        let mut options = fs_err::OpenOptions::new();
        options.create(true).append(true);
        options.open(&self.path)?.write_all(&waiting)
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        // The last lines; there is nobody left to hear of an error.
        let _ = self.write();
    }
}

/// Makes a folder in one that there is. Who has taken that away wants no log in its place.
fn make(folder: &Path) -> io::Result<()> {
    match fs_err::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("1.jsonl")
}

/// Reads the log of a function, from its oldest line on, as it grows.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    /// The file that is being read, and how far.
    open: Option<(File, u64)>,
    partial: Vec<u8>,
    is_begun: bool,
}

impl LogReader {
    /// Of a file that may not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            open: None,
            partial: Vec::new(),
            is_begun: false,
        }
    }

    /// The lines that came since the last call. Lines of another form are left out.
    pub fn read(&mut self) -> io::Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            self.open = open(&older(&self.path))?;
        }
        self.read_open(&mut lines)?;
        if let Some(next) = self.next()? {
            self.open = Some(next);
            self.read_open(&mut lines)?;
        }
        Ok(lines)
    }

    /// The file at the path, if it is another one than the one that is open.
    fn next(&self) -> io::Result<Option<(File, u64)>> {
        let next = open(&self.path)?;
        let current = match &self.open {
            Some((file, _)) => Some(file.metadata()?.ino()),
            None => None,
        };
        match next {
            Some((file, at)) if Some(file.metadata()?.ino()) != current => Ok(Some((file, at))),
            _ => Ok(None),
        }
    }

    fn read_open(&mut self, lines: &mut Vec<LogLine>) -> io::Result<()> {
        let Some((file, at)) = &mut self.open else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(*at))?;
        *at += file.read_to_end(&mut self.partial)? as u64;
        let end = self.partial.iter().rposition(|byte| *byte == b'\n');
        let complete: Vec<u8> = self.partial.drain(..end.map_or(0, |end| end + 1)).collect();
        let texts = complete.split(|byte| *byte == b'\n');
        lines.extend(texts.filter_map(|text| serde_json::from_slice(text).ok()));
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<Option<(File, u64)>> {
    match File::open(path) {
        Ok(file) => Ok(Some((file, 0))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            time: 1,
            stream: "s".to_owned(),
            request: None,
            text: text.to_owned(),
        }
    }

    fn texts(reader: &mut LogReader) -> Vec<String> {
        let lines = reader.read().expect("reads");
        lines.into_iter().map(|line| line.text).collect()
    }

    #[tokio::test]
    async fn a_reader_sees_every_line_once_and_in_order() {
        let folder = TempDir::new().expect("makes a folder");
        let path = folder.path().join("logs/f.jsonl");
        let mut reader = LogReader::new(&path);
        assert_eq!(texts(&mut reader), Vec::<String>::new());
        let log = LogFile::open(path);
        log.append(&line("one"));
        log.append(&line("two\n\u{1f980}"));
        log.flush().await;
        assert_eq!(texts(&mut reader), ["one", "two\n\u{1f980}"]);
        log.append(&line("three"));
        log.flush().await;
        assert_eq!(texts(&mut reader), ["three"]);
        assert_eq!(texts(&mut reader), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_log_is_bounded_and_a_reader_follows_into_the_next_file() {
        let folder = TempDir::new().expect("makes a folder");
        let path = folder.path().join("f.jsonl");
        let log = LogFile::open(path.clone());
        let mut reader = LogReader::new(&path);
        let mebibyte = "x".repeat(1024 * 1024);
        let mut seen = 0;
        for _ in 0..20 {
            log.append(&line(&mebibyte));
            log.flush().await;
            seen += texts(&mut reader).len();
        }
        assert_eq!(seen, 20);
        let sizes = [path.clone(), older(&path)];
        let sizes = sizes.map(|path| fs_err::metadata(path).expect("exists").len());
        assert!(sizes.iter().all(|size| *size < 2 * MAX_FILE), "{sizes:?}");
        let kept = texts(&mut LogReader::new(&path)).len();
        assert!((9..20).contains(&kept), "{kept}");
    }
}
