//! Tree x JSON schema -> every mistake in the structure, and what is left without them.
//!
//! The schema is the published one, so that editors and mlfn agree. Only the keywords that our
//! own types produce are understood. What is wrong is left out of the answer, which is why all
//! later steps can go on and find the other mistakes.

mod messages;

use mlfn_core::FieldPath;
use serde_json::{Map, Value as Json};

use crate::problems::Problems;
use crate::yaml::{Content, Entry, Node, Scalar, Style};

/// Keys of a mapping among which mistyped ones are looked for: no mapping has more, and comparing
/// words takes time.
const MAX_MISTYPED: usize = 100;

/// Everything of `tree` that fits to the schema, as JSON that the written types can read.
pub(crate) fn check(tree: &Node, schema: &Json, problems: &mut Problems) -> Json {
    let mut checker = Checker {
        root: schema,
        problems,
    };
    let rest = checker.value(tree, &Place::new(&FieldPath::root(), schema, None));
    rest.unwrap_or_else(|| Json::Object(Map::new()))
}

struct Checker<'s, 'p> {
    root: &'s Json,
    problems: &'p mut Problems,
}

/// What is expected somewhere.
#[derive(Clone)]
struct Place<'s> {
    at: FieldPath,
    schema: &'s Json,
    /// The description of the key, which ends with an example.
    description: Option<&'s str>,
}

impl<'s> Place<'s> {
    fn new(at: &FieldPath, schema: &'s Json, description: Option<&'s str>) -> Self {
        let own = schema.get("description").and_then(Json::as_str);
        Self {
            at: at.clone(),
            schema,
            description: description.or(own),
        }
    }
}

impl<'s> Checker<'s, '_> {
    /// The value without what is wrong in it; none if nothing is left.
    fn value(&mut self, node: &Node, place: &Place<'s>) -> Option<Json> {
        if node.is_unresolved() {
            return None;
        }
        let alternatives = alternatives(self.root, place.schema);
        if node.is_null() && alternatives.iter().any(|schema| accepts_null(schema)) {
            return Some(Json::Null);
        }
        if alternatives.contains(&&Json::Bool(true)) {
            return Some(node.to_json());
        }
        let Some(schema) = alternatives.iter().find(|schema| fits(node, schema)) else {
            self.problems
                .push(messages::wrong_type(node, place, &alternatives));
            return None;
        };
        match &node.content {
            Content::Map(entries) => Some(self.mapping(node, entries, schema, place)),
            Content::List(items) => self.list(items, schema, place),
            Content::Scalar(scalar) => self.scalar(node, scalar, schema, place),
        }
    }

    fn mapping(
        &mut self,
        node: &Node,
        entries: &[Entry],
        schema: &'s Json,
        place: &Place<'s>,
    ) -> Json {
        self.number_of_keys(entries, schema, place);
        let first = entries.iter().take(MAX_MISTYPED);
        let mistyped: Vec<&str> = first.filter_map(|e| messages::meant(e, schema)).collect();
        for required in texts(schema.get("required")) {
            // The version probe speaks about the version.
            let is_elsewhere = required == "mlfn" || mistyped.contains(&required);
            if node.entry(required).is_none() && !is_elsewhere {
                self.problems
                    .push(messages::missing(required, schema, place));
            }
        }
        let mut rest = Map::new();
        for entry in entries {
            let at = place.at.key(&entry.key);
            let property = schema.get("properties").and_then(|p| p.get(&entry.key));
            let others = schema.get("additionalProperties");
            let below = match (property, others) {
                (Some(schema), _) | (None, Some(schema @ (Json::Object(_) | Json::Bool(true)))) => {
                    Place::new(
                        &at,
                        schema,
                        place.description.filter(|_| property.is_none()),
                    )
                }
                _ if self.problems.leave_out_error() => continue,
                _ => {
                    self.problems
                        .push(messages::unknown_key(self.root, entry, schema, place));
                    continue;
                }
            };
            if let Some(value) = self.value(&entry.value, &below) {
                rest.insert(entry.key.clone(), value);
            }
        }
        Json::Object(rest)
    }

    fn number_of_keys(&mut self, entries: &[Entry], schema: &Json, place: &Place<'_>) {
        let limit = |name| schema.get(name).and_then(Json::as_u64);
        let own_limit = |name| {
            place
                .schema
                .get(name)
                .and_then(Json::as_u64)
                .or(limit(name))
        };
        let is_known = |entry: &&Entry| {
            schema
                .pointer("/properties")
                .is_some_and(|p| p.get(&entry.key).is_some())
        };
        let known: Vec<&str> = entries
            .iter()
            .filter(is_known)
            .map(|e| e.key.as_str())
            .collect();
        let count = |length| u64::try_from(length).unwrap_or(u64::MAX);
        if own_limit("minProperties").is_some_and(|least| count(entries.len()) < least) {
            self.problems.push(messages::too_few_keys(schema, place));
        }
        if own_limit("maxProperties").is_some_and(|most| count(known.len()) > most) {
            self.problems.push(messages::too_many_keys(&known, place));
        }
    }

    /// Bad items leave an empty mapping behind where mappings are expected, so that the others
    /// keep their number; other lists are given up.
    fn list(&mut self, items: &[Node], schema: &'s Json, place: &Place<'s>) -> Option<Json> {
        let of = schema.get("items").unwrap_or(&Json::Bool(true));
        let takes_mappings = alternatives(self.root, of)
            .iter()
            .all(|item| has_type(item, "object"));
        let mut rest = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let below = Place::new(&place.at.index(index), of, place.description);
            rest.push(match self.value(item, &below) {
                Some(value) => Some(value),
                None => takes_mappings.then(|| Json::Object(Map::new())),
            });
        }
        rest.into_iter()
            .collect::<Option<Vec<_>>>()
            .map(Json::Array)
    }

    fn scalar(
        &mut self,
        node: &Node,
        scalar: &Scalar,
        schema: &Json,
        place: &Place<'_>,
    ) -> Option<Json> {
        if has_type(schema, "string") {
            let choices: Vec<&str> = texts(schema.get("enum")).collect();
            if !choices.is_empty() && !choices.contains(&scalar.text.as_str()) {
                self.problems
                    .push(messages::bad_choice(scalar, &choices, place));
                return None;
            }
            return Some(Json::String(scalar.text.clone()));
        }
        let value = scalar.to_json();
        if !value.is_number() {
            return Some(value);
        }
        if has_type(schema, "integer") && !value.is_i64() && !value.is_u64() {
            self.problems
                .push(messages::wrong_type(node, place, &[schema]));
            return None;
        }
        let limit = |name| {
            schema
                .get(name)
                .or_else(|| place.schema.get(name))
                .and_then(Json::as_f64)
        };
        let found = value.as_f64().unwrap_or_default();
        let least = limit("minimum").unwrap_or(f64::MIN);
        let most = limit("maximum").unwrap_or(largest(schema));
        if found < least || found > most {
            self.problems
                .push(messages::out_of_range(scalar, least, most, place));
            return None;
        }
        Some(value)
    }
}

fn largest(schema: &Json) -> f64 {
    match schema.get("format").and_then(Json::as_str) {
        Some("uint32") => f64::from(u32::MAX),
        _ => f64::MAX,
    }
}

/// The schemas that a value may have, references followed and alternatives flattened.
fn alternatives<'s>(root: &'s Json, schema: &'s Json) -> Vec<&'s Json> {
    if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
        let pointer = reference.trim_start_matches('#');
        return root
            .pointer(pointer)
            .map_or_else(Vec::new, |target| alternatives(root, target));
    }
    match schema.get("anyOf").and_then(Json::as_array) {
        Some(several) => several
            .iter()
            .flat_map(|one| alternatives(root, one))
            .collect(),
        None => vec![schema],
    }
}

/// Whether a value could be meant by this schema, whatever is wrong inside of it.
fn fits(node: &Node, schema: &Json) -> bool {
    match &node.content {
        Content::Map(_) => has_type(schema, "object"),
        Content::List(_) => has_type(schema, "array"),
        Content::Scalar(scalar) => {
            let text_is_fine = scalar.style == Style::Loose && has_type(schema, "string");
            text_is_fine
                || match scalar.to_json() {
                    Json::String(_) => has_type(schema, "string"),
                    Json::Bool(_) => has_type(schema, "boolean"),
                    Json::Number(_) => has_type(schema, "number") || has_type(schema, "integer"),
                    _ => has_type(schema, "null"),
                }
        }
    }
}

fn accepts_null(schema: &Json) -> bool {
    *schema == Json::Bool(true) || has_type(schema, "null")
}

fn has_type(schema: &Json, name: &str) -> bool {
    match schema.get("type") {
        Some(Json::String(only)) => only == name,
        Some(Json::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

fn texts(list: Option<&Json>) -> impl Iterator<Item = &str> {
    list.and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}
