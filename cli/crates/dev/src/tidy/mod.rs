//! `cargo dev tidy`: every agreed rule that the compiler does not know, with its reason.

mod arrows;
mod layout;
mod rust;
mod text;

use std::fmt;

use anyhow::bail;

use crate::repository::Repository;

/// A rule that something breaks.
pub(crate) struct Problem {
    /// The file, and the line where that helps.
    place: String,
    /// What is wrong and how to mend it.
    message: String,
}

impl Problem {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            message: message.into(),
        }
    }

    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Checks the whole repository; all problems are reported at once.
pub(crate) fn run(repository: &Repository) -> anyhow::Result<String> {
    let files = repository.files()?;
    let mut problems = arrows::check(repository)?;
    problems.extend(text::check(&files));
    problems.extend(rust::check(&files));
    problems.extend(layout::check(&files));
    if problems.is_empty() {
        return Ok(format!("tidy: {} files, no problems", files.len()));
    }
    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
    bail!("{} problems\n{}", problems.len(), list.join("\n"))
}
