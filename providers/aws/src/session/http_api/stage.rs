//! The stage of an API, without which it answers nothing.

use std::collections::BTreeSet;

use async_trait::async_trait;
use mlfn_core::{Address, Call, Inputs, Observed, ProviderError, Recorded};
use serde_json::json;

use super::super::Kind;
use super::super::context::{Context, entries};
use super::{DELETE, GET, PATCH, POST, accepted_part, ids, part, place, place_for};
use crate::errors::{found, gone};

/// `aws:http-stage`. Its name is unique in an API, and its id.
pub(in crate::session) struct Stage;

#[async_trait]
impl Kind for Stage {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let Some(place) = place(context, address).await? else {
            return Ok(None);
        };
        let (api, name) = (&place.api, &place.name);
        let call = context.clients.apigateway().get_stage();
        let answer = call.api_id(api).stage_name(name).send().await;
        let found = found(answer.map_err(context.failed(GET, name)))?;
        Ok(found.map(|found| {
            let auto_deploy = found.auto_deploy().unwrap_or_default();
            part(api, name, entries([("auto_deploy", json!(auto_deploy))]))
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let place = place_for(context, call).await?;
        let make = context.clients.apigateway().create_stage();
        make.api_id(&place.api)
            .stage_name(&place.name)
            .auto_deploy(auto_deploy(call.inputs))
            .send()
            .await
            .map_err(context.failed(POST, call.remote_name))?;
        Ok(accepted_part(call, &place.api, &place.name))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (api, name) = ids(prior);
        let set = context.clients.apigateway().update_stage();
        set.api_id(api)
            .stage_name(name)
            .auto_deploy(auto_deploy(call.inputs))
            .send()
            .await
            .map_err(context.failed(PATCH, call.remote_name))?;
        Ok(accepted_part(call, api, name))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let (api, name) = ids(prior);
        let call = context.clients.apigateway().delete_stage();
        let answer = call.api_id(api).stage_name(name).send().await;
        gone(answer.map_err(context.failed(DELETE, &prior.remote_name)))
    }
}

fn auto_deploy(inputs: &Inputs) -> bool {
    inputs.json("auto_deploy") == json!(true)
}
