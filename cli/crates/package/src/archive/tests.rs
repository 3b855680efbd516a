//! Archives at their limits, and what is left of those that fail.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mlfn_core::{ArchiveFormat, Digest, PartKind};
use tempfile::TempDir;

use super::{PackedEntry, remove_leftovers, write, write_atomically};
use crate::PackageError;
use crate::pack::{Packed, Store};
use crate::source::{BLOCK, Entry, Source};

const MIB: u64 = 1 << 20;

struct Folder {
    folder: TempDir,
    store: Arc<Store>,
}

impl Folder {
    fn new() -> Self {
        Self::with_room(0)
    }

    /// With so many bytes of compressed blocks in memory.
    fn with_room(room: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = Store::with_room(room, folder.path()).expect("a file");
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn entry(&self, path: &str, source: Source) -> PackedEntry {
        let packed = Packed::new(&source, &self.store).expect("packs");
        let entry = Entry {
            path: path.to_owned(),
            mode: 0o644,
            part: PartKind::Model,
            source,
        };
        PackedEntry { entry, packed }
    }

    fn text(&self, path: &str, text: &str) -> PackedEntry {
        self.entry(path, Source::Bytes(text.as_bytes().into()))
    }

    /// So many MiB of zeros that exist only in compressed form.
    fn zeros(&self, path: &str, mib: u64) -> PackedEntry {
        let source = Source::Bytes(vec![0; BLOCK].into());
        let one = Packed::new(&source, &self.store).expect("packs");
        let mut blocks = Vec::new();
        assert!(one.write_blocks(&source, &mut blocks).is_ok());
        let mut file = tempfile::tempfile_in(self.folder.path()).expect("a file");
        let mut crc = crc32fast::Hasher::new();
        for _ in 0..mib {
            file.write_all(&blocks).expect("writes");
            crc.combine(&crc32fast::Hasher::new_with_initial_len(one.crc, MIB));
        }
        let span = (0, blocks.len() as u64 * mib);
        let packed = Packed::joined(MIB * mib, crc.finalize(), Digest::of(b""), file, span);
        let source = Source::Bytes([].into());
        let entry = Entry {
            path: path.to_owned(),
            mode: 0o644,
            part: PartKind::Model,
            source,
        };
        PackedEntry { entry, packed }
    }
}

/// Runs Python on an archive, as `archive`; what it prints.
#[track_caller]
fn python(archive: &Path, open: &str, script: &str) -> String {
    let program = format!("import sys, tarfile, zipfile\narchive = {open}\n{script}");
    let output = Command::new("python3")
        .arg("-c")
        .arg(program)
        .arg(archive)
        .output();
    let output = output.expect("the tests need python3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Bytes that do not compress, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length / 8).flat_map(|_| next()).collect()
}

/// Not only here: these digests hold on every machine and in every later version, so that nobody
/// uploads again what did not change. Other bytes need another `PARAMETERS` in `pack.rs`.
#[test]
fn the_bytes_of_archives_are_pinned() {
    // Wherever compressed blocks are until all of them are there: in memory, in a file, or in both.
    for room in [usize::MAX, 0, 2 << 20] {
        check_pinned(room);
    }
}

fn check_pinned(room: usize) {
    let folder = Folder::with_room(room);
    let noise = noise(2_500_000);
    let hexadecimal: Vec<u8> = noise
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect();
    let quantised: Vec<u8> = noise.iter().map(|byte| byte & 0x7f).collect();
    let entries = [
        folder.text("bootstrap", &"a program, more or less\n".repeat(100_000)),
        folder.text("empty", ""),
        folder.entry("weights", Source::Bytes(noise.into())),
        folder.entry("hexadecimal", Source::Bytes(hexadecimal.into())),
        folder.entry("quantised", Source::Bytes(quantised.into())),
    ];
    let digest = |format| {
        let path = folder.path("archive");
        write(&path, format, &entries)
            .expect("writes")
            .digest
            .to_string()
    };
    assert_eq!(
        digest(ArchiveFormat::Zip),
        "0146f09bd15339e84eb0813ff3ae52eeab0936231d4dfd888f8592d5ed2fc97d"
    );
    assert_eq!(
        digest(ArchiveFormat::TarGz),
        "8bf417d7997ca6bb1d399510c31f3b1b7f8b4913ccbd2cc01025f0ba37ea4579"
    );
}

#[test]
fn a_file_of_more_than_4_gib_has_its_size_in_zip64_and_in_tar() {
    let folder = Folder::new();
    let entries = [
        folder.zeros("large", 4100),
        folder.text("after", "still readable"),
    ];
    let path = folder.path("a.zip");
    write(&path, ArchiveFormat::Zip, &entries).expect("writes");
    let script = "print([(e.filename, e.file_size, e.extract_version) for e in archive.infolist()])\n\
                  print(archive.open('large').read(3), archive.read('after'))";
    assert_eq!(
        python(&path, "zipfile.ZipFile(sys.argv[1])", script),
        "[('large', 4299161600, 45), ('after', 14, 10)]\nb'\\x00\\x00\\x00' b'still readable'\n"
    );
    let path = folder.path("a.tar.gz");
    let alone = [folder.zeros("large", 8200)];
    write(&path, ArchiveFormat::TarGz, &alone).expect("writes");
    let script = "print([(e.name, e.size) for e in [archive.next()]])";
    let size = 8200 * MIB;
    let open = "tarfile.open(sys.argv[1], 'r:gz')";
    assert_eq!(
        python(&path, open, script),
        format!("[('large', {size})]\n")
    );
}

#[test]
fn more_than_65535_files_are_counted_in_zip64() {
    let folder = Folder::new();
    let one = folder.text("x", "contents");
    let name = |number: u32| PackedEntry {
        entry: Entry {
            path: format!("files/{number}"),
            ..one.entry.clone()
        },
        packed: one.packed.clone(),
    };
    for count in [65_534, 65_535, 70_000] {
        let entries: Vec<_> = (0..count).map(name).collect();
        let path = folder.path("a.zip");
        write(&path, ArchiveFormat::Zip, &entries).expect("writes");
        let last = count - 1;
        let script = format!("print(len(archive.namelist()), archive.read('files/{last}'))");
        let expected = format!("{count} b'contents'\n");
        assert_eq!(
            python(&path, "zipfile.ZipFile(sys.argv[1])", &script),
            expected
        );
    }
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_an_error() {
    let folder = Folder::new();
    let source = folder.path("source");
    // Does not compress, so that the archive takes it from the file.
    let noise = noise(4000);
    fs_err::write(&source, &noise).expect("writes");
    let entries = [folder.entry("x", Source::File(source.clone()))];
    assert!(!entries.iter().any(|entry| entry.packed.is_compressed()));
    let archive = folder.path("a.zip");
    write(&archive, ArchiveFormat::Zip, &entries).expect("writes");
    let before = fs_err::read(&archive).expect("reads");
    let mut changed = noise.clone();
    changed.reverse();
    for changed in [changed.as_slice(), noise.get(1..).expect("longer")] {
        fs_err::write(&source, changed).expect("writes");
        let error = write(&archive, ArchiveFormat::Zip, &entries).expect_err("it changed");
        assert!(
            matches!(&error, PackageError::Changed(path) if path == "x"),
            "{error}"
        );
        assert!(error.help().is_some());
        assert_eq!(fs_err::read(&archive).expect("reads"), before);
    }
}

#[test]
fn what_a_killed_run_left_is_removed_when_it_is_old() {
    let folder = TempDir::new().expect("a folder");
    let hour = Duration::from_hours(1);
    let write = |name: &str, age: Duration| {
        let file = fs_err::File::create(folder.path().join(name)).expect("creates");
        let times = std::fs::FileTimes::new().set_modified(SystemTime::now() - age);
        file.file().set_times(times).expect("sets");
    };
    write(".mlfn-a.tmp", hour * 2);
    write(".mlfn-b.tmp", hour / 2);
    write("mine.tmp", hour * 2);
    remove_leftovers(folder.path(), hour);
    let names = || {
        let entries = fs_err::read_dir(folder.path()).expect("reads");
        let names = entries.map(|entry| entry.expect("reads").file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), [".mlfn-b.tmp", "mine.tmp"]);
    remove_leftovers(folder.path(), Duration::ZERO);
    assert_eq!(names(), ["mine.tmp"]);
    remove_leftovers(&folder.path().join("nowhere"), hour);
}

#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("archive");
    fs_err::write(&path, "old").expect("writes");
    let error = write_atomically::<()>(&path, |file| {
        file.write_all(b"half of").expect("writes");
        Err(PackageError::write(
            &path,
            std::io::ErrorKind::StorageFull.into(),
        ))
    });
    let error = error.expect_err("the disk is full");
    assert_eq!(
        error.to_string(),
        format!("cannot write `{}`", path.display())
    );
    assert_eq!(
        error.help().as_deref(),
        Some("free some space on that disk, then run the command again")
    );
    assert_eq!(fs_err::read(&path).expect("reads"), b"old");
    assert_eq!(
        fs_err::read_dir(folder.path()).expect("a folder").count(),
        1
    );
}
