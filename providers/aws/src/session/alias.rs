//! Aliases, which point to the version that serves, and the instances that are kept warm for them.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, ProvisionedConcurrencyStatusEnum};
use mlfn_core::{Address, Call, Observed, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::Kind;
use super::context::{Context, accepted, entries};
use super::function::{owner, split};
use crate::errors::{found, gone};

/// `aws:alias`.
pub(super) struct Alias;

#[async_trait]
impl Kind for Alias {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let (function, alias) = split(&address.remote_name, ':');
        let get = context.clients.lambda().get_alias();
        let get = get.function_name(function).name(alias).send();
        let (answer, owner) = tokio::join!(get, owner(context, function));
        let answer = answer.map_err(context.failed("lambda:GetAlias", &address.remote_name));
        let (Some(alias), Some(owner)) = (found(answer)?, owner?) else {
            return Ok(None);
        };
        let arn = alias.alias_arn.unwrap_or_default();
        let weights = alias
            .routing_config
            .and_then(|routing| routing.additional_version_weights);
        let weights = weights.filter(|weights| !weights.is_empty());
        let fields = [
            ("routing", json!(weights)),
            ("version", json!(alias.function_version)),
        ];
        Ok(Some(Observed {
            outputs: entries([("arn", json!(arn))]),
            remote_id: arn,
            fields: entries(fields),
            owner,
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (function, alias) = split(call.remote_name, ':');
        let create = context.clients.lambda().create_alias();
        let made = create
            .function_name(function)
            .name(alias)
            .set_function_version(call.inputs.text("version"))
            .send()
            .await
            .map_err(context.failed("lambda:CreateAlias", call.remote_name))?;
        let arn = made.alias_arn.unwrap_or_default();
        let outputs = entries([("arn", json!(arn))]);
        Ok(accepted(call, arn, outputs))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (function, alias) = split(call.remote_name, ':');
        let update = context.clients.lambda().update_alias();
        update
            .function_name(function)
            .name(alias)
            .set_function_version(call.inputs.text("version"))
            .routing_config(routing(HashMap::new()))
            .send()
            .await
            .map_err(context.failed("lambda:UpdateAlias", call.remote_name))?;
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let (function, alias) = split(&prior.remote_name, ':');
        let call = context.clients.lambda().delete_alias();
        let call = call.function_name(function).name(alias).send().await;
        gone(call.map_err(context.failed("lambda:DeleteAlias", &prior.remote_name)))
    }
}

/// The version of `prior` gets all requests but for that part, which goes to the new one.
pub(super) async fn shift(
    context: &Context,
    call: &Call<'_>,
    prior: &Recorded,
    percent: u8,
) -> Result<Observed, ProviderError> {
    let (function, alias) = split(call.remote_name, ':');
    let new = call.inputs.text("version").unwrap_or_default();
    let weights: HashMap<String, f64> = match percent {
        0 => HashMap::new(),
        _ => [(new, f64::from(percent) / 100.0)].into(),
    };
    let old = prior.fields.get("version").cloned().unwrap_or_default();
    let update = context.clients.lambda().update_alias();
    update
        .function_name(function)
        .name(alias)
        .set_function_version(old.as_str().map(str::to_owned))
        .routing_config(routing(weights.clone()))
        .send()
        .await
        .map_err(context.failed("lambda:UpdateAlias", call.remote_name))?;
    let weights = Some(weights).filter(|weights| !weights.is_empty());
    Ok(Observed {
        fields: entries([("routing", json!(weights)), ("version", old)]),
        ..accepted(call, &prior.remote_id, prior.outputs.clone())
    })
}

fn routing(others: HashMap<String, f64>) -> AliasRoutingConfiguration {
    let routing = AliasRoutingConfiguration::builder();
    routing.set_additional_version_weights(Some(others)).build()
}

/// `aws:provisioned-concurrency`.
pub(super) struct ProvisionedConcurrency;

#[async_trait]
impl Kind for ProvisionedConcurrency {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let (function, alias) = split(&address.remote_name, ':');
        let get = context
            .clients
            .lambda()
            .get_provisioned_concurrency_config();
        let get = get.function_name(function).qualifier(alias).send();
        let (answer, owner) = tokio::join!(get, owner(context, function));
        let action = "lambda:GetProvisionedConcurrencyConfig";
        let answer = answer.map_err(context.failed(action, &address.remote_name));
        let (Some(is), Some(owner)) = (found(answer)?, owner?) else {
            return Ok(None);
        };
        let wanted = is.requested_provisioned_concurrent_executions;
        let ready = is
            .available_provisioned_concurrent_executions
            .unwrap_or_default();
        let why = is.status_reason.unwrap_or_default();
        // What failed is to be done again.
        let (instances, pending) = match is.status {
            Some(ProvisionedConcurrencyStatusEnum::Failed) => (
                Json::Null,
                Some(format!("Lambda cannot keep them warm: {why}")),
            ),
            Some(ProvisionedConcurrencyStatusEnum::InProgress) => {
                (json!(wanted), Some(warming(ready, wanted)))
            }
            _ => (json!(wanted), None),
        };
        Ok(Some(Observed {
            remote_id: address.remote_name.clone(),
            fields: entries([("instances", instances)]),
            outputs: entries([]),
            owner,
            pending,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
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
            .delete_provisioned_concurrency_config();
        let deleted = delete.function_name(function).qualifier(alias).send().await;
        let action = "lambda:DeleteProvisionedConcurrencyConfig";
        gone(deleted.map_err(context.failed(action, &prior.remote_name)))
    }
}

fn warming(ready: i32, wanted: Option<i32>) -> String {
    let wanted = wanted.unwrap_or_default();
    format!("{ready} of {wanted} instances are warm")
}

/// Sets what there is, or what there is not yet.
async fn put(context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
    let (function, alias) = split(call.remote_name, ':');
    let instances = call.inputs.number("instances");
    let put = context
        .clients
        .lambda()
        .put_provisioned_concurrency_config();
    let is = put
        .function_name(function)
        .qualifier(alias)
        .set_provisioned_concurrent_executions(instances.and_then(|n| i32::try_from(n).ok()))
        .send()
        .await
        .map_err(context.failed("lambda:PutProvisionedConcurrencyConfig", call.remote_name))?;
    let wanted = is.requested_provisioned_concurrent_executions;
    let ready = is
        .available_provisioned_concurrent_executions
        .unwrap_or_default();
    let is_ready = is.status == Some(ProvisionedConcurrencyStatusEnum::Ready);
    Ok(Observed {
        pending: (!is_ready).then(|| warming(ready, wanted)),
        ..accepted(call, call.remote_name, entries([]))
    })
}
