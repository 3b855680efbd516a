//! Parameters of SSM and secrets of Secrets Manager, which exist. Their values are never read.

use async_trait::async_trait;
use mlfn_core::ProviderError;

use super::context::Context;
use super::existing::{Existing, Found};
use super::ssm;
use crate::errors::found;

/// `aws:parameter`.
pub(super) struct Parameter;

/// `aws:secret`.
pub(super) struct Secret;

#[async_trait]
impl Existing for Secret {
    const NOUN: &'static str = "secret in Secrets Manager";

    async fn find(context: &Context, name: &str) -> Result<Option<Found>, ProviderError> {
        let call = context.clients.secretsmanager().describe_secret();
        let answer = call.secret_id(name).send().await;
        let answer = answer.map_err(context.failed("secretsmanager:DescribeSecret", name));
        // One that was deleted is described for some weeks, for it could be restored.
        let there = found(answer)?.filter(|secret| secret.deleted_date().is_none());
        Ok(there.and_then(|secret| secret.arn).map(Found::ready))
    }
}

#[async_trait]
impl Existing for Parameter {
    const NOUN: &'static str = "parameter";

    /// `GetParameter` would tell its value.
    async fn find(context: &Context, name: &str) -> Result<Option<Found>, ProviderError> {
        // The slash that a name begins with is no second one in the ARN.
        let path = format!("parameter/{}", name.trim_start_matches('/'));
        let is_there = ssm::has_parameter(context, name).await?;
        Ok(is_there.then(|| Found::ready(context.arn("ssm", &path))))
    }
}
