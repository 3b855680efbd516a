//! Where things are.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the repository")
}

/// Cargo's target folder.
pub(crate) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("tmp/ is in the target folder")
}

/// The cache that all runs of mlfn share, so that the runtime library is put there only once.
pub(crate) fn shared_cache() -> PathBuf {
    target().join("test-cache")
}

/// A new folder that goes away with its owner.
#[track_caller]
pub(crate) fn temporary() -> TempDir {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs_err::create_dir_all(parent).expect("makes the folder for temporary files");
    tempfile::tempdir_in(parent).expect("makes a temporary folder")
}
