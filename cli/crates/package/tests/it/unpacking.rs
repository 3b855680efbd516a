//! Archives that others made, and that nobody should unpack.

use std::io::{Cursor, Write as _};
use std::path::Path;

use mlfn_core::ArchiveFormat::{self, TarGz, Zip};
use mlfn_package::unpack;
use tar::EntryType::{self, Block, Char, Directory, Fifo, Link, Regular, Symlink};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn zip(entries: &[(&str, u32)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, attributes) in entries {
        let options = SimpleFileOptions::default().external_attributes(attributes << 16);
        zip.start_file(*name, options).expect("an entry");
        zip.write_all(b"contents").expect("contents");
    }
    zip.finish().expect("an archive").into_inner()
}

fn tar(entries: &[(&str, EntryType)]) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, kind) in entries {
        let mut header = tar::Header::new_gnu();
        // Not `set_path`, which refuses what this is about.
        let field = &mut header.as_old_mut().name;
        field
            .iter_mut()
            .zip(name.bytes())
            .for_each(|(place, byte)| *place = byte);
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        let contents: &[u8] = if *kind == Regular { b"contents" } else { b"" };
        header.set_size(contents.len() as u64);
        if matches!(kind, Symlink | Link) {
            header.set_link_name("/etc/passwd").expect("a name");
        }
        header.set_cksum();
        tar.append(&header, contents).expect("an entry");
    }
    tar.into_inner().expect("tar").finish().expect("gzip")
}

/// What `unpack` says, and that it wrote nothing outside of its folder.
#[track_caller]
fn check(format: ArchiveFormat, bytes: &[u8], expected: &str) {
    let folder = TempDir::new().expect("a folder");
    let archive = folder.path().join("archive");
    fs_err::write(&archive, bytes).expect("writes");
    let into = folder.path().join("inside/of/this");
    let error = unpack(&archive, format, &into).expect_err("must not be unpacked");
    let text = error
        .to_string()
        .replace(archive.to_str().expect("UTF-8"), "ARCHIVE");
    assert_eq!(text, expected);
    assert!(
        outside(folder.path(), &into).is_empty(),
        "{:?}",
        outside(folder.path(), &into)
    );
}

fn outside(root: &Path, into: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path == into || path.ends_with("archive") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn no_path_leaves_the_folder() {
    let names = [
        "../evil",
        "/evil",
        "a/../../evil",
        "a/../b",
        "./a",
        "..\\evil",
        "a\\b",
    ];
    for name in names {
        let expected = format!(
            "refused to unpack `{name}` of `ARCHIVE`: its path is not a plain path below the package's root"
        );
        check(Zip, &zip(&[(name, 0o100_644)]), &expected);
        check(TarGz, &tar(&[(name, Regular)]), &expected);
    }
}

#[test]
fn links_and_devices_are_refused() {
    let expected = "refused to unpack `x` of `ARCHIVE`: it is neither a file nor a folder";
    for kind in [0o120_777, 0o020_666, 0o010_644, 0o060_644, 0o140_644] {
        check(Zip, &zip(&[("x", kind)]), expected);
    }
    for kind in [Symlink, Link, Char, Block, Fifo] {
        check(TarGz, &tar(&[("x", kind)]), expected);
    }
}

#[test]
fn no_file_is_written_twice() {
    let expected = "refused to unpack `a` of `ARCHIVE`: a file of this name is already there";
    let twice = [("a", Regular), ("a", Regular)];
    check(TarGz, &tar(&twice), expected);
}

#[test]
fn damage_is_noticed() {
    let whole = zip(&[("a", 0o100_644)]);
    check(
        Zip,
        whole.get(..whole.len() - 9).expect("longer"),
        "cannot unpack `ARCHIVE`",
    );
    check(Zip, b"", "cannot unpack `ARCHIVE`");
    let whole = tar(&[("a", Regular)]);
    check(
        TarGz,
        whole.get(..whole.len() / 2).expect("longer"),
        "cannot unpack `ARCHIVE`",
    );
    check(TarGz, b"no gzip", "cannot unpack `ARCHIVE`");
}

#[test]
fn folders_are_made() {
    let folder = TempDir::new().expect("a folder");
    let archive = folder.path().join("archive");
    let entries = [("a", Directory), ("a/b", Regular)];
    fs_err::write(&archive, tar(&entries)).expect("writes");
    let into = folder.path().join("into");
    unpack(&archive, TarGz, &into).expect("unpacks");
    assert_eq!(fs_err::read(into.join("a/b")).expect("a file"), b"contents");
}
