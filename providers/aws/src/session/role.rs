//! IAM roles, each with one inline policy.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_iam::types::{Role as Found, Tag};
use mlfn_core::{Address, Call, Failure, Observed, ProviderError, Recorded, sorted};
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};

use super::Kind;
use super::context::{Context, Tags, accepted, entries, tags_changed, tags_field, unwanted_tags};
use crate::errors::{found, gone, incomplete};

/// The name of the inline policy.
const POLICY: &str = "mlfn";

/// `aws:role`.
pub(super) struct Role;

#[async_trait]
impl Kind for Role {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = context.full_name(&address.remote_name);
        let (role, policy) = tokio::join!(get(context, &name), get_policy(context, &name));
        let (Some(role), policy) = (role?, policy?) else {
            return Ok(None);
        };
        let tags = tags_of(role.tags());
        let trust = document(role.assume_role_policy_document().unwrap_or_default());
        Ok(Some(Observed {
            remote_id: role.arn().to_owned(),
            fields: entries([
                ("trust", trust),
                ("policy", policy),
                ("tags", tags_field(&tags)),
            ]),
            outputs: entries([("arn", json!(role.arn()))]),
            owner: context.owner(&tags),
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = context.full_name(call.remote_name);
        let made = context
            .clients
            .iam()
            .create_role()
            .role_name(&name)
            .assume_role_policy_document(call.inputs.json("trust").to_string())
            .set_tags(Some(tag_list(&context.tags(call.inputs))?))
            .send()
            .await
            .map_err(context.failed("iam:CreateRole", &name))?;
        put_policy(context, call, &name).await?;
        let arn = made.role().map(Found::arn).unwrap_or_default();
        Ok(accepted(call, arn, entries([("arn", json!(arn))])))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let name = context.full_name(call.remote_name);
        if changed.contains("trust") {
            set_trust(context, call, &name).await?;
        }
        if changed.contains("policy") {
            put_policy(context, call, &name).await?;
        }
        tag(context, call, &name, changed).await?;
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let name = context.full_name(&prior.remote_name);
        delete_policy(context, &name, POLICY).await?;
        match delete(context, &name).await {
            // Somebody gave it more by hand.
            Err(ProviderError {
                failure: Failure::Conflict { .. },
                ..
            }) => {
                strip(context, &name).await?;
                delete(context, &name).await
            }
            ended => ended,
        }
    }
}

async fn get(context: &Context, name: &str) -> Result<Option<Found>, ProviderError> {
    let call = context.clients.iam().get_role().role_name(name).send();
    let answer = call.await.map_err(context.failed("iam:GetRole", name));
    Ok(found(answer)?.and_then(|answer| answer.role))
}

/// The inline policy, or null.
async fn get_policy(context: &Context, name: &str) -> Result<Json, ProviderError> {
    let call = context.clients.iam().get_role_policy();
    let call = call.role_name(name).policy_name(POLICY).send();
    let answer = call
        .await
        .map_err(context.failed("iam:GetRolePolicy", name));
    let answer = found(answer)?;
    Ok(answer.map_or(Json::Null, |answer| document(answer.policy_document())))
}

/// A policy document as IAM answers with it: JSON text, percent-encoded as RFC 3986 says.
fn document(encoded: &str) -> Json {
    let text = percent_decode_str(encoded).decode_utf8_lossy();
    let parsed = serde_json::from_str(&text).map(sorted);
    // What is no JSON is not what was set.
    parsed.unwrap_or_else(|_| json!(text))
}

async fn set_trust(context: &Context, call: &Call<'_>, name: &str) -> Result<(), ProviderError> {
    let update = context.clients.iam().update_assume_role_policy();
    update
        .role_name(name)
        .policy_document(call.inputs.json("trust").to_string())
        .send()
        .await
        .map_err(context.failed("iam:UpdateAssumeRolePolicy", name))?;
    Ok(())
}

async fn put_policy(context: &Context, call: &Call<'_>, name: &str) -> Result<(), ProviderError> {
    let put = context.clients.iam().put_role_policy();
    put.role_name(name)
        .policy_name(POLICY)
        .policy_document(call.inputs.json("policy").to_string())
        .send()
        .await
        .map_err(context.failed("iam:PutRolePolicy", name))?;
    Ok(())
}

async fn tag(
    context: &Context,
    call: &Call<'_>,
    name: &str,
    changed: &BTreeSet<String>,
) -> Result<(), ProviderError> {
    let iam = context.clients.iam();
    let wanted = context.tags(call.inputs);
    let set = iam.tag_role().role_name(name);
    set.set_tags(Some(tag_list(&wanted)?))
        .send()
        .await
        .map_err(context.failed("iam:TagRole", name))?;
    if !tags_changed(changed) {
        return Ok(());
    }
    let role = get(context, name).await?;
    let there = tags_of(role.as_ref().map_or(&[], Found::tags));
    let unwanted = unwanted_tags(&there, &wanted);
    if !unwanted.is_empty() {
        let unset = iam.untag_role().role_name(name);
        unset
            .set_tag_keys(Some(unwanted))
            .send()
            .await
            .map_err(context.failed("iam:UntagRole", name))?;
    }
    Ok(())
}

async fn delete(context: &Context, name: &str) -> Result<(), ProviderError> {
    let call = context.clients.iam().delete_role().role_name(name).send();
    gone(call.await.map_err(context.failed("iam:DeleteRole", name)))
}

async fn delete_policy(context: &Context, name: &str, policy: &str) -> Result<(), ProviderError> {
    let call = context.clients.iam().delete_role_policy();
    let call = call.role_name(name).policy_name(policy).send();
    gone(
        call.await
            .map_err(context.failed("iam:DeleteRolePolicy", name)),
    )
}

/// Takes away what keeps a role from being deleted.
async fn strip(context: &Context, name: &str) -> Result<(), ProviderError> {
    let iam = context.clients.iam();
    let inline = iam.list_role_policies().role_name(name).send().await;
    let inline = inline.map_err(context.failed("iam:ListRolePolicies", name))?;
    for policy in inline.policy_names() {
        delete_policy(context, name, policy).await?;
    }
    let attached = iam.list_attached_role_policies().role_name(name).send();
    let attached = attached
        .await
        .map_err(context.failed("iam:ListAttachedRolePolicies", name))?;
    for policy in attached.attached_policies() {
        let detach = iam.detach_role_policy().role_name(name);
        let call = detach.set_policy_arn(policy.policy_arn.clone()).send();
        gone(
            call.await
                .map_err(context.failed("iam:DetachRolePolicy", name)),
        )?;
    }
    Ok(())
}

fn tags_of(tags: &[Tag]) -> Tags {
    let tags = tags.iter();
    tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

fn tag_list(tags: &Tags) -> Result<Vec<Tag>, ProviderError> {
    let tags = tags.iter();
    tags.map(|(key, value)| {
        Tag::builder()
            .key(key)
            .value(value)
            .build()
            .map_err(incomplete)
    })
    .collect()
}
