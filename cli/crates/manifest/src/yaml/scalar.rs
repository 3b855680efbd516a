//! The type of a scalar without quotes.
//!
//! These are the rules of the core schema of YAML 1.2.2, section 10.3.2: `yes`, `no`, `on` and
//! `off` are text, and so is `1_000`. Infinity and not-a-number stay text as well, because JSON,
//! which every request is made of, has neither.

use serde_json::{Number, Value as Json};

/// What the text of a scalar without quotes means.
pub(super) fn resolve(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Json::Null,
        "true" | "True" | "TRUE" => Json::Bool(true),
        "false" | "False" | "FALSE" => Json::Bool(false),
        other => number(other).map_or_else(|| Json::String(other.to_owned()), Json::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return prefixed(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return prefixed(digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts_well = unsigned.starts_with(|c: char| c.is_ascii_digit())
        || (unsigned.starts_with('.') && unsigned[1..].starts_with(|c: char| c.is_ascii_digit()));
    let only_number_characters =
        |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !starts_well || !unsigned.chars().all(only_number_characters) {
        return None;
    }
    let whole = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = whole.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(number) = whole.parse::<u64>() {
        return Some(number.into());
    }
    Number::from_f64(whole.parse().ok()?)
}

fn prefixed(digits: &str, radix: u32) -> Option<Number> {
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    all_digits
        .then(|| u64::from_str_radix(digits, radix).ok())?
        .map(Number::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: impl Into<Json>) {
        assert_eq!(resolve(text), expected.into(), "{text}");
    }

    #[test]
    fn scalars_have_the_types_of_the_core_schema() {
        check("", Json::Null);
        check("~", Json::Null);
        check("True", true);
        check("yes", "yes");
        check("no", "no");
        check("12", 12);
        check("+12", 12);
        check("-0x1F", "-0x1F");
        check("0x1F", 31);
        check("0o17", 15);
        check("017", 17);
        check("18446744073709551615", u64::MAX);
        check("1.5", 1.5);
        check(".5", 0.5);
        check("1e3", 1000.0);
        check("1e999", "1e999");
        check("1_000", "1_000");
        check(".inf", ".inf");
        check(".nan", ".nan");
        check(".", ".");
        check("-", "-");
        check("1.2.3", "1.2.3");
        check("512MB", "512MB");
        check("2024-01-02", "2024-01-02");
    }
}
