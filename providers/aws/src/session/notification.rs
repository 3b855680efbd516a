//! Our entries among the notifications of a bucket.
//!
//! S3 sets all notifications of a bucket at once, and knows no condition for that. So all of them
//! are read, ours are replaced, and all are set, with nothing in between: what others add at the
//! same instant can be lost, as with every other client of S3.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput as Read;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, LambdaFunctionConfiguration as Entry,
    NotificationConfiguration, NotificationConfigurationFilter, S3KeyFilter,
};
use mlfn_core::{Address, Call, Inputs, Observed, Ownership, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::Kind;
use super::context::{Context, accepted, entries};
use crate::errors::{found, gone, incomplete};

/// `aws:bucket-notification`. Its remote id is its remote name.
pub(super) struct Notification;

#[async_trait]
impl Kind for Notification {
    /// Whose an entry is tells the beginning of its id.
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let (bucket, ours) = names(&address.remote_name);
        let Some(all) = get(context, bucket).await? else {
            return Ok(None);
        };
        let mut own: Vec<Json> = all
            .lambda_function_configurations()
            .iter()
            .filter(|entry| is_ours(entry, ours))
            .map(told)
            .collect();
        if own.is_empty() {
            return Ok(None);
        }
        own.sort_by_key(|entry| entry["id"].as_str().map(str::to_owned));
        Ok(Some(Observed {
            remote_id: address.remote_name.clone(),
            fields: entries([("entries", json!(own))]),
            outputs: entries([]),
            owner: Ownership::Ours,
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        set(context, call.remote_name, wanted(call.inputs)?).await?;
        Ok(accepted(call, call.remote_name, entries([])))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        _prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        self.create(context, call).await
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        gone(set(context, &prior.remote_name, Vec::new()).await)
    }
}

/// The bucket, and with what the ids of our entries begin.
fn names(remote_name: &str) -> (&str, &str) {
    remote_name.split_once('/').unwrap_or((remote_name, ""))
}

fn is_ours(entry: &Entry, ours: &str) -> bool {
    let rest = entry.id().and_then(|id| id.strip_prefix(ours));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// None if there is no such bucket.
async fn get(context: &Context, bucket: &str) -> Result<Option<Read>, ProviderError> {
    let call = context.clients.s3();
    let call = call.get_bucket_notification_configuration().bucket(bucket);
    let answer = call.send().await;
    found(answer.map_err(context.failed("s3:GetBucketNotification", bucket)))
}

/// Replaces our entries, and nothing else.
async fn set(context: &Context, name: &str, own: Vec<Entry>) -> Result<(), ProviderError> {
    let (bucket, ours) = names(name);
    let nothing = || Read::builder().build();
    let Read {
        topic_configurations,
        queue_configurations,
        lambda_function_configurations,
        event_bridge_configuration,
        ..
    } = get(context, bucket).await?.unwrap_or_else(nothing);
    let before = lambda_function_configurations.unwrap_or_default();
    let (replaced, mut all): (Vec<Entry>, Vec<Entry>) =
        before.into_iter().partition(|entry| is_ours(entry, ours));
    if replaced.is_empty() && own.is_empty() {
        return Ok(());
    }
    all.extend(own);
    let configuration = NotificationConfiguration::builder()
        .set_topic_configurations(topic_configurations)
        .set_queue_configurations(queue_configurations)
        .set_lambda_function_configurations(Some(all))
        .set_event_bridge_configuration(event_bridge_configuration)
        .build();
    let put = context.clients.s3().put_bucket_notification_configuration();
    put.bucket(bucket)
        .notification_configuration(configuration)
        .send()
        .await
        .map_err(context.failed("s3:PutBucketNotification", bucket))?;
    Ok(())
}

/// The field `entries` as S3 has it.
fn wanted(inputs: &Inputs) -> Result<Vec<Entry>, ProviderError> {
    let entries = inputs.json("entries");
    let entries = entries.as_array().into_iter().flatten();
    entries.map(entry).collect()
}

fn entry(wanted: &Json) -> Result<Entry, ProviderError> {
    let text = |name: &str| wanted[name].as_str().unwrap_or_default();
    let rules = [
        (FilterRuleName::Prefix, text("prefix")),
        (FilterRuleName::Suffix, text("suffix")),
    ];
    let rules: Vec<FilterRule> = rules
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| FilterRule::builder().name(name).value(value).build())
        .collect();
    let filter = (!rules.is_empty()).then(|| {
        let key = S3KeyFilter::builder().set_filter_rules(Some(rules)).build();
        NotificationConfigurationFilter::builder().key(key).build()
    });
    Entry::builder()
        .id(text("id"))
        .lambda_function_arn(text("function"))
        .events(Event::from(text("event")))
        .set_filter(filter)
        .build()
        .map_err(incomplete)
}

/// An entry as the field has it. One of ours has one kind of event; with more, it is not as it was
/// set.
fn told(entry: &Entry) -> Json {
    let events: Vec<&str> = entry.events().iter().map(Event::as_str).collect();
    let key = entry.filter().and_then(|filter| filter.key());
    let rules = key.map_or(&[][..], S3KeyFilter::filter_rules);
    // S3 answers with a capital letter.
    let rule = |name: &str| {
        let is = |rule: &&FilterRule| {
            rule.name()
                .is_some_and(|is| is.as_str().eq_ignore_ascii_case(name))
        };
        rules.iter().find(is).and_then(FilterRule::value)
    };
    json!({
        "event": events.join(","),
        "function": entry.lambda_function_arn(),
        "id": entry.id(),
        "prefix": rule("prefix").unwrap_or_default(),
        "suffix": rule("suffix").unwrap_or_default(),
    })
}
