//! What was deployed, as the last run left it: the only memory that mlfn has.
//!
//! - [`State`]: the contents
//! - `format`: its bytes, with a version and a digest
//! - [`StateStore`], [`LocalStore`], [`RemoteStore`]: where it lies
//! - [`Lock`]: who may write it

mod format;
mod local;
mod lock;
mod memory;
mod remote;
mod store;

use std::collections::{BTreeMap, BTreeSet};

use mlfn_core::{Digest, Purpose, Recorded, Release, Resource, ResourceId, ServiceName, StageName};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use format::{FORMAT, read, write};
pub(crate) use format::{Owner, check_owner};
pub use local::LocalStore;
pub use lock::{Lease, Lock, LockError, LockPolicy, Locksmith};
pub use memory::MemoryStore;
pub use remote::{AwsSettings, RemoteStore, Surroundings};
pub use store::{Document, StateStore, StoreError, Tag, Versioned};

use crate::Timestamp;

/// How many deployments are remembered.
const HISTORY: usize = 20;

/// Everything that is known of one stage of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Which line of states this is: drawn once, when there is no state yet. Also the salt of the
    /// digests of secrets.
    pub lineage: String,
    /// How many times it has been written.
    pub serial: u64,
    /// The cloud, as its session names it.
    pub provider: String,
    /// The service.
    pub service: ServiceName,
    /// The stage.
    pub stage: StageName,
    /// What serves.
    pub resources: BTreeMap<ResourceId, Recorded>,
    /// What newer ones took the place of and is still there, the oldest first.
    pub superseded: Vec<Recorded>,
    /// The journal: changes that were begun and whose end is not known.
    pub pending: Vec<Intent>,
    /// What was deployed, the oldest first.
    pub history: Vec<Deployment>,
    /// What the last run was for, if it changed something and did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Purpose>,
}

/// A change that was begun: written before the call that makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// What is changed.
    pub id: ResourceId,
    /// Its deterministic name, by which the next run finds it.
    pub remote_name: String,
    /// How.
    pub operation: Operation,
    /// What it shall be like, as [`Recorded::fields`].
    pub fields: BTreeMap<String, Json>,
    /// What it needs to exist.
    pub dependencies: BTreeSet<ResourceId>,
    /// What it lives in.
    pub within: Option<ResourceId>,
    /// When it was begun.
    pub since: Timestamp,
    /// If requests move to a new revision step by step: how far they have got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifted: Option<Shifted>,
}

/// How far requests have got on their way to a new revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shifted {
    /// The part that the new revision gets, in percent, or is about to get.
    pub percent: u8,
    /// When it got its first requests.
    pub since: Timestamp,
}

/// How something is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is removed.
    Delete,
}

/// One successful deploy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// 1 for the first.
    pub number: u64,
    /// When it was done.
    pub at: Timestamp,
    /// Whether it was a rollback.
    pub purpose: Purpose,
    /// The version of mlfn that did it.
    pub mlfn: String,
    /// What the service was made of.
    pub release: Release,
    /// What was wanted, with the values of sensitive fields [masked](mlfn_core::Value::Masked).
    pub resources: Vec<Resource>,
}

impl State {
    /// Of nothing.
    pub fn new(
        lineage: String,
        provider: impl Into<String>,
        service: ServiceName,
        stage: StageName,
    ) -> Self {
        Self {
            lineage,
            serial: 0,
            provider: provider.into(),
            service,
            stage,
            resources: BTreeMap::new(),
            superseded: Vec::new(),
            pending: Vec::new(),
            history: Vec::new(),
            unfinished: None,
        }
    }

    /// Notes that a change is about to be made, and for what.
    pub(crate) fn begin(&mut self, intent: Intent, purpose: Purpose) {
        self.unfinished = Some(purpose);
        self.settle(&intent.id, &intent.remote_name);
        self.pending.push(intent);
    }

    /// Notes how far requests are about to get.
    pub(crate) fn shift(&mut self, id: &ResourceId, remote_name: &str, shifted: Shifted) {
        let mut pending = self.pending.iter_mut();
        let intent = pending.find(|p| p.id == *id && p.remote_name == remote_name);
        if let Some(intent) = intent {
            intent.shifted = Some(shifted);
        }
    }

    /// Whether requests were on their way to a new revision when the last run ended.
    pub(crate) fn is_shifting(&self) -> bool {
        self.pending.iter().any(|intent| intent.shifted.is_some())
    }

    /// Notes that this is there. What had its place is superseded.
    pub(crate) fn put(&mut self, recorded: Recorded) {
        let (id, name) = (recorded.id.clone(), recorded.remote_name.clone());
        self.settle(&id, &name);
        self.superseded.retain(|old| !is(old, &id, &name));
        let before = self.resources.insert(id.clone(), recorded);
        self.superseded
            .extend(before.filter(|old| old.remote_name != name));
    }

    /// Notes that nothing is there under this name.
    pub(crate) fn drop(&mut self, id: &ResourceId, remote_name: &str) {
        self.settle(id, remote_name);
        self.superseded.retain(|old| !is(old, id, remote_name));
        self.resources
            .retain(|_, current| !is(current, id, remote_name));
    }

    fn settle(&mut self, id: &ResourceId, remote_name: &str) {
        self.pending
            .retain(|p| p.id != *id || p.remote_name != remote_name);
    }

    /// Adds to the history, and forgets what is too old.
    pub(crate) fn remember(&mut self, deployment: Deployment) {
        self.unfinished = None;
        self.history.push(deployment);
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
    }

    /// What others may refer to.
    pub fn output(&self, from: &ResourceId, output: &str) -> Option<&Json> {
        self.resources.get(from)?.outputs.get(output)
    }

    /// How a secret value is recorded: equal for equal values, in this line of states only.
    pub(crate) fn mask(&self, value: &Json) -> Digest {
        Digest::of(format!("{}\0{}", self.lineage, mlfn_core::sorted(value.clone())).as_bytes())
    }
}

fn is(recorded: &Recorded, id: &ResourceId, remote_name: &str) -> bool {
    recorded.id == *id && recorded.remote_name == remote_name
}
