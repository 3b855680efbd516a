//! What users wrote, as it can be shown to them.

use std::borrow::Cow;

/// Characters of a message after which its middle is left out: a value can be a megabyte long.
const LONGEST: usize = 400;

/// Characters that are kept at either end.
const KEPT: usize = 150;

/// A text that is short enough to be read, and that cannot make a terminal do anything.
pub(crate) fn readable(text: &str) -> Cow<'_, str> {
    let text = if text.contains(is_harmful) {
        Cow::Owned(text.chars().map(shown).collect())
    } else {
        Cow::Borrowed(text)
    };
    let length = text.chars().count();
    if length <= LONGEST {
        return text;
    }
    let start: String = text.chars().take(KEPT).collect();
    let end: String = text.chars().skip(length - KEPT).collect();
    Cow::Owned(format!("{start} [..] {end}"))
}

fn shown(c: char) -> String {
    if is_harmful(c) {
        c.escape_default().to_string()
    } else {
        c.to_string()
    }
}

/// Control characters start escape sequences; those that change the direction of writing make a
/// line look like another one.
fn is_harmful(c: char) -> bool {
    let changes_direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    changes_direction || (c.is_control() && c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        assert_eq!(readable("a\nb"), "a\nb");
        assert_eq!(readable("\u{1b}[31m \u{202e}x"), "\\u{1b}[31m \\u{202e}x");
        let long = readable(&"x".repeat(1_000_000)).into_owned();
        assert_eq!(long.len(), 2 * KEPT + " [..] ".len());
    }
}
