//! A method and a path of an API.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{AuthorizationType, Route as Found};
use mlfn_core::{Address, Call, Inputs, Observed, ProviderError, Recorded};
use serde_json::json;

use super::super::Kind;
use super::super::context::{Context, entries};
use super::{DELETE, GET, PATCH, POST, Place, accepted_part, ids, part, place, place_for};
use crate::errors::{found, gone};

/// What a route's target begins with; the id of an integration follows.
const INTEGRATION: &str = "integrations/";

/// `aws:http-route`. Its name is its route key, which is unique in an API.
pub(in crate::session) struct Route;

#[async_trait]
impl Kind for Route {
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
        let make = context.clients.apigateway().create_route();
        let made = make
            .api_id(&place.api)
            .route_key(&place.name)
            .set_authorization_type(authorization(call.inputs))
            .set_authorizer_id(call.inputs.text("authorizer"))
            .set_target(target(call.inputs))
            .send()
            .await
            .map_err(context.failed(POST, call.remote_name))?;
        let id = made.route_id().unwrap_or_default();
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
        let set = context.clients.apigateway().update_route();
        set.api_id(api)
            .route_id(id)
            .set_authorization_type(authorization(call.inputs))
            // What is not said stays, and an empty text is none.
            .authorizer_id(call.inputs.text("authorizer").unwrap_or_default())
            .set_target(target(call.inputs))
            .send()
            .await
            .map_err(context.failed(PATCH, call.remote_name))?;
        Ok(accepted_part(call, api, id))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let (api, id) = ids(prior);
        let call = context.clients.apigateway().delete_route();
        let answer = call.api_id(api).route_id(id).send().await;
        gone(answer.map_err(context.failed(DELETE, &prior.remote_name)))
    }
}

fn authorization(inputs: &Inputs) -> Option<AuthorizationType> {
    let text = inputs.text("authorization_type")?;
    Some(AuthorizationType::from(text.as_str()))
}

fn target(inputs: &Inputs) -> Option<String> {
    let id = inputs.text("integration")?;
    Some(format!("{INTEGRATION}{id}"))
}

async fn search(context: &Context, place: &Place) -> Result<Option<Found>, ProviderError> {
    let mut page = None;
    loop {
        let call = context.clients.apigateway().get_routes();
        let answer = call.api_id(&place.api).set_next_token(page).send().await;
        let answer = answer.map_err(context.failed(GET, &place.name));
        let Some(answer) = found(answer)? else {
            return Ok(None);
        };
        let is = |found: &Found| found.route_key() == Some(&place.name);
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
    let authorization = found.authorization_type().map(AuthorizationType::as_str);
    let authorizer = found.authorizer_id().filter(|id| !id.is_empty());
    let integration = found.target().and_then(|t| t.strip_prefix(INTEGRATION));
    let fields = entries([
        ("authorization_type", json!(authorization.unwrap_or("NONE"))),
        ("authorizer", json!(authorizer)),
        ("integration", json!(integration)),
    ]);
    part(api, found.route_id().unwrap_or_default(), fields)
}
