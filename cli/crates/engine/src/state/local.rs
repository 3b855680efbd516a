//! Documents as files of a folder on this machine.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use fs_err::{File, OpenOptions};
use mlfn_core::Digest;

use super::{Document, StateStore, StoreError, Tag, Versioned};

/// A folder, by convention `.mlfn/state/<stage>/` beside the manifest.
///
/// A write goes to a temporary file that takes the document's name once it is on the disk, so
/// that a power cut leaves the old one or the new one. Compare and replace are one step for others
/// because both happen under an advisory lock of the operating system on the file `guard`, which
/// ends with the process that holds it.
#[derive(Debug, Clone)]
pub struct LocalStore {
    folder: PathBuf,
}

impl LocalStore {
    /// In that folder, which is made by the first write.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    fn path(&self, document: Document) -> PathBuf {
        self.folder.join(document.file_name())
    }

    fn replace(
        &self,
        document: Document,
        bytes: &[u8],
        expected: Option<&Tag>,
    ) -> io::Result<Option<Tag>> {
        fs_err::create_dir_all(&self.folder)?;
        let _guard = self.guard()?;
        let path = self.path(document);
        if found(&path)?.map(|found| found.tag).as_ref() != expected {
            return Ok(None);
        }
        self.put(&path, bytes)?;
        Ok(Some(tag(bytes)))
    }

    fn guard(&self) -> io::Result<File> {
        let path = self.folder.join("guard");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        file.file().lock()?;
        Ok(file)
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.folder)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        // The new name is on the disk only when the folder is.
        File::open(&self.folder)?.sync_all()
    }
}

#[async_trait]
impl StateStore for LocalStore {
    fn place(&self, document: Document) -> String {
        self.path(document).display().to_string()
    }

    async fn read(&self, document: Document) -> Result<Option<Versioned>, StoreError> {
        found(&self.path(document)).map_err(|source| self.failed("read", document, source))
    }

    async fn write(
        &self,
        document: Document,
        bytes: &[u8],
        expected: Option<&Tag>,
    ) -> Result<Tag, StoreError> {
        let written = self.replace(document, bytes, expected);
        let written = written.map_err(|source| self.failed("write", document, source))?;
        written.ok_or_else(|| StoreError::Moved {
            place: self.place(document),
        })
    }
}

impl LocalStore {
    fn failed(&self, action: &'static str, document: Document, source: io::Error) -> StoreError {
        StoreError::Failed {
            action,
            place: self.place(document),
            source: source.into(),
        }
    }
}

fn found(path: &Path) -> io::Result<Option<Versioned>> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(Versioned {
            tag: tag(&bytes),
            bytes,
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn tag(bytes: &[u8]) -> Tag {
    Tag(Digest::of(bytes).as_str().to_owned())
}
