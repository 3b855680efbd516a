//! A program that is killed at an exact change of its files.

use std::process::Command;

use mlfn_testkit::trace::{End, Moment, Traced, trace};
use tempfile::TempDir;

/// Changes names in the current folder, by two threads, and some elsewhere.
const PROGRAM: &str = "
import os, shutil, tempfile, threading
open('a', 'w').close()
os.rename('a', 'b')
os.makedirs('d/e')
open('d/e/f', 'w').close()
thread = threading.Thread(target=lambda: os.replace(os.path.abspath('b'), 'c'))
thread.start()
thread.join()
elsewhere = tempfile.mkdtemp()
os.rmdir(elsewhere)
shutil.rmtree('d')
raise SystemExit(7)
";

/// Runs it, and tells what is left of the files.
fn run(moment: Option<Moment>) -> (Traced, Vec<String>) {
    let folder = tempfile::tempdir().expect("creates");
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]).current_dir(folder.path());
    let traced = trace(&command, folder.path(), moment);
    let left = fs_err::read_dir(folder.path()).expect("reads");
    let mut left: Vec<String> = left
        .map(|entry| entry.expect("reads").file_name().to_string_lossy().into())
        .collect();
    left.sort();
    (relative(&traced, &folder), left)
}

fn relative(traced: &Traced, folder: &TempDir) -> Traced {
    let root = folder.path().canonicalize().expect("is there");
    let changes = traced.changes.iter();
    let changes = changes.map(|path| path.strip_prefix(&root).expect("is below").to_owned());
    Traced {
        end: traced.end,
        changes: changes.collect(),
    }
}

#[test]
fn changes_of_all_threads_are_seen_and_counted() {
    let (traced, left) = run(None);
    assert_eq!(traced.end, End::Exited(7));
    let changes = ["b", "c", "d/e/f", "d/e", "d"].map(std::path::PathBuf::from);
    assert_eq!(traced.changes, changes);
    assert_eq!(left, ["c"]);
}

#[track_caller]
fn check(moment: Moment, changes: usize, left: &[&str]) {
    let (traced, found) = run(Some(moment));
    assert_eq!(traced.end, End::Killed, "{moment:?}");
    assert_eq!(traced.changes.len(), changes, "{moment:?}");
    assert_eq!(found, left, "{moment:?}");
}

#[test]
fn a_program_is_killed_before_or_after_the_change() {
    check(Moment::Before(1), 1, &["a"]);
    check(Moment::After(1), 1, &["b"]);
    check(Moment::Before(2), 2, &["b", "d"]);
    check(Moment::After(2), 2, &["c", "d"]);
    check(Moment::Before(5), 5, &["c", "d"]);
    check(Moment::After(5), 5, &["c"]);
}

#[test]
fn a_program_that_ends_before_is_not_killed() {
    assert_eq!(run(Some(Moment::Before(6))).0.end, End::Exited(7));
}
