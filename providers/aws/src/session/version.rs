//! Published versions of functions. AWS numbers them; their descriptions find them again.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_lambda::types::FunctionConfiguration;
use mlfn_core::{Address, Call, Failure, Observed, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::Kind;
use super::context::{Context, accepted, entries};
use super::function::{code_mark, owner, sha256, split, starting};
use crate::errors::{found, gone};

/// `aws:function-version`.
pub(super) struct Version;

#[async_trait]
impl Kind for Version {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let (function, _) = split(&address.remote_name, '@');
        let (version, owner) = tokio::join!(find(context, address), owner(context, function));
        let (Some(version), Some(owner)) = (version?, owner?) else {
            return Ok(None);
        };
        let outputs = entries([("version", json!(version.version()))]);
        Ok(Some(Observed {
            remote_id: version.function_arn().unwrap_or_default().to_owned(),
            fields: entries([
                ("code", code_mark(version.code_sha256())),
                ("revision", json!(version.description())),
            ]),
            outputs,
            owner,
            pending: starting(version.state(), version.state_reason()),
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (function, revision) = split(call.remote_name, '@');
        let publish = context.clients.lambda().publish_version();
        let made = publish
            .function_name(function)
            .description(revision)
            .set_code_sha256(sha256(&call.inputs.json("code")))
            .send()
            .await
            .map_err(context.failed("lambda:PublishVersion", function))?;
        if made.description.as_deref() != Some(revision) {
            return Err(describe(context, function, revision).await?);
        }
        let arn = made.function_arn.unwrap_or_default();
        let outputs = entries([("version", json!(made.version))]);
        Ok(Observed {
            pending: starting(made.state.as_ref(), made.state_reason.as_deref()),
            ..accepted(call, arn, outputs)
        })
    }

    /// Nothing of a version can be changed.
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
        let (function, _) = split(&prior.remote_name, '@');
        let number = prior.outputs.get("version").and_then(Json::as_str);
        let number = number.or_else(|| number_in(&prior.remote_id));
        // Without a number, all of the function would go.
        let Some(number) = number else {
            let why = format!("nobody recorded the number of `{}`", prior.remote_name);
            return Err(Failure::Other { why }.into());
        };
        let call = context.clients.lambda().delete_function();
        let call = call.function_name(function).qualifier(number).send().await;
        gone(call.map_err(context.failed("lambda:DeleteFunction", &prior.remote_name)))
    }
}

/// The number at the end of a version's ARN.
fn number_in(arn: &str) -> Option<&str> {
    let (_, number) = arn.rsplit_once(':')?;
    number.parse::<u64>().ok().map(|_| number)
}

/// There is no call that finds one by its description.
async fn find(
    context: &Context,
    address: &Address,
) -> Result<Option<FunctionConfiguration>, ProviderError> {
    let (function, revision) = split(&address.remote_name, '@');
    let lambda = context.clients.lambda();
    let mut pages = lambda
        .list_versions_by_function()
        .function_name(function)
        .into_paginator()
        .items()
        .send();
    while let Some(version) = pages.next().await {
        let version = version.map_err(context.failed("lambda:ListVersionsByFunction", function));
        let Some(version) = found(version)? else {
            return Ok(None);
        };
        let is_latest = version.version() == Some("$LATEST");
        if version.description() == Some(revision) && !is_latest {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// AWS publishes nothing if `$LATEST` is what the newest version is, which was then published under
/// another revision. A description makes it differ.
async fn describe(
    context: &Context,
    function: &str,
    revision: &str,
) -> Result<ProviderError, ProviderError> {
    let update = context.clients.lambda().update_function_configuration();
    update
        .function_name(function)
        .description(revision)
        .send()
        .await
        .map_err(context.failed("lambda:UpdateFunctionConfiguration", function))?;
    let why = format!("`{function}` is marked as a new revision");
    Ok(Failure::NotReady { why }.into())
}
