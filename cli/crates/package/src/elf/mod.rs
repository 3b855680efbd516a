//! Whether a program or library can be loaded where the package will run.
//!
//! - [`check`] looks at bytes, [`check_file`] at a file
//! - [`Finding`] is what they find
//!
//! Inside: `read` gets the facts out of the file, `version` compares versions of symbols.

mod read;
mod version;

use std::io;
use std::path::Path;

use mlfn_core::{Architecture, Severity, Target};
use object::elf::{EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_X86_64, Machine};
use object::{ReadCache, ReadRef};
use serde::Serialize;

use read::{Facts, Unreadable};
use version::Excess;

use crate::layout::library_path;

/// A reason why a file of the package will not work where the package will run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable name, e.g. `libc-too-new`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file, by its path in the package.
    pub file: String,
    /// What is wrong, in full sentences.
    pub detail: String,
    /// How to mend it.
    pub help: String,
    /// The version that the target does not have, e.g. `GLIBC_2.39`.
    pub version: Option<String>,
    /// The first symbol that needs it, e.g. `pidfd_getpid`.
    pub symbol: Option<String>,
}

/// Shared libraries that glibc and GCC bring along on every target.
const BASE: [&str; 10] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "linux-vdso.so.1",
];

/// What is wrong with `data`, which the package holds as `file`, on `target`.
pub fn check<'data>(file: &str, data: impl ReadRef<'data>, target: &Target) -> Vec<Finding> {
    let facts = match read::read(data) {
        Ok(facts) => facts,
        Err(unreadable) => return vec![not_loadable(file, &describe(data, &unreadable), target)],
    };
    if !facts.loadable {
        return vec![not_loadable(
            file,
            "an ELF file that is neither a program nor a shared library",
            target,
        )];
    }
    if let Some(finding) = check_machine(file, &facts, target) {
        // For another machine, everything else is beside the point.
        return vec![finding];
    }
    if !facts.sections {
        return vec![unchecked(file)];
    }
    let versions = version::too_new(&facts.needs, target.libc).into_iter();
    let versions = versions.map(|excess| check_version(file, excess, target));
    let libraries = facts
        .libraries
        .iter()
        .filter_map(|library| check_library(file, library, target));
    versions.chain(libraries).collect()
}

/// The same for a file on the disk, of which only the headers and tables are read.
pub fn check_file(file: &str, path: &Path, target: &Target) -> io::Result<Vec<Finding>> {
    let data = ReadCache::new(fs_err::File::open(path)?);
    Ok(check(file, &data, target))
}

fn check_machine(file: &str, facts: &Facts, target: &Target) -> Option<Finding> {
    let wanted = match target.architecture {
        Architecture::X86_64 => EM_X86_64,
        Architecture::Arm64 => EM_AARCH64,
    };
    let (found, wanted_name) = (machine_name(facts), target.architecture.as_str());
    let other = found
        .parse::<Architecture>()
        .map(|_| format!(", or set `architecture: {found}` for the model if the provider has it"));
    (facts.machine != wanted || !facts.little_endian).then(|| Finding {
        help: format!("take one for {wanted_name}{}", other.unwrap_or_default()),
        ..finding(
            "wrong-architecture",
            file,
            format!("It is for {found}; {} is {wanted_name}.", target.name),
        )
    })
}

fn machine_name(facts: &Facts) -> String {
    let name = match facts.machine {
        EM_X86_64 => "x86_64",
        EM_AARCH64 if facts.little_endian => "arm64",
        EM_AARCH64 => "big-endian arm64",
        EM_386 => "32-bit x86",
        EM_ARM => "32-bit ARM",
        EM_RISCV => "RISC-V",
        Machine(number) => return format!("a processor with the ELF number {number}"),
    };
    name.to_owned()
}

fn check_version(file: &str, excess: Excess<'_>, target: &Target) -> Finding {
    let Excess { need, limit } = excess;
    let symbol = need
        .symbol
        .as_ref()
        .map(|symbol| format!(" (`{symbol}@{}`)", need.version));
    let detail = format!(
        "It needs {}{}; {} has {limit} at most.",
        need.version,
        symbol.unwrap_or_default(),
        target.name
    );
    Finding {
        version: Some(need.version.clone()),
        symbol: need.symbol.clone(),
        help: build_help(file, target),
        ..finding("libc-too-new", file, detail)
    }
}

fn check_library(file: &str, library: &str, target: &Target) -> Option<Finding> {
    (!BASE.contains(&library)).then(|| Finding {
        severity: Severity::Warning,
        help: "link it statically, or make sure that the platform has it".to_owned(),
        ..finding(
            "unknown-library",
            file,
            format!(
                "It needs `{library}`, which is not in the package and may not be on {}.",
                target.name
            ),
        )
    })
}

fn unchecked(file: &str) -> Finding {
    let detail = "It has no section headers, so that nobody can tell which libraries it needs.";
    Finding {
        severity: Severity::Warning,
        help: "strip it less: `strip --strip-all` keeps the section headers".to_owned(),
        ..finding("unchecked", file, detail.to_owned())
    }
}

fn not_loadable(file: &str, what: &str, target: &Target) -> Finding {
    let detail = format!(
        "It is {what}, not a Linux program or library; {} cannot load it.",
        target.name
    );
    Finding {
        help: build_help(file, target),
        ..finding("not-loadable", file, detail)
    }
}

fn describe<'data>(data: impl ReadRef<'data>, why: &Unreadable) -> String {
    match why {
        Unreadable::Narrow => return "an ELF file for 32-bit machines".to_owned(),
        Unreadable::Damaged(error) => return format!("a damaged ELF file ({error})"),
        Unreadable::NotElf => {}
    }
    let what = match data.read_bytes_at(0, 4) {
        Ok([0xcf | 0xce, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe]) => {
            "a macOS program or library"
        }
        Ok([b'M', b'Z', ..]) => "a Windows program or library",
        Ok([b'#', b'!', ..]) => "a script",
        _ if data.len() == Ok(0) => "an empty file",
        _ => "an unknown kind of file",
    };
    what.to_owned()
}

fn build_help(file: &str, target: &Target) -> String {
    if file == library_path() {
        return "take the library of the official Linux wheel, as mlfn does unless `--onnxruntime` or \
                `ORT_DYLIB_PATH` names another"
            .to_owned();
    }
    let triple = match target.architecture {
        Architecture::X86_64 => "x86_64-unknown-linux-gnu",
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
    };
    let (major, minor) = target.libc.glibc;
    format!(
        "build it on a distribution with glibc {major}.{minor} or older, or with `cargo zigbuild \
         --profile shim -p mlfn-shim --target {triple}.{major}.{minor}`, and pass it with `--shim`"
    )
}

fn finding(code: &'static str, file: &str, detail: String) -> Finding {
    Finding {
        code,
        severity: Severity::Error,
        file: file.to_owned(),
        detail,
        help: String::new(),
        version: None,
        symbol: None,
    }
}

#[cfg(test)]
mod tests;
