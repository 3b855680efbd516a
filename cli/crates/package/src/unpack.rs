//! Archives back into files, as the platforms do it.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use fs_err::{File, OpenOptions};
use mlfn_core::ArchiveFormat;
use zip::ZipArchive;

use crate::PackageError;

/// What the upper bits of a Unix mode mean.
const FILE_TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

/// Writes all files of `archive` below `into`, with their permissions.
///
/// Refuses paths that leave `into`, links, devices, and files that are already there. After an
/// error, some files may have been written: unpack into a folder of your own.
pub fn unpack(archive: &Path, format: ArchiveFormat, into: &Path) -> Result<(), PackageError> {
    let unpacking = Unpacking { archive, into };
    let file = File::open(archive).map_err(|error| unpacking.failed(error))?;
    fs_err::create_dir_all(into).map_err(|error| PackageError::write(into, error))?;
    match format {
        ArchiveFormat::Zip => unpacking.zip(file),
        ArchiveFormat::TarGz => unpacking.tar(file),
    }
}

struct Unpacking<'a> {
    archive: &'a Path,
    into: &'a Path,
}

impl Unpacking<'_> {
    fn zip(&self, file: File) -> Result<(), PackageError> {
        let broken = |error: zip::result::ZipError| self.failed(error.into());
        let mut zip = ZipArchive::new(io::BufReader::new(file)).map_err(broken)?;
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).map_err(broken)?;
            let name = entry.name().map_err(broken)?.into_owned();
            let mode = entry.unix_mode().unwrap_or(REGULAR | 0o644);
            let kind = match mode & FILE_TYPE {
                0 if entry.is_dir() => DIRECTORY,
                0 => REGULAR,
                kind => kind,
            };
            self.entry(&name, kind, mode, &mut entry)?;
        }
        Ok(())
    }

    fn tar(&self, file: File) -> Result<(), PackageError> {
        let mut tar = tar::Archive::new(GzDecoder::new(io::BufReader::new(file)));
        for entry in tar.entries().map_err(|error| self.failed(error))? {
            let mut entry = entry.map_err(|error| self.failed(error))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mode = entry.header().mode().map_err(|error| self.failed(error))?;
            let kind = match entry.header().entry_type() {
                tar::EntryType::Regular => REGULAR,
                tar::EntryType::Directory => DIRECTORY,
                _ => 0,
            };
            self.entry(&name, kind, mode, &mut entry)?;
        }
        Ok(())
    }

    fn entry(
        &self,
        name: &str,
        kind: u32,
        mode: u32,
        contents: &mut impl Read,
    ) -> Result<(), PackageError> {
        let path = self.path(name)?;
        match kind {
            REGULAR => self.file(name, &path, mode, contents),
            DIRECTORY => create_folder(&path),
            _ => Err(self.refuse(name, "it is neither a file nor a folder")),
        }
    }

    fn file(
        &self,
        name: &str,
        path: &Path,
        mode: u32,
        contents: &mut impl Read,
    ) -> Result<(), PackageError> {
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(self.refuse(name, "a file of this name is already there"));
            }
            Err(error) => return Err(PackageError::write(path, error)),
        };
        io::copy(contents, &mut file).map_err(|error| self.failed(error))?;
        set_mode(path, mode).map_err(|error| PackageError::write(path, error))
    }

    /// Below the folder, or an error.
    fn path(&self, name: &str) -> Result<PathBuf, PackageError> {
        let relative = Path::new(name);
        let plain = relative
            .components()
            .all(|step| matches!(step, Component::Normal(_)));
        if name.is_empty() || !plain || name.contains(['\\', '\0']) {
            return Err(self.refuse(
                name,
                "its path is not a plain path below the package's root",
            ));
        }
        Ok(self.into.join(relative))
    }

    fn failed(&self, source: io::Error) -> PackageError {
        PackageError::Unpack {
            path: self.archive.to_owned(),
            source,
        }
    }

    fn refuse(&self, entry: &str, reason: &'static str) -> PackageError {
        PackageError::Unsafe {
            archive: self.archive.to_owned(),
            entry: entry.to_owned(),
            reason,
        }
    }
}

fn create_folder(path: &Path) -> Result<(), PackageError> {
    fs_err::create_dir_all(path).map_err(|error| PackageError::write(path, error))
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}
