//! Log groups of CloudWatch Logs.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::LogGroup as Found;
use mlfn_core::{Address, Call, Observed, ProviderError, Recorded};
use serde_json::json;

use super::Kind;
use super::context::{Context, Tags, accepted, entries, tags_changed, tags_field, unwanted_tags};
use crate::errors::{found, gone};

/// `aws:log-group`.
pub(super) struct LogGroup;

#[async_trait]
impl Kind for LogGroup {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = &address.remote_name;
        let arn = arn(context, name);
        let (group, tags) = tokio::join!(get(context, name), get_tags(context, &arn));
        let (Some(group), Some(tags)) = (group?, tags?) else {
            return Ok(None);
        };
        Ok(Some(Observed {
            remote_id: arn.clone(),
            fields: entries([
                ("retention_days", json!(group.retention_in_days)),
                ("tags", tags_field(&tags)),
            ]),
            outputs: entries([("arn", json!(arn)), ("name", json!(name))]),
            owner: context.owner(&tags),
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = call.remote_name;
        let create = context.clients.logs().create_log_group();
        create
            .log_group_name(name)
            .set_tags(Some(context.tags(call.inputs).into_iter().collect()))
            .send()
            .await
            .map_err(context.failed("logs:CreateLogGroup", name))?;
        retain(context, call).await?;
        let arn = arn(context, name);
        let outputs = entries([("arn", json!(arn)), ("name", json!(name))]);
        Ok(accepted(call, arn, outputs))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        if changed.contains("retention_days") {
            retain(context, call).await?;
        }
        tag(context, call, changed).await?;
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let name = &prior.remote_name;
        let call = context.clients.logs().delete_log_group();
        let call = call.log_group_name(name).send().await;
        gone(call.map_err(context.failed("logs:DeleteLogGroup", name)))
    }
}

/// Without the `:*` at its end that some calls have, and those for tags must not have.
fn arn(context: &Context, name: &str) -> String {
    context.arn("logs", &format!("log-group:{name}"))
}

/// There is no call for one group. Groups come sorted, so one with that very name is the first of
/// those that begin with it.
async fn get(context: &Context, name: &str) -> Result<Option<Found>, ProviderError> {
    let list = context.clients.logs().describe_log_groups();
    let list = list.log_group_name_prefix(name).send().await;
    let list = list.map_err(context.failed("logs:DescribeLogGroups", name))?;
    let mut groups = list.log_groups.unwrap_or_default().into_iter();
    Ok(groups.find(|group| group.log_group_name() == Some(name)))
}

async fn get_tags(context: &Context, arn: &str) -> Result<Option<Tags>, ProviderError> {
    let list = context.clients.logs().list_tags_for_resource();
    let list = list.resource_arn(arn).send().await;
    let list = found(list.map_err(context.failed("logs:ListTagsForResource", arn)))?;
    Ok(list.map(|list| list.tags.unwrap_or_default().into_iter().collect()))
}

async fn retain(context: &Context, call: &Call<'_>) -> Result<(), ProviderError> {
    let (logs, name) = (context.clients.logs(), call.remote_name);
    let days = call.inputs.number("retention_days");
    let Some(days) = days.and_then(|days| i32::try_from(days).ok()) else {
        let delete = logs.delete_retention_policy().log_group_name(name).send();
        return gone(
            delete
                .await
                .map_err(context.failed("logs:DeleteRetentionPolicy", name)),
        );
    };
    let put = logs.put_retention_policy().log_group_name(name);
    put.retention_in_days(days)
        .send()
        .await
        .map_err(context.failed("logs:PutRetentionPolicy", name))?;
    Ok(())
}

async fn tag(
    context: &Context,
    call: &Call<'_>,
    changed: &BTreeSet<String>,
) -> Result<(), ProviderError> {
    let (logs, arn) = (context.clients.logs(), arn(context, call.remote_name));
    let wanted = context.tags(call.inputs);
    let set = logs.tag_resource().resource_arn(&arn);
    set.set_tags(Some(wanted.clone().into_iter().collect()))
        .send()
        .await
        .map_err(context.failed("logs:TagResource", &arn))?;
    if !tags_changed(changed) {
        return Ok(());
    }
    let there = get_tags(context, &arn).await?.unwrap_or_default();
    let unwanted = unwanted_tags(&there, &wanted);
    if !unwanted.is_empty() {
        let unset = logs.untag_resource().resource_arn(&arn);
        unset
            .set_tag_keys(Some(unwanted))
            .send()
            .await
            .map_err(context.failed("logs:UntagResource", &arn))?;
    }
    Ok(())
}
