//! Problems as they are found, with the exact place where that is known.

use std::collections::HashSet;

use mlfn_core::{Diagnostic, FieldPath};

use crate::yaml::Place;

/// Problems after which no more are listed.
const MAX_PROBLEMS: usize = 100;

/// A kind of problem: its name and its fixed words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
}

impl Code {
    pub(crate) const fn new(name: &'static str, summary: &'static str) -> Self {
        Self { name, summary }
    }

    pub(crate) fn error(self, at: &FieldPath, detail: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.name, self.summary, at.clone(), detail)
    }

    pub(crate) fn warning(self, at: &FieldPath, detail: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(self.name, self.summary, at.clone(), detail)
    }
}

/// What of the text a diagnostic is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The value at the diagnostic's path.
    Value,
    /// The key of that value.
    Key,
    /// Something that has no path of its own.
    Exact(Place),
}

/// A diagnostic, and what of the text it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) diagnostic: Diagnostic,
    pub(crate) spot: Spot,
}

impl Problem {
    pub(crate) fn at(place: Place, diagnostic: Diagnostic) -> Self {
        Self {
            diagnostic,
            spot: Spot::Exact(place),
        }
    }

    pub(crate) fn of_key(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostic,
            spot: Spot::Key,
        }
    }
}

impl From<Diagnostic> for Problem {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            diagnostic,
            spot: Spot::Value,
        }
    }
}

/// All problems so far, each once.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    places: HashSet<(&'static str, Place, String)>,
    left_out: usize,
    errors: usize,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: impl Into<Problem>) {
        let problem = problem.into();
        if self.is_repeated(&problem) {
            return;
        }
        self.errors += usize::from(problem.diagnostic.is_error());
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// The same value can be reached on two ways, such as `stages.prod.memory` and `memory`.
    fn is_repeated(&mut self, problem: &Problem) -> bool {
        let detail = problem.diagnostic.detail.clone();
        match problem.spot {
            Spot::Exact(place) => !self.places.insert((problem.diagnostic.code, place, detail)),
            Spot::Value | Spot::Key => self.found.contains(problem),
        }
    }

    /// The value, or none after reporting why there is none.
    pub(crate) fn take<T, P: Into<Problem>>(&mut self, result: Result<T, P>) -> Option<T> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    pub(crate) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            self.push(problem);
        }
    }

    /// Counts an error that would not be listed anyway. False if there is room for it.
    pub(crate) fn leave_out_error(&mut self) -> bool {
        let is_full = self.found.len() >= MAX_PROBLEMS;
        if is_full {
            self.errors += 1;
            self.left_out += 1;
        }
        is_full
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether something at this path or inside of it is wrong, so that what is missing there may
    /// have been left out because of that.
    pub(crate) fn has_error_in(&self, path: &FieldPath) -> bool {
        self.found
            .iter()
            .filter(|problem| problem.diagnostic.is_error())
            .any(|problem| {
                let steps =
                    std::iter::successors(Some(problem.diagnostic.at.clone()), FieldPath::parent);
                steps.into_iter().any(|step| step == *path)
            })
    }

    /// All of them, and a last one if there were too many to list.
    pub(crate) fn into_vec(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            let detail = format!("{} more problems are not listed", self.left_out);
            let root = FieldPath::root();
            let more = match self.errors {
                0 => TOO_MANY.warning(&root, detail),
                _ => TOO_MANY.error(&root, detail),
            };
            self.found
                .push(more.help("mend the ones above first").into());
        }
        self.found
    }
}

pub(crate) const TOO_MANY: Code = Code::new("more-problems", "too many problems to list");
