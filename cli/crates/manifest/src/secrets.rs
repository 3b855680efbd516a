//! What must not be printed.

use std::borrow::Cow;
use std::fmt;

use crate::yaml::Place;

/// What is printed instead.
pub(crate) const MASK: &str = "***";

/// Shorter texts are not masked inside of messages: they would be found everywhere.
const MIN_LENGTH: usize = 6;

/// A text that nothing prints, not even for debugging.
#[derive(Clone, PartialEq, Eq)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Values that look like secrets, and where they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Secrets {
    texts: Vec<Secret>,
    places: Vec<Place>,
}

impl Secrets {
    /// A secret that no file contains, e.g. from the environment.
    pub(crate) fn add_text(&mut self, text: &str) {
        if text.len() >= MIN_LENGTH && !self.texts.iter().any(|known| known.0 == text) {
            self.texts.push(Secret(text.to_owned()));
        }
    }

    /// A secret that stands in a file.
    pub(crate) fn add_place(&mut self, place: Place) {
        self.places.push(place);
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// The text without any of the secrets.
    pub(crate) fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        for secret in &self.texts {
            if masked.contains(&secret.0) {
                masked = Cow::Owned(masked.replace(&secret.0, MASK));
            }
        }
        masked
    }
}

/// Whether something of this name is probably a secret.
///
/// `TOKEN` counts as a whole word only: `TOKENIZER` and `MAX_TOKENS` are common, and no secrets.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const PARTS: [&str; 8] = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
    ];
    let name = name.to_ascii_uppercase().replace('-', "_");
    PARTS.iter().any(|part| name.contains(part)) || name.split('_').any(|word| word == "TOKEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised() {
        for name in [
            "DB_PASSWORD",
            "token",
            "HF_TOKEN",
            "STRIPE_API_KEY",
            "aws-secret-access-key",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["MODE", "TOKENIZER", "MAX_TOKENS", "KEY", "KEYBOARD"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_secret_is_masked_and_its_debug_form_says_nothing() {
        let mut secrets = Secrets::default();
        secrets.add_text("hunter2");
        secrets.add_text("abc");
        assert_eq!(secrets.mask("`hunter2` and `abc`"), "`***` and `abc`");
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
