//! The queues on disk: each change is a line of JSON at the end of a file, which is written anew when
//! it has become much longer than what it says.
//!
//! What was sent is on the disk before its sender hears of it, and so is what was deleted. That
//! somebody has got a message is written as well, but not waited for: should the whole machine stop
//! just then, the message comes once more than it is counted.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_err::File;

use super::state::{Change, State};
use crate::cloud::record::replace;

/// The file in the cloud's folder.
pub(crate) const FILE: &str = "queues.jsonl";

/// So many lines may say nothing any more before the file is written anew.
const SLACK: usize = 4096;

/// The queues, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
    /// Up to which position everything is on the disk.
    safe: Mutex<u64>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    path: PathBuf,
    /// None until there is something to write.
    file: Option<Arc<File>>,
    /// Lines and bytes in it.
    lines: usize,
    bytes: u64,
    /// How often something was written.
    position: u64,
}

/// A point in the history of a [`Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(u64);

impl Store {
    /// Of a folder that may have none, and need not exist; nothing is made there before something
    /// is sent. What was being written when the machine stopped is left out.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let mut inner = Inner {
            state: State::default(),
            path: path.clone(),
            file: None,
            lines: 0,
            bytes: 0,
            position: 0,
        };
        match fs_err::read(&path) {
            Ok(bytes) => inner.read(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(error),
        }
        Ok(Self {
            inner: Mutex::new(inner),
            safe: Mutex::new(0),
        })
    }

    /// Does something and writes down what has changed by it.
    pub(crate) fn change<T>(
        &self,
        work: impl FnOnce(&mut State) -> T,
    ) -> io::Result<(T, Position)> {
        let mut inner = self.inner();
        let done = work(&mut inner.state);
        let changes = inner.state.take_changes();
        if !changes.is_empty() {
            inner.write(&changes)?;
        }
        Ok((done, Position(inner.position)))
    }

    /// Waits until everything up to a position is on the disk. Those who wait at the same time wait
    /// for one write.
    pub(crate) async fn keep(self: &Arc<Self>, Position(wanted): Position) -> io::Result<()> {
        let store = Arc::clone(self);
        let kept = tokio::task::spawn_blocking(move || {
            let mut safe = store.safe.lock().unwrap_or_else(PoisonError::into_inner);
            if *safe >= wanted {
                return Ok(());
            }
            let (file, position) = {
                let mut inner = store.inner();
                inner.tidy()?;
                (inner.file.clone(), inner.position)
            };
            if let Some(file) = file {
                file.sync_data()?;
            }
            *safe = position;
            Ok(())
        });
        kept.await.map_err(io::Error::other)?
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut good = 0;
        let mut rest = bytes.split_inclusive(|byte| *byte == b'\n');
        for line in rest.by_ref() {
            let Some(change) = parse(line) else {
                break;
            };
            self.state.apply(&change);
            self.lines += 1;
            good += line.len();
        }
        // Only the end of the file can be half written.
        if rest.any(|line| parse(line).is_some()) {
            let message = format!(
                "line {} of {} is damaged; remove the file and with it all messages",
                self.lines + 1,
                self.path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.bytes = good as u64;
        let file = fs_err::OpenOptions::new().append(true).open(&self.path)?;
        file.set_len(self.bytes)?;
        self.file = Some(Arc::new(file));
        Ok(())
    }

    fn write(&mut self, changes: &[Change]) -> io::Result<()> {
        let text = lines(changes)?;
        let file = self.file()?;
        if let Err(error) = (&*file).write_all(&text) {
            // Half a line would make the next one unreadable, too.
            file.set_len(self.bytes)?;
            return Err(error);
        }
        self.lines += changes.len();
        self.bytes += text.len() as u64;
        self.position += 1;
        Ok(())
    }

    fn file(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        // Made whole, so that nobody but its owner can read it.
        replace(&self.path, b"")?;
        self.reopen()
    }

    fn reopen(&mut self) -> io::Result<Arc<File>> {
        let file = fs_err::OpenOptions::new().append(true).open(&self.path)?;
        let file = Arc::new(file);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Writes the file anew if most of it says nothing any more.
    fn tidy(&mut self) -> io::Result<()> {
        if self.lines < SLACK + 4 * self.state.len() {
            return Ok(());
        }
        let changes = self.state.snapshot();
        let text = lines(&changes)?;
        replace(&self.path, &text)?;
        self.lines = changes.len();
        self.bytes = text.len() as u64;
        self.reopen()?;
        Ok(())
    }
}

fn parse(line: &[u8]) -> Option<Change> {
    serde_json::from_slice(line.strip_suffix(b"\n")?).ok()
}

fn lines(changes: &[Change]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for change in changes {
        serde_json::to_writer(&mut text, change)?;
        text.push(b'\n');
    }
    Ok(text)
}
