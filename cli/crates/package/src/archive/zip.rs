//! Zip files, as PKWARE's APPNOTE.TXT 6.3.10 describes them.
//!
//! Sizes and checksums are known before an entry is written, so headers are complete, nothing
//! is patched afterwards, and there are no data descriptors, which some readers refuse.
//! `docs/decisions/0006-archives.md` says why the `zip` crate reads our archives, but cannot write them.

use std::io::Write;

use super::hash::HashWriter;
use super::{EntryError, PackedEntry, of};
use crate::pack::{CopyError, END, Packed};
use crate::source::Entry;

/// 1980-01-01 00:00, the first moment that zip knows: the date in the upper, the time in the lower half.
const MODIFIED: u32 = ((1 << 5) | 1) << 16;

/// "Version made by": Unix in the upper half, so that readers look for modes; version 4.5.
const MADE_BY: u16 = (3 << 8) | ZIP64;

/// The versions that a reader needs for stored, deflated and large entries.
const PLAIN: u16 = 10;
const DEFLATE: u16 = 20;
const ZIP64: u16 = 45;

/// Bit 11 of the flags: the name is UTF-8.
const UTF8: u16 = 1 << 11;

/// Stands for "see the zip64 field" in fields of 2 and 4 bytes.
const SEE_ZIP64: u32 = u32::MAX;
const SEE_ZIP64_COUNT: u16 = u16::MAX;

/// A regular file, in the upper half of the external attributes.
const REGULAR_FILE: u32 = 0o100_000;

/// Writes the archive; the answer is the length of each entry, headers included.
pub(super) fn write<W: Write>(
    out: &mut HashWriter<W>,
    entries: &[PackedEntry],
) -> Result<Vec<u64>, EntryError> {
    let mut directory = Vec::new();
    let mut sizes = Vec::new();
    for PackedEntry { entry, packed } in entries {
        let start = out.size();
        let header = Header::new(entry, packed, start);
        write_entry(out, &header, entry, packed).map_err(of(entry))?;
        let listed = directory.len();
        directory.extend(header.central());
        sizes.push(out.size() - start + (directory.len() - listed) as u64);
    }
    write_directory(out, &directory, entries.len()).map_err(|error| EntryError {
        entry: String::new(),
        error: CopyError::Write(error),
    })?;
    Ok(sizes)
}

fn write_entry<W: Write>(
    out: &mut HashWriter<W>,
    header: &Header<'_>,
    entry: &Entry,
    packed: &Packed,
) -> Result<(), CopyError> {
    out.write_all(&header.local()).map_err(CopyError::Write)?;
    if !packed.is_compressed() {
        return packed.write_plain(&entry.source, out);
    }
    packed.write_blocks(&entry.source, out)?;
    out.write_all(&END).map_err(CopyError::Write)
}

/// What the two headers of an entry say.
struct Header<'a> {
    name: &'a str,
    mode: u32,
    crc: u32,
    deflated: bool,
    size: u64,
    packed: u64,
    offset: u64,
}

impl<'a> Header<'a> {
    fn new(entry: &'a Entry, packed: &Packed, offset: u64) -> Self {
        let deflated = packed.is_compressed();
        let length = if deflated {
            packed.blocks_length() + END.len() as u64
        } else {
            packed.size
        };
        Self {
            name: &entry.path,
            mode: entry.mode,
            crc: packed.crc,
            deflated,
            size: packed.size,
            packed: length,
            offset,
        }
    }

    /// APPNOTE 4.3.7.
    fn local(&self) -> Vec<u8> {
        let large = is_large(self.size) || is_large(self.packed);
        let mut extra = Vec::new();
        if large {
            // In local headers, the zip64 field has both sizes or none (4.5.3).
            extra.extend(zip64_field(&[self.size, self.packed]));
        }
        let mut bytes = Bytes::signature(0x0403_4b50);
        self.common(&mut bytes, large);
        let size = |size| if large { SEE_ZIP64 } else { short(size) };
        bytes.u32(size(self.packed)).u32(size(self.size));
        bytes.u16(length(self.name)).u16(length(&extra));
        bytes.raw(self.name.as_bytes()).raw(&extra);
        bytes.0
    }

    /// APPNOTE 4.3.12.
    fn central(&self) -> Vec<u8> {
        let large: Vec<u64> = [self.size, self.packed, self.offset]
            .into_iter()
            .filter(|value| is_large(*value))
            .collect();
        let extra = if large.is_empty() {
            Vec::new()
        } else {
            zip64_field(&large)
        };
        let mut bytes = Bytes::signature(0x0201_4b50);
        bytes.u16(MADE_BY);
        self.common(&mut bytes, !extra.is_empty());
        bytes.u32(short(self.packed)).u32(short(self.size));
        bytes.u16(length(self.name)).u16(length(&extra));
        // No comment, first disk, no internal attributes.
        bytes.u16(0).u16(0).u16(0);
        bytes.u32((REGULAR_FILE | self.mode) << 16);
        bytes.u32(short(self.offset));
        bytes.raw(self.name.as_bytes()).raw(&extra);
        bytes.0
    }

    /// From "version needed" to the checksum.
    fn common(&self, bytes: &mut Bytes, large: bool) {
        let needed = match (large, self.deflated) {
            (true, _) => ZIP64,
            (false, true) => DEFLATE,
            (false, false) => PLAIN,
        };
        let flags = if self.name.is_ascii() { 0 } else { UTF8 };
        let method = if self.deflated { 8 } else { 0 };
        bytes
            .u16(needed)
            .u16(flags)
            .u16(method)
            .u32(MODIFIED)
            .u32(self.crc);
    }
}

/// APPNOTE 4.3.14 to 4.3.16.
fn write_directory<W: Write>(
    out: &mut HashWriter<W>,
    directory: &[u8],
    count: usize,
) -> std::io::Result<()> {
    let (offset, size, count) = (out.size(), directory.len() as u64, count as u64);
    out.write_all(directory)?;
    let short_count = u16::try_from(count).unwrap_or(SEE_ZIP64_COUNT);
    if is_large(offset) || is_large(size) || short_count == SEE_ZIP64_COUNT {
        let end = out.size();
        let mut bytes = Bytes::signature(0x0606_4b50);
        // The size of the rest of this record; then made by, needed, and the disks.
        bytes.u64(44).u16(MADE_BY).u16(ZIP64).u32(0).u32(0);
        bytes.u64(count).u64(count).u64(size).u64(offset);
        bytes.u32(0x0706_4b50).u32(0).u64(end).u32(1);
        out.write_all(&bytes.0)?;
    }
    let mut bytes = Bytes::signature(0x0605_4b50);
    bytes.u16(0).u16(0).u16(short_count).u16(short_count);
    bytes.u32(short(size)).u32(short(offset)).u16(0);
    out.write_all(&bytes.0)
}

/// APPNOTE 4.5.3: the extra field with the values that do not fit into the header.
fn zip64_field(values: &[u64]) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    bytes.u16(1).u16(length(values) * 8);
    for value in values {
        bytes.u64(*value);
    }
    bytes.0
}

fn is_large(value: u64) -> bool {
    value >= u64::from(SEE_ZIP64)
}

fn short(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(SEE_ZIP64)
}

/// Lengths of names and extra fields: the layout refuses longer ones.
fn length<T: AsRef<[U]> + ?Sized, U>(value: &T) -> u16 {
    u16::try_from(value.as_ref().len()).unwrap_or(u16::MAX)
}

/// Little-endian numbers, one after the other.
struct Bytes(Vec<u8>);

impl Bytes {
    fn signature(signature: u32) -> Self {
        Self(signature.to_le_bytes().to_vec())
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python reads no archive without its first 4 GiB, which no test should have to write.
    #[test]
    fn an_entry_behind_4_gib_has_its_place_in_zip64() {
        let place = (5_u64 << 30) + 7;
        let header = Header {
            name: "a",
            mode: 0o755,
            crc: 9,
            deflated: false,
            size: 3,
            packed: 3,
            offset: place,
        };
        let central = header.central();
        let field = |start: usize, end: usize| central.get(start..end).expect("long enough");
        assert_eq!(field(6, 8), 45_u16.to_le_bytes(), "version needed");
        assert_eq!(field(20, 28), [3, 0, 0, 0, 3, 0, 0, 0], "sizes");
        assert_eq!(field(30, 32), [12, 0], "length of the extra field");
        assert_eq!(field(38, 42), (0o100_755_u32 << 16).to_le_bytes(), "mode");
        assert_eq!(field(42, 46), [0xff; 4], "place");
        assert_eq!(
            field(47, 51),
            [1, 0, 8, 0],
            "the extra field has one number"
        );
        assert_eq!(field(51, 59), place.to_le_bytes());
        assert_eq!(central.len(), 59);
        let local = header.local();
        assert_eq!(local.len(), 31, "the local header does not say where it is");
    }
}
