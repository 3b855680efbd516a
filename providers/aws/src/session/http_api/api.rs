//! An API.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_apigatewayv2::operation::get_api::GetApiOutput;
use aws_sdk_apigatewayv2::types::{Cors, ProtocolType};
use mlfn_core::{Address, Call, Inputs, Observed, Ownership, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::super::Kind;
use super::super::context::{
    Context, Tags, accepted, entries, tags_changed, tags_field, unwanted_tags,
};
use super::{DELETE, GET, PATCH, POST, exists};
use crate::errors::{found, gone};

/// `aws:http-api`. Its remote id is its id.
pub(in crate::session) struct Api;

#[async_trait]
impl Kind for Api {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = &address.remote_name;
        if let Some(id) = &address.remote_id
            && let Some(api) = get(context, name, id).await?
        {
            return Ok(Some(observed(context, &api)));
        }
        let Some(id) = search(context, name).await? else {
            return Ok(None);
        };
        let api = get(context, name, &id).await?;
        Ok(api.map(|api| observed(context, &api)))
    }

    /// Names need not be unique for API Gateway.
    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = call.remote_name;
        if search(context, name).await?.is_some() {
            return Err(exists(name));
        }
        let make = context.clients.apigateway().create_api();
        let made = make
            .name(name)
            .protocol_type(ProtocolType::Http)
            .set_cors_configuration(cors(call.inputs))
            .set_tags(Some(context.tags(call.inputs).into_iter().collect()))
            .send()
            .await
            .map_err(context.failed(POST, name))?;
        let id = made.api_id().unwrap_or_default();
        let outputs = outputs(context, id, made.api_endpoint());
        Ok(accepted(call, id, outputs))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (name, id) = (call.remote_name, &prior.remote_id);
        if changed.contains("cors") {
            set_cors(context, call, id).await?;
        }
        tag(context, call, id, changed).await?;
        let set = get(context, name, id).await?;
        let endpoint = set.as_ref().and_then(GetApiOutput::api_endpoint);
        Ok(accepted(call, id, outputs(context, id, endpoint)))
    }

    /// What is in it goes with it.
    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let call = context.clients.apigateway().delete_api();
        let answer = call.api_id(&prior.remote_id).send().await;
        gone(answer.map_err(context.failed(DELETE, &prior.remote_name)))
    }
}

/// The id of the API of that name that is ours. Others may have the same name.
pub(super) async fn search(context: &Context, name: &str) -> Result<Option<String>, ProviderError> {
    let mut page = None;
    loop {
        let call = context.clients.apigateway().get_apis();
        let answer = call.set_next_token(page).send().await;
        let answer = answer.map_err(context.failed(GET, "apis"))?;
        let ours = answer.items().iter().find(|api| {
            api.name() == Some(name) && context.owner(&tags_of(api.tags())) == Ownership::Ours
        });
        if let Some(api) = ours {
            return Ok(api.api_id().map(str::to_owned));
        }
        page = answer.next_token;
        if page.is_none() {
            return Ok(None);
        }
    }
}

async fn get(
    context: &Context,
    name: &str,
    id: &str,
) -> Result<Option<GetApiOutput>, ProviderError> {
    let call = context.clients.apigateway().get_api();
    let answer = call.api_id(id).send().await;
    found(answer.map_err(context.failed(GET, name)))
}

fn observed(context: &Context, api: &GetApiOutput) -> Observed {
    let id = api.api_id().unwrap_or_default();
    let tags = tags_of(api.tags());
    Observed {
        remote_id: id.to_owned(),
        fields: entries([
            ("cors", cors_field(api.cors_configuration())),
            ("tags", tags_field(&tags)),
        ]),
        outputs: outputs(context, id, api.api_endpoint()),
        owner: context.owner(&tags),
        pending: None,
    }
}

fn outputs(context: &Context, id: &str, endpoint: Option<&str>) -> BTreeMap<String, Json> {
    entries([
        ("id", json!(id)),
        ("execution_arn", json!(context.arn("execute-api", id))),
        ("url", json!(endpoint)),
    ])
}

fn tags_of(tags: Option<&HashMap<String, String>>) -> Tags {
    let tags = tags.into_iter().flatten();
    tags.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Lists in order: for browsers they are sets.
fn cors_field(cors: Option<&Cors>) -> Json {
    let Some(cors) = cors else {
        return Json::Null;
    };
    let sorted = |list: &[String]| json!(list.iter().collect::<BTreeSet<_>>());
    json!({
        "allow_headers": sorted(cors.allow_headers()),
        "allow_methods": sorted(cors.allow_methods()),
        "allow_origins": sorted(cors.allow_origins()),
        "max_age": cors.max_age(),
    })
}

fn cors(inputs: &Inputs) -> Option<Cors> {
    let wanted = inputs.json("cors");
    if wanted.is_null() {
        return None;
    }
    let list = |name: &str| {
        let texts = wanted[name].as_array().into_iter().flatten();
        let texts = texts.filter_map(Json::as_str).map(str::to_owned);
        Some(texts.collect())
    };
    let max_age = wanted["max_age"].as_i64();
    let cors = Cors::builder()
        .set_allow_headers(list("allow_headers"))
        .set_allow_methods(list("allow_methods"))
        .set_allow_origins(list("allow_origins"))
        .set_max_age(max_age.and_then(|seconds| i32::try_from(seconds).ok()));
    Some(cors.build())
}

async fn set_cors(context: &Context, call: &Call<'_>, id: &str) -> Result<(), ProviderError> {
    let (apis, name) = (context.clients.apigateway(), call.remote_name);
    let Some(cors) = cors(call.inputs) else {
        let unset = apis.delete_cors_configuration().api_id(id).send().await;
        return gone(unset.map_err(context.failed(DELETE, name)));
    };
    let set = apis.update_api().api_id(id).cors_configuration(cors);
    set.send().await.map_err(context.failed(PATCH, name))?;
    Ok(())
}

async fn tag(
    context: &Context,
    call: &Call<'_>,
    id: &str,
    changed: &BTreeSet<String>,
) -> Result<(), ProviderError> {
    let (apis, name) = (context.clients.apigateway(), call.remote_name);
    let partition = &context.identity.partition;
    let region = &context.identity.region;
    // Its ARN has no account in it.
    let arn = format!("arn:{partition}:apigateway:{region}::/apis/{id}");
    let wanted = context.tags(call.inputs);
    let set = apis.tag_resource().resource_arn(&arn);
    set.set_tags(Some(wanted.clone().into_iter().collect()))
        .send()
        .await
        .map_err(context.failed(POST, name))?;
    if !tags_changed(changed) {
        return Ok(());
    }
    let api = get(context, name, id).await?;
    let there = tags_of(api.as_ref().and_then(GetApiOutput::tags));
    let unwanted = unwanted_tags(&there, &wanted);
    if !unwanted.is_empty() {
        let unset = apis.untag_resource().resource_arn(&arn);
        unset
            .set_tag_keys(Some(unwanted))
            .send()
            .await
            .map_err(context.failed(DELETE, name))?;
    }
    Ok(())
}
