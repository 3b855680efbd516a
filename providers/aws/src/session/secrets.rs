//! Parameters of SSM and secrets of Secrets Manager, which exist. Their values are never read.

use async_trait::async_trait;
use aws_sdk_ssm::types::{ParameterMetadata, ParameterStringFilter};
use mlfn_core::ProviderError;

use super::context::Context;
use super::existing::{Existing, Found};
use crate::errors::{found, incomplete};

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
        let by_name = ParameterStringFilter::builder().key("Name").values(name);
        let by_name = by_name.build().map_err(incomplete)?;
        let list = context.clients.ssm().describe_parameters();
        let list = list.parameter_filters(by_name).send().await;
        let answer = list.map_err(context.failed("ssm:DescribeParameters", name))?;
        let is = |parameter: &&ParameterMetadata| parameter.name() == Some(name);
        let found = answer.parameters().iter().find(is);
        // The slash that a name begins with is no second one in the ARN.
        let path = format!("parameter/{}", name.trim_start_matches('/'));
        Ok(found.map(|_| Found::ready(context.arn("ssm", &path))))
    }
}
