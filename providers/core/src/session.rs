//! The connected half of the seam: the only thing that may change a cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    Artifact, Failure, FileRef, KindSpec, Operate, Provider, ProviderError, Recorded, Resource,
    ResourceId, Service, ServiceName, StageName, Value, Watch,
};

/// A provider that knows what its cloud has to hold. It needs no credentials for that, so that
/// plans can be looked at, and the local twin can imitate the cloud, without any.
pub trait Lower: Provider {
    /// Every kind of resource that [`Lower::lower`] may use.
    fn kinds(&self) -> &'static [KindSpec];

    /// The resources that make `service` run. `artifacts` has one for each function, in their
    /// order. Called after [`Provider::check`] found no error; pure and total.
    fn lower(&self, service: &Service, artifacts: &[Artifact]) -> Vec<Resource>;
}

/// A provider that can deploy.
#[async_trait]
pub trait Cloud: Lower {
    /// The kinds that hold logs, which may outlive the service; none if logs are no resources.
    fn logs(&self) -> &'static [&'static str] {
        &[]
    }

    /// Finds credentials and makes sure that they are good.
    async fn connect(&self, access: &Access) -> Result<Box<dyn Session>, ProviderError>;
}

/// Where to connect, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whose resources: every resource that can have tags gets `mlfn:service`.
    pub service: ServiceName,
    /// In which stage: `mlfn:stage`.
    pub stage: StageName,
    /// None means the one of the user's environment.
    pub region: Option<String>,
    /// Which of the user's credentials, if there are several.
    pub profile: Option<String>,
    /// Instead of the cloud's own, e.g. a twin on this machine.
    pub endpoint: Option<String>,
    /// The user's own tags for everything.
    pub tags: BTreeMap<String, String>,
}

/// A provider with credentials, for one service and stage.
///
/// # How to write one
///
/// Each method makes the calls of *one* attempt and says what came of it. The engine does the
/// rest: it journals the intent before each change, tries again after a [`ProviderError`] whose
/// [class](ProviderError::retry) allows it, waits until a thing is [ready](Observed::pending),
/// adopts what is there already, and runs changes in parallel. So, for every kind:
///
/// - *Never sleep, never retry* (switch the client library's retries off), never print.
/// - *Tag in the call that creates*: `mlfn:service` and `mlfn:stage`. A thing between "made" and
///   "tagged" would be somebody else's if the process died there. A kind that has no tags takes
///   the owner of what it is [within](Resource::within).
/// - *Creating what exists* fails with [`AlreadyExists`](crate::Failure::AlreadyExists) and tells
///   the owner; it never changes what is there.
/// - *Several calls make one resource* (a role and its policy): every one of them can be done
///   again, the one that makes the thing comes first, and [`read`](Session::read) tells the
///   fields as they are, so that the engine sees what is missing. Where that gets complicated,
///   make two kinds.
/// - *Fields in one form*: what `read` tells is compared with what [`Value::to_json`] makes of the
///   wanted value. Bring what the cloud answers into that form (sort its lists, parse its JSON
///   texts, drop its defaults), or mark the field as [unread](crate::FieldSpec::unread).
/// - *Deleting what is gone* is success.
/// - A method may be called several times at once, for different resources.
#[async_trait]
pub trait Session: Send + Sync {
    /// What the plan and the state call this cloud: `aws`, or `local` for the twin. States of
    /// different clouds are not mixed up.
    fn provider(&self) -> &str;

    /// What there is under a name now; none if nothing is, or if what it would be in is not.
    async fn read(&self, address: &Address) -> Result<Option<Observed>, ProviderError>;

    /// Makes what does not exist.
    async fn create(&self, call: &Call<'_>) -> Result<Observed, ProviderError>;

    /// Sets the fields `changed` of what exists to what `call.inputs` says (a field that is not in
    /// there to nothing), leaves the others alone, and makes sure of the tags.
    async fn update(
        &self,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError>;

    /// Removes what exists.
    async fn delete(&self, prior: &Recorded) -> Result<(), ProviderError>;

    /// Sends [`Resource::probe`] to the revision that `call.inputs` lets the pointer point to,
    /// around the pointer. An answer that is no success is
    /// [`Unhealthy`](crate::Failure::Unhealthy).
    async fn probe(&self, call: &Call<'_>, request: &Json) -> Result<(), ProviderError>;

    /// Sends `percent` of the requests of a pointer to the revision that `call.inputs` lets it point
    /// to, and the others to the one that it points to by `prior`; at 0, that one gets all again.
    /// Answers what the pointer is like then; an `update` sends all requests to what it sets. Only
    /// for resources with a [`Shift`](crate::Shift).
    async fn shift(
        &self,
        call: &Call<'_>,
        _prior: &Recorded,
        _percent: u8,
    ) -> Result<Observed, ProviderError> {
        Err(cannot_shift(call))
    }

    /// What speaks against the revision that `call.inputs` lets a pointer point to, in words, since
    /// it got its first requests around it; none if nothing does.
    async fn watch(
        &self,
        call: &Call<'_>,
        _watch: &Watch<'_>,
    ) -> Result<Option<String>, ProviderError> {
        Err(cannot_shift(call))
    }

    /// A remote name as the cloud shows it: those in plans and records may have places in them for
    /// what is known only after connecting.
    fn full_name(&self, remote_name: &str) -> String {
        remote_name.to_owned()
    }

    /// What the identity that deploys must be allowed, to make and carry out exactly this plan, in
    /// the cloud's own form: a policy document. None if the cloud has no such thing.
    fn policy(&self, _plan: &crate::Plan) -> Option<Json> {
        None
    }

    /// For what is deployed: requests and logs. None if this cloud has no such thing.
    fn operate(&self) -> Option<&dyn Operate> {
        None
    }
}

fn cannot_shift(call: &Call<'_>) -> ProviderError {
    let why = format!(
        "the requests of `{}` cannot move step by step here",
        call.id
    );
    Failure::Rejected { why }.into()
}

/// How to find something in a cloud.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Its kind and name.
    pub id: ResourceId,
    /// Its deterministic name; always enough to find it.
    pub remote_name: String,
    /// The cloud's own name, if it is recorded; may save a search.
    pub remote_id: Option<String>,
}

/// What a session is told about a change.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The resource.
    pub id: &'a ResourceId,
    /// Its deterministic name in the cloud.
    pub remote_name: &'a str,
    /// What it shall be like: all fields.
    pub inputs: &'a Inputs,
    /// The same for every attempt at this change, and different for every other change: for
    /// clouds that recognise repeated calls. 32 hexadecimal digits.
    pub token: &'a str,
    /// The folder that [`FileRef::path`] is relative to.
    pub root: &'a Path,
    /// To be called while bytes are sent: how many of how many.
    pub progress: &'a (dyn Fn(u64, u64) + Send + Sync),
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Call");
        debug
            .field("id", &self.id)
            .field("remote_name", &self.remote_name);
        debug.finish_non_exhaustive()
    }
}

/// The fields of a resource, with every reference replaced by what it refers to: no
/// [`Value::AfterApply`], [`Value::Text`] or [`Value::Masked`] is in here. (In an update by a
/// rollback, a sensitive field that does not change may be missing: nobody kept its value.)
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inputs(BTreeMap<String, Value>);

impl Inputs {
    /// Of these fields.
    pub fn new(fields: BTreeMap<String, Value>) -> Self {
        Self(fields)
    }

    /// All of them.
    pub fn fields(&self) -> &BTreeMap<String, Value> {
        &self.0
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// A field in the form of [`Value::to_json`]; null if it is not set.
    pub fn json(&self, field: &str) -> Json {
        self.get(field).map_or(Json::Null, Value::to_json)
    }

    /// A field that is a text.
    pub fn text(&self, field: &str) -> Option<String> {
        match self.json(field) {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// A field that is a whole number.
    pub fn number(&self, field: &str) -> Option<i64> {
        self.json(field).as_i64()
    }

    /// A field that is a file.
    pub fn file(&self, field: &str) -> Option<&FileRef> {
        match self.get(field) {
            Some(Value::File(file)) => Some(file),
            _ => None,
        }
    }
}

/// What a cloud says that there is.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The cloud's own name for it.
    pub remote_id: String,
    /// What it is like, in the form of [`Value::to_json`]. What is not set is null; a field that
    /// is missing here cannot be seen.
    pub fields: BTreeMap<String, Json>,
    /// What others may refer to: its ARN, its URL, its version.
    pub outputs: BTreeMap<String, Json>,
    /// Whose it is.
    pub owner: Ownership,
    /// Why it cannot be used yet; the engine reads again until there is no reason left.
    pub pending: Option<String>,
}

/// Whose a thing in a cloud is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// It has the tags of this service and stage.
    Ours,
    /// It belongs to others and is used as it is: never changed, and never removed.
    Borrowed,
    /// It has not.
    Foreign {
        /// Who it belongs to, as far as can be seen, e.g. ``the service `iris`, stage `prod` `` or
        /// `somebody who does not use mlfn`.
        described: String,
    },
}

impl Ownership {
    /// Whether a service may use it.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Ours | Self::Borrowed)
    }

    /// Decides by the tags of a thing.
    pub fn by_tags(
        tag: impl Fn(&str) -> Option<String>,
        service: &ServiceName,
        stage: &StageName,
    ) -> Self {
        match (tag("mlfn:service"), tag("mlfn:stage")) {
            (Some(s), Some(t)) if s == service.as_str() && t == stage.as_str() => Self::Ours,
            (Some(service), stage) => {
                let stage = stage.unwrap_or_else(|| "?".to_owned());
                Self::Foreign {
                    described: format!("the service `{service}`, stage `{stage}`"),
                }
            }
            (None, _) => Self::Foreign {
                described: "somebody who does not use mlfn".to_owned(),
            },
        }
    }
}

impl fmt::Display for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("this service"),
            Self::Borrowed => f.write_str("others, and is used as it is"),
            Self::Foreign { described } => f.write_str(described),
        }
    }
}
