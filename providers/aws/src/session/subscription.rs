//! What SNS topics are sent to.

use std::collections::BTreeSet;

use async_trait::async_trait;
use mlfn_core::{Address, Call, Inputs, Observed, Ownership, ProviderError, Recorded};
use serde_json::json;

use super::Kind;
use super::context::{Context, accepted, entries};
use crate::errors::{found, gone};

/// `aws:subscription`. Its remote id is its ARN.
pub(super) struct Subscription;

#[async_trait]
impl Kind for Subscription {
    /// An endpoint that is an alias of ours was subscribed by us.
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = &address.remote_name;
        let (topic, alias) = name.rsplit_once('/').unwrap_or((name, ""));
        let topic = if topic.starts_with("arn:") {
            topic.to_owned()
        } else {
            context.arn("sns", topic)
        };
        let alias = context.arn("lambda", &format!("function:{alias}"));
        let found = match &address.remote_id {
            Some(arn) if is_of(context, arn, (&topic, &alias)).await? => Some(arn.clone()),
            _ => search(context, name, (&topic, &alias)).await?,
        };
        Ok(found.map(|arn| Observed {
            remote_id: arn,
            fields: entries([("function", json!(alias)), ("topic", json!(topic))]),
            outputs: entries([]),
            owner: Ownership::Ours,
            pending: None,
        }))
    }

    /// Subscribing twice is a success and gives the same subscription, which has nothing to tell it
    /// from the first.
    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let subscribe = context.clients.sns().subscribe();
        let made = subscribe
            .topic_arn(text(call.inputs, "topic"))
            .protocol("lambda")
            .endpoint(text(call.inputs, "function"))
            .return_subscription_arn(true)
            .send()
            .await
            .map_err(context.failed("sns:Subscribe", call.remote_name))?;
        let arn = made.subscription_arn().unwrap_or_default();
        Ok(accepted(call, arn, entries([])))
    }

    /// It has no field that can be changed.
    async fn update(
        &self,
        _context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let call = context.clients.sns().unsubscribe();
        let answer = call.subscription_arn(&prior.remote_id).send().await;
        gone(answer.map_err(context.failed("sns:Unsubscribe", &prior.remote_name)))
    }
}

fn text(inputs: &Inputs, field: &str) -> String {
    inputs.text(field).unwrap_or_default()
}

/// Whether a subscription exists and is that of a topic and an endpoint.
async fn is_of(
    context: &Context,
    arn: &str,
    (topic, endpoint): (&str, &str),
) -> Result<bool, ProviderError> {
    let call = context.clients.sns().get_subscription_attributes();
    let answer = call.subscription_arn(arn).send().await;
    let answer = answer.map_err(context.failed("sns:GetSubscriptionAttributes", arn));
    let attributes = found(answer)?.and_then(|answer| answer.attributes);
    let attributes = attributes.unwrap_or_default();
    let is = |name: &str, value: &str| attributes.get(name).is_some_and(|is| is == value);
    Ok(is("TopicArn", topic) && is("Endpoint", endpoint))
}

async fn search(
    context: &Context,
    name: &str,
    (topic, endpoint): (&str, &str),
) -> Result<Option<String>, ProviderError> {
    let list = context.clients.sns().list_subscriptions_by_topic();
    let mut pages = list.topic_arn(topic).into_paginator().items().send();
    while let Some(item) = pages.next().await {
        let item = item.map_err(context.failed("sns:ListSubscriptionsByTopic", name));
        let Some(item) = found(item)? else {
            return Ok(None);
        };
        if item.endpoint() == Some(endpoint) {
            return Ok(item.subscription_arn);
        }
    }
    Ok(None)
}
