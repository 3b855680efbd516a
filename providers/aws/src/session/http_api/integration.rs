//! How an API calls a function.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{Integration as Found, IntegrationType};
use mlfn_core::{Address, Call, Inputs, Observed, ProviderError, Recorded};
use serde_json::json;

use super::super::Kind;
use super::super::context::{Context, entries};
use super::{DELETE, GET, PATCH, POST, Place, accepted_part, exists, ids, part, place, place_for};
use crate::errors::{found, gone};

/// `aws:http-integration`. Integrations have no names, so their descriptions are.
pub(in crate::session) struct Integration;

#[async_trait]
impl Kind for Integration {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let Some(place) = place(context, address).await? else {
            return Ok(None);
        };
        let found = search(context, &place).await?;
        Ok(found.map(|found| observed(&place.api, &found)))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let place = place_for(context, call).await?;
        if search(context, &place).await?.is_some() {
            return Err(exists(call.remote_name));
        }
        let make = context.clients.apigateway().create_integration();
        let made = make
            .api_id(&place.api)
            .description(&place.name)
            .integration_type(IntegrationType::AwsProxy)
            .set_integration_uri(call.inputs.text("function"))
            .set_payload_format_version(call.inputs.text("payload_format"))
            .set_timeout_in_millis(timeout(call.inputs))
            .send()
            .await
            .map_err(context.failed(POST, call.remote_name))?;
        let id = made.integration_id().unwrap_or_default();
        Ok(accepted_part(call, &place.api, id))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (api, id) = ids(prior);
        let set = context.clients.apigateway().update_integration();
        set.api_id(api)
            .integration_id(id)
            .set_integration_uri(call.inputs.text("function"))
            .set_payload_format_version(call.inputs.text("payload_format"))
            .set_timeout_in_millis(timeout(call.inputs))
            .send()
            .await
            .map_err(context.failed(PATCH, call.remote_name))?;
        Ok(accepted_part(call, api, id))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let (api, id) = ids(prior);
        let call = context.clients.apigateway().delete_integration();
        let answer = call.api_id(api).integration_id(id).send().await;
        gone(answer.map_err(context.failed(DELETE, &prior.remote_name)))
    }
}

fn timeout(inputs: &Inputs) -> Option<i32> {
    let milliseconds = inputs.number("timeout_ms")?;
    i32::try_from(milliseconds).ok()
}

async fn search(context: &Context, place: &Place) -> Result<Option<Found>, ProviderError> {
    let mut page = None;
    loop {
        let call = context.clients.apigateway().get_integrations();
        let answer = call.api_id(&place.api).set_next_token(page).send().await;
        let answer = answer.map_err(context.failed(GET, &place.name));
        let Some(answer) = found(answer)? else {
            return Ok(None);
        };
        let is = |found: &Found| found.description() == Some(&place.name);
        if let Some(found) = answer.items.unwrap_or_default().into_iter().find(is) {
            return Ok(Some(found));
        }
        page = answer.next_token;
        if page.is_none() {
            return Ok(None);
        }
    }
}

fn observed(api: &str, found: &Found) -> Observed {
    let fields = entries([
        ("function", json!(found.integration_uri())),
        ("payload_format", json!(found.payload_format_version())),
        ("timeout_ms", json!(found.timeout_in_millis())),
    ]);
    part(api, found.integration_id().unwrap_or_default(), fields)
}
