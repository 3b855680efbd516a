//! Tar files (POSIX ustar with GNU's long names and large sizes) in gzip (RFC 1952).
//!
//! The deflate stream is made of the same blocks as a zip's, with those of the tar headers between
//! them, so that incompressible weights are stored here too.

use std::io::{self, Write};

use crc32fast::Hasher;
use tar::{Builder, EntryType, Header};

use super::hash::HashWriter;
use super::{EntryError, PackedEntry, of};
use crate::pack::{CopyError, END, Packed, write_stored};
use crate::source::Entry;

/// Deflate, no name, no time, no level, "unknown" as operating system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// 1980-01-01 00:00 UTC, the same as in zip files.
const MODIFIED: u64 = 315_532_800;

/// Tar's unit, in bytes.
const RECORD: u64 = 512;

/// Two empty records.
const END_OF_TAR: [u8; 1024] = [0; 1024];

/// Writes the archive; the answer is the length of each entry, headers included.
pub(super) fn write<W: Write>(
    out: &mut HashWriter<W>,
    entries: &[PackedEntry],
) -> Result<Vec<u64>, EntryError> {
    let frame = |error| EntryError {
        entry: String::new(),
        error: CopyError::Write(error),
    };
    out.write_all(&GZIP_HEADER).map_err(frame)?;
    let mut sum = Hasher::new();
    let mut sizes = Vec::new();
    for PackedEntry { entry, packed } in entries {
        let start = out.size();
        write_entry(out, &mut sum, entry, packed).map_err(of(entry))?;
        sizes.push(out.size() - start);
    }
    write_end(out, sum).map_err(frame)?;
    Ok(sizes)
}

fn write_entry<W: Write>(
    out: &mut HashWriter<W>,
    sum: &mut Hasher,
    entry: &Entry,
    packed: &Packed,
) -> Result<(), CopyError> {
    let header = header(entry, packed.size).map_err(CopyError::Write)?;
    plain(&header, out, sum).map_err(CopyError::Write)?;
    packed.write_blocks(&entry.source, out)?;
    sum.combine(&Hasher::new_with_initial_len(packed.crc, packed.size));
    let padding = packed.size.next_multiple_of(RECORD) - packed.size;
    let zeros = vec![0; usize::try_from(padding).unwrap_or(0)];
    plain(&zeros, out, sum).map_err(CopyError::Write)
}

/// The header blocks of an entry, those of a long name before it included.
fn header(entry: &Entry, size: u64) -> io::Result<Vec<u8>> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(entry.mode);
    header.set_mtime(MODIFIED);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    let mut builder = Builder::new(Vec::new());
    // Only the headers: the contents are written as blocks of deflate.
    builder.append_data(&mut header, &entry.path, io::empty())?;
    Ok(std::mem::take(builder.get_mut()))
}

/// Tar ends with two empty records, the deflate stream with an empty last block, gzip with the
/// checksum and the size.
fn write_end<W: Write>(out: &mut HashWriter<W>, mut sum: Hasher) -> io::Result<()> {
    plain(&END_OF_TAR, out, &mut sum)?;
    out.write_all(&END)?;
    // The size modulo 2^32 (RFC 1952, ISIZE).
    let size = sum.total_len().to_le_bytes();
    out.write_all(&sum.finalize().to_le_bytes())?;
    out.write_all(size.get(..4).unwrap_or_default())
}

/// Headers and padding are stored: a few hundred bytes an entry.
fn plain<W: Write>(bytes: &[u8], out: &mut HashWriter<W>, sum: &mut Hasher) -> io::Result<()> {
    sum.update(bytes);
    write_stored(bytes, out)
}
