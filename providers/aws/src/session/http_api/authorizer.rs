//! Whose tokens an API accepts.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{Authorizer as Found, AuthorizerType, JwtConfiguration};
use mlfn_core::{Address, Call, Inputs, Observed, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::super::Kind;
use super::super::context::{Context, entries};
use super::{DELETE, GET, PATCH, POST, Place, accepted_part, exists, ids, part, place, place_for};
use crate::errors::{found, gone};

/// `aws:http-authorizer`. Names need not be unique for API Gateway.
pub(in crate::session) struct Authorizer;

#[async_trait]
impl Kind for Authorizer {
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
        let make = context.clients.apigateway().create_authorizer();
        let made = make
            .api_id(&place.api)
            .name(&place.name)
            .authorizer_type(AuthorizerType::Jwt)
            .set_identity_source(identity_source(call.inputs))
            .jwt_configuration(jwt(call.inputs))
            .send()
            .await
            .map_err(context.failed(POST, call.remote_name))?;
        let id = made.authorizer_id().unwrap_or_default();
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
        let set = context.clients.apigateway().update_authorizer();
        set.api_id(api)
            .authorizer_id(id)
            .set_identity_source(identity_source(call.inputs))
            .jwt_configuration(jwt(call.inputs))
            .send()
            .await
            .map_err(context.failed(PATCH, call.remote_name))?;
        Ok(accepted_part(call, api, id))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let (api, id) = ids(prior);
        let call = context.clients.apigateway().delete_authorizer();
        let answer = call.api_id(api).authorizer_id(id).send().await;
        gone(answer.map_err(context.failed(DELETE, &prior.remote_name)))
    }
}

fn identity_source(inputs: &Inputs) -> Option<Vec<String>> {
    inputs.text("identity_source").map(|source| vec![source])
}

fn jwt(inputs: &Inputs) -> JwtConfiguration {
    let audience = inputs.json("audience");
    let audience = audience.as_array().into_iter().flatten();
    let audience = audience.filter_map(Json::as_str).map(str::to_owned);
    JwtConfiguration::builder()
        .set_audience(Some(audience.collect()))
        .set_issuer(inputs.text("issuer"))
        .build()
}

async fn search(context: &Context, place: &Place) -> Result<Option<Found>, ProviderError> {
    let mut page = None;
    loop {
        let call = context.clients.apigateway().get_authorizers();
        let answer = call.api_id(&place.api).set_next_token(page).send().await;
        let answer = answer.map_err(context.failed(GET, &place.name));
        let Some(answer) = found(answer)? else {
            return Ok(None);
        };
        let is = |found: &Found| found.name() == Some(&place.name);
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
    let jwt = found.jwt_configuration();
    let audience = jwt.map_or(&[][..], JwtConfiguration::audience);
    let fields = entries([
        ("audience", json!(audience.iter().collect::<BTreeSet<_>>())),
        ("identity_source", json!(found.identity_source().first())),
        ("issuer", json!(jwt.and_then(JwtConfiguration::issuer))),
    ]);
    part(api, found.authorizer_id().unwrap_or_default(), fields)
}
