//! Unpacked packages, each once, in folders that are named by their content.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use fs_err::File;
use mlfn_core::Digest;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

/// Why a package cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It has been changed since somebody looked at it.
    #[error("{} is not what it was when it was planned; package it again", path.display())]
    Changed {
        /// The archive.
        path: PathBuf,
    },
    /// It is no archive, or it ends early.
    #[error("{} is not a readable {format} archive", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What it should be.
        format: &'static str,
        /// What the reader says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The machine did not let us read or write; the message names the file.
    #[error("cannot unpack the package")]
    Machine(#[from] io::Error),
}

/// The name of a file that is no archive.
const WHOLE: &str = "file";

/// The folder of all unpacked packages.
#[derive(Debug, Clone)]
pub(crate) struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// Those of the cloud in `folder`.
    pub(crate) fn of(cloud: &Path) -> Self {
        Self::new(cloud.join("packages"))
    }

    /// In `folder`, which need not exist.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the package of that content is, if it is here.
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.as_str())
    }

    /// Makes sure that the package in `archive` is here, read-only. May be called by several
    /// processes at once.
    pub(crate) fn unpack(&self, archive: &Path, digest: &Digest) -> Result<PathBuf, PackageError> {
        self.put(archive, digest, extract)
    }

    /// Makes sure that a copy of `file` is here, read-only, as [`Self::file`].
    pub(crate) fn copy(&self, file: &Path, digest: &Digest) -> Result<PathBuf, PackageError> {
        self.put(file, digest, |file, folder| {
            fs_err::copy(file, folder.join(WHOLE))?;
            Ok(())
        })
    }

    /// Where the file of that content is, if it is here.
    pub(crate) fn file(&self, digest: &Digest) -> PathBuf {
        self.path(digest).join(WHOLE)
    }

    fn put(
        &self,
        archive: &Path,
        digest: &Digest,
        fill: impl FnOnce(&Path, &Path) -> Result<(), PackageError>,
    ) -> Result<PathBuf, PackageError> {
        let target = self.path(digest);
        if target.is_dir() {
            return Ok(target);
        }
        if hash(archive)? != *digest {
            let path = archive.to_owned();
            return Err(PackageError::Changed { path });
        }
        fs_err::create_dir_all(&self.folder)?;
        let draft = Draft::new(&self.folder)?;
        fill(archive, &draft.0)?;
        protect(&draft.0)?;
        match fs_err::rename(&draft.0, &target) {
            // Somebody else was faster.
            Err(_) if target.is_dir() => Ok(target),
            result => Ok(result.map(|()| target)?),
        }
    }

    /// Removes every package that is not in `wanted`. What cannot be removed stays.
    pub(crate) fn keep(&self, wanted: &BTreeSet<Digest>) {
        let Ok(entries) = fs_err::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_wanted = wanted.iter().any(|digest| digest.as_str() == name);
            if !is_wanted && !name.starts_with('.') {
                remove(&entry.path());
            }
        }
    }
}

/// Which packages are in use by somebody in this process.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    given: Mutex<BTreeMap<Digest, Weak<Lease>>>,
    /// Told whenever a package is in use no more.
    freed: Arc<Notify>,
}

/// A package is in use as long as somebody has this.
#[derive(Debug)]
pub(crate) struct Lease {
    freed: Arc<Notify>,
}

impl Leases {
    /// The lease of a package.
    pub(crate) fn lease(&self, digest: &Digest) -> Arc<Lease> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, lease| lease.strong_count() > 0);
        if let Some(lease) = given.get(digest).and_then(Weak::upgrade) {
            return lease;
        }
        let lease = Arc::new(Lease {
            freed: Arc::clone(&self.freed),
        });
        given.insert(digest.clone(), Arc::downgrade(&lease));
        lease
    }

    /// The packages that are in use.
    pub(crate) fn in_use(&self) -> BTreeSet<Digest> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use = given.iter().filter(|(_, lease)| lease.strong_count() > 0);
        in_use.map(|(digest, _)| digest.clone()).collect()
    }

    /// Is told whenever a package is in use no more.
    pub(crate) fn freed(&self) -> Arc<Notify> {
        Arc::clone(&self.freed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.freed.notify_one();
    }
}

/// A folder that is removed unless it gets another name.
struct Draft(PathBuf);

impl Draft {
    fn new(parent: &Path) -> io::Result<Self> {
        let path = parent.join(format!(".{:016x}", fastrand::u64(..)));
        fs_err::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn hash(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_sha256(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// The first bytes of a gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

fn extract(archive: &Path, folder: &Path) -> Result<(), PackageError> {
    let mut start = [0; 2];
    let length = File::open(archive)?.read(&mut start)?;
    let failed = |format, source| PackageError::Archive {
        path: archive.to_owned(),
        format,
        source,
    };
    if start[..length] == GZIP {
        return untar(archive, folder).map_err(|error| failed("tar.gz", error.into()));
    }
    unzip(archive, folder).map_err(|error| failed("zip", error.into()))
}

fn untar(archive: &Path, folder: &Path) -> io::Result<()> {
    let reader = flate2::read::GzDecoder::new(io::BufReader::new(File::open(archive)?));
    tar::Archive::new(reader).unpack(folder)
}

fn unzip(archive: &Path, folder: &Path) -> zip::result::ZipResult<()> {
    let mut archive = zip::ZipArchive::new(io::BufReader::new(File::open(archive)?))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let Some(name) = entry.enclosed_name() else {
            let message = "a file in it leads out of the archive";
            return Err(io::Error::other(message).into());
        };
        let path = folder.join(name);
        if entry.is_dir() {
            fs_err::create_dir_all(&path)?;
            continue;
        }
        fs_err::create_dir_all(path.parent().unwrap_or(folder))?;
        let mut file = File::create(&path)?;
        io::copy(&mut entry, &mut file)?;
        file.flush()?;
        let mode = entry.unix_mode().unwrap_or(0o644) & 0o777;
        fs_err::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Takes the right to write away.
fn protect(path: &Path) -> io::Result<()> {
    each(path, &|path, is_folder| {
        let mode = fs_err::symlink_metadata(path)?.permissions().mode();
        let mode = if is_folder { 0o555 } else { mode & 0o555 };
        fs_err::set_permissions(path, Permissions::from_mode(mode))
    })
}

/// Calls `visit` for everything in a folder, and then for the folder. Does not follow links.
fn each(path: &Path, visit: &dyn Fn(&Path, bool) -> io::Result<()>) -> io::Result<()> {
    let kind = fs_err::symlink_metadata(path)?;
    if kind.is_symlink() {
        return Ok(());
    }
    if kind.is_dir() {
        for entry in fs_err::read_dir(path)? {
            each(&entry?.path(), visit)?;
        }
    }
    visit(path, kind.is_dir())
}

/// With everything in it, read-only or not. What cannot be removed stays.
fn remove(path: &Path) {
    unlock(path);
    let _ = fs_err::remove_dir_all(path);
}

/// A read-only folder does not let its entries go.
fn unlock(path: &Path) {
    if !path.is_dir() || path.is_symlink() {
        return;
    }
    let _ = fs_err::set_permissions(path, Permissions::from_mode(0o755));
    if let Ok(entries) = fs_err::read_dir(path) {
        entries.flatten().for_each(|entry| unlock(&entry.path()));
    }
}

/// The digest as AWS writes it: base64 of the bytes.
pub(crate) fn in_base64(digest: &Digest) -> String {
    use base64::Engine as _;
    let hex = digest.as_str().as_bytes();
    let bytes: Vec<u8> = hex
        .chunks(2)
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Some random hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> String {
    (0..bytes).fold(String::new(), |mut text, _| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{:02x}", fastrand::u8(..));
        text
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn zip_of(folder: &Path, files: &[(&str, u32, &str)]) -> (PathBuf, Digest) {
        let path = folder.join("package.zip");
        let mut zip = zip::ZipWriter::new(File::create(&path).expect("creates"));
        for (name, mode, text) in files {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
            zip.start_file(*name, options).expect("starts");
            zip.write_all(text.as_bytes()).expect("writes");
        }
        zip.finish().expect("ends");
        let digest = hash(&path).expect("reads");
        (path, digest)
    }

    #[test]
    fn a_package_is_unpacked_once_and_nobody_may_write_there() {
        let folder = TempDir::new().expect("makes a folder");
        let files = [("bootstrap", 0o755, "#!"), ("model/m.onnx", 0o644, "m")];
        let (archive, digest) = zip_of(folder.path(), &files);
        let packages = Packages::new(folder.path().join("packages"));
        let path = packages.unpack(&archive, &digest).expect("unpacks");
        let mode = |name: &str| {
            let metadata = fs_err::metadata(path.join(name)).expect("exists");
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(
            [mode("bootstrap"), mode("model/m.onnx"), mode("model")],
            [0o555, 0o444, 0o555]
        );
        fs_err::remove_file(&archive).expect("removes");
        assert_eq!(packages.unpack(&archive, &digest).expect("is there"), path);
        packages.keep(&[digest].into());
        assert!(path.exists());
        packages.keep(&BTreeSet::new());
        assert!(!path.exists());
    }

    #[test]
    fn another_archive_than_the_one_that_was_planned_is_refused() {
        let folder = TempDir::new().expect("makes a folder");
        let (archive, _) = zip_of(folder.path(), &[("a", 0o644, "a")]);
        let packages = Packages::new(folder.path().join("packages"));
        let error = packages.unpack(&archive, &Digest::of(b"other"));
        assert!(
            matches!(error, Err(PackageError::Changed { .. })),
            "{error:?}"
        );
    }

    #[test]
    fn what_is_no_archive_is_refused_and_leaves_nothing() {
        let folder = TempDir::new().expect("makes a folder");
        let archive = folder.path().join("a.zip");
        for bytes in [&b"no zip at all"[..], &GZIP, b""] {
            fs_err::write(&archive, bytes).expect("writes");
            let packages = Packages::new(folder.path().join("packages"));
            let error = packages.unpack(&archive, &Digest::of(bytes));
            assert!(
                matches!(error, Err(PackageError::Archive { .. })),
                "{error:?}"
            );
            let left = fs_err::read_dir(folder.path().join("packages")).expect("is there");
            assert_eq!(left.count(), 0, "{bytes:?}");
        }
    }

    #[test]
    fn a_package_is_in_use_until_the_last_lease_is_gone() {
        let leases = Leases::default();
        let digest = Digest::of(b"x");
        let pair = (leases.lease(&digest), leases.lease(&digest));
        assert_eq!(leases.in_use(), [digest.clone()].into());
        drop(pair.0);
        assert_eq!(leases.in_use(), [digest].into());
        drop(pair.1);
        assert_eq!(leases.in_use(), BTreeSet::new());
    }

    #[test]
    fn a_digest_in_base64_is_that_of_its_bytes() {
        let digest = Digest::of(b"");
        assert_eq!(
            in_base64(&digest),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }
}
