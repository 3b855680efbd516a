//! What every kind needs: the clients, the names of what depends on the account, and the tags.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mlfn_core::{Access, Call, Inputs, Observed, Ownership, ProviderError};
use serde_json::{Value as Json, json};

use crate::client::Clients;
use crate::credentials::Identity;
use crate::errors::Called;

/// The field of the kinds that have tags.
pub(super) const TAGS: &str = "tags";

/// Tags by key; of what is ours, with `mlfn:service` and `mlfn:stage`.
pub(super) type Tags = BTreeMap<String, String>;

/// A connection for one service and stage.
#[derive(Debug)]
pub(crate) struct Context {
    /// The APIs.
    pub(crate) clients: Clients,
    /// Where.
    pub(crate) identity: Identity,
    /// For whom.
    pub(crate) access: Access,
}

impl Context {
    /// A remote name with what only the session knows: `{account}` and `{region}`.
    pub(super) fn full_name(&self, remote_name: &str) -> String {
        remote_name
            .replace("{account}", &self.identity.account)
            .replace("{region}", &self.identity.region)
    }

    /// `arn:aws:<service>:<region>:<account>:<resource>`.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let Identity {
            partition,
            account,
            region,
        } = &self.identity;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// For `map_err`: what the failure of a call means. `action` is as policies name it, and `what`
    /// the name of the thing.
    pub(crate) fn failed<'a, E>(
        &'a self,
        action: &'a str,
        what: &'a str,
    ) -> impl FnOnce(SdkError<E, HttpResponse>) -> ProviderError + use<'a, E>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        move |error| {
            let service = action.split(':').next().unwrap_or_default();
            let called = Called {
                action,
                what,
                endpoint: self.clients.endpoint(service),
            };
            called.failed(error)
        }
    }

    /// The two tags that tell whose a thing is.
    pub(super) fn own_tags(&self) -> Tags {
        let Access { service, stage, .. } = &self.access;
        [
            ("mlfn:service", service.as_str()),
            ("mlfn:stage", stage.as_str()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// All tags that a thing shall have: the field `tags`, and our own.
    pub(super) fn tags(&self, inputs: &Inputs) -> Tags {
        let mut tags = self.own_tags();
        if let Json::Object(given) = inputs.json(TAGS) {
            let text = |value: &Json| value.as_str().map(str::to_owned);
            let given = given.iter();
            tags.extend(given.filter_map(|(key, value)| Some((key.clone(), text(value)?))));
        }
        tags
    }

    /// Whose a thing is that has these tags.
    pub(super) fn owner(&self, tags: &Tags) -> Ownership {
        let tag = |key: &str| tags.get(key).cloned();
        Ownership::by_tags(tag, &self.access.service, &self.access.stage)
    }
}

/// The field `tags` of a thing that has these: without ours and those that AWS adds; null if there
/// are no others.
pub(super) fn tags_field(tags: &Tags) -> Json {
    let users: BTreeMap<_, _> = tags.iter().filter(|(key, _)| is_users(key)).collect();
    if users.is_empty() {
        return Json::Null;
    }
    json!(users)
}

/// The keys that a thing has and shall not have. Those of AWS cannot be removed.
pub(super) fn unwanted_tags(found: &Tags, wanted: &Tags) -> Vec<String> {
    let unwanted = found
        .keys()
        .filter(|key| is_users(key) && !wanted.contains_key(*key));
    unwanted.cloned().collect()
}

/// Whether an update has to look for tags that shall go.
pub(super) fn tags_changed(changed: &BTreeSet<String>) -> bool {
    changed.contains(TAGS)
}

fn is_users(key: &str) -> bool {
    !key.starts_with("mlfn:") && !key.starts_with("aws:")
}

/// Names and values of fields or outputs.
pub(super) fn entries<const N: usize>(entries: [(&str, Json); N]) -> BTreeMap<String, Json> {
    entries.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What was just made or set, and accepted: it has all fields of the call, and is ours.
pub(super) fn accepted(
    call: &Call<'_>,
    remote_id: impl Into<String>,
    outputs: BTreeMap<String, Json>,
) -> Observed {
    let fields = call.inputs.fields().iter();
    Observed {
        remote_id: remote_id.into(),
        fields: fields
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect(),
        outputs,
        owner: Ownership::Ours,
        pending: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_users_tags_are_told_without_those_of_others() {
        let found = tags(&[
            ("mlfn:service", "iris"),
            ("aws:createdBy", "x"),
            ("team", "research"),
        ]);
        assert_eq!(tags_field(&found), json!({"team": "research"}));
        assert_eq!(tags_field(&tags(&[("mlfn:stage", "dev")])), Json::Null);
    }

    #[test]
    fn only_tags_of_the_user_are_unwanted() {
        let found = tags(&[("aws:createdBy", "x"), ("mlfn:stage", "dev"), ("team", "a")]);
        let wanted = tags(&[("cost", "1")]);
        assert_eq!(unwanted_tags(&found, &wanted), ["team"]);
    }
}
