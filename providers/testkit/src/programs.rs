//! Other people's programs, installed once under `target/test-programs/`, in exact versions.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use mlfn_core::Digest;

/// Installs something into a folder of its own, unless it is there already, and returns the folder.
/// The folder is called after `name` and the digest of `recipe`: all that decides what comes out.
/// Other processes that want the same wait meanwhile.
///
/// # Panics
///
/// If `install` does, or the disk is full.
pub(crate) fn installed(name: &str, recipe: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let parent = target().join("test-programs");
    let digest = Digest::of(recipe.as_bytes());
    let folder = parent.join(format!("{name}-{}", digest.short()));
    if folder.exists() {
        return folder;
    }
    fs_err::create_dir_all(&parent).expect("makes the folder");
    let lock = fs_err::File::create(parent.join(format!("{name}.lock"))).expect("opens the lock");
    lock.file().lock().expect("locks");
    if !folder.exists() {
        let unfinished = tempfile::tempdir_in(&parent).expect("makes a folder");
        install(unfinished.path());
        fs_err::rename(unfinished.keep(), &folder).expect("moves the folder into place");
    }
    folder
}

/// Runs a program to its end and returns what it prints.
///
/// # Panics
///
/// If it cannot be started or fails; the message then ends with `advice`.
pub(crate) fn output(command: &mut Command, advice: &str) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {advice}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{command:?} failed; {advice}\n{stdout}{stderr}"
    );
    stdout
}

/// Cargo's target folder. Only integration tests are told where it is, so it is looked for above
/// the running program, by the mark that Cargo leaves there.
fn target() -> PathBuf {
    let program = std::env::current_exe().expect("has a path");
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    let folder = program.ancestors().find(marked);
    folder.map_or_else(|| repository().join("target"), Path::to_owned)
}

/// A file of this crate, such as a script.
pub(crate) fn own_file(path: impl AsRef<OsStr>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path.as_ref())
}

fn repository() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).expect("is in providers/")
}
