//! Layers of Lambda. AWS numbers their versions, and they have no tags: whose a version is and what is
//! in it is in its description.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_lambda::types::{Architecture, LayerVersionContentInput};
use mlfn_core::{
    Access, Address, Call, Failure, Inputs, Observed, Ownership, ProviderError, Recorded, file_mark,
};
use serde_json::{Value as Json, json};

use super::Kind;
use super::archive::{Attachment, Place};
use super::context::{Context, accepted, entries};
use super::function::{patient, sent, split};
use crate::errors::{found, gone};

/// The field that is the archive.
const CONTENT: &str = "content";

/// `aws:layer`: a version of a layer. Its remote id is its ARN, which ends with its number.
pub(super) struct Layer;

/// A version that is there.
struct There {
    arn: String,
    description: String,
    architecture: Option<Architecture>,
}

#[async_trait]
impl Kind for Layer {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let recorded = match address.remote_id.as_deref().and_then(number_in) {
            Some(number) => get(context, &address.remote_name, number).await?,
            None => None,
        };
        let there = match recorded {
            Some(there) => Some(there),
            None => find(context, &address.remote_name).await?,
        };
        Ok(there.map(|there| there.observed(&address.remote_name)))
    }

    /// Publishing the same again makes another version, so it is looked for first.
    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        if find(context, call.remote_name).await?.is_some() {
            let failure = Failure::AlreadyExists {
                what: call.remote_name.to_owned(),
                owner: Ownership::Ours,
            };
            return Err(failure.into());
        }
        let (name, _) = split(call.remote_name, '@');
        let archive = Attachment::new(call, CONTENT, Place::CONTENT).await?;
        let architecture = call.inputs.text("architecture").unwrap_or_default();
        let publish = context.clients.lambda().publish_layer_version();
        let made = publish
            .layer_name(name)
            .description(description(context, call.remote_name))
            .compatible_architectures(Architecture::from(architecture.as_str()))
            .set_content(content_in_bucket(call.inputs))
            .customize()
            .config_override(patient())
            .interceptor(archive)
            .send()
            .await
            .map_err(context.failed("lambda:PublishLayerVersion", name))?;
        sent(call, CONTENT);
        let arn = made.layer_version_arn.unwrap_or_default();
        let outputs = entries([("arn", json!(arn))]);
        Ok(accepted(call, arn, outputs))
    }

    /// Nothing of a version can be changed; where its archive came from does not matter any more.
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
        let (name, _) = split(&prior.remote_name, '@');
        let number = match number_in(&prior.remote_id) {
            Some(number) => Some(number),
            None => find(context, &prior.remote_name)
                .await?
                .and_then(|there| number_in(&there.arn)),
        };
        let Some(number) = number else {
            return Ok(());
        };
        let delete = context.clients.lambda().delete_layer_version();
        let deleted = delete.layer_name(name).version_number(number).send().await;
        gone(deleted.map_err(context.failed("lambda:DeleteLayerVersion", &prior.remote_name)))
    }
}

/// Where the archive is, if it is not in the request.
fn content_in_bucket(inputs: &Inputs) -> Option<LayerVersionContentInput> {
    let content = LayerVersionContentInput::builder().s3_bucket(inputs.text("content_bucket")?);
    Some(content.set_s3_key(inputs.text("content_key")).build())
}

impl There {
    fn observed(self, remote_name: &str) -> Observed {
        let (_, digest) = split(remote_name, '@');
        let mark = serde_json::from_value(json!(digest)).map_or(Json::Null, |d| file_mark(&d));
        let architecture = self.architecture.as_ref().map(Architecture::as_str);
        Observed {
            fields: entries([("architecture", json!(architecture)), (CONTENT, mark)]),
            outputs: entries([("arn", json!(self.arn))]),
            remote_id: self.arn,
            owner: Ownership::Ours,
            pending: None,
        }
    }
}

/// The version of that number, if it is what the name says.
async fn get(
    context: &Context,
    remote_name: &str,
    number: i64,
) -> Result<Option<There>, ProviderError> {
    let (name, _) = split(remote_name, '@');
    let get = context.clients.lambda().get_layer_version();
    let answer = get.layer_name(name).version_number(number).send().await;
    let answer = found(answer.map_err(context.failed("lambda:GetLayerVersion", remote_name)))?;
    let there = answer.map(|answer| There {
        arn: answer.layer_version_arn.unwrap_or_default(),
        description: answer.description.unwrap_or_default(),
        architecture: answer.compatible_architectures.into_iter().flatten().next(),
    });
    let wanted = description(context, remote_name);
    Ok(there.filter(|there| there.description == wanted))
}

/// The newest version that is what the name says.
async fn find(context: &Context, remote_name: &str) -> Result<Option<There>, ProviderError> {
    let (name, _) = split(remote_name, '@');
    let list = context.clients.lambda().list_layer_versions();
    let mut pages = list.layer_name(name).into_paginator().items().send();
    let wanted = description(context, remote_name);
    while let Some(version) = pages.next().await {
        let version = version.map_err(context.failed("lambda:ListLayerVersions", name));
        let Some(version) = found(version)? else {
            return Ok(None);
        };
        if version.description.as_ref() == Some(&wanted) {
            return Ok(Some(There {
                arn: version.layer_version_arn.unwrap_or_default(),
                description: wanted,
                architecture: version
                    .compatible_architectures
                    .into_iter()
                    .flatten()
                    .next(),
            }));
        }
    }
    Ok(None)
}

/// What a version of ours says about itself, instead of tags.
fn description(context: &Context, remote_name: &str) -> String {
    let (_, digest) = split(remote_name, '@');
    let Access { service, stage, .. } = &context.access;
    format!("mlfn:service={service} mlfn:stage={stage} sha256={digest}")
}

/// The number at the end of a version's ARN.
fn number_in(arn: &str) -> Option<i64> {
    let (_, number) = arn.rsplit_once(':')?;
    number.parse().ok()
}
