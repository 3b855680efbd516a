//! Packages in S3: the bucket that they are in, and the packages.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use mlfn_core::{Access, Address, Call, Failure, Observed, Ownership, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::context::{Context, Tags, accepted, entries, tags_field};
use super::function::split;
use super::s3::{bucket_tags, create_bucket, tag_bucket, tag_object, tags_of};
use super::{Kind, upload};
use crate::errors::{found, gone, incomplete};

/// `aws:deployment-bucket`.
pub(super) struct DeploymentBucket;

#[async_trait]
impl Kind for DeploymentBucket {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = context.full_name(&address.remote_name);
        let tags = bucket_tags(context, &name).await?;
        Ok(tags.map(|tags| Observed {
            fields: entries([("tags", tags_field(&tags))]),
            outputs: outputs(context, &name),
            remote_id: name,
            owner: context.owner(&tags),
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = context.full_name(call.remote_name);
        create_bucket(context, &name, &context.tags(call.inputs)).await?;
        let outputs = outputs(context, &name);
        Ok(accepted(call, name, outputs))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let name = context.full_name(call.remote_name);
        tag_bucket(context, &name, &context.tags(call.inputs)).await?;
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let name = context.full_name(&prior.remote_name);
        match delete_bucket(context, &name).await {
            // Packages that nobody recorded.
            Err(ProviderError {
                failure: Failure::Rejected { .. } | Failure::Conflict { .. },
                ..
            }) => {
                empty(context, &name).await?;
                delete_bucket(context, &name).await
            }
            ended => ended,
        }
    }
}

fn outputs(context: &Context, name: &str) -> BTreeMap<String, Json> {
    let arn = format!("arn:{}:s3:::{name}", context.identity.partition);
    entries([("arn", json!(arn)), ("name", json!(name))])
}

async fn delete_bucket(context: &Context, name: &str) -> Result<(), ProviderError> {
    let call = context.clients.s3().delete_bucket().bucket(name).send();
    gone(call.await.map_err(context.failed("s3:DeleteBucket", name)))
}

/// Removes the packages of this service and stage, whatever else is there.
async fn empty(context: &Context, bucket: &str) -> Result<(), ProviderError> {
    let s3 = context.clients.s3();
    let Access { service, stage, .. } = &context.access;
    let mut pages = s3
        .list_objects_v2()
        .bucket(bucket)
        .prefix(format!("{service}/{stage}/"))
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(context.failed("s3:ListBucket", bucket))?;
        let keys = page.contents().iter().filter_map(|object| object.key());
        let keys = keys.map(|key| ObjectIdentifier::builder().key(key).build());
        let keys: Vec<ObjectIdentifier> = keys.collect::<Result<_, _>>().map_err(incomplete)?;
        if keys.is_empty() {
            continue;
        }
        let delete = Delete::builder()
            .set_objects(Some(keys))
            .quiet(true)
            .build();
        s3.delete_objects()
            .bucket(bucket)
            .delete(delete.map_err(incomplete)?)
            .send()
            .await
            .map_err(context.failed("s3:DeleteObject", bucket))?;
    }
    Ok(())
}

/// Whose an object is: its tags say so. One without tags has lost them on its way, or never got them
/// because its upload was cut short where tags come after the bytes; in a bucket of ours, it is
/// ours, as its key begins with service and stage.
async fn owner(context: &Context, bucket: &str, tags: &Tags) -> Result<Ownership, ProviderError> {
    let by_tags = context.owner(tags);
    if !tags.is_empty() {
        return Ok(by_tags);
    }
    match bucket_tags(context, bucket).await {
        Ok(Some(tags)) => Ok(context.owner(&tags)),
        Ok(None) => Ok(by_tags),
        // Whoever may not look at a bucket does not have one of ours.
        Err(error) if matches!(error.failure, Failure::PermissionDenied { .. }) => Ok(by_tags),
        Err(error) => Err(error),
    }
}

/// `aws:code-object`.
pub(super) struct CodeObject;

#[async_trait]
impl Kind for CodeObject {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = context.full_name(&address.remote_name);
        let (bucket, key) = split(&name, '/');
        let get = context.clients.s3().get_object_tagging();
        let answer = get.bucket(bucket).key(key).send().await;
        let answer = answer.map_err(context.failed("s3:GetObjectTagging", &name));
        let Some(answer) = found(answer)? else {
            return Ok(None);
        };
        let tags = tags_of(answer.tag_set());
        Ok(Some(Observed {
            remote_id: name.clone(),
            fields: entries([("bucket", json!(bucket)), ("tags", tags_field(&tags))]),
            outputs: entries([("bucket", json!(bucket)), ("key", json!(key))]),
            owner: owner(context, bucket, &tags).await?,
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = context.full_name(call.remote_name);
        let (bucket, key) = split(&name, '/');
        upload::upload(context, call, upload::Place { bucket, key }).await?;
        let outputs = entries([("bucket", json!(bucket)), ("key", json!(key))]);
        Ok(accepted(call, &name, outputs))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let name = context.full_name(call.remote_name);
        let (bucket, key) = split(&name, '/');
        tag_object(context, (bucket, key), &context.tags(call.inputs)).await?;
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let name = context.full_name(&prior.remote_name);
        let (bucket, key) = split(&name, '/');
        let delete = context.clients.s3().delete_object();
        let deleted = delete.bucket(bucket).key(key).send().await;
        gone(deleted.map_err(context.failed("s3:DeleteObject", &name)))
    }
}
