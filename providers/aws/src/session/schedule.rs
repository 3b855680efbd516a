//! Schedules of EventBridge Scheduler, and their groups.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{
    FlexibleTimeWindow, FlexibleTimeWindowMode, ScheduleGroupState, Tag, Target,
};
use mlfn_core::{Address, Call, Failure, Inputs, Observed, ProviderError, Recorded};
use serde_json::json;

use super::Kind;
use super::context::{Context, Tags, accepted, entries, tags_changed, tags_field, unwanted_tags};
use crate::errors::{found, gone, incomplete};

/// `aws:schedule-group`. Its remote id is its ARN.
pub(super) struct Group;

/// `aws:schedule`. Its remote id is its ARN.
pub(super) struct Schedule;

#[async_trait]
impl Kind for Group {
    /// One that is being deleted is not there.
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = &address.remote_name;
        let (state, tags) = tokio::join!(state(context, name), tags(context, name));
        let (Some(ScheduleGroupState::Active), Some(tags)) = (state?, tags?) else {
            return Ok(None);
        };
        let arn = group_arn(context, name);
        Ok(Some(Observed {
            fields: entries([("tags", tags_field(&tags))]),
            outputs: entries([("arn", json!(arn))]),
            owner: context.owner(&tags),
            pending: None,
            remote_id: arn,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = call.remote_name;
        let make = context.clients.scheduler().create_schedule_group();
        let made = make
            .name(name)
            .client_token(call.token)
            .set_tags(Some(tag_list(&context.tags(call.inputs))?))
            .send()
            .await
            .map_err(context.failed("scheduler:CreateScheduleGroup", name));
        let made = match made {
            Ok(made) => made,
            Err(error) => return Err(still_deleted(context, name, error).await?),
        };
        let arn = made.schedule_group_arn();
        Ok(accepted(call, arn, entries([("arn", json!(arn))])))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (name, arn) = (call.remote_name, &prior.remote_id);
        let wanted = context.tags(call.inputs);
        let set = context.clients.scheduler().tag_resource();
        set.resource_arn(arn)
            .set_tags(Some(tag_list(&wanted)?))
            .send()
            .await
            .map_err(context.failed("scheduler:TagResource", name))?;
        if tags_changed(changed) {
            untag(context, name, &wanted).await?;
        }
        Ok(accepted(call, arn, prior.outputs.clone()))
    }

    /// The schedules in it go with it.
    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let name = &prior.remote_name;
        if state(context, name).await? != Some(ScheduleGroupState::Active) {
            return Ok(());
        }
        let call = context.clients.scheduler().delete_schedule_group();
        let answer = call.name(name).send().await;
        gone(answer.map_err(context.failed("scheduler:DeleteScheduleGroup", name)))
    }
}

/// A group goes some time after it was deleted; until then its name is taken.
async fn still_deleted(
    context: &Context,
    name: &str,
    error: ProviderError,
) -> Result<ProviderError, ProviderError> {
    let is_there = matches!(error.failure, Failure::AlreadyExists { .. });
    if !is_there || state(context, name).await? != Some(ScheduleGroupState::Deleting) {
        return Ok(error);
    }
    let why = format!("the schedule group `{name}` is still being deleted");
    Ok(Failure::NotReady { why }.into())
}

async fn state(context: &Context, name: &str) -> Result<Option<ScheduleGroupState>, ProviderError> {
    let call = context.clients.scheduler().get_schedule_group();
    let answer = call.name(name).send().await;
    let answer = answer.map_err(context.failed("scheduler:GetScheduleGroup", name));
    Ok(found(answer)?.and_then(|answer| answer.state))
}

fn group_arn(context: &Context, name: &str) -> String {
    context.arn("scheduler", &format!("schedule-group/{name}"))
}

/// None if there is no such group.
async fn tags(context: &Context, group: &str) -> Result<Option<Tags>, ProviderError> {
    let call = context.clients.scheduler().list_tags_for_resource();
    let answer = call.resource_arn(group_arn(context, group)).send().await;
    let answer = answer.map_err(context.failed("scheduler:ListTagsForResource", group));
    let pair = |tag: Tag| (tag.key, tag.value);
    Ok(found(answer)?.map(|answer| {
        let tags = answer.tags.unwrap_or_default().into_iter();
        tags.map(pair).collect()
    }))
}

async fn untag(context: &Context, group: &str, wanted: &Tags) -> Result<(), ProviderError> {
    let there = tags(context, group).await?.unwrap_or_default();
    let unwanted = unwanted_tags(&there, wanted);
    if unwanted.is_empty() {
        return Ok(());
    }
    let unset = context.clients.scheduler().untag_resource();
    unset
        .resource_arn(group_arn(context, group))
        .set_tag_keys(Some(unwanted))
        .send()
        .await
        .map_err(context.failed("scheduler:UntagResource", group))?;
    Ok(())
}

fn tag_list(tags: &Tags) -> Result<Vec<Tag>, ProviderError> {
    let tag = |(key, value)| {
        let tag = Tag::builder().key(key).value(value);
        tag.build().map_err(incomplete)
    };
    tags.iter().map(tag).collect()
}

#[async_trait]
impl Kind for Schedule {
    /// Schedules have no tags; their group has.
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let (group, name) = names(&address.remote_name);
        let (schedule, tags) = tokio::join!(get(context, group, name), tags(context, group));
        let (Some(schedule), Some(tags)) = (schedule?, tags?) else {
            return Ok(None);
        };
        let owner = context.owner(&tags);
        Ok(Some(observed(&schedule, owner)))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (group, name) = names(call.remote_name);
        let make = context.clients.scheduler().create_schedule();
        let made = make
            .group_name(group)
            .name(name)
            .client_token(call.token)
            .schedule_expression(text(call.inputs, "expression"))
            .set_schedule_expression_timezone(call.inputs.text("timezone"))
            .target(target(call.inputs)?)
            .flexible_time_window(at_once()?)
            .send()
            .await
            .map_err(context.failed("scheduler:CreateSchedule", call.remote_name))?;
        Ok(accepted(call, made.schedule_arn(), entries([])))
    }

    /// `UpdateSchedule` sets everything, to its default if it is not named.
    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        _prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (group, name) = names(call.remote_name);
        let set = context.clients.scheduler().update_schedule();
        let set = set
            .group_name(group)
            .name(name)
            .client_token(call.token)
            .schedule_expression(text(call.inputs, "expression"))
            .set_schedule_expression_timezone(call.inputs.text("timezone"))
            .target(target(call.inputs)?)
            .flexible_time_window(at_once()?)
            .send()
            .await
            .map_err(context.failed("scheduler:UpdateSchedule", call.remote_name))?;
        Ok(accepted(call, set.schedule_arn(), entries([])))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let (group, name) = names(&prior.remote_name);
        let call = context.clients.scheduler().delete_schedule();
        let answer = call.group_name(group).name(name).send().await;
        gone(answer.map_err(context.failed("scheduler:DeleteSchedule", &prior.remote_name)))
    }
}

/// `<group>/<name>`.
fn names(remote_name: &str) -> (&str, &str) {
    remote_name
        .split_once('/')
        .unwrap_or(("default", remote_name))
}

fn text(inputs: &Inputs, field: &str) -> String {
    inputs.text(field).unwrap_or_default()
}

fn target(inputs: &Inputs) -> Result<Target, ProviderError> {
    let target = Target::builder()
        .arn(text(inputs, "function"))
        .role_arn(text(inputs, "role"))
        .set_input(inputs.text("input"));
    target.build().map_err(incomplete)
}

fn at_once() -> Result<FlexibleTimeWindow, ProviderError> {
    let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off);
    window.build().map_err(incomplete)
}

async fn get(
    context: &Context,
    group: &str,
    name: &str,
) -> Result<Option<GetScheduleOutput>, ProviderError> {
    let call = context.clients.scheduler().get_schedule();
    let answer = call.group_name(group).name(name).send().await;
    found(answer.map_err(context.failed("scheduler:GetSchedule", name)))
}

fn observed(schedule: &GetScheduleOutput, owner: mlfn_core::Ownership) -> Observed {
    let target = schedule.target();
    let of_target = |get: fn(&Target) -> Option<&str>| json!(target.and_then(get));
    Observed {
        remote_id: schedule.arn().unwrap_or_default().to_owned(),
        fields: entries([
            ("expression", json!(schedule.schedule_expression())),
            ("function", of_target(|target| Some(target.arn()))),
            ("input", of_target(Target::input)),
            ("role", of_target(|target| Some(target.role_arn()))),
            (
                "timezone",
                json!(schedule.schedule_expression_timezone().unwrap_or("UTC")),
            ),
        ]),
        outputs: entries([]),
        owner,
        pending: None,
    }
}
