//! S3 buckets of the user's data.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use mlfn_core::{Address, Call, Failure, Observed, Ownership, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::context::{Context, accepted, entries};
use super::{Kind, s3};
use crate::errors::{found, gone};

/// `aws:bucket`. Its remote id is its name.
pub(super) struct Bucket;

#[async_trait]
impl Kind for Bucket {
    /// Whoever of the account made it, the service may use it. Its tags tell whether mlfn did.
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = &address.remote_name;
        let call = context.clients.s3().head_bucket().bucket(name);
        let answer = call
            .expected_bucket_owner(&context.identity.account)
            .send()
            .await;
        let answer = answer.map_err(context.failed("s3:ListBucket", name));
        let there = found(answer.map_err(|error| explained(context, name, error)))?;
        if there.is_none() {
            return Ok(None);
        }
        let tags = s3::tags_there(context, name).await?;
        let owner = match context.owner(&tags) {
            Ownership::Ours => Ownership::Ours,
            _ => Ownership::Borrowed,
        };
        Ok(Some(Observed {
            remote_id: name.clone(),
            fields: BTreeMap::new(),
            outputs: outputs(context, name),
            owner,
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = call.remote_name;
        s3::create_bucket(context, name, &context.own_tags()).await?;
        Ok(accepted(call, name, outputs(context, name)))
    }

    /// It has no fields.
    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let outputs = outputs(context, &prior.remote_name);
        Ok(accepted(call, &prior.remote_id, outputs))
    }

    /// Of what others made, nothing is removed.
    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let name = &prior.remote_name;
        let tags = s3::bucket_tags(context, name).await?;
        if tags.is_none_or(|tags| context.owner(&tags) != Ownership::Ours) {
            return Ok(());
        }
        let answer = context.clients.s3().delete_bucket().bucket(name).send();
        let answer = answer
            .await
            .map_err(context.failed("s3:DeleteBucket", name));
        gone(answer.map_err(|error| not_emptied(name, error)))
    }
}

/// HEAD has no words for its refusals.
fn explained(context: &Context, name: &str, error: ProviderError) -> ProviderError {
    let why = match error.failure {
        Failure::PermissionDenied { .. } => "it belongs to another account, or you may not see it",
        Failure::Rejected { .. } => {
            let why = format!(
                "the bucket `{name}` is not in the region {}",
                context.identity.region
            );
            let failure = Failure::Rejected { why };
            return ProviderError { failure, ..error };
        }
        _ => return error,
    };
    error.caused_by(why)
}

/// What is in it is the user's, and nobody else can tell whether it is needed.
fn not_emptied(name: &str, error: ProviderError) -> ProviderError {
    if !matches!(error.failure, Failure::Rejected { .. }) {
        return error;
    }
    let why = format!(
        "the bucket `{name}` is not empty, and mlfn removes no data; if nobody needs what is in \
         it, type `aws s3 rm s3://{name} --recursive` and run the command again"
    );
    let failure = Failure::Rejected { why };
    ProviderError { failure, ..error }
}

fn outputs(context: &Context, name: &str) -> BTreeMap<String, Json> {
    let arn = format!("arn:{}:s3:::{name}", context.identity.partition);
    entries([
        ("account", json!(context.identity.account)),
        ("arn", json!(arn)),
    ])
}
