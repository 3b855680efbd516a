//! Files that will be sent: each has to be the one that was planned with, and one of 2 GB takes more
//! than a second to read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mlfn_core::{Action, Digest, FileRef, Plan, Resource};
use sha2::{Digest as _, Sha256};

use crate::EngineError;
use crate::state::State;

/// The digests of files that were just read, by path.
pub(crate) type Digests = BTreeMap<String, Digest>;

/// Reads, on another thread, what is surely going to be sent: the files of fields that nobody
/// recorded like that. What cannot be read is left out, and found by [`check`].
pub(crate) async fn read_ahead(root: &Path, wanted: &[Resource], state: Option<&State>) -> Digests {
    let files = new_files(wanted, state);
    if files.is_empty() {
        return Digests::new();
    }
    let root = root.to_owned();
    let read = move || {
        let digest = |path: String| Some((path.clone(), digest(&root.join(path)).ok()?));
        files.into_iter().filter_map(digest).collect()
    };
    // A thread that panicked has read nothing.
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

fn new_files(wanted: &[Resource], state: Option<&State>) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for resource in wanted {
        let recorded = state.and_then(|state| state.resources.get(&resource.id));
        for (name, value) in &resource.fields {
            let there = recorded.and_then(|recorded| recorded.fields.get(name));
            if there != Some(&value.to_json()) {
                value.for_each_file(&mut |file| {
                    files.insert(file.path.clone());
                });
            }
        }
    }
    files
}

/// Makes sure that every file that will be sent is the one that was planned with. Only those are read
/// that are not in `read`.
pub(crate) fn check(plan: &Plan, root: &Path, read: &Digests) -> Result<(), EngineError> {
    for change in plan
        .changes
        .iter()
        .filter(|change| change.action.is_mutating())
    {
        let sent = |field: &str| {
            change.action != Action::Update || change.fields.iter().any(|c| c.field == field)
        };
        let mut files = Vec::new();
        for (field, value) in change.wanted.iter().flat_map(|wanted| &wanted.fields) {
            if sent(field) {
                value.for_each_file(&mut |file| files.push(file));
            }
        }
        files
            .into_iter()
            .try_for_each(|file| check_file(file, root, read.get(&file.path)))?;
    }
    Ok(())
}

fn check_file(file: &FileRef, root: &Path, read: Option<&Digest>) -> Result<(), EngineError> {
    let wrong = |why: String| EngineError::File {
        path: file.path.clone(),
        why,
    };
    let found = match read {
        Some(digest) => digest.clone(),
        None => digest(&root.join(&file.path)).map_err(|error| wrong(error.to_string()))?,
    };
    if found == file.digest {
        return Ok(());
    }
    Err(wrong(format!(
        "its digest is {}, not {}",
        found.short(),
        file.digest.short()
    )))
}

fn digest(path: &Path) -> std::io::Result<Digest> {
    let mut hash = Sha256::new();
    std::io::copy(&mut fs_err::File::open(path)?, &mut Hasher(&mut hash))?;
    Ok(Digest::from_sha256(&hash.finalize()))
}

/// A hash as something that bytes are written to.
struct Hasher<'a>(&'a mut Sha256);

impl std::io::Write for Hasher<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
