//! The value of a resource's field: known, or known only when something else exists.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::{Digest, ResourceId, SecretRef};

/// The value of a field of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Known now.
    Known(Json),
    /// A secret that the cloud looks up by name; the name is compared, the secret never seen.
    Secret(SecretRef),
    /// What another resource's `output` says once that exists.
    AfterApply {
        /// The other resource.
        from: ResourceId,
        /// One of its [outputs](crate::Observed::outputs).
        output: String,
    },
    /// The bytes of a file that is uploaded.
    File(FileRef),
    /// The texts of these values, one after the other.
    Text(Vec<Value>),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Object(BTreeMap<String, Value>),
    /// What was once a sensitive value, of which the record kept the salted digest only.
    /// Equal to what has that digest; cannot be sent to a cloud.
    Masked(Digest),
}

/// A file by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Relative to the folder of the manifest, with `/`.
    pub path: String,
    /// Of its bytes.
    pub digest: Digest,
    /// How many.
    pub bytes: u64,
}

/// What `from`'s `output` is, if that is known by now.
pub type Outputs<'a> = dyn Fn(&ResourceId, &str) -> Option<Json> + 'a;

impl Value {
    /// The output of another resource.
    pub fn output(from: &ResourceId, output: impl Into<String>) -> Self {
        Self::AfterApply {
            from: from.clone(),
            output: output.into(),
        }
    }

    /// Calls `visit` with each resource and output that this refers to, at any depth.
    pub fn for_each_reference<'a>(&'a self, visit: &mut dyn FnMut(&'a ResourceId, &'a str)) {
        if let Self::AfterApply { from, output } = self {
            visit(from, output);
        }
        for value in self.parts() {
            value.for_each_reference(visit);
        }
    }

    /// Calls `visit` with each file in this, at any depth.
    pub fn for_each_file<'a>(&'a self, visit: &mut dyn FnMut(&'a FileRef)) {
        if let Self::File(file) = self {
            visit(file);
        }
        for value in self.parts() {
            value.for_each_file(visit);
        }
    }

    /// The values that this is made of.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Text(values) | Self::List(values) => values.iter().collect(),
            Self::Object(entries) => entries.values().collect(),
            _ => Vec::new(),
        }
    }

    /// With every reference replaced by what `outputs` says: no [`Value::AfterApply`] and no
    /// [`Value::Text`] is left. None if something is not known yet.
    pub fn resolve(&self, outputs: &Outputs<'_>) -> Option<Self> {
        match self {
            Self::AfterApply { from, output } => outputs(from, output).map(Self::Known),
            Self::Text(values) => {
                let texts = values
                    .iter()
                    .map(|value| value.resolve(outputs).map(|v| v.as_text()));
                texts
                    .collect::<Option<String>>()
                    .map(|text| Self::Known(text.into()))
            }
            Self::List(values) => values
                .iter()
                .map(|value| value.resolve(outputs))
                .collect::<Option<_>>()
                .map(Self::List),
            Self::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| Some((key.clone(), value.resolve(outputs)?)));
                entries.collect::<Option<_>>().map(Self::Object)
            }
            Self::Known(_) | Self::Secret(_) | Self::File(_) | Self::Masked(_) => {
                Some(self.clone())
            }
        }
    }

    /// This, which is [resolved](Value::resolve), as it is recorded, compared and told by
    /// [`Observed::fields`](crate::Observed::fields): plain JSON with sorted keys, in which a file
    /// is [`file_mark`], a secret `{"$secret": name}`, a masked value `{"$digest": digest}`.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Known(json) => sorted(json.clone()),
            Self::Secret(SecretRef(name)) => json!({ "$secret": name }),
            Self::File(file) => file_mark(&file.digest),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Object(entries) => entries
                .iter()
                .map(|(key, value)| (key.clone(), value.to_json()))
                .collect(),
            Self::Masked(digest) => json!({ "$digest": digest }),
            Self::Text(values) => values.iter().map(Self::as_text).collect::<String>().into(),
            Self::AfterApply { from, output } => json!({ "$after": format!("{from}.{output}") }),
        }
    }

    fn as_text(&self) -> String {
        match self.to_json() {
            Json::String(text) => text,
            other => other.to_string(),
        }
    }
}

/// How a file stands in the [JSON form](Value::to_json) of a value: by its content alone, so that
/// the same package at another path is no change.
pub fn file_mark(digest: &Digest) -> Json {
    json!({ "$file": digest })
}

/// With the keys of every object in order, so that equal values have equal bytes.
pub fn sorted(mut json: Json) -> Json {
    json.sort_all_objects();
    json
}

impl<T: Into<Json>> From<T> for Value {
    fn from(json: T) -> Self {
        Self::Known(json.into())
    }
}

impl From<FileRef> for Value {
    fn from(file: FileRef) -> Self {
        Self::File(file)
    }
}

impl From<SecretRef> for Value {
    fn from(secret: SecretRef) -> Self {
        Self::Secret(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &Value, expected: impl Into<Option<Json>>) {
        let role = ResourceId::new("aws:role", "classifier");
        let outputs = |from: &ResourceId, output: &str| {
            (*from == role && output == "arn").then(|| json!("arn:1"))
        };
        assert_eq!(
            value.resolve(&outputs).map(|value| value.to_json()),
            expected.into(),
            "{value:?}"
        );
    }

    #[test]
    fn references_are_resolved_at_any_depth() {
        let role = ResourceId::new("aws:role", "classifier");
        let known = Value::output(&role, "arn");
        let later = Value::output(&role, "name");
        check(&known, json!("arn:1"));
        check(&later, None);
        check(
            &Value::Text(vec!["<".into(), known.clone(), 5.into()]),
            Some(json!("<arn:15")),
        );
        check(
            &Value::List(vec![known.clone(), true.into()]),
            json!(["arn:1", true]),
        );
        check(&Value::List(vec![known.clone(), later.clone()]), None);
        let entries = [
            ("b".to_owned(), known),
            ("a".to_owned(), SecretRef("s".into()).into()),
        ];
        check(
            &Value::Object(entries.into()),
            Some(json!({"a": {"$secret": "s"}, "b": "arn:1"})),
        );
        check(&Value::Object([("a".to_owned(), later)].into()), None);
    }

    #[test]
    fn a_value_is_read_as_it_is_written() {
        let digest = Digest::of(b"x");
        let file = FileRef {
            path: "a.zip".into(),
            digest: digest.clone(),
            bytes: 1,
        };
        let id = ResourceId::new("a:b", "c");
        let object = Value::Object([("k".to_owned(), Value::Masked(digest))].into());
        let values = [
            file.into(),
            Value::output(&id, "o"),
            object,
            Value::Text(vec![1.into()]),
        ];
        for value in values {
            let text = serde_json::to_string(&value).expect("writes");
            assert_eq!(
                serde_json::from_str::<Value>(&text).expect("reads"),
                value,
                "{text}"
            );
        }
    }
}
