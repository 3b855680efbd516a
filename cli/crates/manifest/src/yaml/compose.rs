//! The parser's events -> a tree, within budgets and without recursion.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use mlfn_core::{Diagnostic, FieldPath};

use super::syntax;
use super::{Content, Entry, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Place, Style};
use crate::problems::{Code, Problem};

const DUPLICATE_KEY: Code = Code::new("duplicate-key", "the same key twice");
const KEY_NOT_TEXT: Code = Code::new("key-not-text", "a key that is not text");
const UNKNOWN_TAG: Code = Code::new("yaml-tag", "a YAML tag that mlfn does not know");
const SELF_ALIAS: Code = Code::new("alias-of-itself", "an alias that contains itself");
const TOO_MANY_VALUES: Code = Code::new("too-many-values", "too many values");
const SECOND_DOCUMENT: Code = Code::new("second-document", "more than one YAML document");
const BAD_MERGE: Code = Code::new("bad-merge-key", "`<<` needs a mapping");

/// The tree of `text`, none if there is nothing in it, and everything that is wrong with it.
///
/// `file` goes into every [`Place`].
pub(crate) fn compose(text: &str, file: usize) -> (Option<Node>, Vec<Problem>) {
    let mut composer = Composer {
        text,
        file,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
        nodes: 0,
        bytes: 0,
        problems: Vec::new(),
    };
    let mut options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    options.set_emit_comments(false);
    for next in Parser::new_from_str_with_options(text, options) {
        let step = match next {
            Ok((event, span)) => composer.take(event, span),
            Err(error) => Err(Box::new(syntax::problem(&error, text, file))),
        };
        if let Err(fatal) = step {
            composer.problems.push(*fatal);
            return (None, composer.problems);
        }
    }
    (composer.root, composer.problems)
}

struct Composer<'text> {
    text: &'text str,
    file: usize,
    /// Collections that are not closed yet, the outermost first.
    open: Vec<Open>,
    /// Finished values with an anchor, by the parser's number for it.
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    /// Bytes of text that aliases stand for.
    bytes: usize,
    problems: Vec<Problem>,
}

struct Open {
    start: usize,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashSet<String>,
        key: Option<(String, Place)>,
    },
}

type Step = Result<(), Box<Problem>>;

impl Composer<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Step {
        let place = self.place(&span);
        match event {
            Event::DocumentStart(..) => self.document(place),
            Event::Scalar(text, style, anchor, tag) => {
                let style = scalar_style(style, tag.as_deref(), place)?;
                let node = Node::scalar(text, style, self.scalar_place(place));
                self.add(node, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                collection_tag(tag.as_deref(), place)?;
                self.enter(place, anchor, Items::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                collection_tag(tag.as_deref(), place)?;
                let items = Items::Map {
                    entries: Vec::new(),
                    seen: HashSet::new(),
                    key: None,
                };
                self.enter(place, anchor, items)
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(place.end),
            Event::Alias(anchor) => self.alias(anchor, place),
            _ => Ok(()),
        }
    }

    fn place(&self, span: &Span) -> Place {
        let start = span.start.byte_offset().unwrap_or(0);
        let end = span.end.byte_offset().unwrap_or(start);
        Place {
            file: self.file,
            start,
            end: end.max(start),
        }
    }

    /// The parser counts the line breaks after a block scalar in.
    fn scalar_place(&self, place: Place) -> Place {
        let written = self.text.get(place.start..place.end).unwrap_or("");
        Place {
            end: place.start + written.trim_end().len(),
            ..place
        }
    }

    fn document(&mut self, place: Place) -> Step {
        self.documents += 1;
        if self.documents < 2 {
            return Ok(());
        }
        let detail = "a second document starts here, and a manifest is one";
        let problem = SECOND_DOCUMENT
            .error(&FieldPath::root(), detail)
            .help("remove the line `---`, or put each service into a folder of its own");
        Err(fatal(place, problem))
    }

    fn enter(&mut self, place: Place, anchor: usize, items: Items) -> Step {
        self.key_must_be_text(place)?;
        self.open.push(Open {
            start: place.start,
            anchor,
            items,
        });
        Ok(())
    }

    fn key_must_be_text(&self, place: Place) -> Step {
        let expects_key = |open: &Open| matches!(&open.items, Items::Map { key: None, .. });
        if !self.open.last().is_some_and(expects_key) {
            return Ok(());
        }
        let detail = "a list or a mapping stands where a key is expected";
        let problem = KEY_NOT_TEXT
            .error(&FieldPath::root(), detail)
            .help("if this was meant to be text with `{`, `[` or `*`, put it in quotes");
        Err(fatal(place, problem))
    }

    fn leave(&mut self, end: usize) -> Step {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let written = self.text.get(open.start..end).unwrap_or("");
        let place = Place {
            file: self.file,
            start: open.start,
            end: open.start + written.trim_end().len(),
        };
        let content = match open.items {
            Items::List(items) => Content::List(items),
            Items::Map { entries, .. } => Content::Map(merge(entries)?),
        };
        self.add(Node::new(content, place), open.anchor)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Step {
        let Some(node) = self.anchors.get(&anchor) else {
            let detail = "the value that this alias stands for is not finished yet";
            let problem = SELF_ALIAS
                .error(&FieldPath::root(), detail)
                .help("write the value out where the alias stands");
            return Err(fatal(place, problem));
        };
        self.nodes += node.count();
        self.bytes += node.bytes();
        if self.open.len() + node.depth() > MAX_DEPTH {
            return Err(fatal(place, syntax::too_deep()));
        }
        self.within_budget(place)?;
        let node = node.clone();
        if !matches!(node.content, Content::Scalar(_)) {
            self.key_must_be_text(place)?;
        }
        self.add(node, 0)
    }

    fn within_budget(&self, place: Place) -> Step {
        if self.nodes <= MAX_NODES && self.bytes <= MAX_BYTES {
            return Ok(());
        }
        let detail = format!(
            "mlfn reads at most {MAX_NODES} keys and values with {MAX_BYTES} bytes, aliases counted each time"
        );
        let problem = TOO_MANY_VALUES
            .error(&FieldPath::root(), detail)
            .help("a manifest this large is generated or not a manifest; split the service");
        Err(fatal(place, problem))
    }

    /// A finished value goes where it belongs: it is a key, or the value of one, or an item.
    fn add(&mut self, node: Node, anchor: usize) -> Step {
        self.nodes += 1;
        self.within_budget(node.place)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.items {
            Items::List(items) => items.push(node),
            Items::Map { entries, seen, key } => match key.take() {
                None => *key = Some((node.text().unwrap_or_default().to_owned(), node.place)),
                Some((key, key_place)) if key == "<<" || seen.insert(key.clone()) => {
                    entries.push(Entry {
                        key,
                        key_place,
                        value: node,
                    });
                }
                Some((key, place)) => {
                    let problem = duplicate(entries, &key, place, self.text);
                    self.problems.push(problem);
                }
            },
        }
        Ok(())
    }
}

/// `<<: *defaults`: what the mapping has itself wins over what is merged into it, the first
/// merged over the next.
fn merge(written: Vec<Entry>) -> Result<Vec<Entry>, Box<Problem>> {
    if !written.iter().any(|entry| entry.key == "<<") {
        return Ok(written);
    }
    let (merged, mut entries): (Vec<_>, Vec<_>) =
        written.into_iter().partition(|entry| entry.key == "<<");
    let mut seen: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    for entry in merged {
        let place = entry.value.place;
        for source in merge_sources(entry.value) {
            let Content::Map(more) = source.content else {
                let detail = "only mappings can be merged into a mapping";
                let problem = BAD_MERGE
                    .error(&FieldPath::root(), detail)
                    .help("write `<<: *name`, with `&name` at a mapping above");
                return Err(fatal(place, problem));
            };
            entries.extend(more.into_iter().filter(|e| seen.insert(e.key.clone())));
        }
    }
    Ok(entries)
}

fn merge_sources(node: Node) -> Vec<Node> {
    match node.content {
        Content::List(items) => items,
        content => vec![Node { content, ..node }],
    }
}

fn duplicate(entries: &[Entry], key: &str, place: Place, text: &str) -> Problem {
    let first = entries.iter().find(|entry| entry.key == key);
    let start = first.map_or(0, |entry| entry.key_place.start);
    let line = text.get(..start).unwrap_or("").matches('\n').count() + 1;
    let detail = format!("`{key}` is already set on line {line}");
    let problem = DUPLICATE_KEY
        .error(&FieldPath::root().key(key), detail)
        .help("keep one of the two");
    Problem::at(place, problem)
}

fn scalar_style(
    style: ScalarStyle,
    tag: Option<&Tag>,
    place: Place,
) -> Result<Style, Box<Problem>> {
    let written = match style {
        ScalarStyle::Plain => Style::Plain,
        _ => Style::Quoted,
    };
    let Some(tag) = tag else { return Ok(written) };
    match tag.core_suffix() {
        Some("str") => Ok(Style::Quoted),
        Some("bool" | "int" | "float" | "null") => Ok(Style::Plain),
        _ => Err(unknown_tag(tag, place)),
    }
}

fn collection_tag(tag: Option<&Tag>, place: Place) -> Step {
    match tag {
        Some(tag) if !matches!(tag.core_suffix(), Some("map" | "seq")) => {
            Err(unknown_tag(tag, place))
        }
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, place: Place) -> Box<Problem> {
    let problem = UNKNOWN_TAG
        .error(
            &FieldPath::root(),
            format!("`{tag}` has no meaning in a manifest"),
        )
        .help("write the value without it; text that starts with `!` needs quotes");
    fatal(place, problem)
}

/// A problem after which the rest of the text has no meaning.
fn fatal(place: Place, diagnostic: Diagnostic) -> Box<Problem> {
    Box::new(Problem::at(place, diagnostic))
}
