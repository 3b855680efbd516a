//! Compression: each file is cut into blocks of 1 MiB, which all cores compress on their own.
//!
//! A compressed block ends with a sync flush (RFC 1951 section 3.2.4: an empty stored block), so
//! that blocks joined in order, with one empty last block behind them, are a valid deflate stream.
//! The same blocks serve the zip and the tar.gz. A block that hardly shrinks is not compressed:
//! trained weights save a few percent at a hundred times the cost of copying them.
//!
//! The bytes depend on the input alone, not on the number of cores; `docs/decisions/0006-archives.md`
//! says why the compressor is `miniz_oxide` itself and not whatever `flate2` was built with.

use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crc32fast::Hasher;
use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output};
use mlfn_core::Digest;
use sha2::{Digest as _, Sha256};

use crate::PackageError;
use crate::source::{BLOCK, Reader, Source, fill};

/// zlib's own default: on ONNX Runtime's library, level 9 saves 0.3 % more in twice the time.
const LEVEL: u8 = 6;

/// For blocks that save little, where only the frequencies of bytes count, and not repetitions:
/// level 6 finds no more there, in five times the time.
const QUICK_LEVEL: u8 = 1;

/// The length of that sample, from the middle of the block.
const SAMPLE: usize = 1 << 16;

/// A block that is smaller than this is compressed without trying a sample first.
const SAMPLED_FROM: usize = 4 * SAMPLE;

/// The longest stored block that deflate has.
const STORED: usize = 65_535;

/// Compressed bytes of a package that stay in memory; a larger package pays for a file anyway.
const IN_MEMORY: usize = 32 << 20;

/// What stands before each stored block: its type, its length, the complement of its length.
const STORED_HEADER: u64 = 5;

/// An empty last block with fixed Huffman codes: the end of each stream.
pub(crate) const END: [u8; 2] = [0x03, 0x00];

/// Changes whenever the same input gives other bytes, so that nothing old is reused.
pub(crate) const PARAMETERS: &str = "miniz-6-or-1-of-1MiB";

/// A file, compressed as far as that pays.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// Bytes of the file.
    pub(crate) size: u64,
    /// CRC-32 of the file, as zip and gzip have it.
    pub(crate) crc: u32,
    /// SHA-256 of the file.
    pub(crate) digest: Digest,
    /// Its blocks, in order.
    pieces: Vec<Piece>,
    /// Where the compressed blocks are.
    store: Arc<Store>,
}

/// A block of a file.
#[derive(Debug, Clone)]
struct Piece {
    /// Bytes of the file.
    size: u64,
    /// CRC-32 of these bytes.
    crc: u32,
    /// Where its compressed form is; none if it is taken from the file as it is.
    compressed: Option<Place>,
}

/// Where a compressed block is.
#[derive(Debug, Clone)]
enum Place {
    Memory(Arc<Vec<u8>>),
    Store(Span),
}

impl Place {
    fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Store(span) => span.length,
        }
    }
}

/// A piece of a [`Store`].
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    length: u64,
}

/// For compressed blocks, in any order: the first ones stay in memory, the rest go to a file.
#[derive(Debug)]
pub(crate) struct Store {
    file: Mutex<std::fs::File>,
    /// Bytes that may still stay in memory.
    room: AtomicUsize,
}

impl Store {
    /// With a nameless file in `folder`: the system removes it, however this process ends.
    pub(crate) fn temporary(folder: &Path) -> Result<Arc<Self>, PackageError> {
        Self::with_room(IN_MEMORY, folder)
    }

    /// The same with so many bytes in memory.
    pub(crate) fn with_room(room: usize, folder: &Path) -> Result<Arc<Self>, PackageError> {
        let file =
            tempfile::tempfile_in(folder).map_err(|error| PackageError::write(folder, error))?;
        Ok(Arc::new(Self {
            file: Mutex::new(file),
            room: AtomicUsize::new(room),
        }))
    }

    fn keep(&self, bytes: Vec<u8>) -> io::Result<Place> {
        let left = |room: usize| room.checked_sub(bytes.capacity());
        let fits = self.room.fetch_update(Relaxed, Relaxed, left);
        if fits.is_ok() {
            return Ok(Place::Memory(Arc::new(bytes)));
        }
        let mut file = lock(&self.file);
        let start = file.seek(SeekFrom::End(0))?;
        file.write_all(&bytes)?;
        Ok(Place::Store(Span {
            start,
            length: bytes.len() as u64,
        }))
    }

    fn copy(&self, span: Span, out: &mut impl Write) -> io::Result<()> {
        let mut file = lock(&self.file);
        file.seek(SeekFrom::Start(span.start))?;
        let copied = io::copy(&mut (&mut *file).take(span.length), out)?;
        exactly(copied, span.length)
    }
}

impl Packed {
    /// Compresses `source` on all cores; `store` keeps compressed blocks.
    pub(crate) fn new(source: &Source, store: &Arc<Store>) -> Result<Self, PackageError> {
        let reader = source.open().map_err(PackageError::Read)?;
        let blocks = Blocks {
            reader,
            hash: Sha256::new(),
            next: 0,
        };
        let blocks = Mutex::new(blocks);
        let mut pieces = compress_all(&blocks, store)?;
        pieces.sort_unstable_by_key(|(index, _)| *index);
        let blocks = blocks.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Self::of_pieces(
            pieces.into_iter().map(|(_, piece)| piece).collect(),
            Digest::from_sha256(&blocks.hash.finalize()),
            Arc::clone(store),
        ))
    }

    /// From a file that holds all of its blocks, joined; see [`Self::write_blocks`].
    pub(crate) fn joined(
        size: u64,
        crc: u32,
        digest: Digest,
        file: std::fs::File,
        span: (u64, u64),
    ) -> Self {
        let compressed = Some(Place::Store(Span {
            start: span.0,
            length: span.1,
        }));
        let store = Arc::new(Store {
            file: Mutex::new(file),
            room: AtomicUsize::new(0),
        });
        Self::of_pieces(
            vec![Piece {
                size,
                crc,
                compressed,
            }],
            digest,
            store,
        )
    }

    fn of_pieces(pieces: Vec<Piece>, digest: Digest, store: Arc<Store>) -> Self {
        let mut crc = Hasher::new();
        for piece in &pieces {
            crc.combine(&Hasher::new_with_initial_len(piece.crc, piece.size));
        }
        let size = pieces.iter().map(|piece| piece.size).sum();
        Self {
            size,
            crc: crc.finalize(),
            digest,
            pieces,
            store,
        }
    }

    /// Whether a block of it is compressed. If not, a zip can hold it as it is.
    pub(crate) fn is_compressed(&self) -> bool {
        self.pieces.iter().any(|piece| piece.compressed.is_some())
    }

    /// The bytes that [`Self::write_blocks`] writes.
    pub(crate) fn blocks_length(&self) -> u64 {
        let length = |piece: &Piece| match &piece.compressed {
            Some(place) => place.length(),
            None => piece.size + STORED_HEADER * piece.size.div_ceil(STORED as u64),
        };
        self.pieces.iter().map(length).sum()
    }

    /// Writes all blocks in deflate's form, without [`END`].
    pub(crate) fn write_blocks(
        &self,
        source: &Source,
        out: &mut impl Write,
    ) -> Result<(), CopyError> {
        self.write(source, out, |bytes, out| write_stored(bytes, out))
    }

    /// Writes the file as it is. Only for files of which no block is compressed.
    pub(crate) fn write_plain(
        &self,
        source: &Source,
        out: &mut impl Write,
    ) -> Result<(), CopyError> {
        self.write(source, out, |bytes, out| out.write_all(bytes))
    }

    fn write<W: Write>(
        &self,
        source: &Source,
        out: &mut W,
        plain: impl Fn(&[u8], &mut W) -> io::Result<()>,
    ) -> Result<(), CopyError> {
        let mut reader = source.open().map_err(CopyError::Read)?;
        let mut block = vec![0; BLOCK];
        let mut start = 0;
        for piece in &self.pieces {
            match &piece.compressed {
                Some(Place::Memory(bytes)) => out.write_all(bytes).map_err(CopyError::Write)?,
                Some(Place::Store(span)) => {
                    self.store.copy(*span, out).map_err(CopyError::Write)?;
                }
                None => {
                    reader
                        .seek(SeekFrom::Start(start))
                        .map_err(CopyError::Read)?;
                    plain(read_again(&mut reader, piece, &mut block)?, out)
                        .map_err(CopyError::Write)?;
                }
            }
            start += piece.size;
        }
        Ok(())
    }
}

/// Why a packed file could not be copied into an archive.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// The source cannot be read any more.
    Read(io::Error),
    /// The archive cannot be written.
    Write(io::Error),
    /// The source is no longer what was compressed.
    Changed,
}

/// The blocks of a file, handed out one after the other.
struct Blocks<'a> {
    reader: Box<dyn Reader + 'a>,
    hash: Sha256,
    next: usize,
}

impl Blocks<'_> {
    /// Puts the next block into `block`; none at the end.
    fn next<'b>(&mut self, block: &'b mut [u8]) -> io::Result<Option<(usize, &'b [u8])>> {
        let length = fill(&mut self.reader, block)?;
        let Some(block) = block.get(..length).filter(|block| !block.is_empty()) else {
            return Ok(None);
        };
        self.hash.update(block);
        self.next += 1;
        Ok(Some((self.next, block)))
    }
}

fn compress_all(
    blocks: &Mutex<Blocks<'_>>,
    store: &Store,
) -> Result<Vec<(usize, Piece)>, PackageError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| compress_some(blocks, store)))
            .collect();
        let mut pieces = Vec::new();
        for worker in workers {
            // A worker that panicked has a bug; its panic goes on here.
            pieces.extend(
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?,
            );
        }
        Ok(pieces)
    })
}

fn compress_some(
    blocks: &Mutex<Blocks<'_>>,
    store: &Store,
) -> Result<Vec<(usize, Piece)>, PackageError> {
    let mut pieces = Vec::new();
    let mut block = vec![0; BLOCK];
    loop {
        let next = lock(blocks).next(&mut block).map_err(PackageError::Read)?;
        let Some((index, bytes)) = next else {
            return Ok(pieces);
        };
        let compressed = deflate_if_it_pays(bytes)
            .map(|compressed| store.keep(compressed))
            .transpose()
            .map_err(PackageError::Scratch)?;
        let (size, crc) = (bytes.len() as u64, crc32fast::hash(bytes));
        pieces.push((
            index,
            Piece {
                size,
                crc,
                compressed,
            },
        ));
    }
}

/// The compressed block, if it is at least a tenth smaller.
fn deflate_if_it_pays(block: &[u8]) -> Option<Vec<u8>> {
    let level = if block.len() < SAMPLED_FROM {
        LEVEL
    } else {
        let middle = (block.len() - SAMPLE) / 2;
        level_for(block.get(middle..middle + SAMPLE)?)?
    };
    deflate(block, level).filter(|compressed| pays(block, compressed))
}

/// The level that suits data like `sample`; none if compression hardly helps.
fn level_for(sample: &[u8]) -> Option<u8> {
    let compressed = deflate(sample, QUICK_LEVEL).filter(|compressed| pays(sample, compressed))?;
    let saves_much = compressed.len() < sample.len() / 4 * 3;
    Some(if saves_much { LEVEL } else { QUICK_LEVEL })
}

fn pays(plain: &[u8], compressed: &[u8]) -> bool {
    compressed.len() < plain.len() - plain.len() / 10
}

/// Blocks of a deflate stream that end at a byte; none of them is the last.
fn deflate(block: &[u8], level: u8) -> Option<Vec<u8>> {
    let mut compressor = CompressorOxide::default();
    compressor.set_format_and_level(DataFormat::Raw, level);
    let mut out = Vec::with_capacity(block.len() / 2);
    let (status, read) = compress_to_output(&mut compressor, block, TDEFLFlush::Sync, |bytes| {
        out.extend_from_slice(bytes);
        true
    });
    // With a callback that takes everything, the compressor reads everything.
    (status == TDEFLStatus::Okay && read == block.len()).then_some(out)
}

/// The same bytes as stored blocks of deflate, none of them the last.
pub(crate) fn write_stored(bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
    for chunk in bytes.chunks(STORED) {
        // Chunks are at most 65535 long.
        let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        let [low, high] = length.to_le_bytes();
        out.write_all(&[0, low, high, !low, !high])?;
        out.write_all(chunk)?;
    }
    Ok(())
}

fn read_again<'b>(
    reader: &mut impl Read,
    piece: &Piece,
    block: &'b mut [u8],
) -> Result<&'b [u8], CopyError> {
    let length = usize::try_from(piece.size)
        .unwrap_or(BLOCK)
        .min(block.len());
    let bytes = block.get_mut(..length).unwrap_or_default();
    let read = fill(reader, bytes).map_err(CopyError::Read)?;
    if read == length && crc32fast::hash(bytes) == piece.crc {
        Ok(bytes)
    } else {
        Err(CopyError::Changed)
    }
}

fn exactly(copied: u64, wanted: u64) -> io::Result<()> {
    if copied == wanted {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread leaves behind is not used: its panic ends the build.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
