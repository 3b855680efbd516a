//! Function URLs of aliases.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_lambda::types::{Cors, FunctionUrlAuthType, InvokeMode};
use mlfn_core::{Address, Call, Inputs, Observed, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::Kind;
use super::context::{Context, accepted, entries};
use super::function::{owner, split};
use crate::errors::{found, gone};

/// `aws:function-url`.
pub(super) struct FunctionUrl;

#[async_trait]
impl Kind for FunctionUrl {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let (function, alias) = split(&address.remote_name, ':');
        let get = context.clients.lambda().get_function_url_config();
        let get = get.function_name(function).qualifier(alias).send();
        let (answer, owner) = tokio::join!(get, owner(context, function));
        let action = "lambda:GetFunctionUrlConfig";
        let answer = answer.map_err(context.failed(action, &address.remote_name));
        let (Some(is), Some(owner)) = (found(answer)?, owner?) else {
            return Ok(None);
        };
        // Buffered is what it is if nobody said anything.
        let mode = is.invoke_mode.unwrap_or(InvokeMode::Buffered);
        Ok(Some(Observed {
            remote_id: is.function_url.clone(),
            fields: entries([
                ("auth_type", json!(is.auth_type.as_str())),
                ("cors", is.cors.as_ref().map_or(Json::Null, cors_field)),
                ("invoke_mode", json!(mode.as_str())),
            ]),
            outputs: entries([("url", json!(is.function_url))]),
            owner,
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (function, alias) = split(call.remote_name, ':');
        let create = context.clients.lambda().create_function_url_config();
        let made = create
            .function_name(function)
            .qualifier(alias)
            .set_auth_type(auth_type(call.inputs))
            .set_cors(cors(call.inputs))
            .set_invoke_mode(invoke_mode(call.inputs))
            .send()
            .await
            .map_err(context.failed("lambda:CreateFunctionUrlConfig", call.remote_name))?;
        let url = made.function_url;
        let outputs = entries([("url", json!(url))]);
        Ok(accepted(call, url, outputs))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (function, alias) = split(call.remote_name, ':');
        let update = context.clients.lambda().update_function_url_config();
        // An empty one takes away what was there.
        let cors = cors(call.inputs).unwrap_or_else(|| Cors::builder().build());
        update
            .function_name(function)
            .qualifier(alias)
            .set_auth_type(auth_type(call.inputs))
            .cors(cors)
            .set_invoke_mode(invoke_mode(call.inputs))
            .send()
            .await
            .map_err(context.failed("lambda:UpdateFunctionUrlConfig", call.remote_name))?;
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let (function, alias) = split(&prior.remote_name, ':');
        let delete = context.clients.lambda().delete_function_url_config();
        let deleted = delete.function_name(function).qualifier(alias).send().await;
        let action = "lambda:DeleteFunctionUrlConfig";
        gone(deleted.map_err(context.failed(action, &prior.remote_name)))
    }
}

fn auth_type(inputs: &Inputs) -> Option<FunctionUrlAuthType> {
    let text = inputs.text("auth_type");
    text.map(|text| FunctionUrlAuthType::from(text.as_str()))
}

fn invoke_mode(inputs: &Inputs) -> Option<InvokeMode> {
    let text = inputs.text("invoke_mode");
    text.map(|text| InvokeMode::from(text.as_str()))
}

fn cors(inputs: &Inputs) -> Option<Cors> {
    let Json::Object(set) = inputs.json("cors") else {
        return None;
    };
    let list =
        |name: &str| -> Option<Vec<String>> { serde_json::from_value(set.get(name)?.clone()).ok() };
    let age = set.get("max_age").and_then(Json::as_i64);
    let cors = Cors::builder()
        .set_allow_origins(list("allow_origins"))
        .set_allow_methods(list("allow_methods"))
        .set_allow_headers(list("allow_headers"))
        .set_max_age(age.and_then(|age| i32::try_from(age).ok()));
    Some(cors.build())
}

/// The field `cors`; null if nothing is allowed.
fn cors_field(cors: &Cors) -> Json {
    let sorted = |list: &[String]| list.iter().cloned().collect::<BTreeSet<String>>();
    let origins = sorted(cors.allow_origins());
    if origins.is_empty() {
        return Json::Null;
    }
    json!({
        "allow_origins": origins,
        "allow_methods": sorted(cors.allow_methods()),
        "allow_headers": sorted(cors.allow_headers()),
        "max_age": cors.max_age().unwrap_or_default(),
    })
}
