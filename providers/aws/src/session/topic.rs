//! SNS topics.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_sns::types::Tag;
use mlfn_core::{Address, Call, Failure, Observed, Ownership, ProviderError, Recorded};
use serde_json::json;

use super::Kind;
use super::context::{Context, Tags, accepted, entries, tags_changed, tags_field, unwanted_tags};
use crate::errors::{found, gone, incomplete};

/// `aws:topic`. Its remote id is its ARN.
pub(super) struct Topic;

#[async_trait]
impl Kind for Topic {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = &address.remote_name;
        let arn = context.arn("sns", name);
        let Some(tags) = tags(context, name, &arn).await? else {
            return Ok(None);
        };
        Ok(Some(Observed {
            fields: entries([("tags", tags_field(&tags))]),
            outputs: entries([("arn", json!(arn))]),
            owner: context.owner(&tags),
            pending: None,
            remote_id: arn,
        }))
    }

    /// Creating a topic that is there is a success for SNS, so it is looked for first.
    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = call.remote_name;
        let arn = context.arn("sns", name);
        if let Some(tags) = tags(context, name, &arn).await? {
            let (what, owner): (_, Ownership) = (name.to_owned(), context.owner(&tags));
            return Err(Failure::AlreadyExists { what, owner }.into());
        }
        let make = context.clients.sns().create_topic().name(name);
        let made = make
            .set_tags(Some(tag_list(&context.tags(call.inputs))?))
            .send()
            .await
            .map_err(context.failed("sns:CreateTopic", name))?;
        let arn = made.topic_arn().unwrap_or(&arn);
        Ok(accepted(call, arn, entries([("arn", json!(arn))])))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (sns, name, arn) = (context.clients.sns(), call.remote_name, &prior.remote_id);
        let wanted = context.tags(call.inputs);
        let set = sns.tag_resource().resource_arn(arn);
        set.set_tags(Some(tag_list(&wanted)?))
            .send()
            .await
            .map_err(context.failed("sns:TagResource", name))?;
        if tags_changed(changed) {
            untag(context, name, arn, &wanted).await?;
        }
        Ok(accepted(call, arn, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let sns = context.clients.sns();
        let call = sns.delete_topic().topic_arn(&prior.remote_id).send();
        gone(
            call.await
                .map_err(context.failed("sns:DeleteTopic", &prior.remote_name)),
        )
    }
}

/// None if there is no such topic.
async fn tags(context: &Context, name: &str, arn: &str) -> Result<Option<Tags>, ProviderError> {
    let call = context.clients.sns().list_tags_for_resource();
    let answer = call.resource_arn(arn).send().await;
    let answer = answer.map_err(context.failed("sns:ListTagsForResource", name));
    let pair = |tag: Tag| (tag.key, tag.value);
    Ok(found(answer)?.map(|answer| {
        let tags = answer.tags.unwrap_or_default().into_iter();
        tags.map(pair).collect()
    }))
}

async fn untag(
    context: &Context,
    name: &str,
    arn: &str,
    wanted: &Tags,
) -> Result<(), ProviderError> {
    let there = tags(context, name, arn).await?.unwrap_or_default();
    let unwanted = unwanted_tags(&there, wanted);
    if unwanted.is_empty() {
        return Ok(());
    }
    let unset = context.clients.sns().untag_resource().resource_arn(arn);
    unset
        .set_tag_keys(Some(unwanted))
        .send()
        .await
        .map_err(context.failed("sns:UntagResource", name))?;
    Ok(())
}

fn tag_list(tags: &Tags) -> Result<Vec<Tag>, ProviderError> {
    let tag = |(key, value)| {
        let tag = Tag::builder().key(key).value(value);
        tag.build().map_err(incomplete)
    };
    tags.iter().map(tag).collect()
}
