//! Limits as data: what a cloud allows, and what to say about anything else.
//!
//! The providers hold the numbers; the sentences are the same for all of them and stand here.

use crate::{Diagnostic, FieldPath, Memory, Seconds};

/// Numbers from `min` to `max`, both included.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The diagnostic's code.
    pub code: &'static str,
    /// The diagnostic's summary.
    pub summary: &'static str,
    /// Who sets the limit, e.g. `AWS Lambda`.
    pub owner: &'static str,
    /// The lowest number.
    pub min: u32,
    /// The highest number; `u32::MAX` if there is none.
    pub max: u32,
    /// What is counted.
    pub unit: Unit,
}

/// What a [`Limit`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// MiB of memory or storage.
    Megabytes,
    /// Seconds.
    Seconds,
    /// Anything else.
    Pieces,
}

impl Unit {
    /// As the manifest writes it.
    fn text(self, number: u32) -> String {
        match self {
            Self::Megabytes => Memory::mib(number).to_string(),
            Self::Seconds => Seconds::new(number).to_string(),
            Self::Pieces => number.to_string(),
        }
    }
}

impl Limit {
    /// An error unless `value` is allowed.
    pub fn check(&self, value: u32, at: FieldPath) -> Option<Diagnostic> {
        let (judgement, nearest, end) = match value {
            v if v < self.min => ("too low", self.min, "lowest"),
            v if v > self.max => ("too high", self.max, "highest"),
            _ => return None,
        };
        let text = |number| self.unit.text(number);
        let range = match self.max {
            u32::MAX => format!("{} or more", text(self.min)),
            max => format!("{} to {}", text(self.min), text(max)),
        };
        let detail = format!(
            "`{}` is {judgement}: {} allows {range}.",
            text(value),
            self.owner
        );
        let help = format!(
            "Write `{}`, the {end} value that is allowed.",
            text(nearest)
        );
        Some(Diagnostic::error(self.code, self.summary, at, detail).help(help))
    }

    /// The same limit as a warning: it works, but not as written.
    pub fn warn(&self, value: u32, at: FieldPath) -> Option<Diagnostic> {
        let error = self.check(value, at)?;
        Some(Diagnostic {
            severity: crate::Severity::Warning,
            ..error
        })
    }
}

/// Names that a cloud accepts.
#[derive(Debug, Clone, Copy)]
pub struct NameRule {
    /// The diagnostic's code.
    pub code: &'static str,
    /// The diagnostic's summary.
    pub summary: &'static str,
    /// What is named, e.g. `an S3 bucket`.
    pub what: &'static str,
    /// The fewest characters.
    pub min: usize,
    /// The most characters.
    pub max: usize,
    /// What else holds, as the end of a sentence: `lower-case letters, digits and "-"`.
    pub grammar: &'static str,
    /// Whether a text of the right length follows the grammar.
    pub fits: fn(&str) -> bool,
    /// A name that always works, for when none can be made of the user's own.
    pub example: &'static str,
}

impl NameRule {
    /// An error unless `name` is allowed.
    pub fn check(&self, name: &str, at: FieldPath) -> Option<Diagnostic> {
        (!self.allows(name)).then(|| self.refusal(name, at, &self.mended(name)))
    }

    /// An error unless `<prefix><name>` is allowed, where mlfn puts `prefix` before the user's own
    /// `name`.
    pub fn check_joined(&self, prefix: &str, name: &str, at: FieldPath) -> Option<Diagnostic> {
        let full = format!("{prefix}{name}");
        let mended = self.mended(&full);
        let own = mended.strip_prefix(prefix).unwrap_or(self.example);
        (!self.allows(&full)).then(|| self.refusal(&full, at, own))
    }

    fn allows(&self, name: &str) -> bool {
        let length = name.chars().count();
        (self.min..=self.max).contains(&length) && (self.fits)(name)
    }

    fn refusal(&self, name: &str, at: FieldPath, suggestion: &str) -> Diagnostic {
        let detail = format!(
            "`{name}` ({} characters) cannot be the name of {}: it needs {} to {} characters, {}.",
            name.chars().count(),
            self.what,
            self.min,
            self.max,
            self.grammar
        );
        Diagnostic::error(self.code, self.summary, at, detail)
            .help(format!("Write for example `{suggestion}`."))
    }

    /// The user's name in lower case, with `-` for what no cloud takes; the example if even that
    /// is refused.
    fn mended(&self, name: &str) -> String {
        let replaced = name
            .to_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let words: Vec<&str> = replaced
            .split('-')
            .filter(|word| !word.is_empty())
            .collect();
        let short: String = words.join("-").chars().take(self.max).collect();
        let mended = short.trim_end_matches('-').to_owned();
        if self.allows(&mended) {
            return mended;
        }
        self.example.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: Limit = Limit {
        code: "memory-out-of-range",
        summary: "memory out of range",
        owner: "AWS Lambda",
        min: 128,
        max: 10240,
        unit: Unit::Megabytes,
    };

    #[test]
    fn both_ends_of_a_limit_are_allowed_and_what_is_outside_is_explained() {
        let at = || FieldPath::root().key("memory");
        assert_eq!(MEMORY.check(128, at()), None);
        assert_eq!(MEMORY.check(10240, at()), None);
        let low = MEMORY.check(127, at()).expect("refused");
        assert_eq!(
            (low.detail.as_str(), low.help.as_deref()),
            (
                "`127MB` is too low: AWS Lambda allows 128MB to 10GB.",
                Some("Write `128MB`, the lowest value that is allowed.")
            )
        );
        let high = MEMORY.warn(10241, at()).expect("warned");
        assert!(!high.is_error());
        let open = Limit {
            max: u32::MAX,
            ..MEMORY
        };
        let low = open.check(0, at()).expect("refused");
        assert_eq!(
            low.detail,
            "`0MB` is too low: AWS Lambda allows 128MB or more."
        );
        assert_eq!(
            high.help.as_deref(),
            Some("Write `10GB`, the highest value that is allowed.")
        );
    }

    const NAME: NameRule = NameRule {
        code: "bucket-name-invalid",
        summary: "invalid bucket name",
        what: "a bucket",
        min: 3,
        max: 10,
        grammar: "lower-case letters, digits and `-`",
        fits: |name| !name.contains(|c: char| !(c.is_ascii_lowercase() || c == '-')),
        example: "uploads",
    };

    #[track_caller]
    fn check_name(name: &str, help: Option<&str>) {
        let found = NAME.check(name, FieldPath::root());
        assert_eq!(found.and_then(|d| d.help).as_deref(), help, "{name}");
    }

    #[test]
    fn a_refused_name_comes_with_one_that_is_allowed() {
        check_name("abc", None);
        check_name("abcdefghij", None);
        check_name("ab", Some("Write for example `uploads`."));
        check_name("abcdefghijk", Some("Write for example `abcdefghij`."));
        check_name("My_Files", Some("Write for example `my-files`."));
        check_name("Déjà", Some("Write for example `d-j`."));
    }

    #[test]
    fn of_a_joined_name_only_the_users_own_part_is_suggested() {
        let found = NAME.check_joined("a-b-", "Long_Name", FieldPath::root());
        let found = found.expect("refused");
        assert_eq!(found.help.as_deref(), Some("Write for example `long-n`."));
        assert!(found.detail.starts_with("`a-b-Long_Name` (13 characters)"));
    }
}
