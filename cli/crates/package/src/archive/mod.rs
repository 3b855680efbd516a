//! Archives: the same bytes for the same entries, on any machine.

mod hash;
mod targz;
mod zip;

use std::path::Path;
use std::time::Duration;

use mlfn_core::{ArchiveFormat, Digest};
use tempfile::Builder;

use self::hash::HashWriter;
use crate::PackageError;
use crate::pack::{CopyError, Packed};
use crate::source::Entry;

/// An entry with its compressed form.
pub(crate) struct PackedEntry {
    pub(crate) entry: Entry,
    pub(crate) packed: Packed,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// SHA-256 of the archive.
    pub(crate) digest: Digest,
    /// Bytes of the archive.
    pub(crate) size: u64,
    /// Bytes of each entry in it, headers included, in the order of the entries.
    pub(crate) entries: Vec<u64>,
}

/// Writes an archive to `path`: all of it, or nothing.
pub(crate) fn write(
    path: &Path,
    format: ArchiveFormat,
    entries: &[PackedEntry],
) -> Result<Written, PackageError> {
    write_atomically(path, |file| {
        let mut out = HashWriter::new(file);
        let sizes = match format {
            ArchiveFormat::Zip => zip::write(&mut out, entries),
            ArchiveFormat::TarGz => targz::write(&mut out, entries),
        }
        .map_err(|error| error.at(path))?;
        let size = out.size();
        let digest = out.finish();
        let digest = digest.map_err(|error| PackageError::write(path, error))?;
        Ok(Written {
            digest,
            size,
            entries: sizes,
        })
    })
}

/// How the names of temporary files begin and end.
const PREFIX: &str = ".mlfn-";
const SUFFIX: &str = ".tmp";

/// Removes temporary files in `folder` that are older than `age`: a run that was killed cannot
/// remove its own. It is no failure if that does not work.
pub(crate) fn remove_leftovers(folder: &Path, age: Duration) {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let passed = modified.map(|time| time.elapsed().unwrap_or_default());
        let is_old = passed.is_ok_and(|passed| passed >= age);
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) && is_old {
            let _ = fs_err::remove_file(entry.path());
        }
    }
}

/// Gives `write` a temporary file beside `path`, which takes the place of `path` once everything
/// is on the disk. After an error, `path` is as it was and the temporary file is gone.
pub(crate) fn write_atomically<T>(
    path: &Path,
    write: impl FnOnce(&mut std::fs::File) -> Result<T, PackageError>,
) -> Result<T, PackageError> {
    let failed = |error| PackageError::write(path, error);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    readable(&mut builder);
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    let result = write(file.as_file_mut())?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(result)
}

/// Temporary files are private by default; archives get what the user's umask allows.
fn readable(builder: &mut Builder<'_, '_>) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
}

/// Why an entry could not be written.
pub(crate) struct EntryError {
    entry: String,
    error: CopyError,
}

impl EntryError {
    fn at(self, path: &Path) -> PackageError {
        match self.error {
            CopyError::Read(error) => PackageError::Read(error),
            CopyError::Write(error) => PackageError::write(path, error),
            CopyError::Changed => PackageError::Changed(self.entry),
        }
    }
}

/// For `map_err`: puts the entry to the error.
fn of(entry: &Entry) -> impl Fn(CopyError) -> EntryError + '_ {
    |error| EntryError {
        entry: entry.path.clone(),
        error,
    }
}

#[cfg(test)]
mod tests;
