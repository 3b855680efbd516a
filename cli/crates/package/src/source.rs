//! Where the bytes of an entry come from, and its digest.

use std::io::{self, Cursor, Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use fs_err::File;
use mlfn_core::{Digest, PartKind};
use sha2::{Digest as _, Sha256};

/// The size of the pieces in which files are read and compressed.
pub(crate) const BLOCK: usize = 1 << 20;

/// A file of a package, before it is packed.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Relative to the package's root, with `/`.
    pub(crate) path: String,
    /// Unix permissions, e.g. 0o755.
    pub(crate) mode: u32,
    /// What it belongs to.
    pub(crate) part: PartKind,
    /// Its bytes.
    pub(crate) source: Source,
}

/// Where the bytes of an entry come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// From memory.
    Bytes(Arc<[u8]>),
    /// From a file, which is never loaded as a whole.
    File(PathBuf),
}

/// What [`Source::open`] opens.
pub(crate) trait Reader: Read + Seek + Send {}

impl<T: Read + Seek + Send> Reader for T {}

impl Source {
    /// Reads it from the beginning.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Reader + '_>> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(&**bytes)),
            Self::File(path) => Box::new(File::open(path)?),
        })
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> io::Result<u64> {
        Ok(match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(path) => fs_err::metadata(path)?.len(),
        })
    }

    /// The SHA-256 of all bytes.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        let mut reader = self.open()?;
        let mut hash = Sha256::new();
        let mut block = vec![0; BLOCK];
        loop {
            let length = fill(&mut reader, &mut block)?;
            let Some(read) = block.get(..length).filter(|read| !read.is_empty()) else {
                return Ok(Digest::from_sha256(&hash.finalize()));
            };
            hash.update(read);
        }
    }
}

/// Reads until `block` is full or there is no more; the answer is the number of bytes read.
pub(crate) fn fill(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = block.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
