//! Takes the library out of a wheel.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use fs_err::File;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use crate::cache::hexadecimal;
use crate::download::Source;
use crate::error::FetchError;
use crate::platform::Pin;

/// Writes the library into a folder, and answers its path if it is the pinned one.
pub(crate) fn library(
    source: &Source,
    pin: &Pin,
    folder: &Path,
) -> io::Result<Result<PathBuf, FetchError>> {
    let target = folder.join(pin.file_name);
    let found = match source {
        Source::Wheel(wheel) => {
            let mut archive = ZipArchive::new(File::open(wheel)?)?;
            copy(archive.by_name(pin.member)?, &target, pin)?
        }
        // A copy, not the file itself, which may be a link into uv's own cache.
        Source::Installed(library) => copy(File::open(library)?, &target, pin)?,
    };
    if found == pin.library_sha256 {
        return Ok(Ok(target));
    }
    Ok(Err(FetchError::HashMismatch {
        subject: format!("library `{}` in the wheel", pin.member),
        expected: pin.library_sha256.to_owned(),
        found,
    }))
}

/// Copies to the disk, and answers the SHA-256 of what was copied. No more is written than a
/// library that is one byte too long.
fn copy(source: impl Read, target: &Path, pin: &Pin) -> io::Result<String> {
    let mut source = source.take(pin.library_bytes + 1);
    let mut file = File::create(target)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
    }
    file.sync_all()?;
    Ok(hexadecimal(hash))
}
