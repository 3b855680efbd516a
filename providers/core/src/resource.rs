//! What a cloud shall hold, and what the engine has to know about each kind of thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{Shift, Traffic, Value};

/// The name of a resource inside its service and stage: `aws:function/classifier`. It stays the
/// same when the resource is replaced by another one in the cloud.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId {
    kind: String,
    name: String,
}

impl ResourceId {
    /// The resource of a kind, e.g. `aws:function`, and a name within it, e.g. `classifier`.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
        }
    }

    /// Which [`KindSpec`] it follows.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its name among those of its kind.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.kind, self.name))
    }
}

/// A text is not a resource's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a resource; they look like `aws:function/classifier`")]
pub struct ResourceIdError(String);

impl FromStr for ResourceId {
    type Err = ResourceIdError;
    fn from_str(text: &str) -> Result<Self, ResourceIdError> {
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Self::new(kind, name)),
            _ => Err(ResourceIdError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ResourceId {
    type Error = ResourceIdError;
    fn try_from(text: String) -> Result<Self, ResourceIdError> {
        text.parse()
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.to_string()
    }
}

/// One thing that a cloud shall hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its name in the service.
    pub id: ResourceId,
    /// Its name in the cloud, made of service, stage and `id` (and of what cannot be changed, if
    /// the kind is replaced by creating first). Deterministic and sufficient to find the thing
    /// again without any record, since that is what an interrupted deploy does: for something
    /// inside another thing it names both, e.g. `iris-dev-classifier:live`.
    pub remote_name: String,
    /// What it shall be like, by field name. Each name is in the kind's [`KindSpec::fields`].
    pub fields: BTreeMap<String, Value>,
    /// What must exist before, beyond what the fields refer to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub after: BTreeSet<ResourceId>,
    /// The resource that it lives in and vanishes with: when that is replaced, so is this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<ResourceId>,
    /// For a pointer to a revision (a Lambda alias, the traffic of a Run service): the request
    /// that the new revision must answer before the pointer is switched to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Json>,
    /// For such a pointer: that requests move to the new revision step by step, and do not change
    /// over at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<Shift>,
}

impl Resource {
    /// With neither fields nor dependencies.
    pub fn new(id: ResourceId, remote_name: impl Into<String>) -> Self {
        Self {
            id,
            remote_name: remote_name.into(),
            fields: BTreeMap::new(),
            after: BTreeSet::new(),
            within: None,
            probe: None,
            shift: None,
        }
    }

    /// Sets a field.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(field.into(), value.into());
        self
    }

    /// Comes after another one that no field refers to.
    #[must_use]
    pub fn after(mut self, other: ResourceId) -> Self {
        self.after.insert(other);
        self
    }

    /// Lives in another one.
    #[must_use]
    pub fn within(mut self, parent: ResourceId) -> Self {
        self.within = Some(parent);
        self
    }

    /// Points to a revision that must answer `request` first.
    #[must_use]
    pub fn probed(mut self, request: Option<Json>) -> Self {
        self.probe = request;
        self
    }

    /// Points, by its field `field`, to a revision that requests move to step by step.
    #[must_use]
    pub fn shifted(mut self, field: &str, traffic: Option<Traffic>) -> Self {
        let field = field.to_owned();
        self.shift = traffic.map(|traffic| Shift { field, traffic });
        self
    }

    /// Everything that must exist before: `after`, `within`, and what the fields refer to.
    pub fn dependencies(&self) -> BTreeSet<ResourceId> {
        let mut all = self.after.clone();
        all.extend(self.within.clone());
        for value in self.fields.values() {
            value.for_each_reference(&mut |from, _| {
                all.insert(from.clone());
            });
        }
        all
    }
}

/// What the engine has to know about a kind of resource. A provider lists its kinds as constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindSpec {
    /// Its name, with the cloud's before a colon, e.g. `aws:function`.
    pub kind: &'static str,
    /// Every field that a resource of this kind may have.
    pub fields: &'static [FieldSpec],
    /// What happens when a field that cannot be changed shall change.
    pub replace: ReplaceOrder,
    /// Outputs that an update may change. Others stay until the resource is replaced, so that
    /// what refers to them needs no update.
    pub volatile: &'static [&'static str],
}

impl KindSpec {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static FieldSpec> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// What the engine has to know about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// Its name.
    pub name: &'static str,
    /// Whether the cloud can change it in place.
    pub mutability: Mutability,
    /// Whether plans and state hide its value.
    pub exposure: Exposure,
    /// Whether a change by somebody else is noticed.
    pub drift: DriftCheck,
}

impl FieldSpec {
    /// A field that can be changed in place, in plain sight, and is compared with the cloud.
    pub const fn mutable(name: &'static str) -> Self {
        Self {
            name,
            mutability: Mutability::Mutable,
            exposure: Exposure::Plain,
            drift: DriftCheck::Compare,
        }
    }

    /// A field whose change needs a new resource.
    pub const fn immutable(name: &'static str) -> Self {
        Self {
            mutability: Mutability::Immutable,
            ..Self::mutable(name)
        }
    }

    /// Its value is a secret: plans do not show it, and the state holds a salted digest.
    #[must_use]
    pub const fn sensitive(self) -> Self {
        Self {
            exposure: Exposure::Sensitive,
            ..self
        }
    }

    /// The cloud does not tell it, or tells it in another form.
    #[must_use]
    pub const fn unread(self) -> Self {
        Self {
            drift: DriftCheck::Ignore,
            ..self
        }
    }
}

/// Whether a cloud can change a field in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// By an update.
    Mutable,
    /// Only by a new resource.
    Immutable,
}

/// Who may see the value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Everybody.
    Plain,
    /// Only the cloud.
    Sensitive,
}

/// Whether what a cloud tells of a field is compared with what was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftCheck {
    /// A difference is drift.
    Compare,
    /// A difference means nothing.
    Ignore,
}

/// How a resource is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplaceOrder {
    /// The old one goes first; for that time there is none.
    DeleteThenCreate,
    /// What refers to the old one changes over before it goes. Needs a
    /// [remote name](Resource::remote_name) that differs; with the same one, the engine deletes
    /// first.
    CreateThenDelete,
    /// As above, but that many old ones stay, so that a rollback finds them: revisions of code.
    CreateThenKeep {
        /// How many.
        most: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_resource_is_read_as_it_is_written() {
        let id = ResourceId::new("aws:function", "a/b");
        assert_eq!(id.to_string(), "aws:function/a/b");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("classifier".parse::<ResourceId>().is_err());
        assert!("/classifier".parse::<ResourceId>().is_err());
    }

    #[test]
    fn what_a_field_refers_to_comes_first() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| ResourceId::new("x:y", name));
        let nested = Value::Text(vec!["arn:".into(), Value::output(&a, "arn")]);
        let resource = Resource::new(d, "d")
            .with("list", Value::List(vec![nested]))
            .after(b.clone())
            .within(c.clone());
        assert_eq!(resource.dependencies(), [a, b, c].into());
    }
}
