//! What an ELF file asks of the system that loads it.

use object::elf::{self, FileHeader64, VER_FLG_WEAK, VersionIndex};
use object::read::elf::{ElfFile64, FileHeader as _, SymbolTable};
use object::{Endianness, ReadRef, SymbolIndex};

/// What an ELF file asks of the system that loads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// `e_machine`.
    pub(super) machine: elf::Machine,
    /// Whether the least significant byte comes first.
    pub(super) little_endian: bool,
    /// Whether it can be started or loaded, and is not an object file or a core dump.
    pub(super) loadable: bool,
    /// Whether there are section headers, through which the rest is found.
    pub(super) sections: bool,
    /// Versions of symbols that the loader insists on.
    pub(super) needs: Vec<Need>,
    /// Shared libraries that it asks for (`DT_NEEDED`).
    pub(super) libraries: Vec<String>,
}

/// A version that the loader insists on (an entry of `.gnu.version_r`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// E.g. `GLIBC_2.34`.
    pub(super) version: String,
    /// The first symbol with this version, e.g. `fmod`.
    pub(super) symbol: Option<String>,
}

/// Why there are no facts.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The first bytes are not ELF's.
    NotElf,
    /// An ELF file for 32-bit machines.
    Narrow,
    /// An ELF file, but cut off or damaged.
    Damaged(object::read::Error),
}

impl From<object::read::Error> for Unreadable {
    fn from(error: object::read::Error) -> Self {
        Self::Damaged(error)
    }
}

/// Reads headers and the dynamic tables, not the code.
pub(super) fn read<'data>(data: impl ReadRef<'data>) -> Result<Facts, Unreadable> {
    match data.read_bytes_at(0, 5) {
        Ok([0x7f, b'E', b'L', b'F', class]) if *class == elf::ELFCLASS64.0 => {}
        Ok([0x7f, b'E', b'L', b'F', _]) => return Err(Unreadable::Narrow),
        _ => return Err(Unreadable::NotElf),
    }
    let file = ElfFile64::<Endianness, _>::parse(data)?;
    let (header, endian) = (file.elf_header(), file.endian());
    let kind = header.e_type(endian);
    Ok(Facts {
        machine: header.e_machine(endian),
        little_endian: endian == Endianness::Little,
        loadable: kind == elf::ET_EXEC || kind == elf::ET_DYN,
        sections: !file.elf_section_table().is_empty(),
        needs: needs(&file)?,
        libraries: libraries(&file)?,
    })
}

fn needs<'data, R: ReadRef<'data>>(
    file: &ElfFile64<'data, Endianness, R>,
) -> Result<Vec<Need>, object::read::Error> {
    let (endian, data, sections) = (file.endian(), file.data(), file.elf_section_table());
    let Some((mut libraries, strings)) = sections.gnu_verneed(endian, data)? else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, data, strings)?;
    let versions = sections
        .gnu_versym(endian, data)?
        .map_or(&[][..], |(versions, _)| versions);
    let symbols = file.elf_dynamic_symbol_table();
    let mut needs = Vec::new();
    while let Some((_, mut wanted)) = libraries.next()? {
        while let Some(entry) = wanted.next()? {
            // The loader only warns of weak ones, such as those of Rust's standard library, which
            // looks whether the system has a function before it uses it.
            if entry.vna_flags.get(endian).contains(VER_FLG_WEAK) {
                continue;
            }
            let index = entry.vna_other(endian).index();
            needs.push(Need {
                version: text(entry.name(endian, strings)?),
                symbol: first_symbol(endian, index, versions, symbols)?,
            });
        }
    }
    Ok(needs)
}

/// The name of the first symbol whose version has this index.
fn first_symbol<'data, R: ReadRef<'data>>(
    endian: Endianness,
    index: VersionIndex,
    versions: &[elf::Versym<Endianness>],
    symbols: &SymbolTable<'data, FileHeader64<Endianness>, R>,
) -> Result<Option<String>, object::read::Error> {
    let Some(position) = versions
        .iter()
        .position(|version| version.0.get(endian).index() == index)
    else {
        return Ok(None);
    };
    let symbol = symbols.symbol(SymbolIndex(position))?;
    Ok(Some(text(symbols.symbol_name(endian, symbol)?)))
}

fn libraries<'data, R: ReadRef<'data>>(
    file: &ElfFile64<'data, Endianness, R>,
) -> Result<Vec<String>, object::read::Error> {
    let table = file.elf_dynamic_table()?;
    let needed = table.iter().filter(|entry| entry.tag == elf::DT_NEEDED);
    needed.map(|entry| table.string(entry).map(text)).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
