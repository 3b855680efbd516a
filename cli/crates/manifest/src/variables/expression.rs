//! The grammar of `${kind:argument, default}`.
//!
//! Variables may stand inside of arguments and defaults. `$${` is a literal `${`.

use std::ops::Range;

/// The most variables inside each other.
const MAX_NESTING: usize = 16;

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Variable(Variable),
}

/// `${kind:argument, default}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// The bytes of the text that it was read from.
    pub(super) range: Range<usize>,
    pub(super) kind: String,
    pub(super) argument: Option<Vec<Part>>,
    pub(super) default: Option<Default>,
}

/// What a variable falls back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Default {
    /// In quotes: text, whatever it looks like.
    Quoted(String),
    Parts(Vec<Part>),
}

/// A text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) range: Range<usize>,
    pub(super) detail: &'static str,
    pub(super) help: &'static str,
}

/// Whether there is anything to parse.
pub(super) fn has_variables(text: &str) -> bool {
    text.contains("${")
}

/// A text as literal pieces and variables.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, SyntaxError> {
    let mut parser = Parser {
        text,
        position: 0,
        nesting: 0,
    };
    parser.parts(&[])
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    nesting: usize,
}

type Parsed<T> = Result<T, SyntaxError>;

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or("")
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Everything up to one of the `stops`, which is not consumed, or up to the end.
    fn parts(&mut self, stops: &[char]) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        while let Some(next) = self.next() {
            if self.rest().starts_with("$${") {
                literal.push_str("${");
                self.position += "$${".len();
            } else if self.rest().starts_with("${") {
                push_text(&mut parts, &mut literal);
                parts.push(Part::Variable(self.variable()?));
            } else if stops.contains(&next) {
                break;
            } else {
                literal.push(next);
                self.position += next.len_utf8();
            }
        }
        push_text(&mut parts, &mut literal);
        Ok(parts)
    }

    fn variable(&mut self) -> Parsed<Variable> {
        let start = self.position;
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.error(
                start,
                "too many variables are inside each other",
                "use `params:`",
            ));
        }
        self.position += "${".len();
        self.skip_space();
        let kind = self.word();
        self.skip_space();
        let argument = match self.next() {
            Some(':') => {
                self.position += 1;
                Some(trimmed(self.parts(&[',', '}'])?))
            }
            _ => None,
        };
        let default = match self.next() {
            Some(',') => Some(self.default(start)?),
            _ => None,
        };
        self.close(start)?;
        self.nesting -= 1;
        Ok(Variable {
            range: start..self.position,
            kind,
            argument,
            default,
        })
    }

    fn default(&mut self, start: usize) -> Parsed<Default> {
        self.position += 1;
        self.skip_space();
        if let Some(quote @ ('\'' | '"')) = self.next() {
            self.position += 1;
            let length = self
                .rest()
                .find(quote)
                .ok_or_else(|| self.unclosed(start))?;
            let text = self.rest()[..length].to_owned();
            self.position += length + 1;
            self.skip_space();
            return Ok(Default::Quoted(text));
        }
        let parts = trimmed(self.parts(&[',', '}'])?);
        match self.next() {
            Some(',') => Err(self.error(
                start,
                "a variable has one default, and here is a second comma",
                "put a text with commas in quotes: `${env:X, 'a,b'}`; nest defaults: `${env:A, ${env:B, c}}`",
            )),
            _ => Ok(Default::Parts(parts)),
        }
    }

    fn close(&mut self, start: usize) -> Parsed<()> {
        match self.next() {
            Some('}') => {
                self.position += 1;
                Ok(())
            }
            None => Err(self.unclosed(start)),
            Some(_) => Err(self.error(
                start,
                "a variable is written `${kind:name}` or `${kind:name, default}`",
                "for a literal `${` write `$${`",
            )),
        }
    }

    fn word(&mut self) -> String {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let length = self
            .rest()
            .find(|c| !is_word(c))
            .unwrap_or(self.rest().len());
        let word = self.rest()[..length].to_owned();
        self.position += length;
        word
    }

    fn skip_space(&mut self) {
        let space = self.rest().len() - self.rest().trim_start().len();
        self.position += space;
    }

    fn unclosed(&self, start: usize) -> SyntaxError {
        self.error(
            start,
            "`${` is opened and not closed",
            "add `}`; for a literal `${` write `$${`",
        )
    }

    fn error(&self, start: usize, detail: &'static str, help: &'static str) -> SyntaxError {
        let end = self.position + self.next().map_or(0, char::len_utf8);
        SyntaxError {
            range: start..end,
            detail,
            help,
        }
    }
}

fn push_text(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal)));
    }
}

/// Without space at the start and the end.
fn trimmed(mut parts: Vec<Part>) -> Vec<Part> {
    if let Some(Part::Text(text)) = parts.first_mut() {
        *text = text.trim_start().to_owned();
    }
    if let Some(Part::Text(text)) = parts.last_mut() {
        *text = text.trim_end().to_owned();
    }
    parts.retain(|part| *part != Part::Text(String::new()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts as text: variables become `<kind:argument|default>`.
    fn show(parts: &[Part]) -> String {
        let one = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable(variable) => {
                let argument = variable.argument.as_ref().map(|a| format!(":{}", show(a)));
                let default = variable.default.as_ref().map(|default| match default {
                    Default::Quoted(text) => format!("|'{text}'"),
                    Default::Parts(parts) => format!("|{}", show(parts)),
                });
                let (argument, default) =
                    (argument.unwrap_or_default(), default.unwrap_or_default());
                format!("<{}{argument}{default}>", variable.kind)
            }
        };
        parts.iter().map(one).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = parse(text).map_or_else(|error| format!("! {}", error.detail), |p| show(&p));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn variables_are_found_in_text() {
        check("plain", "plain");
        check("${stage}", "<stage>");
        check("a-${stage}-b", "a-<stage>-b");
        check("${env:X}", "<env:X>");
        check("${ env : X , y }", "<env:X|y>");
        check("${env:X, }", "<env:X|>");
        check("${env:X, 'a, }b'}", "<env:X|'a, }b'>");
        check("${env:A, ${param:b, \"c\"}}", "<env:A|<param:b|'c'>>");
        check("${param:${stage}-x}", "<param:<stage>-x>");
        check("$${stage} $ $$", "${stage} $ $$");
        check("${}", "<>");
        check("ü${stage}ü", "ü<stage>ü");
    }

    #[test]
    fn broken_variables_are_errors() {
        check("${env:X", "! `${` is opened and not closed");
        check("${env:X, 'a}", "! `${` is opened and not closed");
        check(
            "${env:X, a, b}",
            "! a variable has one default, and here is a second comma",
        );
        check(
            "${a b}",
            "! a variable is written `${kind:name}` or `${kind:name, default}`",
        );
        check(
            &"${env:".repeat(1000),
            "! too many variables are inside each other",
        );
    }
}
