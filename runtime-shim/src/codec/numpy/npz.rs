//! Arrays by name, in a zip archive: what `numpy.savez` and `numpy.savez_compressed` write.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{Named, npy};
use crate::codec::failure::{Code, Failure, shortened};
use crate::tensor::Tensor;

/// What the names of the files in the archive end with.
const SUFFIX: &str = ".npy";

/// Reads all arrays of an archive. They may not have more than `limit` bytes unpacked.
pub(super) fn read(file: &[u8], limit: u64) -> Result<Vec<Named>, Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        let message = format!("the archive cannot be read: {error}");
        Failure::new(Code::NotAnArray, message)
    };
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(|error| broken(&error))?;
    let mut left = limit;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| broken(&error))?;
        let name = file.name().map_err(|error| broken(&error))?;
        let name = name.trim_end_matches(SUFFIX).to_owned();
        let mut bytes = Vec::new();
        // One byte more tells what is too large.
        let read = file.take(left + 1).read_to_end(&mut bytes);
        let size = read.map_err(|error| broken(&error))? as u64;
        left = left.checked_sub(size).ok_or_else(|| {
            let message = format!("the archive has more than {limit} bytes unpacked");
            Failure::new(Code::RequestTooLarge, message)
        })?;
        let array = npy::read(&bytes.into(), &shortened(&name))?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// Writes an archive without compression, as `numpy.savez` does.
pub(super) fn write<'a>(
    tensors: impl Iterator<Item = (&'a str, &'a Tensor)>,
) -> Result<Vec<u8>, Failure> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // Archives do not tell the time: the same answer has the same bytes.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let failed = |error: &dyn std::fmt::Display| Failure::new(Code::Internal, error.to_string());
    for (name, tensor) in tensors {
        archive
            .start_file(format!("{name}{SUFFIX}"), options)
            .map_err(|error| failed(&error))?;
        archive
            .write_all(&npy::write(tensor))
            .map_err(|error| failed(&error))?;
    }
    let written = archive.finish().map_err(|error| failed(&error))?;
    Ok(written.into_inner())
}
