//! The variables that the command line was started with.

use std::ffi::OsString;

/// The variables of the process, or of a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Environment {
    lookup: fn(&str) -> Option<String>,
    all: fn() -> Vec<(String, String)>,
}

impl Environment {
    /// Those of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the command line reads variables"
    )]
    pub(crate) fn of_process() -> Self {
        Self {
            lookup: |name| std::env::var(name).ok(),
            all: || {
                let texts = |(name, value): (OsString, OsString)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                };
                std::env::vars_os().filter_map(texts).collect()
            },
        }
    }

    /// Made up.
    #[cfg(test)]
    pub(crate) fn new(lookup: fn(&str) -> Option<String>) -> Self {
        Self {
            lookup,
            all: Vec::new,
        }
    }

    /// The value of a variable.
    pub(crate) fn get(self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// All variables that are text, for libraries that know the names that they look for.
    pub(crate) fn all(self) -> Vec<(String, String)> {
        (self.all)()
    }

    /// Whether it has a value that is not empty.
    pub(crate) fn is_set(self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.is_empty())
    }
}

impl PartialEq for Environment {
    /// Functions cannot be compared; settings are compared by what was made of the variables.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
