//! What the system tells of files: on Linux by inotify (`man 7 inotify`), elsewhere nothing.

use std::path::PathBuf;

/// Something that happened to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// Somebody writes to it.
    Open(PathBuf),
    /// Nobody does any more, or it came here as a whole.
    Closed(PathBuf),
    /// Something else in the folders.
    Other,
    /// There was too much to tell.
    Lost,
}

#[cfg(target_os = "linux")]
pub(super) use self::linux::Notices;
#[cfg(not(target_os = "linux"))]
pub(super) use self::none::Notices;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ffi::OsStr;
    use std::fs::symlink_metadata;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Path, PathBuf};

    use rustix::fs::inotify::{CreateFlags, Event, ReadFlags, Reader, WatchFlags, add_watch, init};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::Notice;

    /// Bytes for what is read at a time.
    const BUFFER: usize = 16 * 1024;

    /// The notices of some folders.
    #[derive(Debug)]
    pub(in super::super) struct Notices {
        /// None if the system gives no more of them.
        source: Option<AsyncFd<OwnedFd>>,
        /// By the number of their watch.
        folders: BTreeMap<i32, PathBuf>,
        watched: BTreeSet<PathBuf>,
    }

    impl Notices {
        /// Of no folder yet. Needs a runtime.
        pub(in super::super) fn new() -> Self {
            let source = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
            Self {
                source: source.and_then(registered),
                folders: BTreeMap::new(),
                watched: BTreeSet::new(),
            }
        }

        /// Whether there are none.
        pub(in super::super) fn is_deaf(&self) -> bool {
            self.source.is_none()
        }

        /// Also of this folder, without those in it.
        pub(in super::super) fn watch(&mut self, folder: &Path) {
            let Some(source) = &self.source else { return };
            if !self.watched.insert(folder.to_path_buf()) {
                return;
            }
            let flags = WatchFlags::CREATE
                | WatchFlags::MODIFY
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::MOVED_TO
                | WatchFlags::MOVED_FROM
                | WatchFlags::DELETE
                | WatchFlags::ONLYDIR;
            match add_watch(source, folder, flags) {
                Ok(number) => {
                    self.folders.insert(number, folder.to_path_buf());
                }
                // The folder has gone, or the user has no more watches: then it is looked at often.
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {
                    self.watched.remove(folder);
                }
                Err(_) => self.source = None,
            }
        }

        /// Waits for the next ones.
        pub(in super::super) async fn next(&mut self) -> Vec<Notice> {
            let Some(source) = &self.source else {
                return std::future::pending().await;
            };
            let mut found = Vec::new();
            if let Ok(mut ready) = source.readable().await {
                let mut buffer = [MaybeUninit::uninit(); BUFFER];
                let mut reader = Reader::new(source, &mut buffer);
                // An error is that there is nothing more.
                while let Ok(event) = reader.next() {
                    let folder = self.folders.get(&event.wd());
                    found.extend(folder.and_then(|folder| notice(folder, &event)));
                    if event
                        .events()
                        .contains(ReadFlags::ISDIR | ReadFlags::MOVED_FROM)
                        && let Some(moved) = folder.zip(path_name(&event))
                    {
                        let moved = moved.0.join(moved.1);
                        self.watched.retain(|path| !path.starts_with(&moved));
                    }
                    if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                        found.push(Notice::Lost);
                    }
                    if event.events().contains(ReadFlags::IGNORED)
                        && let Some(folder) = self.folders.remove(&event.wd())
                    {
                        self.watched.remove(&folder);
                    }
                }
                ready.clear_ready();
            }
            found
        }
    }

    #[expect(
        deprecated,
        reason = "it is for types that may close their file while it is registered; this is none"
    )]
    fn registered(source: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
        AsyncFd::with_interest(source, Interest::READABLE).ok()
    }

    fn notice(folder: &Path, event: &Event<'_>) -> Option<Notice> {
        let flags = event.events();
        let path = folder.join(path_name(event)?);
        if flags.contains(ReadFlags::ISDIR) {
            return Some(Notice::Other);
        }
        if flags.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) {
            return Some(Notice::Closed(path));
        }
        let is_made = flags.contains(ReadFlags::CREATE);
        if flags.contains(ReadFlags::MODIFY) || (is_made && has_writer(&path)) {
            return Some(Notice::Open(path));
        }
        Some(Notice::Other)
    }

    fn path_name<'a>(event: &'a Event<'_>) -> Option<&'a OsStr> {
        let name = event.file_name()?;
        Some(OsStr::from_bytes(name.to_bytes()))
    }

    /// A file is made by opening it, but a link is not.
    fn has_writer(path: &Path) -> bool {
        symlink_metadata(path).is_ok_and(|found| found.is_file() && found.nlink() == 1)
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::path::Path;

    use super::Notice;

    /// None.
    #[derive(Debug)]
    pub(in super::super) struct Notices;

    impl Notices {
        pub(in super::super) fn new() -> Self {
            Self
        }

        pub(in super::super) fn is_deaf(&self) -> bool {
            true
        }

        pub(in super::super) fn watch(&mut self, _folder: &Path) {}

        pub(in super::super) async fn next(&mut self) -> Vec<Notice> {
            std::future::pending().await
        }
    }
}
