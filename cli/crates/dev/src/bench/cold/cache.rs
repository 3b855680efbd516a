//! Files out of the page cache, without touching anybody else's.

use std::path::Path;

use fs_err::File;
use rustix::fs::{Advice, fadvise};

/// Forgets a file, or all files of a folder. Pages that are not yet on disk, or that a running
/// program has mapped, stay.
pub(super) fn forget(path: &Path) -> anyhow::Result<()> {
    if !path.is_dir() {
        return Ok(fadvise(&File::open(path)?, 0, None, Advice::DontNeed)?);
    }
    for entry in fs_err::read_dir(path)? {
        let entry = entry?;
        if !entry.file_type()?.is_symlink() {
            forget(&entry.path())?;
        }
    }
    Ok(())
}
