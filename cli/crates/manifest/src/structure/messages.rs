//! What is said about mistakes in the structure.

use mlfn_core::{Diagnostic, FieldPath};
use serde_json::Value as Json;

use super::{Place, alternatives, has_type};
use crate::problems::{Code, Problem};
use crate::suggest;
use crate::yaml::{Content, Entry, Node, Scalar, Style};

const UNKNOWN_KEY: Code = Code::new("unknown-key", "an unknown key");
const MISSING_KEY: Code = Code::new("missing-key", "a key is missing");
const WRONG_TYPE: Code = Code::new("wrong-type", "a value of the wrong type");
const BAD_CHOICE: Code = Code::new("bad-choice", "not one of the possible values");
const OUT_OF_RANGE: Code = Code::new("out-of-range", "a number out of range");
const NO_ENTRIES: Code = Code::new("no-entries", "a mapping without entries");
const SEVERAL_KEYS: Code = Code::new("several-keys", "several keys where one is allowed");

/// Nothing that a mapping can have is called so. The caret points at the key.
pub(super) fn unknown_key(root: &Json, entry: &Entry, schema: &Json, place: &Place<'_>) -> Problem {
    let key = entry.key.as_str();
    let detail = format!("`{key}` is no key of {}", owner(&place.at));
    let help = match (meant(entry, schema), belongs_below(root, schema, key)) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Some(parent)) => format!("`{key}` belongs below `{parent}:`; check the indentation"),
        (None, None) => {
            let known: Vec<&str> = properties(schema).map(|(key, _)| key).collect();
            format!(
                "the keys here are {}",
                suggest::list(&known).replace(" or ", " and ")
            )
        }
    };
    Problem::at(
        entry.key_place,
        UNKNOWN_KEY.error(&place.at.key(key), detail).help(help),
    )
}

/// What an unknown key was probably meant to be.
pub(super) fn meant<'s>(entry: &Entry, schema: &'s Json) -> Option<&'s str> {
    let known: Vec<&str> = properties(schema).map(|(key, _)| key).collect();
    let key = entry.key.as_str();
    if known.contains(&key) {
        return None;
    }
    let synonym = suggest::synonym(key, &known);
    let close = || suggest::closest(key, known.iter().copied());
    let meant = synonym.or_else(close)?;
    known.into_iter().find(|known| *known == meant)
}

/// `method` in a trigger belongs below `http`, `triggers` in the manifest below `models.<name>`.
fn belongs_below(root: &Json, schema: &Json, key: &str) -> Option<String> {
    let has_key = |schema: &Json| {
        let objects = alternatives(root, schema);
        objects
            .iter()
            .any(|object| properties(object).any(|(name, _)| name == key))
    };
    properties(schema).find_map(|(name, below)| {
        if has_key(below) {
            return Some(name.to_owned());
        }
        let named = alternatives(root, below);
        let named = named
            .iter()
            .filter_map(|object| object.get("additionalProperties"));
        named
            .into_iter()
            .any(has_key)
            .then(|| format!("{name}.<name>"))
    })
}

pub(super) fn missing(key: &str, schema: &Json, place: &Place<'_>) -> Diagnostic {
    let property = properties(schema).find(|(name, _)| *name == key);
    let description = property.and_then(|(_, property)| property.get("description"));
    let detail = format!("{} needs `{key}`", owner(&place.at));
    let problem = MISSING_KEY.error(&place.at, detail);
    match example(description.and_then(Json::as_str)) {
        Some(example) => problem.help(format!("add for example `{example}`")),
        None => problem,
    }
}

pub(super) fn wrong_type(node: &Node, place: &Place<'_>, expected: &[&Json]) -> Diagnostic {
    let expected = type_words(expected);
    let name = name(&place.at);
    let detail = if node.is_null() {
        format!("{name} has no value; it must be {expected}")
    } else {
        format!(
            "{name} must be {expected}, but is {}",
            found(node, &expected)
        )
    };
    let problem = WRONG_TYPE.error(&place.at, detail);
    match wrong_type_help(node, place, &expected) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

fn found(node: &Node, expected: &str) -> String {
    match &node.content {
        Content::Scalar(scalar) if scalar.style == Style::Quoted && expected.contains("number") => {
            "text".to_owned()
        }
        Content::Scalar(scalar)
            if scalar.text.chars().count() <= 40 && !scalar.text.contains('\n') =>
        {
            match node.kind() {
                "text" => format!("the text `{}`", scalar.text),
                _ => format!("`{}`", scalar.text),
            }
        }
        _ => node.kind().to_owned(),
    }
}

fn wrong_type_help(node: &Node, place: &Place<'_>, expected: &str) -> Option<String> {
    if let Content::Scalar(scalar) = &node.content {
        let unquoted = Scalar {
            style: Style::Plain,
            ..scalar.clone()
        }
        .to_json();
        if scalar.style == Style::Quoted && expected.contains("number") && unquoted.is_number() {
            return Some(format!("remove the quotes: `{}`", scalar.text));
        }
        if expected == "text" && !node.is_null() {
            return Some(format!("put it in quotes: `\"{}\"`", scalar.text));
        }
    }
    example(place.description).map(|example| format!("write for example `{example}`"))
}

/// The types of schemas in the words of messages, nothing left out.
fn type_words(schemas: &[&Json]) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("string", "text"),
        ("integer", "a whole number"),
        ("number", "a number"),
        ("boolean", "true or false"),
        ("array", "a list"),
        ("object", "a mapping"),
    ];
    let is_expected = |name: &str| schemas.iter().any(|schema| has_type(schema, name));
    let expected = WORDS.iter().filter(|(name, _)| is_expected(name));
    let words: Vec<&str> = expected.map(|(_, word)| *word).collect();
    words
        .join(" or ")
        .replace("text or a number or true or false", "a single value")
}

pub(super) fn bad_choice(scalar: &Scalar, choices: &[&str], place: &Place<'_>) -> Diagnostic {
    let text = &scalar.text;
    let detail = format!("{} cannot be `{text}`", name(&place.at));
    let meant =
        suggest::synonym(text, choices).or_else(|| suggest::closest(text, choices.iter().copied()));
    let problem = BAD_CHOICE.error(&place.at, detail);
    match meant {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help(format!("choose {}", suggest::list(choices))),
    }
}

pub(super) fn out_of_range(
    scalar: &Scalar,
    least: f64,
    most: f64,
    place: &Place<'_>,
) -> Diagnostic {
    let allowed = if most >= f64::from(u32::MAX) && least > f64::MIN {
        format!("{least} or more")
    } else {
        format!("between {least} and {most}")
    };
    let too_large = scalar.to_json().as_f64().is_some_and(|found| found > most);
    let allowed = if too_large && most >= f64::from(u32::MAX) {
        format!("at most {most}")
    } else {
        allowed
    };
    let detail = format!(
        "{} is {}, but must be {allowed}",
        name(&place.at),
        scalar.text
    );
    OUT_OF_RANGE.error(&place.at, detail)
}

pub(super) fn too_few_keys(schema: &Json, place: &Place<'_>) -> Diagnostic {
    let known: Vec<&str> = properties(schema).map(|(key, _)| key).collect();
    let detail = match known.as_slice() {
        [] => format!("{} needs at least one entry", name(&place.at)),
        known => format!("{} needs one of {}", name(&place.at), suggest::list(known)),
    };
    let problem = NO_ENTRIES.error(&place.at, detail);
    match example(place.description) {
        Some(example) => problem.help(format!("write for example `{example}`")),
        None => problem,
    }
}

pub(super) fn too_many_keys(keys: &[&str], place: &Place<'_>) -> Diagnostic {
    let keys = suggest::list(keys).replace(" or ", " and ");
    let detail = format!(
        "{} has {keys}, but can have one of them only",
        name(&place.at)
    );
    SEVERAL_KEYS
        .error(&place.at, detail)
        .help("make each of them an item of its own: start its line with `- `")
}

fn properties(schema: &Json) -> impl Iterator<Item = (&str, &Json)> {
    let properties = schema.get("properties").and_then(Json::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(key, property)| (key.as_str(), property))
}

/// What stands behind `Example:` in a description, between backticks.
fn example(description: Option<&str>) -> Option<&str> {
    let (_, example) = description?.split_once("Example: `")?;
    Some(example.trim_end().trim_end_matches('`'))
}

/// The mapping at a path, as the subject of a sentence.
fn owner(at: &FieldPath) -> String {
    match at.parent() {
        None => "the manifest".to_owned(),
        Some(_) => format!("`{at}`"),
    }
}

/// The value at a path, as the subject of a sentence.
fn name(at: &FieldPath) -> String {
    let last = at.last().unwrap_or_default();
    let Some(parent) = at.parent() else {
        return "the manifest".to_owned();
    };
    let is_item = at.to_string().ends_with(']');
    if is_item {
        let number = last.parse::<usize>().map_or(0, |index| index + 1);
        format!("item {number} of `{}`", parent.last().unwrap_or_default())
    } else {
        format!("`{last}`")
    }
}
