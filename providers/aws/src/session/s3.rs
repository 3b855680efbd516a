//! What the kinds of S3 share: buckets by their tags.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Tag, Tagging};
use mlfn_core::{Failure, ProviderError};

use super::context::{Context, Tags};
use crate::errors::{found, incomplete};

/// The region whose buckets have no location constraint (`CreateBucket`).
const FIRST_REGION: &str = "us-east-1";

/// The tags of a bucket of this account; none if there is no such bucket.
pub(super) async fn bucket_tags(
    context: &Context,
    bucket: &str,
) -> Result<Option<Tags>, ProviderError> {
    let s3 = context.clients.s3();
    let head = s3.head_bucket().bucket(bucket).send().await;
    let head = found(head.map_err(context.failed("s3:ListBucket", bucket)))?;
    if head.is_none() {
        return Ok(None);
    }
    tags_there(context, bucket).await.map(Some)
}

/// All tags of a bucket that is there.
pub(super) async fn tags_there(context: &Context, bucket: &str) -> Result<Tags, ProviderError> {
    let get = context.clients.s3().get_bucket_tagging();
    let tags = get.bucket(bucket).send().await;
    let tags = found(tags.map_err(context.failed("s3:GetBucketTagging", bucket)))?;
    Ok(tags.map_or_else(Tags::new, |tags| tags_of(tags.tag_set())))
}

/// Makes a bucket that has these tags from the beginning. Nobody but the account can read it: that
/// is what S3 does by itself.
pub(super) async fn create_bucket(
    context: &Context,
    bucket: &str,
    tags: &Tags,
) -> Result<(), ProviderError> {
    let exists = || Failure::AlreadyExists {
        what: bucket.to_owned(),
        owner: mlfn_core::Ownership::Foreign {
            described: "somebody else".to_owned(),
        },
    };
    // In its first region, S3 makes no difference between a bucket that it made and one that it has.
    if bucket_tags(context, bucket).await?.is_some() {
        return Err(exists().into());
    }
    let region = context.identity.region.as_str();
    let place = Some(region).filter(|region| *region != FIRST_REGION);
    let configuration = CreateBucketConfiguration::builder()
        .set_location_constraint(place.map(BucketLocationConstraint::from))
        .set_tags(Some(tag_list(tags)?))
        .build();
    let create = context.clients.s3().create_bucket();
    create
        .bucket(bucket)
        .create_bucket_configuration(configuration)
        .send()
        .await
        .map_err(context.failed("s3:CreateBucket", bucket))?;
    Ok(())
}

/// Sets all tags of a bucket of ours.
pub(super) async fn tag_bucket(
    context: &Context,
    bucket: &str,
    tags: &Tags,
) -> Result<(), ProviderError> {
    let put = context.clients.s3().put_bucket_tagging();
    put.bucket(bucket)
        .tagging(tagging(tags)?)
        .send()
        .await
        .map_err(context.failed("s3:PutBucketTagging", bucket))?;
    Ok(())
}

/// Sets all tags of an object of ours, given by bucket and key.
pub(super) async fn tag_object(
    context: &Context,
    (bucket, key): (&str, &str),
    tags: &Tags,
) -> Result<(), ProviderError> {
    let put = context.clients.s3().put_object_tagging();
    put.bucket(bucket)
        .key(key)
        .tagging(tagging(tags)?)
        .send()
        .await
        .map_err(context.failed("s3:PutObjectTagging", &format!("{bucket}/{key}")))?;
    Ok(())
}

/// As S3 takes them.
fn tagging(tags: &Tags) -> Result<Tagging, ProviderError> {
    let tagging = Tagging::builder().set_tag_set(Some(tag_list(tags)?));
    tagging.build().map_err(incomplete)
}

/// As S3 tells them.
pub(super) fn tags_of(tags: &[Tag]) -> Tags {
    let tags = tags.iter();
    tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

fn tag_list(tags: &Tags) -> Result<Vec<Tag>, ProviderError> {
    let tags = tags.iter();
    tags.map(|(key, value)| {
        Tag::builder()
            .key(key)
            .value(value)
            .build()
            .map_err(incomplete)
    })
    .collect()
}
