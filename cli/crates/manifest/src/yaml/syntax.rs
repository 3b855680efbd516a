//! Errors of the YAML parser in words for people who did not read the YAML specification.

use granit_parser::{ErrorKind, ScanError};
use mlfn_core::{Diagnostic, FieldPath};

use super::{MAX_DEPTH, Place};
use crate::problems::{Code, Problem};

const SYNTAX: Code = Code::new("yaml-syntax", "this is not YAML");
const TOO_DEEP: Code = Code::new("too-deep", "nested too deeply");

/// What went wrong, at the character where the parser gave up.
pub(super) fn problem(error: &ScanError, text: &str, file: usize) -> Problem {
    let start = error.marker().byte_offset().unwrap_or(text.len());
    let place = visible_place(text, start, file);
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return Problem::at(place, too_deep());
    }
    let (detail, help) = words(error.kind());
    let diagnostic = SYNTAX.error(&FieldPath::root(), detail);
    match help {
        Some(help) => Problem::at(place, diagnostic.help(help)),
        None => Problem::at(place, diagnostic),
    }
}

/// More collections inside each other than any manifest needs.
pub(crate) fn too_deep() -> Diagnostic {
    let detail = format!("more than {MAX_DEPTH} lists and mappings are inside each other");
    TOO_DEEP
        .error(&FieldPath::root(), detail)
        .help("a manifest needs about ten levels; is this the right file?")
}

/// One character; at the end of the text, the last one that can be seen.
fn visible_place(text: &str, start: usize, file: usize) -> Place {
    let at_end = text.get(start..).is_none_or(|rest| rest.trim().is_empty());
    let start = if at_end {
        text.trim_end()
            .char_indices()
            .next_back()
            .map_or(0, |(at, _)| at)
    } else {
        start
    };
    let character = text.get(start..).and_then(|rest| rest.chars().next());
    Place {
        file,
        start,
        end: start + character.map_or(0, char::len_utf8),
    }
}

const INDENTATION: &str =
    "keys of the same mapping start in the same column; check the indentation";
const QUOTES: &str =
    "text that contains `: `, ` #`, or starts with one of `[]{}&*!|>'\"%@`, needs quotes";
const SPACES: &str = "indent with spaces";

type Words = (&'static str, Option<&'static str>);

/// What is wrong, and how to mend it where that can be said.
fn words(kind: &ErrorKind) -> (String, Option<&'static str>) {
    use ErrorKind as Kind;
    match kind {
        Kind::UnclosedFlowCollection { open } | Kind::MismatchedFlowCollectionEnd { open, .. } => {
            let detail = format!("`{open}` is opened and not closed");
            return (detail, Some("add the bracket that closes it"));
        }
        Kind::UnexpectedCharacter { character } => {
            return (format!("`{character}` cannot start a value"), Some(QUOTES));
        }
        _ => {}
    }
    let known = block_words(kind)
        .or_else(|| flow_words(kind))
        .or_else(|| text_words(kind));
    match known {
        Some((detail, help)) => (detail.to_owned(), help),
        None => (format!("the YAML parser says: {kind}"), None),
    }
}

/// About lines and columns.
fn block_words(kind: &ErrorKind) -> Option<Words> {
    use ErrorKind as Kind;
    Some(match kind {
        Kind::TabNotAllowed
        | Kind::TabInBlockIndentation
        | Kind::TabInIndentation
        | Kind::TabAtBlockScalarStart
        | Kind::TabInPlainScalar => ("YAML does not allow a tab here", Some(SPACES)),
        Kind::SimpleKeyExpected | Kind::InvalidSimpleKey => (
            "a key must be followed by `:` on the same line, and be shorter than 1024 characters",
            Some(INDENTATION),
        ),
        Kind::ExpectedBlockMappingKey
        | Kind::InvalidIndentation
        | Kind::MappingKeyNotAllowed
        | Kind::InvalidFlowScalarIndent
        | Kind::InvalidBlockScalarIndent => (
            "the indentation does not match the lines above",
            Some(INDENTATION),
        ),
        Kind::ExpectedBlockSequenceEntry
        | Kind::BlockSequenceEntryNotAllowed
        | Kind::BlockEntryInFlowCollection
        | Kind::InvalidBlockEntryWhitespace => (
            "a list item is not expected here",
            Some("items of a list start with `- ` in the same column"),
        ),
        Kind::ExpectedDocumentStart => (
            "the manifest is one mapping, and this is not a part of it",
            Some(INDENTATION),
        ),
        _ => return None,
    })
}

/// About brackets, braces, anchors and colons.
fn flow_words(kind: &ErrorKind) -> Option<Words> {
    use ErrorKind as Kind;
    Some(match kind {
        Kind::UnexpectedEofFlowSequence | Kind::ExpectedFlowSequenceSeparator => (
            "a list in brackets needs `,` between its items and `]` at its end",
            None,
        ),
        Kind::UnexpectedEofFlowMapping
        | Kind::UnexpectedEofImplicitFlowMapping
        | Kind::ExpectedFlowMappingSeparator => (
            "a mapping in braces needs `,` between its entries and `}` at its end",
            None,
        ),
        Kind::MisplacedFlowCollectionEnd => (
            "nothing is open that this bracket could close",
            Some(QUOTES),
        ),
        Kind::UnknownAnchor => (
            "no anchor of this name stands above",
            Some(
                "an alias `*name` needs `&name` before it; text that starts with `*` needs quotes",
            ),
        ),
        Kind::MissingAnchorOrAliasName => ("`*` and `&` must be followed by a name", Some(QUOTES)),
        Kind::MappingValueNotAllowed | Kind::InvalidColonPlacement => {
            ("a `:` is not expected here", Some(QUOTES))
        }
        _ => return None,
    })
}

/// About quotes, blocks of text and comments.
fn text_words(kind: &ErrorKind) -> Option<Words> {
    use ErrorKind as Kind;
    Some(match kind {
        Kind::UnclosedQuotedScalar => (
            "a quote is opened and never closed",
            Some("close it; a quote inside of single quotes is written twice: `'it''s'`"),
        ),
        Kind::InvalidQuotedScalarIndent => (
            "a text in quotes that began above is still open here",
            Some("close the quote where the text ends"),
        ),
        Kind::UnknownQuotedScalarEscape
        | Kind::InvalidQuotedScalarHexEscape
        | Kind::InvalidUnicodeEscape => (
            "a backslash in double quotes starts an escape such as `\\n`, and this is none",
            Some("use single quotes, or write the backslash twice"),
        ),
        Kind::InvalidTrailingSingleQuotedScalar | Kind::InvalidTrailingDoubleQuotedScalar => (
            "something follows the closing quote",
            Some("put the whole value in quotes"),
        ),
        Kind::CommentNotSeparated | Kind::CommentInterceptedScalar => (
            "a comment must stand after a space and at the end of a value",
            Some(QUOTES),
        ),
        Kind::InvalidBlockScalarHeader | Kind::ZeroBlockScalarIndent => (
            "after `|` or `>` the text must start on the next line",
            Some(QUOTES),
        ),
        _ => return None,
    })
}
