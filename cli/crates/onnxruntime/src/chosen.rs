//! Checks a library that the user names.

use std::io::{self, Read as _};
use std::path::Path;

use fs_err::File;
use sha2::{Digest as _, Sha256};

use crate::cache::hexadecimal;
use crate::error::FetchError;
use crate::library::{Library, OLDEST, Origin};
use crate::platform::Platform;

/// The function that every ONNX Runtime library exports: it begins its C API.
const ENTRY: &[u8] = b"OrtGetApiBase";

/// The longest text in a library that is looked at, in bytes.
const MAX_TEXT: usize = 64;

/// A library that the user names, if it is one for the platform.
pub(crate) fn check(path: &Path, platform: Platform) -> Result<Library, FetchError> {
    let reading = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FetchError::OverrideMissing {
            path: path.to_owned(),
        },
        _ => FetchError::OverrideUnreadable {
            path: path.to_owned(),
            source,
        },
    };
    let wrong = |problem| FetchError::OverrideWrong {
        path: path.to_owned(),
        problem,
    };
    if !fs_err::metadata(path).map_err(reading)?.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    let mut file = File::open(path).map_err(reading)?;
    let mut head = Vec::new();
    let read = file.by_ref().take(4096).read_to_end(&mut head);
    read.map_err(reading)?;
    check_header(&head, platform).map_err(wrong)?;
    let scan = Scan::of(&head, file).map_err(reading)?;
    if !scan.is_runtime {
        return Err(wrong("it is a library, but not ONNX Runtime".to_owned()));
    }
    let version = scan.version.or(scan.guess);
    if let Some(found) = version.as_ref().filter(|version| is_too_old(version)) {
        return Err(FetchError::OverrideTooOld {
            path: path.to_owned(),
            found: found.clone(),
        });
    }
    Ok(Library {
        path: path.to_owned(),
        version,
        sha256: hexadecimal(scan.hash),
        origin: Origin::Override,
    })
}

/// What is wrong with the header of a file that should be a library for the platform.
fn check_header(head: &[u8], platform: Platform) -> Result<(), String> {
    let (format, found) = match platform {
        Platform::LinuxX86_64 | Platform::LinuxAarch64 => ("ELF", elf_machines(head)),
        Platform::MacosArm64 => ("Mach-O", macho_machines(head)),
    };
    let Some(found) = found else {
        return Err(format!("it is not a 64-bit {format} library"));
    };
    let wanted = match platform {
        Platform::LinuxX86_64 => "x86_64",
        Platform::LinuxAarch64 | Platform::MacosArm64 => "arm64",
    };
    if found.contains(&wanted) {
        return Ok(());
    }
    let found = found.join(" and ");
    Err(format!("it is for {found}, and {wanted} is needed"))
}

/// The machine that an ELF library is for; none if it is none. See elf(5): `e_type` is at 16 (3 is
/// a shared object), `e_machine` at 18.
fn elf_machines(head: &[u8]) -> Option<Vec<&'static str>> {
    let little_64 = head.starts_with(b"\x7fELF\x02\x01");
    if !little_64 || head.get(16..18) != Some(&[3, 0]) {
        return None;
    }
    Some(vec![match head.get(18..20)? {
        [62, 0] => "x86_64",
        [183, 0] => "arm64",
        _ => "another architecture",
    }])
}

/// The machines that a Mach-O library is for; none if it is none. See Apple's mach-o/loader.h
/// (`cputype` at 4, little endian) and mach-o/fat.h (big endian, entries of 20 bytes from 8).
fn macho_machines(head: &[u8]) -> Option<Vec<&'static str>> {
    let machine = |cpu: u32| match cpu {
        0x0100_0007 => "x86_64",
        0x0100_000c => "arm64",
        _ => "another architecture",
    };
    let word = |at: usize| head.get(at..at + 4)?.first_chunk::<4>().copied();
    match head.first_chunk::<4>()? {
        [0xcf, 0xfa, 0xed, 0xfe] => Some(vec![machine(u32::from_le_bytes(word(4)?))]),
        [0xca, 0xfe, 0xba, 0xbe] => {
            let count = u32::from_be_bytes(word(4)?).min(8) as usize;
            let entries = (0..count).map(|index| word(8 + index * 20));
            let machines = entries.map(|word| Some(machine(u32::from_be_bytes(word?))));
            machines.collect()
        }
        _ => None,
    }
}

/// What one pass over a library finds.
struct Scan {
    hash: Sha256,
    is_runtime: bool,
    /// What its linker was told.
    version: Option<String>,
    /// What is probably its version.
    guess: Option<String>,
    /// The text that the bytes so far end with.
    text: Vec<u8>,
}

impl Scan {
    fn of(head: &[u8], mut rest: File) -> io::Result<Self> {
        let mut scan = Self {
            hash: Sha256::new(),
            is_runtime: false,
            version: None,
            guess: None,
            text: Vec::new(),
        };
        scan.add(head);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = rest.read(&mut buffer)?;
            if read == 0 {
                return Ok(scan);
            }
            scan.add(&buffer[..read]);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        // Texts end with a zero; the last one goes on in the next bytes.
        let mut texts = bytes.split(|byte| *byte == 0).peekable();
        while let Some(text) = texts.next() {
            let room = (MAX_TEXT + 1).saturating_sub(self.text.len());
            self.text.extend_from_slice(&text[..text.len().min(room)]);
            if texts.peek().is_some() {
                self.end_of_text();
            }
        }
    }

    fn end_of_text(&mut self) {
        // In Mach-O, names of C have an underscore more.
        let name = self.text.strip_prefix(b"_").unwrap_or(&self.text);
        self.is_runtime |= name == ENTRY;
        if let Ok(text) = std::str::from_utf8(&self.text) {
            self.version = self.version.take().or_else(|| linked_version(text));
            self.guess = self.guess.take().or_else(|| probable_version(text));
        }
        self.text.clear();
    }
}

/// The version in a text that only ONNX Runtime's linker writes: the version of its symbols on
/// Linux, its own name on macOS.
fn linked_version(text: &str) -> Option<String> {
    let symbols = text.strip_prefix("VERS_");
    let name = || {
        text.strip_prefix("@rpath/libonnxruntime.")?
            .strip_suffix(".dylib")
    };
    let version = symbols.or_else(name)?;
    numbers(version)?;
    Some(version.to_owned())
}

/// A text that can only be ONNX Runtime's own version: `1.31.1`. The versions of the libraries in
/// it have other shapes.
fn probable_version(text: &str) -> Option<String> {
    matches!(numbers(text)?, [1, 10..=99]).then(|| text.to_owned())
}

/// Major and minor of `major.minor.patch`.
fn numbers(version: &str) -> Option<[u32; 2]> {
    let parts = version.split('.').map(|part| part.parse().ok());
    let parts: Vec<u32> = parts.collect::<Option<_>>()?;
    let [major, minor, _patch] = parts.as_slice() else {
        return None;
    };
    Some([*major, *minor])
}

fn is_too_old(version: &str) -> bool {
    numbers(version).is_some_and(|[major, minor]| (major, minor) < OLDEST)
}
