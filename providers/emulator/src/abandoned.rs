//! Clouds for one run, whose process was killed before it could take them away.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cloud::record::{PROCESS_LOCK as LOCK, try_lock};

/// Between making its folder and locking it, a process that has just started holds no lock yet.
const STARTING: Duration = Duration::from_mins(1);

/// Removes the clouds among the folders in `parent` whose names begin with `prefix`, of which nobody
/// holds the lock any more. What cannot be removed stays.
pub fn remove_abandoned(parent: &Path, prefix: &str) {
    let folders = fs_err::read_dir(parent).into_iter().flatten();
    let folders = folders.filter_map(|entry| Some(entry.ok()?.path()));
    let is_ours = |folder: &PathBuf| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(prefix))
    };
    for folder in folders.filter(is_ours) {
        let _ = remove_if_abandoned(&folder);
    }
}

fn remove_if_abandoned(folder: &Path) -> io::Result<()> {
    // A link leads to somebody else's files.
    let metadata = fs_err::symlink_metadata(folder)?;
    let is_old = metadata
        .modified()?
        .elapsed()
        .is_ok_and(|age| age > STARTING);
    let is_cloud = metadata.is_dir() && folder.join(LOCK).is_file();
    if is_old
        && is_cloud
        && let Some(_lock) = try_lock(folder, LOCK)?
    {
        fs_err::remove_dir_all(folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    fn cloud(parent: &Path, name: &str, age: Duration) -> PathBuf {
        let folder = parent.join(name);
        fs_err::create_dir_all(folder.join("packages")).expect("a folder");
        fs_err::write(folder.join(LOCK), "").expect("a file");
        let time = SystemTime::now() - age;
        let opened = File::open(&folder).expect("opens");
        opened.set_modified(time).expect("is set");
        folder
    }

    #[test]
    fn clouds_of_killed_processes_go_and_all_else_stays() {
        let parent = tempfile::tempdir().expect("a folder");
        let (old, parent) = (2 * STARTING, parent.path());
        let left = cloud(parent, "ours-left", old);
        let held = cloud(parent, "ours-held", old);
        let lock = try_lock(&held, LOCK).expect("is read");
        assert!(lock.is_some());
        let young = cloud(parent, "ours-young", Duration::ZERO);
        let foreign = cloud(parent, "theirs", old);
        let linked = parent.join("ours-link");
        std::os::unix::fs::symlink(&foreign, &linked).expect("a link");
        let other = cloud(parent, "ours-other", old);
        fs_err::remove_file(other.join(LOCK)).expect("goes");

        remove_abandoned(parent, "ours-");
        assert!(!left.exists());
        for folder in [held, young, foreign, linked, other] {
            assert!(folder.exists(), "{}", folder.display());
        }
    }
}
