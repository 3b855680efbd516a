//! The tree of a YAML document.

use serde_json::Value as Json;

use super::scalar;

/// The most collections inside each other: a manifest needs about ten.
pub(crate) const MAX_DEPTH: usize = 64;

/// The most keys and values of a manifest, after aliases and variables have been replaced.
pub(crate) const MAX_NODES: usize = 50_000;

/// The most bytes of text in them.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// A range of bytes in one of the files that a manifest consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Place {
    /// An index into the files of the `Source`; 0 is the manifest itself.
    pub(crate) file: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) place: Place,
    /// Whether the value came from a variable that is named like a secret.
    pub(crate) secret: bool,
}

/// What a value consists of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key, its value, and where the key stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Node,
}

/// A value without parts, as it was written: what type it has depends on its style, and for some
/// styles on the place where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: `10` is a number, `ten` is text.
    Plain,
    /// In quotes, or a block: always text.
    Quoted,
    /// From outside of YAML (an environment variable, `--param`): the type that its place wants.
    Loose,
    /// Contains variables that are not replaced, so that nothing can be said about it.
    Unresolved,
}

impl Scalar {
    /// As JSON, by the rules of YAML's core schema unless it is certainly text.
    pub(crate) fn to_json(&self) -> Json {
        match self.style {
            Style::Loose if self.text.is_empty() => Json::String(String::new()),
            Style::Plain | Style::Loose => scalar::resolve(&self.text),
            Style::Quoted | Style::Unresolved => Json::String(self.text.clone()),
        }
    }
}

impl Node {
    pub(crate) fn new(content: Content, place: Place) -> Self {
        Self {
            content,
            place,
            secret: false,
        }
    }

    pub(crate) fn scalar(text: impl Into<String>, style: Style, place: Place) -> Self {
        let text = text.into();
        Self::new(Content::Scalar(Scalar { text, style }), place)
    }

    /// The value under that key, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a mapping; none for everything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.to_json().is_null())
    }

    pub(crate) fn is_unresolved(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.style == Style::Unresolved)
    }

    /// How many values this is, itself included.
    pub(crate) fn count(&self) -> usize {
        match &self.content {
            Content::Scalar(_) => 1,
            Content::List(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Content::Map(entries) => 1 + entries.iter().map(|e| e.value.count()).sum::<usize>(),
        }
    }

    /// How many bytes of text are in it, keys included.
    pub(crate) fn bytes(&self) -> usize {
        match &self.content {
            Content::Scalar(scalar) => scalar.text.len(),
            Content::List(items) => items.iter().map(Node::bytes).sum(),
            Content::Map(entries) => {
                let bytes = |entry: &Entry| entry.key.len() + entry.value.bytes();
                entries.iter().map(bytes).sum()
            }
        }
    }

    /// How many collections are inside each other here.
    pub(crate) fn depth(&self) -> usize {
        match &self.content {
            Content::Scalar(_) => 0,
            Content::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Content::Map(entries) => 1 + entries.iter().map(|e| e.value.depth()).max().unwrap_or(0),
        }
    }

    /// As JSON, as YAML's core schema reads it.
    pub(crate) fn to_json(&self) -> Json {
        match &self.content {
            Content::Scalar(scalar) => scalar.to_json(),
            Content::List(items) => items.iter().map(Node::to_json).collect(),
            Content::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect(),
        }
    }

    /// What kind of value this is, in the words of messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.content {
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
            Content::Scalar(scalar) => match scalar.to_json() {
                Json::Null => "nothing",
                Json::Bool(_) => "true or false",
                Json::Number(_) => "a number",
                _ => "text",
            },
        }
    }
}
