//! The text that diagnostics point into.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use mlfn_core::{Diagnostic, FieldPath, Severity};

use crate::effective;
use crate::readable::readable;
use crate::secrets::{MASK, Secrets};
use crate::yaml::{Content, Node, Place};

/// Columns of a rendered diagnostic, whatever the terminal has: longer lines are cut there.
const WIDTH: usize = 120;

/// Characters of a detail that still fit beside a caret.
const LABEL_WIDTH: usize = 100;

/// The manifest's text and the files that it includes, and where each value of the manifest
/// stands in them.
#[derive(Debug, Default)]
pub struct Source {
    /// The manifest first.
    pub(crate) files: Vec<SourceFile>,
    /// The manifest as it holds for the stage: short forms expanded, defaults filled in, every
    /// value with the place where it was really written.
    pub(crate) tree: Option<Node>,
    /// Diagnostics whose place is not that of their path.
    pub(crate) exact: Vec<(Diagnostic, Place)>,
    pub(crate) secrets: Secrets,
}

/// One of the files.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A line and a column, both counted from 1; columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Source {
    /// The manifest's file.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), |file| &file.path)
    }

    /// Where the value at `path` stands, or else the nearest one around it.
    ///
    /// It may stand in a file that the manifest includes; [`Source::locate`] tells which.
    pub fn position(&self, path: &FieldPath) -> Position {
        self.position_of(self.place_of(path).unwrap_or_default())
    }

    /// The file and the position that [`Source::render`] shows for a diagnostic.
    pub fn locate(&self, diagnostic: &Diagnostic) -> (&Path, Position) {
        let place = self.place(diagnostic).unwrap_or_default();
        let path = self
            .files
            .get(place.file)
            .map_or(self.path(), |file| &file.path);
        (path, self.position_of(place))
    }

    /// A diagnostic for people: what, where, the line with a caret, why, and how to mend it.
    /// Ends with a line break. Secrets are masked.
    pub fn render(&self, diagnostic: &Diagnostic, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH);
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(diagnostic.summary).id(diagnostic.code);
        let shown = |text: &str| readable(&self.secrets.mask(text)).into_owned();
        let detail = shown(&diagnostic.detail);
        let group = self.with_lines(Group::with_title(title), diagnostic, &detail);
        let help = diagnostic.help.as_deref().map(shown);
        let group = match help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        };
        let text = renderer.render(&[group]);
        text.lines()
            .flat_map(|line| [line.trim_end(), "\n"])
            .collect()
    }

    fn with_lines<'a>(
        &'a self,
        group: Group<'a>,
        diagnostic: &Diagnostic,
        detail: &'a str,
    ) -> Group<'a> {
        let place = self.place(diagnostic);
        let Some((file, place)) = place.and_then(|p| Some((self.files.get(p.file)?, p))) else {
            let origin = Origin::path(self.path().to_string_lossy());
            return group.element(origin).element(Level::NOTE.message(detail));
        };
        if place.start == place.end && file.text.is_empty() {
            let origin = Origin::path(file.path.to_string_lossy());
            return group.element(origin).element(Level::NOTE.message(detail));
        }
        let fits = detail.chars().count() <= LABEL_WIDTH && !detail.contains('\n');
        let lines = Lines::around(&file.text, place);
        let annotation = AnnotationKind::Primary.span(lines.span.clone());
        let snippet = Snippet::source(self.without_secrets(lines.text, lines.start, place.file))
            .path(file.path.to_string_lossy())
            .line_start(lines.number)
            .annotation(annotation.label(fits.then_some(detail)));
        if fits {
            group.element(snippet)
        } else {
            group.element(snippet).element(Level::NOTE.message(detail))
        }
    }

    /// Lines that start at the byte `start` of a file, with every secret overwritten.
    fn without_secrets<'a>(&self, lines: &'a str, start: usize, file: usize) -> Cow<'a, str> {
        let mut bytes = Cow::Borrowed(lines.as_bytes());
        for place in self.secrets.places().filter(|place| place.file == file) {
            let from = place.start.saturating_sub(start).min(lines.len());
            let to = place.end.saturating_sub(start).min(lines.len());
            if from < to {
                let secret = bytes.to_mut().iter_mut().take(to).skip(from);
                secret
                    .filter(|byte| **byte != b'\n')
                    .for_each(|byte| *byte = b'*');
            }
        }
        match bytes {
            Cow::Borrowed(_) => Cow::Borrowed(lines),
            Cow::Owned(bytes) => {
                Cow::Owned(String::from_utf8(bytes).unwrap_or_else(|_| MASK.into()))
            }
        }
    }

    pub(crate) fn place(&self, diagnostic: &Diagnostic) -> Option<Place> {
        let exact = self.exact.iter().find(|(known, _)| known == diagnostic);
        exact
            .map(|(_, place)| *place)
            .or_else(|| self.place_of(&diagnostic.at))
    }

    /// Whether the text at this path stands in a file, rather than coming from the environment.
    pub(crate) fn is_written(&self, path: &FieldPath) -> bool {
        let found = self.tree.as_ref().map(|tree| Found::search(tree, path));
        match found {
            Some(Found {
                node,
                complete: true,
                ..
            }) => match &node.content {
                Content::Scalar(scalar) => effective::is_written(node, scalar, &self.files),
                _ => false,
            },
            _ => false,
        }
    }

    fn place_of(&self, path: &FieldPath) -> Option<Place> {
        let found = Found::search(self.tree.as_ref()?, path);
        Some(found.place(|place| {
            let file = self.files.get(place.file)?;
            file.text.get(place.start..place.end)
        }))
    }

    /// Where the key of the value at this path stands, if there is one.
    pub(crate) fn key_place(&self, path: &FieldPath) -> Option<Place> {
        let found = Found::search(self.tree.as_ref()?, path);
        found.key.filter(|_| found.complete)
    }

    fn position_of(&self, place: Place) -> Position {
        let text = self.files.get(place.file).map_or("", |file| &file.text);
        let before = text.get(..place.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// The value at a path, or the nearest one around it, and the key that it stands under.
struct Found<'a> {
    key: Option<Place>,
    node: &'a Node,
    complete: bool,
}

impl<'a> Found<'a> {
    fn search(root: &'a Node, path: &FieldPath) -> Self {
        let Some(parent) = path.parent() else {
            return Self {
                key: None,
                node: root,
                complete: true,
            };
        };
        let parent = Self::search(root, &parent);
        let step = path.last().filter(|_| parent.complete);
        let child = step.and_then(|step| Self::child(parent.node, &step));
        child.unwrap_or(Self {
            complete: false,
            ..parent
        })
    }

    fn child(node: &'a Node, step: &str) -> Option<Self> {
        let (key, node) = match &node.content {
            Content::Scalar(_) => return None,
            Content::List(items) => (None, items.get(step.parse::<usize>().ok()?)?),
            Content::Map(_) => {
                let entry = node.entry(step)?;
                (Some(entry.key_place), &entry.value)
            }
        };
        Some(Self {
            key,
            node,
            complete: true,
        })
    }

    /// What to underline: a value on one line, otherwise the key, otherwise what comes first.
    fn place(&self, written: impl Fn(Place) -> Option<&'a str>) -> Place {
        let place = self.node.place;
        let text = written(place).unwrap_or("");
        let is_flow = text.starts_with(['{', '[']);
        let is_scalar = matches!(self.node.content, Content::Scalar(_));
        let one_line = !text.is_empty() && !text.contains('\n');
        if one_line && (is_flow || is_scalar) {
            return place;
        }
        self.key.unwrap_or_else(|| first_place(self.node))
    }
}

fn first_place(node: &Node) -> Place {
    match &node.content {
        Content::Scalar(_) => node.place,
        Content::List(items) => items.first().map_or(node.place, first_place),
        Content::Map(entries) => entries.first().map_or(node.place, |entry| entry.key_place),
    }
}

/// The whole lines around a place.
struct Lines<'a> {
    text: &'a str,
    /// The byte of the file at which they start.
    start: usize,
    /// The number of the first of them, from 1.
    number: usize,
    /// The place, relative to them.
    span: std::ops::Range<usize>,
}

impl<'a> Lines<'a> {
    fn around(file: &'a str, place: Place) -> Self {
        let before = file.get(..place.start).unwrap_or(file);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = file.get(place.end..).unwrap_or("");
        let end = file.len() - rest.len() + rest.find('\n').unwrap_or(rest.len());
        let text = file.get(start..end).unwrap_or("");
        let from = (place.start - start).min(text.len());
        let to = (place.end.max(place.start) - start).min(text.len());
        Self {
            text: text.trim_end_matches('\r'),
            start,
            number: before.matches('\n').count() + 1,
            span: from..to,
        }
    }
}
