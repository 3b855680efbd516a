//! Which files of a bucket are new and complete.
//!
//! The truth is what a look at the folder shows: a file whose size, time or number on the disk is
//! another than when it was told of the last time. What the system tells of files (on Linux) says
//! when to look, which files have a writer, and which have just lost theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fs_err as fs;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::bucket::{Bucket, ObjectInfo, entries, is_folder};
use super::notices::{Notice, Notices};
use crate::sources::tasks::Stop;

/// How long a file stays the same after its writer has closed it: some close and open it again.
pub(super) const CLOSED: Duration = Duration::from_millis(50);

/// How long a file stays the same of which nobody knows whether it has a writer.
pub(super) const UNKNOWN: Duration = Duration::from_secs(1);

/// How often to look where the system tells nothing.
const LOOK: Duration = Duration::from_millis(250);

/// How often to look where it does: it may have too much to tell.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// By which a file is seen to be another one than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    number: u64,
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self {
            size: found.len(),
            modified: found.modified().ok(),
            number: found.ino(),
        })
    }
}

/// A file that nobody has been told of.
#[derive(Debug, Clone, Copy)]
struct Pending {
    stamp: Stamp,
    since: Instant,
}

/// Watches one bucket.
#[derive(Debug)]
pub(super) struct Watcher {
    bucket: Arc<Bucket>,
    notices: Notices,
    /// What is known, and needs no telling.
    known: BTreeMap<PathBuf, Stamp>,
    pending: BTreeMap<PathBuf, Pending>,
    /// Files with writers.
    open: BTreeSet<PathBuf>,
    /// Files that have lost theirs.
    closed: BTreeSet<PathBuf>,
}

impl Watcher {
    /// Everything that is in the bucket now is known. Needs a runtime.
    pub(super) fn new(bucket: Arc<Bucket>) -> Self {
        let mut watcher = Self {
            notices: Notices::new(),
            bucket,
            known: BTreeMap::new(),
            pending: BTreeMap::new(),
            open: BTreeSet::new(),
            closed: BTreeSet::new(),
        };
        watcher.known = watcher.look().unwrap_or_default();
        watcher
    }

    /// Tells of each object, until it shall stop.
    pub(super) async fn run(mut self, tell: impl Fn(&ObjectInfo), mut stop: Stop) {
        loop {
            let (complete, next) = self.round();
            for key in complete {
                let bucket = Arc::clone(&self.bucket);
                // One that has gone again is no object.
                if let Ok(Ok(object)) = spawn_blocking(move || bucket.info(&key)).await {
                    tell(&object);
                }
            }
            tokio::select! {
                () = stop.asked() => return,
                () = self.hear() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// Looks once: the keys of what is complete, and when to look again.
    pub(super) fn round(&mut self) -> (Vec<String>, Instant) {
        let now = Instant::now();
        let look = if self.notices.is_deaf() {
            LOOK
        } else {
            LOOK_ANYWAY
        };
        let mut next = now + look;
        // A folder that cannot be read now may be the next time.
        let Ok(found) = self.look() else {
            return (Vec::new(), next);
        };
        self.forget_absent(&found);
        let mut complete = Vec::new();
        for (path, stamp) in found {
            if self.known.get(&path) == Some(&stamp) {
                continue;
            }
            let pending = self
                .pending
                .entry(path.clone())
                .or_insert(Pending { stamp, since: now });
            if pending.stamp != stamp {
                *pending = Pending { stamp, since: now };
            }
            let due = pending.since + self.patience(&path);
            if self.open.contains(&path) {
                continue;
            }
            if due > now {
                next = next.min(due);
                continue;
            }
            self.pending.remove(&path);
            self.closed.remove(&path);
            self.known.insert(path.clone(), stamp);
            complete.extend(self.bucket.key(&path));
        }
        (complete, next)
    }

    fn patience(&self, path: &Path) -> Duration {
        if self.closed.contains(path) {
            CLOSED
        } else {
            UNKNOWN
        }
    }

    /// All files. Folders are watched before they are read, so that nothing is missed.
    fn look(&mut self) -> io::Result<BTreeMap<PathBuf, Stamp>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.bucket.folder().to_path_buf()];
        while let Some(folder) = folders.pop() {
            self.notices.watch(&folder);
            for entry in entries(&folder)? {
                let path = entry.path();
                if is_folder(&entry) {
                    folders.push(path);
                } else if let Ok(stamp) = Stamp::of(&path) {
                    found.insert(path, stamp);
                }
            }
        }
        Ok(found)
    }

    /// What has gone is new when it comes again.
    fn forget_absent(&mut self, found: &BTreeMap<PathBuf, Stamp>) {
        self.known.retain(|path, _| found.contains_key(path));
        self.pending.retain(|path, _| found.contains_key(path));
        self.open.retain(|path| found.contains_key(path));
        self.closed.retain(|path| found.contains_key(path));
    }

    /// Waits until the system tells something, and keeps it in mind.
    pub(super) async fn hear(&mut self) {
        for notice in self.notices.next().await {
            match notice {
                Notice::Open(path) => {
                    self.closed.remove(&path);
                    self.open.insert(path);
                }
                Notice::Closed(path) => {
                    self.open.remove(&path);
                    self.closed.insert(path);
                }
                Notice::Other => {}
                Notice::Lost => self.open.clear(),
            }
        }
    }
}
