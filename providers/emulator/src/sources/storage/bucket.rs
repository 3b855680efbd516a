//! A bucket as a folder, and its objects as files. The key of an object is its path there, so keys
//! that no path can be are refused.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use md5::{Digest as _, Md5};

use crate::packages::random_hex;

/// Bytes of a name in a folder.
const LONGEST_NAME: usize = 255;

/// Bytes that are read at a time.
const BUFFER: usize = 64 * 1024;

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    folder: PathBuf,
    /// On the same disk, so that files can be moved from there at once.
    staging: PathBuf,
}

/// An object without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectInfo {
    pub(crate) key: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    /// The MD5 of the content in hexadecimal: what S3 calls the entity tag.
    pub(crate) tag: String,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    /// There is no such object.
    #[error("the specified key does not exist")]
    Missing,
    /// There is no such upload in parts, or it has ended.
    #[error("the specified upload does not exist")]
    NoUpload,
    /// An upload has no such part.
    #[error("part {0} could not be found")]
    NoPart(u32),
    /// A key that S3 would take.
    #[error(
        "`{0}` cannot be an object here: buckets of the local cloud are folders, so the parts of a \
         key are names of files, and none is both a file and a folder"
    )]
    Unnameable(String),
    /// The disk would not.
    #[error("the bucket cannot be read or written: {0}")]
    Machine(#[from] io::Error),
}

impl Bucket {
    pub(crate) fn new(folder: PathBuf, staging: PathBuf) -> Self {
        Self { folder, staging }
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes its folder.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)
    }

    /// The keys of all objects, in their order.
    pub(crate) fn keys(&self) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in entries(&folder)? {
                let path = entry.path();
                if is_folder(&entry) {
                    folders.push(path);
                } else if let Some(key) = self.key(&path) {
                    keys.push(key);
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    /// The key of a file; none if its path is no text.
    pub(crate) fn key(&self, path: &Path) -> Option<String> {
        let inside = path.strip_prefix(&self.folder).ok()?;
        Some(inside.to_str()?.to_owned())
    }

    /// An object without its content, which is read for its tag.
    pub(crate) fn info(&self, key: &str) -> Result<ObjectInfo, BucketError> {
        let mut file = self.open(key)?;
        let found = file.metadata()?;
        let (mut digest, mut size) = (Md5::new(), 0);
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = io::Read::read(&mut file, &mut buffer)?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
            size += count as u64;
        }
        Ok(ObjectInfo {
            key: key.to_owned(),
            size,
            modified: found.modified()?,
            tag: hex(&digest.finalize()),
        })
    }

    /// An object and its content.
    pub(crate) fn read(&self, key: &str) -> Result<(ObjectInfo, Vec<u8>), BucketError> {
        let mut file = self.open(key)?;
        let mut content = Vec::new();
        io::Read::read_to_end(&mut file, &mut content)?;
        let info = ObjectInfo {
            key: key.to_owned(),
            size: content.len() as u64,
            modified: file.metadata()?.modified()?,
            tag: tag(&content),
        };
        Ok((info, content))
    }

    /// Writes an object at once: nobody sees a part of it. The answer is its tag.
    pub(crate) fn write(&self, key: &str, content: &[u8]) -> Result<String, BucketError> {
        let staged = self.staged(content)?;
        self.place(&staged, key)?;
        Ok(tag(content))
    }

    /// A file outside of the bucket.
    fn staged(&self, content: &[u8]) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.staging)?;
        let staged = self.staging.join(random_hex(16));
        let mut file = fs::File::create_new(&staged)?;
        file.write_all(content)?;
        Ok(staged)
    }

    /// Makes a file from outside an object.
    fn place(&self, staged: &Path, key: &str) -> Result<(), BucketError> {
        let placed = self.try_place(staged, key);
        if placed.is_err() {
            // Nobody needs it any more.
            let _ = fs::remove_file(staged);
        }
        placed
    }

    fn try_place(&self, staged: &Path, key: &str) -> Result<(), BucketError> {
        let path = self.path(key)?;
        if path.is_dir() {
            return Err(unnameable(key));
        }
        if let Some(parent) = path.parent() {
            let made = fs::create_dir_all(parent);
            made.map_err(|error| match error.kind() {
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => unnameable(key),
                _ => error.into(),
            })?;
        }
        Ok(fs::rename(staged, path)?)
    }

    /// Begins an object that comes in parts. The answer is the id of the upload.
    pub(crate) fn begin(&self) -> Result<String, BucketError> {
        let upload = random_hex(16);
        fs::create_dir_all(self.staging.join(format!("{upload}.parts")))?;
        Ok(upload)
    }

    /// Takes a part, which may come again. The answer is its tag.
    pub(crate) fn put_part(
        &self,
        upload: &str,
        number: u32,
        content: &[u8],
    ) -> Result<String, BucketError> {
        let folder = self.upload(upload)?;
        let staged = self.staged(content)?;
        fs::rename(staged, folder.join(number.to_string()))?;
        Ok(tag(content))
    }

    /// Makes an object of these parts. The answer is its tag.
    pub(crate) fn complete(
        &self,
        upload: &str,
        parts: &[u32],
        key: &str,
    ) -> Result<String, BucketError> {
        let folder = self.upload(upload)?;
        let staged = self.staged(&[])?;
        let joined = join(&folder, parts, &staged);
        let placed = joined.and_then(|()| self.try_place(&staged, key));
        if let Err(error) = placed {
            // The parts stay: whoever sends them may try again.
            let _ = fs::remove_file(staged);
            return Err(error);
        }
        fs::remove_dir_all(folder)?;
        Ok(self.info(key)?.tag)
    }

    /// Forgets the parts of an upload.
    pub(crate) fn abort(&self, upload: &str) -> Result<(), BucketError> {
        Ok(fs::remove_dir_all(self.upload(upload)?)?)
    }

    /// The folder with the parts of an upload.
    fn upload(&self, upload: &str) -> Result<PathBuf, BucketError> {
        let is_id = !upload.is_empty() && upload.bytes().all(|byte| byte.is_ascii_hexdigit());
        let folder = self.staging.join(format!("{upload}.parts"));
        let found = is_id && folder.is_dir();
        found.then_some(folder).ok_or(BucketError::NoUpload)
    }

    /// Removes an object, and the folders that are empty then. One that is not there is removed.
    pub(crate) fn remove(&self, key: &str) -> Result<(), BucketError> {
        let path = self.path(key)?;
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let above = path.ancestors().skip(1);
        for folder in above.take_while(|folder| *folder != self.folder) {
            // It has something else in it.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, key: &str) -> Result<fs::File, BucketError> {
        let path = self.path(key).map_err(|_| BucketError::Missing)?;
        if path.is_dir() {
            return Err(BucketError::Missing);
        }
        fs::File::open(path).map_err(|error| {
            if is_absent(&error) {
                BucketError::Missing
            } else {
                error.into()
            }
        })
    }

    fn path(&self, key: &str) -> Result<PathBuf, BucketError> {
        let is_name = |part: &str| {
            !matches!(part, "" | "." | "..") && part.len() <= LONGEST_NAME && !part.contains('\0')
        };
        if !key.split('/').all(is_name) {
            return Err(unnameable(key));
        }
        Ok(self.folder.join(key))
    }
}

/// Appends all parts to a file, in this order.
fn join(folder: &Path, parts: &[u32], file: &Path) -> Result<(), BucketError> {
    let mut file = fs::OpenOptions::new().append(true).open(file)?;
    for number in parts {
        let part = fs::File::open(folder.join(number.to_string()));
        let mut part = part.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BucketError::NoPart(*number),
            _ => error.into(),
        })?;
        io::copy(&mut part, &mut file)?;
    }
    Ok(())
}

/// The entity tag of a content.
fn tag(content: &[u8]) -> String {
    hex(&Md5::digest(content))
}

fn unnameable(key: &str) -> BucketError {
    BucketError::Unnameable(key.to_owned())
}

/// What is in a folder; nothing if it has gone.
pub(super) fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Links to folders are not followed: they may lead in a circle.
pub(super) fn is_folder(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}
