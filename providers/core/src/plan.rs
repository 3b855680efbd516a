//! What shall be done to a cloud, as data, with a reason for everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    Digest, FunctionName, ReplaceOrder, Resource, ResourceId, ServiceName, StageName, Steps,
};

/// Everything that a deploy will do, and nothing that it will not. The same input gives the same
/// plan, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is for.
    pub purpose: Purpose,
    /// Which cloud, as the session names it, e.g. `aws` or `local`.
    pub provider: String,
    /// Whose resources.
    pub service: ServiceName,
    /// In which stage.
    pub stage: StageName,
    /// The state that it was made from.
    pub basis: Basis,
    /// What the service is made of, for the history.
    pub release: Release,
    /// In an order in which they can be done.
    pub changes: Vec<Change>,
    /// What somebody else changed since the last deploy.
    pub drift: Vec<Drift>,
    /// Bytes of the files that will be sent.
    pub uploads: u64,
}

impl Plan {
    /// The changes that do something; without any, there is nothing to apply.
    pub fn effective(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| change.action != Action::Keep)
    }

    /// Whether the cloud and the state are as they shall be.
    pub fn is_empty(&self) -> bool {
        self.effective().next().is_none()
    }
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To bring what the manifest says.
    Deploy,
    /// To bring back what an earlier deployment was.
    Rollback {
        /// Its number.
        to: u64,
    },
    /// To leave nothing.
    Remove,
}

/// The state that a plan was made from: it is stale when the state has moved on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Which line of states; none before the first deploy.
    pub lineage: Option<String>,
    /// How many times it had been written.
    pub serial: u64,
}

/// What a service is made of, by content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Of the manifest's bytes; none when nothing is deployed.
    pub manifest: Option<Digest>,
    /// Its functions.
    pub functions: BTreeMap<FunctionName, FunctionRelease>,
}

/// What a function is made of, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionRelease {
    /// Of the model's files.
    pub model: Digest,
    /// Of the archive.
    pub package: Digest,
}

/// What will be done to one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The resource.
    pub id: ResourceId,
    /// What will be done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What it shall be like; none for what shall not be.
    pub wanted: Option<Resource>,
    /// What there is; none if there is nothing.
    pub prior: Option<Recorded>,
    /// The fields that differ.
    pub fields: Vec<FieldChange>,
    /// Fields that somebody else changed, and that stay as they are in the cloud.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, Json>,
    /// For a pointer whose requests move step by step: the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
}

impl Change {
    /// Its name in the cloud: the one that it shall have, else the one that it has.
    pub fn remote_name(&self) -> &str {
        let wanted = self
            .wanted
            .as_ref()
            .map(|wanted| wanted.remote_name.as_str());
        let prior = self.prior.as_ref().map(|prior| prior.remote_name.as_str());
        wanted.or(prior).unwrap_or_default()
    }
}

/// What will be done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    Keep,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// Another one takes its place.
    Replace(ReplaceOrder),
    /// It is removed from the cloud.
    Delete,
    /// It is in the cloud as it shall be, and is recorded; the cloud is not changed.
    Adopt,
    /// Its record is removed; the cloud is not changed.
    Forget,
    /// It is used no more and stays in the cloud; its record is removed.
    Release,
}

impl Action {
    /// Whether it changes the cloud.
    pub fn is_mutating(self) -> bool {
        !matches!(
            self,
            Self::Keep | Self::Adopt | Self::Forget | Self::Release
        )
    }

    /// The word for it, e.g. `create`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace(_) => "replace",
            Self::Delete => "delete",
            Self::Adopt => "adopt",
            Self::Forget => "forget",
            Self::Release => "release",
        }
    }
}

/// Why something is done. Decided with the action, never guessed afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is as it shall be.
    UpToDate,
    /// It does not exist.
    Missing,
    /// It was there at the last deploy and is no more.
    Vanished,
    /// It shall be different.
    FieldsChanged,
    /// It shall be different in a field (or its name in the cloud) that cannot be changed.
    CannotUpdate(String),
    /// Somebody else changed it.
    Drifted,
    /// It is ours, by its tags, though nothing here recorded it.
    Found,
    /// It is as it shall be, and tells something else than before, e.g. its address.
    OutputsChanged,
    /// An earlier run was interrupted while it changed it.
    Interrupted,
    /// What it lives in is replaced.
    GoesWith(ResourceId),
    /// The manifest does not ask for it any more.
    Unwanted,
    /// A newer one took its place.
    Superseded,
    /// It is gone already.
    Gone,
    /// It belongs to somebody else now.
    TakenOver(String),
    /// It belongs to others, and was only used.
    Borrowed,
    /// Whoever removes the service wants it to stay.
    Spared,
    /// It is what another resource of the manifest is called in the cloud.
    Renamed(ResourceId),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpToDate => f.write_str("up to date"),
            Self::Missing => f.write_str("does not exist"),
            Self::Vanished => f.write_str("was removed by somebody else"),
            Self::FieldsChanged => f.write_str("differs"),
            Self::CannotUpdate(field) => write!(f, "`{field}` cannot be changed in place"),
            Self::Drifted => f.write_str("was changed by somebody else"),
            Self::Found => f.write_str("exists and has the tags of this service"),
            Self::OutputsChanged => f.write_str("what others refer to has changed"),
            Self::Interrupted => f.write_str("an earlier run was interrupted here"),
            Self::GoesWith(parent) => write!(f, "`{parent}`, which it is part of, is replaced"),
            Self::Unwanted => f.write_str("no longer in the manifest"),
            Self::Superseded => f.write_str("a newer one took its place"),
            Self::Gone => f.write_str("is gone already"),
            Self::Borrowed => f.write_str("belongs to others, and stays as it is"),
            Self::Spared => f.write_str("stays, as was asked for"),
            Self::Renamed(to) => write!(f, "is `{to}` now"),
            Self::TakenOver(owner) => write!(f, "belongs to {owner} now"),
        }
    }
}

/// One field that will be different.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// What it is.
    pub from: Shown,
    /// What it will be.
    pub to: Shown,
}

/// A value as people may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Not set.
    Absent,
    /// In the form of [`Value::to_json`](crate::Value::to_json).
    Value(Json),
    /// A secret.
    Hidden,
    /// What is recorded no longer tells.
    Unknown,
    /// Known once something else has been applied.
    Later,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("(none)"),
            Self::Hidden => f.write_str("(hidden)"),
            Self::Unknown => f.write_str("(unknown)"),
            Self::Later => f.write_str("(known after deploy)"),
            Self::Value(Json::Object(entries)) if entries.len() == 1 => mark(f, entries),
            Self::Value(json) => write!(f, "{json}"),
        }
    }
}

/// A file or a secret in words; any other object as it is.
fn mark(f: &mut fmt::Formatter<'_>, entries: &serde_json::Map<String, Json>) -> fmt::Result {
    let text = |key: &str| entries.get(key).and_then(Json::as_str);
    if let Some(digest) = text("$file") {
        return write!(f, "file {}", digest.get(..12).unwrap_or(digest));
    }
    if let Some(name) = text("$secret") {
        return write!(f, "secret `{name}`");
    }
    let json = serde_json::to_string(entries).unwrap_or_default();
    f.write_str(&json)
}

/// What somebody else changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// The resource.
    pub id: ResourceId,
    /// The fields, from what the last deploy set to what is there now; none if all of it is gone.
    pub fields: Vec<FieldChange>,
    /// What becomes of it.
    pub outcome: DriftOutcome,
}

/// What becomes of drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftOutcome {
    /// It is put right.
    PutRight,
    /// It stays.
    Kept,
}

/// A resource as the last deploy left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Its name in the service.
    pub id: ResourceId,
    /// Its deterministic name in the cloud.
    pub remote_name: String,
    /// The cloud's own name for it, e.g. an ARN.
    pub remote_id: String,
    /// What was set, in the form of [`Value::to_json`](crate::Value::to_json); sensitive fields
    /// are `{"$digest": ..}`. A field that is not here may be anything.
    pub fields: BTreeMap<String, Json>,
    /// What it told others.
    pub outputs: BTreeMap<String, Json>,
    /// What it needs to exist.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dependencies: BTreeSet<ResourceId>,
    /// What it lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<ResourceId>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(shown: &Shown, expected: &str) {
        assert_eq!(shown.to_string(), expected);
    }

    #[test]
    fn values_are_shown_as_people_read_them() {
        check(&Shown::Absent, "(none)");
        check(&Shown::Hidden, "(hidden)");
        check(&Shown::Value(json!(512)), "512");
        check(&Shown::Value(json!("a")), "\"a\"");
        check(&Shown::Value(json!({"a": 1})), "{\"a\":1}");
        check(&Shown::Value(json!({"$secret": "token"})), "secret `token`");
        let file = crate::file_mark(&Digest::of(b""));
        check(&Shown::Value(file), "file e3b0c44298fc");
    }
}
