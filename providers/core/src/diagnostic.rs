//! A problem in what the user wrote, as data. Rendering happens elsewhere.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The command cannot go on.
    Error,
    /// Works, but not as the user may expect.
    Warning,
}

/// Where in the manifest: `models.classifier.triggers[0].http`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(into = "String")]
pub struct FieldPath(Vec<Segment>);

/// One step of a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Key(String),
    Index(usize),
}

impl FieldPath {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// The entry of a mapping below this one.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Segment::Key(key.into()))
    }

    /// The entry of a sequence below this one.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The path one step up; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// The last key or index, as text.
    pub fn last(&self) -> Option<String> {
        self.0.last().map(|segment| match segment {
            Segment::Key(key) => key.clone(),
            Segment::Index(index) => index.to_string(),
        })
    }

    fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> Self {
        path.to_string()
    }
}

/// What is wrong, where, why, and how to mend it.
///
/// `summary` is short and always in the same words for the same `code`, so that people can search
/// for it; what the user chose stands in `detail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// A stable name, e.g. `memory-out-of-range`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in fixed words.
    pub summary: &'static str,
    /// Which value it is and why that is wrong, in full sentences.
    pub detail: String,
    /// How to mend it, if that can be said.
    pub help: Option<String>,
    /// Where it stands in the manifest.
    pub at: FieldPath,
}

impl Diagnostic {
    /// A problem that stops the command.
    pub fn error(
        code: &'static str,
        summary: &'static str,
        at: FieldPath,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self {
            code,
            severity: Severity::Error,
            summary,
            detail,
            help: None,
            at,
        }
    }

    /// A problem that does not stop the command.
    pub fn warning(
        code: &'static str,
        summary: &'static str,
        at: FieldPath,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, summary, at, detail)
        }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether this stops the command.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_users_write_it() {
        let path = FieldPath::root()
            .key("models")
            .key("a")
            .key("triggers")
            .index(0)
            .key("http");
        assert_eq!(path.to_string(), "models.a.triggers[0].http");
        assert_eq!(
            path.parent().map(|p| p.to_string()).as_deref(),
            Some("models.a.triggers[0]")
        );
        assert_eq!(path.last().as_deref(), Some("http"));
    }
}
