//! Names as newtypes: a value of these types is known to be good.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name. Each message says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing between the quotes.
    #[error("a name must not be empty")]
    Empty,
    /// Longer than the shortest limit of the clouds leaves room for.
    #[error("has {length} characters, at most {limit} are allowed")]
    TooLong {
        /// Characters found.
        length: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// Every cloud wants a letter first.
    #[error("must start with a lower-case letter, not `{0}`")]
    BadStart(char),
    /// A character that at least one cloud refuses.
    #[error("must not contain `{found}`; use lower-case letters, digits and `-`{}", hint(*found))]
    BadCharacter {
        /// The first offending character.
        found: char,
    },
    /// `a-` is refused by Azure and Google.
    #[error("must not end with `-`")]
    BadEnd,
    /// Not one of the clouds.
    #[error("`{0}` is not a provider; use `aws`, `azure` or `gcp`")]
    UnknownProvider(String),
}

fn hint(found: char) -> &'static str {
    match found {
        '_' | ' ' | '.' => " (separate words with `-`)",
        _ => "",
    }
}

/// The rule that AWS, Azure and Google accept alike: `[a-z]([-a-z0-9]*[a-z0-9])?`.
fn check(text: &str, limit: usize) -> Result<(), NameError> {
    let first = text.chars().next().ok_or(NameError::Empty)?;
    let length = text.chars().count();
    if length > limit {
        return Err(NameError::TooLong { length, limit });
    }
    let bad = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if let Some(found) = text.chars().find(|c| bad(*c)) {
        return Err(NameError::BadCharacter { found });
    }
    if !first.is_ascii_lowercase() {
        return Err(NameError::BadStart(first));
    }
    if text.ends_with('-') {
        return Err(NameError::BadEnd);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $limit:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The most characters that a name of this kind may have.
            pub const MAX: usize = $limit;

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                check(&text, Self::MAX).map(|()| Self(text))
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

// Cloud names are made as `<service>-<stage>-<function>`; Lambda allows 64 characters, Cloud Run
// functions 63, so the parts share 24 + 1 + 12 + 1 + 25 = 63.
name!(
    /// The name of a service, e.g. `iris`.
    ServiceName, 24
);
name!(
    /// The name of a stage, e.g. `dev`.
    StageName, 12
);
name!(
    /// The name of a function: the key of a model in the manifest, e.g. `classifier`.
    FunctionName, 25
);

/// A cloud that mlfn deploys to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// AWS Lambda.
    Aws,
    /// Azure Functions.
    Azure,
    /// Google Cloud Functions and Cloud Run.
    Gcp,
}

impl ProviderName {
    /// All of them, in the order in which they are listed to users.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Azure, Self::Gcp];

    /// The name that the manifest and the command line use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

impl FromStr for ProviderName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| NameError::UnknownProvider(text.to_owned()))
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(text: &str, expected: Result<(), &str>) {
        let found = text.parse::<ServiceName>().map(|_| ());
        assert_eq!(
            found.map_err(|e| e.to_string()),
            expected.map_err(str::to_owned),
            "{text}"
        );
    }

    #[test]
    fn a_name_is_what_every_cloud_accepts() {
        check_name("iris", Ok(()));
        check_name("breast-cancer-2", Ok(()));
        check_name("", Err("a name must not be empty"));
        check_name("2iris", Err("must start with a lower-case letter, not `2`"));
        check_name("iris-", Err("must not end with `-`"));
        check_name(
            "my_service",
            Err(
                "must not contain `_`; use lower-case letters, digits and `-` (separate words with `-`)",
            ),
        );
        check_name(
            "Iris",
            Err("must not contain `I`; use lower-case letters, digits and `-`"),
        );
        check_name(&"a".repeat(24), Ok(()));
        check_name(
            &"a".repeat(25),
            Err("has 25 characters, at most 24 are allowed"),
        );
    }

    #[test]
    fn the_longest_names_fit_the_shortest_cloud_limit() {
        let joined = ServiceName::MAX + 1 + StageName::MAX + 1 + FunctionName::MAX;
        assert!(joined <= 63, "{joined}");
    }
}
