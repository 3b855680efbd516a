//! Compressed runtime libraries and shims: 33 MB that are the same in every package.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mlfn_core::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::PackageError;
use crate::archive::{remove_leftovers, write_atomically};
use crate::pack::{PARAMETERS, Packed};
use crate::source::{BLOCK, Source, fill};

/// How old a temporary file is that nobody can still be writing.
const LEFT: Duration = Duration::from_hours(1);

/// The most files that are kept: a library and a shim for each processor, of several versions.
const MOST: usize = 16;

/// The first line of a cached file; the compressed blocks are behind it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// Of the file before compression.
    size: u64,
    crc: u32,
    digest: Digest,
    /// Of what is behind this line.
    length: u64,
    sha256: Digest,
}

/// The compressed form of the file with this digest, if it is there and whole.
pub(crate) fn read(cache: &Path, digest: &Digest) -> Option<Packed> {
    let mut reader = BufReader::new(fs_err::File::open(path(cache, digest)).ok()?);
    let mut line = Vec::new();
    // The head is short; a file without a line break is not one of ours.
    reader
        .by_ref()
        .take(4096)
        .read_until(b'\n', &mut line)
        .ok()?;
    let head: Head = serde_json::from_slice(&line).ok()?;
    let start = line.len() as u64;
    let found = hash(&mut reader).ok()?;
    if head.digest != *digest || found != (head.length, head.sha256) {
        return None;
    }
    let file = reader.into_inner().into_file();
    Some(Packed::joined(
        head.size,
        head.crc,
        head.digest,
        file,
        (start, head.length),
    ))
}

/// Keeps the compressed form of `source` for later runs.
pub(crate) fn write(cache: &Path, source: &Source, packed: &Packed) -> Result<(), PackageError> {
    let path = path(cache, &packed.digest);
    let failed = |error| PackageError::write(&path, error);
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(failed)?;
        remove_leftovers(folder, LEFT);
    }
    let mut blocks = Vec::new();
    packed
        .write_blocks(source, &mut blocks)
        .map_err(|_| PackageError::Changed(path.display().to_string()))?;
    let head = Head {
        size: packed.size,
        crc: packed.crc,
        digest: packed.digest.clone(),
        length: blocks.len() as u64,
        sha256: Digest::of(&blocks),
    };
    write_atomically(&path, |file| {
        let mut head = serde_json::to_vec(&head).map_err(|error| failed(error.into()))?;
        head.push(b'\n');
        file.write_all(&head)
            .and_then(|()| file.write_all(&blocks))
            .map_err(failed)
    })?;
    path.parent().map_or(Ok(()), keep_newest).map_err(failed)
}

/// Removes the oldest files beyond [`MOST`]. Who reads one of them keeps it open, and so whole.
fn keep_newest(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.metadata()?.modified()?, entry.path()));
    }
    files.sort_unstable();
    let surplus = files.len().saturating_sub(MOST);
    for (_, path) in files.into_iter().take(surplus) {
        fs_err::remove_file(path)?;
    }
    Ok(())
}

fn path(cache: &Path, digest: &Digest) -> PathBuf {
    cache.join("deflate").join(format!("{digest}-{PARAMETERS}"))
}

fn hash(reader: &mut impl io::Read) -> io::Result<(u64, Digest)> {
    let (mut hash, mut length, mut block) = (Sha256::new(), 0, vec![0; BLOCK]);
    loop {
        let read = fill(reader, &mut block)?;
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok((length, Digest::from_sha256(&hash.finalize())));
        };
        hash.update(bytes);
        length += read as u64;
    }
}
