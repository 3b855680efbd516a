//! What Lambda does with requests to an alias that nobody waits for.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_lambda::types::{DestinationConfig, OnFailure, OnSuccess};
use mlfn_core::{Address, Call, Failure, Inputs, Observed, Ownership, ProviderError, Recorded};
use serde_json::json;

use super::Kind;
use super::context::{Context, accepted, entries};
use super::function::{owner, split};
use crate::errors::{found, gone};

/// `aws:event-invoke-config`.
pub(super) struct EventInvokeConfig;

#[async_trait]
impl Kind for EventInvokeConfig {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let (function, alias) = split(&address.remote_name, ':');
        let get = context.clients.lambda().get_function_event_invoke_config();
        let get = get.function_name(function).qualifier(alias).send();
        let (answer, owner) = tokio::join!(get, owner(context, function));
        let action = "lambda:GetFunctionEventInvokeConfig";
        let answer = answer.map_err(context.failed(action, &address.remote_name));
        let (Some(is), Some(owner)) = (found(answer)?, owner?) else {
            return Ok(None);
        };
        let to = is.destination_config.as_ref();
        let success = to
            .and_then(|to| to.on_success())
            .and_then(|to| to.destination());
        let failure = to
            .and_then(|to| to.on_failure())
            .and_then(|to| to.destination());
        Ok(Some(Observed {
            remote_id: address.remote_name.clone(),
            fields: entries([
                ("max_age", json!(is.maximum_event_age_in_seconds)),
                ("max_retries", json!(is.maximum_retry_attempts)),
                ("on_failure", json!(failure)),
                ("on_success", json!(success)),
            ]),
            outputs: entries([]),
            owner,
            pending: None,
        }))
    }

    /// The call that makes it would also change what is there.
    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (function, alias) = split(call.remote_name, ':');
        let get = context.clients.lambda().get_function_event_invoke_config();
        let there = get.function_name(function).qualifier(alias).send().await;
        let action = "lambda:GetFunctionEventInvokeConfig";
        if found(there.map_err(context.failed(action, call.remote_name)))?.is_some() {
            let (what, owner) = (call.remote_name.to_owned(), Ownership::Ours);
            return Err(Failure::AlreadyExists { what, owner }.into());
        }
        put(context, call).await
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        _prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        put(context, call).await
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let (function, alias) = split(&prior.remote_name, ':');
        let delete = context
            .clients
            .lambda()
            .delete_function_event_invoke_config();
        let deleted = delete.function_name(function).qualifier(alias).send().await;
        let action = "lambda:DeleteFunctionEventInvokeConfig";
        gone(deleted.map_err(context.failed(action, &prior.remote_name)))
    }
}

/// Sets all of it.
async fn put(context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
    let (function, alias) = split(call.remote_name, ':');
    let number = |field: &str| i32::try_from(call.inputs.number(field)?).ok();
    let put = context.clients.lambda().put_function_event_invoke_config();
    put.function_name(function)
        .qualifier(alias)
        .set_maximum_retry_attempts(number("max_retries"))
        .set_maximum_event_age_in_seconds(number("max_age"))
        .destination_config(destinations(call.inputs))
        .send()
        .await
        .map_err(context.failed("lambda:PutFunctionEventInvokeConfig", call.remote_name))?;
    Ok(accepted(call, call.remote_name, entries([])))
}

fn destinations(inputs: &Inputs) -> DestinationConfig {
    let success = inputs.text("on_success");
    let success = success.map(|arn| OnSuccess::builder().destination(arn).build());
    let failure = inputs.text("on_failure");
    let failure = failure.map(|arn| OnFailure::builder().destination(arn).build());
    let both = DestinationConfig::builder();
    both.set_on_success(success).set_on_failure(failure).build()
}
