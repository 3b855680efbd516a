//! The variables that the command line was started with.

/// The variables of the process, or of a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Environment(fn(&str) -> Option<String>);

impl Environment {
    /// Those of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the command line reads variables"
    )]
    pub(crate) fn of_process() -> Self {
        Self(|name| std::env::var(name).ok())
    }

    /// Made up.
    #[cfg(test)]
    pub(crate) fn new(lookup: fn(&str) -> Option<String>) -> Self {
        Self(lookup)
    }

    /// The value of a variable.
    pub(crate) fn get(self, name: &str) -> Option<String> {
        (self.0)(name)
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
