//! Which files are complete, with a clock that the tests move.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use tempfile::TempDir;
use tokio::time::advance;

use super::bucket::{Bucket, BucketError};
use super::watch::{CLOSED, UNKNOWN, Watcher};

/// Longer than anybody is patient.
const LONG: Duration = Duration::from_mins(1);

fn bucket(folder: &TempDir) -> Arc<Bucket> {
    let bucket = Bucket::new(folder.path().join("b"), folder.path().join("staging"));
    bucket.prepare().expect("makes the folder");
    Arc::new(bucket)
}

/// A bucket and what watches it.
struct Watched {
    folder: TempDir,
    bucket: Arc<Bucket>,
    watcher: Watcher,
}

impl Watched {
    fn new() -> Self {
        let folder = TempDir::new().expect("makes a folder");
        let bucket = bucket(&folder);
        let watcher = Watcher::new(Arc::clone(&bucket));
        Self {
            folder,
            bucket,
            watcher,
        }
    }

    fn path(&self, key: &str) -> std::path::PathBuf {
        self.bucket.folder().join(key)
    }

    fn write(&self, key: &str, content: &str) {
        fs::write(self.path(key), content).expect("writes");
    }

    /// What is complete after this time, with everything that the system has told by then.
    async fn after(&mut self, time: Duration) -> Vec<String> {
        self.hear().await;
        let (mut complete, _) = self.watcher.round();
        advance(time).await;
        self.hear().await;
        complete.extend(self.watcher.round().0);
        complete
    }

    async fn hear(&mut self) {
        // What has happened to files was told before the calls that did it returned. The runtime
        // looks for it when there is nothing else to do.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let nothing = tokio::time::timeout(Duration::ZERO, self.watcher.hear());
        let _ = nothing.await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_closed_is_an_object_soon() {
    let mut watched = Watched::new();
    watched.write("a.json", "{}");
    assert_eq!(watched.after(CLOSED).await, ["a.json"]);
    assert_eq!(watched.after(LONG).await, [""; 0]);
    watched.write("a.json", "{ }");
    assert_eq!(watched.after(CLOSED).await, ["a.json"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_none_however_long_it_takes() {
    let mut watched = Watched::new();
    let mut file = fs::File::create(watched.path("a.json")).expect("creates");
    assert_eq!(watched.after(LONG).await, [""; 0]);
    for _ in 0..3 {
        file.write_all(b"part").expect("writes");
        assert_eq!(watched.after(LONG).await, [""; 0]);
    }
    drop(file);
    assert_eq!(watched.after(CLOSED).await, ["a.json"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_comes_by_another_name_is_an_object() {
    let mut watched = Watched::new();
    let outside = watched.folder.path().join("other");
    fs::write(&outside, "{}").expect("writes");
    fs::hard_link(&outside, watched.path("linked")).expect("links");
    fs::rename(&outside, watched.path("moved")).expect("moves");
    let mut found = watched.after(CLOSED).await;
    // Nobody says of a link whether the file has a writer.
    found.extend(watched.after(UNKNOWN).await);
    found.sort();
    assert_eq!(found, ["linked", "moved"]);
}

#[tokio::test(start_paused = true)]
async fn new_folders_are_watched_and_so_are_folders_with_files_in_them() {
    let mut watched = Watched::new();
    fs::create_dir_all(watched.path("in/deep")).expect("makes folders");
    watched.write("in/deep/a.json", "{}");
    assert_eq!(watched.after(UNKNOWN).await, ["in/deep/a.json"]);
    watched.write("in/deep/b.json", "{}");
    assert_eq!(watched.after(CLOSED).await, ["in/deep/b.json"]);
    fs::rename(watched.path("in"), watched.path("out")).expect("moves");
    let mut found = watched.after(UNKNOWN).await;
    found.sort();
    assert_eq!(found, ["out/deep/a.json", "out/deep/b.json"]);
    fs::create_dir_all(watched.path("in/deep")).expect("makes folders");
    watched.write("in/deep/a.json", "{}");
    assert_eq!(watched.after(UNKNOWN).await, ["in/deep/a.json"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_at_first_is_old_and_what_comes_again_is_new() {
    let folder = TempDir::new().expect("makes a folder");
    let bucket = bucket(&folder);
    bucket.write("in/old.json", b"{}").expect("writes");
    let watcher = Watcher::new(Arc::clone(&bucket));
    let mut watched = Watched {
        folder,
        bucket,
        watcher,
    };
    assert_eq!(watched.after(LONG).await, [""; 0]);
    watched.bucket.remove("in/old.json").expect("removes");
    assert_eq!(watched.after(LONG).await, [""; 0]);
    watched.bucket.write("in/old.json", b"{}").expect("writes");
    assert_eq!(watched.after(UNKNOWN).await, ["in/old.json"]);
}

#[track_caller]
fn check_key(bucket: &Bucket, key: &str, is_good: bool) {
    let written = bucket.write(key, b"x");
    assert_eq!(written.is_ok(), is_good, "{key}: {written:?}");
    if !is_good {
        assert!(matches!(written, Err(BucketError::Unnameable(_))), "{key}");
        assert!(
            matches!(bucket.read(key), Err(BucketError::Missing)),
            "{key}"
        );
    }
}

#[test]
fn keys_that_no_path_can_be_are_refused() {
    let folder = TempDir::new().expect("makes a folder");
    let bucket = bucket(&folder);
    for key in ["a", "b c/ä+%.json", "...", "in/x"] {
        check_key(&bucket, key, true);
    }
    let long = "x".repeat(256);
    for key in [
        "", "/a", "a/", "a//b", "../a", "in/./x", "a/b", "in", "a\0b", &long,
    ] {
        check_key(&bucket, key, false);
    }
    assert_eq!(
        bucket.keys().expect("lists"),
        ["...", "a", "b c/ä+%.json", "in/x"]
    );
}

#[test]
fn an_object_that_is_removed_leaves_no_empty_folders() {
    let folder = TempDir::new().expect("makes a folder");
    let bucket = bucket(&folder);
    bucket.write("a/b/c", b"x").expect("writes");
    bucket.write("a/d", b"x").expect("writes");
    bucket.remove("a/b/c").expect("removes");
    bucket.remove("a/b/c").expect("is gone already");
    assert!(!bucket.folder().join("a/b").exists());
    assert_eq!(bucket.keys().expect("lists"), ["a/d"]);
}
