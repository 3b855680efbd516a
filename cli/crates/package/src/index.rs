//! What is known from earlier runs: the archive beside the index, and hashes of files.
//!
//! Nothing here is needed for a right result. An index that is missing, broken or of another
//! version is as good as none.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mlfn_core::{ArchiveFormat, Digest, PartKind};
use serde::{Deserialize, Serialize};

use crate::PackageError;
use crate::archive::write_atomically;
use crate::pack::{PARAMETERS, Packed};
use crate::source::Source;

/// Changes with the form of the index and with that of archives.
const FORMAT: u32 = 1;

/// File systems may give two writes within this time the same timestamp, so that the hash of a
/// file that was just written to must not be believed later.
const RACY: Duration = Duration::from_secs(2);

/// `<archive>.json`: what the archive is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    version: u32,
    parameters: String,
    format: ArchiveFormat,
    /// The archive, when it was written.
    stamp: Stamp,
    /// Of the archive.
    pub(crate) digest: Digest,
    /// Its parts.
    pub(crate) parts: Vec<IndexPart>,
}

/// A part of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexPart {
    pub(crate) kind: PartKind,
    pub(crate) digest: Digest,
    pub(crate) unpacked: u64,
    pub(crate) packed: u64,
}

impl Index {
    /// Of the archive that was just written to `archive`.
    pub(crate) fn new(
        archive: &Path,
        format: ArchiveFormat,
        digest: Digest,
        parts: Vec<IndexPart>,
    ) -> io::Result<Self> {
        let stamp = Stamp::of(&fs_err::metadata(archive)?);
        Ok(Self {
            version: FORMAT,
            parameters: PARAMETERS.to_owned(),
            format,
            stamp,
            digest,
            parts,
        })
    }

    /// That of `archive`, if the archive is still what it describes, and of this format.
    pub(crate) fn read(archive: &Path, format: ArchiveFormat) -> Option<Self> {
        Self::of(archive).filter(|index| index.format == format)
    }

    fn of(archive: &Path) -> Option<Self> {
        let text = fs_err::read(path(archive)).ok()?;
        let index: Self = serde_json::from_slice(&text).ok()?;
        let same = index.version == FORMAT && index.parameters == PARAMETERS;
        let stamp = Stamp::at(archive)?;
        (same && index.stamp == stamp).then_some(index)
    }

    /// Gives `archive` the name `to`, too. That changes its times, and so what is beside it.
    pub(crate) fn link(archive: &Path, to: &Path) -> Result<(), PackageError> {
        let index = Self::of(archive);
        let failed = |error| PackageError::write(to, error);
        fs_err::hard_link(archive, to).map_err(failed)?;
        match (index, Stamp::at(archive)) {
            (Some(index), Some(stamp)) => Self { stamp, ..index }.write(archive),
            _ => Ok(()),
        }
    }

    /// Puts it beside `archive`.
    pub(crate) fn write(&self, archive: &Path) -> Result<(), PackageError> {
        write_json(&path(archive), self)
    }

    /// The size of the archive, in bytes.
    pub(crate) fn packed(&self) -> u64 {
        self.stamp.size
    }

    /// Whether an archive of these parts would be the same.
    pub(crate) fn has(&self, parts: &BTreeMap<PartKind, Digest>) -> bool {
        self.parts.len() == parts.len()
            && self
                .parts
                .iter()
                .all(|part| parts.get(&part.kind) == Some(&part.digest))
    }
}

fn path(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// What changes whenever a file is written to, as far as the file system can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    size: u64,
    /// Nanoseconds since 1970 of the last change of the contents.
    modified: u64,
    /// The same for contents and attributes, which nobody can set at will; 0 where there is none.
    changed: u64,
    /// 0 where there is none.
    inode: u64,
}

impl Stamp {
    /// Of the file at `path`, if there is one.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let metadata = fs_err::metadata(path).ok()?;
        Some(Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let (changed, inode) = change_and_inode(metadata);
        let modified = modified.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(0));
        Self {
            size: metadata.len(),
            modified,
            changed,
            inode,
        }
    }

    /// Whether a write from now on will surely give another stamp.
    fn is_settled(&self, now: SystemTime) -> bool {
        let latest = UNIX_EPOCH + Duration::from_nanos(self.modified.max(self.changed));
        now.duration_since(latest).is_ok_and(|age| age > RACY)
    }
}

#[cfg(unix)]
fn change_and_inode(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    let nanoseconds = u64::try_from(metadata.ctime_nsec()).unwrap_or(0);
    (
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds),
        metadata.ino(),
    )
}

#[cfg(not(unix))]
fn change_and_inode(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Hashes of files, kept in one file of the output folder.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    files: BTreeMap<PathBuf, Memo>,
    /// Of what is in memory, as long as this is: the shim has 5 MB.
    held: Vec<(Arc<[u8]>, Digest)>,
    changed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Memo {
    #[serde(flatten)]
    stamp: Stamp,
    sha256: Digest,
}

impl Memory {
    /// What is remembered in `folder`.
    pub(crate) fn read(folder: &Path) -> Self {
        let path = folder.join("hashes.json");
        let files = fs_err::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        Self {
            path,
            files: files.unwrap_or_default(),
            held: Vec::new(),
            changed: false,
        }
    }

    /// The digest of `source`, from memory if the file is surely the same.
    pub(crate) fn digest(&mut self, source: &Source) -> Result<Digest, PackageError> {
        let read = || source.digest().map_err(PackageError::Read);
        let file = match source {
            Source::File(file) => file,
            Source::Bytes(bytes) => return self.hold(bytes, read),
        };
        let file = std::path::absolute(file).map_err(PackageError::Read)?;
        let stamp = Stamp::of(&fs_err::metadata(&file).map_err(PackageError::Read)?);
        match self.files.get(&file).filter(|memo| memo.stamp == stamp) {
            Some(memo) => Ok(memo.sha256.clone()),
            None => self.watch(file, read, Digest::clone),
        }
    }

    fn hold(
        &mut self,
        bytes: &Arc<[u8]>,
        read: impl FnOnce() -> Result<Digest, PackageError>,
    ) -> Result<Digest, PackageError> {
        let mut held = self.held.iter();
        if let Some((_, digest)) = held.find(|(held, _)| Arc::ptr_eq(held, bytes)) {
            return Ok(digest.clone());
        }
        let digest = read()?;
        self.held.push((Arc::clone(bytes), digest.clone()));
        Ok(digest)
    }

    /// Packs `source`, and remembers its digest.
    pub(crate) fn pack(
        &mut self,
        source: &Source,
        pack: impl FnOnce() -> Result<Packed, PackageError>,
    ) -> Result<Packed, PackageError> {
        let Source::File(file) = source else {
            return pack();
        };
        let file = std::path::absolute(file).map_err(PackageError::Read)?;
        self.watch(file, pack, |packed| packed.digest.clone())
    }

    /// Remembers the digest of `file` that `read` finds, unless the file may have changed meanwhile.
    fn watch<T>(
        &mut self,
        file: PathBuf,
        read: impl FnOnce() -> Result<T, PackageError>,
        digest: impl FnOnce(&T) -> Digest,
    ) -> Result<T, PackageError> {
        let stamp = Stamp::of(&fs_err::metadata(&file).map_err(PackageError::Read)?);
        let settled = stamp.is_settled(SystemTime::now());
        let result = read()?;
        let same = Stamp::of(&fs_err::metadata(&file).map_err(PackageError::Read)?) == stamp;
        self.changed = true;
        if settled && same {
            self.files.insert(
                file,
                Memo {
                    stamp,
                    sha256: digest(&result),
                },
            );
        } else {
            self.files.remove(&file);
        }
        Ok(result)
    }

    /// Keeps what was learned, for files that are still there.
    pub(crate) fn write(mut self) -> Result<(), PackageError> {
        if !self.changed {
            return Ok(());
        }
        // JSON has no words for paths that are not UTF-8.
        self.files
            .retain(|path, _| path.to_str().is_some() && path.exists());
        write_json(&self.path, &self.files)
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), PackageError> {
    write_atomically(path, |file| {
        serde_json::to_writer(file, value).map_err(|error| PackageError::write(path, error.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> u64 {
        seconds * 1_000_000_000
    }

    #[test]
    fn a_file_that_was_just_written_to_is_not_settled() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let check = |modified, changed, expected| {
            let stamp = Stamp {
                size: 1,
                modified: seconds(modified),
                changed: seconds(changed),
                inode: 1,
            };
            assert_eq!(stamp.is_settled(now), expected, "{modified} {changed}");
        };
        check(990, 990, true);
        check(997, 997, true);
        check(998, 998, false);
        // Somebody set the time of the contents, but not that of the attributes.
        check(1, 999, false);
        // From a clock that is ahead.
        check(2000, 2000, false);
    }

    /// A memory with another digest than the file's tells whether it is believed.
    #[test]
    fn a_remembered_digest_is_believed_only_while_the_stamp_is_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model");
        fs_err::write(&path, "one").expect("writes");
        let stamp = Stamp::of(&fs_err::metadata(&path).expect("there"));
        let remembered = Digest::of(b"remembered");
        let memo = Memo {
            stamp,
            sha256: remembered.clone(),
        };
        let files = BTreeMap::from([
            (path.clone(), memo),
            (
                folder.path().join("gone"),
                Memo {
                    stamp: Stamp {
                        size: 0,
                        modified: 0,
                        changed: 0,
                        inode: 0,
                    },
                    sha256: Digest::of(b""),
                },
            ),
        ]);
        Memory {
            path: folder.path().join("hashes.json"),
            files,
            held: Vec::new(),
            changed: true,
        }
        .write()
        .expect("writes");

        let source = Source::File(path.clone());
        let mut memory = Memory::read(folder.path());
        assert_eq!(memory.files.len(), 1, "files that are gone are forgotten");
        assert_eq!(memory.digest(&source).expect("reads"), remembered);
        fs_err::write(&path, "four").expect("writes");
        assert_eq!(memory.digest(&source).expect("reads"), Digest::of(b"four"));
        assert!(
            memory.files.is_empty(),
            "what was just written is not remembered"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_path_that_is_not_utf_8_is_forgotten() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
        fs_err::write(&path, "model").expect("writes");
        let memo = Memo {
            stamp: Stamp::at(&path).expect("is there"),
            sha256: Digest::of(b"model"),
        };
        let memory = Memory {
            path: folder.path().join("hashes.json"),
            files: BTreeMap::from([(path, memo)]),
            held: Vec::new(),
            changed: true,
        };
        memory.write().expect("writes");
        assert!(Memory::read(folder.path()).files.is_empty());
    }
}
