//! Bytes of a file -> text, within bounds.

use std::io::{self, Read as _};
use std::path::Path;

use mlfn_core::FieldPath;

use crate::problems::{Code, Problem};
use crate::yaml::Place;

/// The most bytes of a manifest, of a file that it includes, and of a `.env` file.
pub(crate) const MAX_FILE: u64 = 1 << 20;

const TOO_LARGE: Code = Code::new("file-too-large", "the file is too large");
const NOT_UTF8: Code = Code::new("not-utf8", "the file is not UTF-8 text");
const CONTROL: Code = Code::new("control-character", "the file contains a control character");

/// The first bytes of a file, at most one more than [`MAX_FILE`].
///
/// The size is asked first, so that a wrong file of many gigabytes costs nothing; it is counted
/// again while reading, because pipes and devices have no size.
pub(crate) fn bytes(path: &Path) -> io::Result<Bytes> {
    let file = fs_err::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if metadata.len() > MAX_FILE {
        return Ok(Bytes::TooMany);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= MAX_FILE => Ok(Bytes::All(bytes)),
        _ => Ok(Bytes::TooMany),
    }
}

/// What could be read of a file.
pub(crate) enum Bytes {
    /// All of it.
    All(Vec<u8>),
    /// Nothing: it is longer than [`MAX_FILE`].
    TooMany,
}

/// The text of a file, as far as it is text, and what is wrong with it otherwise.
pub(crate) fn text(bytes: Bytes, file: usize) -> (String, Option<Problem>) {
    let Bytes::All(bytes) = bytes else {
        return (String::new(), Some(too_large(file)));
    };
    match String::from_utf8(bytes) {
        Ok(text) => {
            let text = text
                .strip_prefix('\u{feff}')
                .map(str::to_owned)
                .unwrap_or(text);
            let problem = control_character(&text, file);
            (text, problem)
        }
        Err(error) => not_utf8(&error, file),
    }
}

fn too_large(file: usize) -> Problem {
    let detail = format!("mlfn reads at most {} MiB of text", MAX_FILE >> 20);
    let problem = TOO_LARGE
        .error(&FieldPath::root(), detail)
        .help("is this the right file? Models belong beside the manifest, not into it");
    let place = Place {
        file,
        start: 0,
        end: 0,
    };
    Problem::at(place, problem)
}

fn not_utf8(error: &std::string::FromUtf8Error, file: usize) -> (String, Option<Problem>) {
    let start = error.utf8_error().valid_up_to();
    let byte = error.as_bytes().get(start).copied().unwrap_or_default();
    let problem = NOT_UTF8.error(
        &FieldPath::root(),
        format!("the byte 0x{byte:02x} does not belong to a UTF-8 character"),
    );
    let utf16 =
        error.as_bytes().starts_with(&[0xff, 0xfe]) || error.as_bytes().starts_with(&[0xfe, 0xff]);
    let problem = problem.help(if utf16 {
        "this is UTF-16, which PowerShell writes by default; save the file as UTF-8"
    } else {
        "save the file as UTF-8"
    });
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
    (text, Some(Problem::at(Place { file, start, end }, problem)))
}

/// YAML 1.2.2, section 5.1, allows printable characters only.
fn control_character(text: &str, file: usize) -> Option<Problem> {
    let is_bad = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let (start, found) = text.char_indices().find(|(_, c)| is_bad(*c))?;
    let name = match found {
        '\0' => "a NUL byte".to_owned(),
        other => format!("the control character U+{:04X}", u32::from(other)),
    };
    let problem = CONTROL
        .error(
            &FieldPath::root(),
            format!("{name} stands here, which YAML does not allow"),
        )
        .help("remove it");
    let end = start + found.len_utf8();
    Some(Problem::at(Place { file, start, end }, problem))
}
