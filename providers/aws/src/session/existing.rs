//! What exists and is only looked up: streams, parameters and secrets. It is never made, changed or
//! removed.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use mlfn_core::{Address, Call, Failure, Observed, Ownership, ProviderError, Recorded};
use serde_json::json;

use super::Kind;
use super::context::{Context, accepted, entries};

/// A kind of thing that is looked up.
#[async_trait]
pub(super) trait Existing: Send + Sync {
    /// What it is called in messages.
    const NOUN: &'static str;

    /// The ARN, and why it cannot be used yet; none if it does not exist.
    async fn find(context: &Context, name: &str) -> Result<Option<Found>, ProviderError>;
}

/// Something that exists.
pub(super) struct Found {
    pub(super) arn: String,
    pub(super) pending: Option<String>,
}

impl Found {
    /// Something that can be used.
    pub(super) fn ready(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            pending: None,
        }
    }
}

#[async_trait]
impl<E: Existing> Kind for E {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let found = E::find(context, &address.remote_name).await?;
        Ok(found.map(|found| Observed {
            fields: BTreeMap::new(),
            outputs: entries([("arn", json!(found.arn))]),
            owner: Ownership::Borrowed,
            pending: found.pending,
            remote_id: found.arn,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let noun = E::NOUN;
        let region = &context.identity.region;
        let why = format!(
            "there is no {noun} `{}` in {region}, and mlfn makes none; make it, or name another \
             one in the manifest",
            call.remote_name
        );
        Err(Failure::Rejected { why }.into())
    }

    /// It has no fields.
    async fn update(
        &self,
        _context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, _context: &Context, _prior: &Recorded) -> Result<(), ProviderError> {
        Ok(())
    }
}
