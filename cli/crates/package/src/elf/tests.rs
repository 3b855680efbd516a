//! Findings about ELF files that are put together here, and about this test's own program.

use mlfn_core::{Architecture, LibcLimit, Target};
use object::elf::{EM_386, EM_AARCH64, EM_X86_64, ET_CORE, ET_DYN, ET_EXEC, ET_REL};

use super::check;

const TARGET: Target = Target {
    name: "Test Linux",
    architecture: Architecture::X86_64,
    libc: LibcLimit {
        glibc: (2, 34),
        glibcxx: (3, 4, 29),
    },
};

/// A 64-bit little-endian ELF file without code.
struct File<'a> {
    machine: u16,
    kind: u16,
    /// Symbols, the versions that they need, and whether the loader may do without.
    symbols: &'a [(&'a str, &'a str, bool)],
    libraries: &'a [&'a str],
}

const PLAIN: File<'static> = File {
    machine: EM_X86_64.0,
    kind: ET_DYN.0,
    symbols: &[],
    libraries: &["libc.so.6"],
};

impl File<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut string = |text: &str| {
            let offset = u32::try_from(strings.len()).expect("short");
            strings.extend(text.bytes().chain([0]));
            offset
        };
        let (mut names, mut versions, mut needs) = (vec![0; 24], vec![0; 2], Vec::new());
        let file = string("libc.so.6");
        let count = u16::try_from(self.symbols.len()).expect("few");
        // Elfxx_Verneed: version, count, file, offset of the first entry, of the next record.
        needs.extend([le16(1), le16(count), le32(file), le32(16), le32(0)].concat());
        for (index, (symbol, version, weak)) in (2..).zip(self.symbols) {
            // Elf64_Sym: name, info, other, section, value, size.
            names.extend([le32(string(symbol)), vec![0; 20]].concat());
            versions.extend(le16(index));
            let next = if index == count + 1 { 0 } else { 16 };
            // Elfxx_Vernaux: hash, flags, index, name, offset of the next.
            let flags = if *weak { 2 } else { 0 };
            let entry = [
                le32(0),
                le16(flags),
                le16(index),
                le32(string(version)),
                le32(next),
            ];
            needs.extend(entry.concat());
        }
        if count == 0 {
            needs.clear();
        }
        let wanted = self
            .libraries
            .iter()
            .map(|library| [le64(1), le64(string(library).into())]);
        let dynamic: Vec<u8> = wanted.flatten().flatten().chain([0; 16]).collect();
        // Kind of section, contents, linked section, size of an entry.
        let sections = [
            (3, strings, 0, 0),
            (11, names, 1, 24),
            (0x6fff_ffff, versions, 2, 2),
            (0x6fff_fffe, needs, 1, 0),
            (6, dynamic, 1, 16),
        ];
        self.assemble(&sections)
    }

    /// The file header, the sections, the section headers.
    fn assemble(&self, sections: &[(u32, Vec<u8>, u32, u64)]) -> Vec<u8> {
        let (mut body, mut headers) = (Vec::new(), vec![0; 64]);
        for (kind, contents, link, entry) in sections {
            if contents.is_empty() {
                headers.extend(vec![0; 64]);
                continue;
            }
            body.resize(body.len().next_multiple_of(8), 0);
            let (offset, size) = (64 + body.len() as u64, contents.len() as u64);
            // Elf64_Shdr: name, type, flags, address, offset, size, link, info, align, entry.
            let header = [
                le32(0),
                le32(*kind),
                le64(0),
                le64(0),
                le64(offset),
                le64(size),
            ];
            headers.extend([header.concat(), le32(*link), le32(1), le64(8), le64(*entry)].concat());
            body.extend(contents);
        }
        body.resize(body.len().next_multiple_of(8), 0);
        let table = 64 + body.len() as u64;
        let identity = [0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
        // Elf64_Ehdr: identity, type, machine, version, entry, program and section headers, flags,
        // then sizes and numbers of headers.
        let kind = [
            identity,
            le16(self.kind),
            le16(self.machine),
            le32(1),
            le64(0),
        ]
        .concat();
        let places = [le64(0), le64(table), le32(0), le16(64), le16(56), le16(0)].concat();
        let sizes = [
            le16(64),
            le16(u16::try_from(sections.len() + 1).expect("few")),
            le16(1),
        ];
        [kind, places, sizes.concat(), body, headers].concat()
    }
}

fn le16(value: u16) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn le32(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn le64(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

#[track_caller]
fn check_bytes(bytes: &[u8], expected: &[&str]) {
    let found = check("bootstrap", bytes, &TARGET);
    let details: Vec<_> = found
        .iter()
        .map(|finding| finding.detail.as_str())
        .collect();
    assert_eq!(details, expected);
    assert!(
        found
            .iter()
            .all(|finding| finding.file == "bootstrap" && !finding.help.is_empty())
    );
}

#[track_caller]
fn check_symbol(symbol: &str, version: &str, expected: &[&str]) {
    let file = File {
        symbols: &[("free", "GLIBC_2.2.5", false), (symbol, version, false)],
        ..PLAIN
    };
    check_bytes(&file.bytes(), expected);
}

#[test]
fn a_version_newer_than_the_targets_is_named_with_its_symbol() {
    check_symbol("fmod", "GLIBC_2.34", &[]);
    check_symbol(
        "fmod",
        "GLIBC_2.38",
        &["It needs GLIBC_2.38 (`fmod@GLIBC_2.38`); Test Linux has GLIBC_2.34 at most."],
    );
    check_symbol("x", "GLIBCXX_3.4.29", &[]);
    check_symbol(
        "x",
        "GLIBCXX_3.4.30",
        &["It needs GLIBCXX_3.4.30 (`x@GLIBCXX_3.4.30`); Test Linux has GLIBCXX_3.4.29 at most."],
    );
    check_symbol("x", "CXXABI_1.3.13", &[]);
    check_symbol("x", "CXXABI_1.3", &[]);
    check_symbol(
        "x",
        "CXXABI_1.3.14",
        &["It needs CXXABI_1.3.14 (`x@CXXABI_1.3.14`); Test Linux has CXXABI_1.3.13 at most."],
    );
    check_symbol(
        "x",
        "GLIBC_ABI_DT_RELR",
        &["It needs GLIBC_ABI_DT_RELR (`x@GLIBC_ABI_DT_RELR`); Test Linux has GLIBC_2.34 at most."],
    );
    for other in ["GLIBC_PRIVATE", "CXXABI_TM_1", "GCC_3.0", "LIBFOO_9.9"] {
        check_symbol("x", other, &[]);
    }
}

#[test]
fn of_each_library_the_newest_version_is_named() {
    let symbols = &[
        ("stat", "GLIBC_2.35", false),
        ("fmod", "GLIBC_2.38", false),
        ("x", "GLIBCXX_3.4.30", false),
        ("log", "GLIBC_2.36", false),
    ];
    check_bytes(
        &File { symbols, ..PLAIN }.bytes(),
        &[
            "It needs GLIBC_2.38 (`fmod@GLIBC_2.38`); Test Linux has GLIBC_2.34 at most.",
            "It needs GLIBCXX_3.4.30 (`x@GLIBCXX_3.4.30`); Test Linux has GLIBCXX_3.4.29 at most.",
        ],
    );
}

#[test]
fn what_the_loader_may_do_without_is_no_problem() {
    let symbols = &[
        ("pidfd_spawnp", "GLIBC_2.39", true),
        ("free", "GLIBC_2.2.5", false),
    ];
    check_bytes(&File { symbols, ..PLAIN }.bytes(), &[]);
}

#[test]
fn a_finding_says_how_to_build_what_fits() {
    let file = File {
        symbols: &[("fmod", "GLIBC_2.38", false)],
        ..PLAIN
    };
    let found = check("bootstrap", file.bytes().as_slice(), &TARGET);
    let [finding] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(finding.code, "libc-too-new");
    assert_eq!(finding.version.as_deref(), Some("GLIBC_2.38"));
    assert_eq!(finding.symbol.as_deref(), Some("fmod"));
    let command = "--target x86_64-unknown-linux-gnu.2.34`, and pass it with `--shim`";
    assert!(finding.help.ends_with(command), "{}", finding.help);
}

#[test]
fn another_processor_is_the_only_finding() {
    let symbols = &[("fmod", "GLIBC_2.38", false)];
    let file = File {
        machine: EM_AARCH64.0,
        symbols,
        ..PLAIN
    };
    check_bytes(&file.bytes(), &["It is for arm64; Test Linux is x86_64."]);
    let file = File {
        machine: EM_386.0,
        ..PLAIN
    };
    check_bytes(
        &file.bytes(),
        &["It is for 32-bit x86; Test Linux is x86_64."],
    );
    let file = File {
        machine: 4711,
        ..PLAIN
    };
    let expected = "It is for a processor with the ELF number 4711; Test Linux is x86_64.";
    check_bytes(&file.bytes(), &[expected]);
}

#[test]
fn libraries_that_not_every_system_has_are_warned_of() {
    let libraries = &["libc.so.6", "libm.so.6", "libssl.so.3"];
    let file = File {
        libraries,
        kind: ET_EXEC.0,
        ..PLAIN
    };
    let expected =
        "It needs `libssl.so.3`, which is not in the package and may not be on Test Linux.";
    check_bytes(&file.bytes(), &[expected]);
}

#[test]
fn what_cannot_be_loaded_is_told_apart() {
    let expect = |bytes: &[u8], what: &str| {
        let expected =
            format!("It is {what}, not a Linux program or library; Test Linux cannot load it.");
        check_bytes(bytes, &[&expected]);
    };
    expect(b"", "an empty file");
    expect(b"#!/bin/sh\n", "a script");
    expect(
        b"\xcf\xfa\xed\xfe\x0c\0\0\x01",
        "a macOS program or library",
    );
    expect(b"MZ\x90\0", "a Windows program or library");
    expect(b"\x80\x04", "an unknown kind of file");
    expect(b"\x7fELF\x01\x01\x01", "an ELF file for 32-bit machines");
    expect(
        b"\x7fELF\x02\x01\x01",
        "a damaged ELF file (Invalid ELF header size or alignment)",
    );
    for kind in [ET_REL.0, ET_CORE.0] {
        let file = File { kind, ..PLAIN };
        expect(
            &file.bytes(),
            "an ELF file that is neither a program nor a shared library",
        );
    }
}

#[test]
fn without_section_headers_nothing_can_be_told() {
    let mut bytes = PLAIN.bytes();
    // The offset of the section headers, then their number and the place of their names.
    bytes[0x28..0x30].fill(0);
    bytes[0x3c..0x40].fill(0);
    let expected = "It has no section headers, so that nobody can tell which libraries it needs.";
    check_bytes(&bytes, &[expected]);
}

#[test]
fn no_damage_goes_unnoticed_or_panics() {
    let symbols = &[
        ("fmod", "GLIBC_2.38", false),
        ("free", "GLIBC_2.2.5", false),
    ];
    let whole = File { symbols, ..PLAIN }.bytes();
    for end in 0..whole.len() {
        let found = check("bootstrap", &whole[..end], &TARGET);
        assert!(!found.is_empty(), "cut off at {end}");
    }
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        check("bootstrap", bytes.as_slice(), &TARGET);
    }
}

/// This program runs here, so that it fits where this machine's libraries are the limit, and
/// cannot run where glibc is from the last century.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn this_program_fits_where_it_was_built() {
    let program = std::env::current_exe().expect("a program");
    let architecture = std::env::consts::ARCH
        .parse()
        .expect("a known architecture");
    let libc = |glibc| LibcLimit {
        glibc,
        glibcxx: (3, 4, 99),
    };
    let target = Target {
        architecture,
        libc: libc((2, 999)),
        ..TARGET
    };
    let found = super::check_file("program", &program, &target).expect("reads");
    assert_eq!(found, []);
    let old = Target {
        libc: libc((2, 1)),
        ..target
    };
    let found = super::check_file("program", &program, &old).expect("reads");
    assert!(!found.is_empty());
    for finding in found {
        assert_eq!(finding.code, "libc-too-new");
        assert!(
            finding
                .version
                .is_some_and(|version| version.starts_with("GLIBC_2."))
        );
        assert!(finding.symbol.is_some());
    }
}
