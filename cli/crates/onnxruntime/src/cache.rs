//! The cache: `onnxruntime/<version>/<platform>/libonnxruntime.so` below its root.

use std::fs::TryLockError;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use fs_err::File;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::library::Progress;
use crate::platform::{Pin, Platform};

/// Begins the names of folders in which a fetch works.
const WORKSPACE_PREFIX: &str = ".fetch-";

/// One platform's folder in the cache.
pub(crate) struct Cache<'a> {
    pin: &'a Pin,
    folder: PathBuf,
}

/// Held while fetching. Dropping it, or the end of the process, lets others go on.
pub(crate) struct Lock {
    _file: File,
}

impl<'a> Cache<'a> {
    pub(crate) fn new(root: &Path, platform: Platform, pin: &'a Pin) -> Self {
        let folder = root.join("onnxruntime").join(pin.version);
        let folder = folder.join(platform.as_str());
        Self { pin, folder }
    }

    /// Where everything of this platform is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the library is, or would be.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(self.pin.file_name)
    }

    /// The library, if it is there and whole. Hashing its 29 MB takes longer than all the rest of a
    /// warm start, so a stamp beside it says for which size and time that was done.
    pub(crate) fn find(&self) -> io::Result<Option<PathBuf>> {
        let path = self.path();
        let metadata = match fs_err::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if !metadata.is_file() || metadata.len() != self.pin.library_bytes {
            return Ok(None);
        }
        let stamp = self.stamp(&metadata);
        let known = fs_err::read_to_string(self.stamp_path()).ok();
        if stamp.is_some() && known == stamp {
            return Ok(Some(path));
        }
        if sha256_of(&path)? != self.pin.library_sha256 {
            return Ok(None);
        }
        self.write_stamp(stamp);
        Ok(Some(path))
    }

    /// Waits until no other process fetches.
    pub(crate) fn lock(&self, progress: &dyn Fn(Progress<'_>)) -> io::Result<Lock> {
        fs_err::create_dir_all(&self.folder)?;
        let path = self.folder.with_extension("lock");
        let file = File::create(&path)?;
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {
                progress(Progress::Waiting { lock: &path });
                file.file().lock()?;
            }
        }
        Ok(Lock { _file: file })
    }

    /// An empty folder to work in, which vanishes when dropped. Those of killed runs are removed:
    /// whoever calls this holds the lock.
    pub(crate) fn workspace(&self) -> io::Result<TempDir> {
        for entry in fs_err::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(WORKSPACE_PREFIX) {
                fs_err::remove_dir_all(entry.path())?;
            }
        }
        // pip is given the path, and runs in another folder.
        let folder = fs_err::canonicalize(&self.folder)?;
        tempfile::Builder::new()
            .prefix(WORKSPACE_PREFIX)
            .tempdir_in(folder)
    }

    /// Puts a library that was checked into its place.
    pub(crate) fn store(&self, checked: &Path) -> io::Result<()> {
        let path = self.path();
        if path.is_dir() {
            fs_err::remove_dir_all(&path)?;
        }
        fs_err::rename(checked, &path)?;
        self.write_stamp(self.stamp(&fs_err::metadata(&path)?));
        Ok(())
    }

    fn stamp_path(&self) -> PathBuf {
        self.path().with_extension("stamp")
    }

    /// Digest, size and time of change. None if the file system knows no times.
    fn stamp(&self, metadata: &std::fs::Metadata) -> Option<String> {
        let changed = metadata.modified().ok()?;
        let changed = changed.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let bytes = metadata.len();
        Some(format!("{} {bytes} {changed}\n", self.pin.library_sha256))
    }

    /// Without a stamp the next run hashes the library again: a cache that we cannot write to is
    /// slower, not unusable.
    fn write_stamp(&self, stamp: Option<String>) {
        if let Some(stamp) = stamp {
            fs_err::write(self.stamp_path(), stamp).ok();
        }
    }
}

/// Of a file, in lower-case hexadecimal.
fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hexadecimal(hash));
        }
        hash.update(&buffer[..read]);
    }
}

/// The digest in lower-case hexadecimal.
pub(crate) fn hexadecimal(hash: Sha256) -> String {
    let halves = hash
        .finalize()
        .into_iter()
        .flat_map(|byte| [byte >> 4, byte & 15]);
    halves
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
