//! HTTP APIs of API Gateway, and what is in them. Their actions are the methods of HTTP: that is
//! how policies name them.
//!
//! - `api`: the API itself, the only one with tags
//! - `integration`, `authorizer`, `route`, `stage`: parts of it, with remote names `<api>/<name>` and
//!   remote ids `<id of the API>/<id>`

mod api;
mod authorizer;
mod integration;
mod route;
mod stage;

pub(super) use self::api::Api;
pub(super) use self::authorizer::Authorizer;
pub(super) use self::integration::Integration;
pub(super) use self::route::Route;
pub(super) use self::stage::Stage;

use std::collections::BTreeMap;

use mlfn_core::{Address, Call, Failure, Observed, Ownership, ProviderError, Recorded};
use serde_json::Value as Json;

use super::context::{Context, accepted, entries};

const GET: &str = "apigateway:GET";
const POST: &str = "apigateway:POST";
const PATCH: &str = "apigateway:PATCH";
const DELETE: &str = "apigateway:DELETE";

/// Where a part of an API is.
struct Place {
    /// The id of the API.
    api: String,
    /// The name of the part.
    name: String,
}

/// Where a part is that may be recorded; none if it is not, and no API of ours has that name.
///
/// Parts have no tags and belong to whom their API belongs. The id of an API is never given to
/// another one, so that what is recorded to be in it is still ours.
async fn place(context: &Context, address: &Address) -> Result<Option<Place>, ProviderError> {
    let (api, name) = names(&address.remote_name);
    let recorded = address
        .remote_id
        .as_deref()
        .and_then(|id| id.split_once('/'));
    let api = match recorded {
        Some((api, _)) => Some(api.to_owned()),
        None => api::search(context, api).await?,
    };
    let name = name.to_owned();
    Ok(api.map(|api| Place { api, name }))
}

/// Where a part shall be made. Its API was made before.
async fn place_for(context: &Context, call: &Call<'_>) -> Result<Place, ProviderError> {
    let (api, name) = names(call.remote_name);
    let name = name.to_owned();
    if let Some(api) = api::search(context, api).await? {
        return Ok(Place { api, name });
    }
    let why = format!("the HTTP API `{api}` cannot be seen yet");
    Err(Failure::NotReady { why }.into())
}

/// Ids of API and part.
fn ids(prior: &Recorded) -> (&str, &str) {
    let id = prior.remote_id.as_str();
    id.split_once('/').unwrap_or((id, ""))
}

/// Names of API and part. Services have no `/` in their names.
fn names(remote_name: &str) -> (&str, &str) {
    remote_name.split_once('/').unwrap_or((remote_name, ""))
}

fn exists(what: &str) -> ProviderError {
    let failure = Failure::AlreadyExists {
        what: what.to_owned(),
        owner: Ownership::Ours,
    };
    failure.into()
}

/// What is in an API of ours.
fn part(api: &str, id: &str, fields: BTreeMap<String, Json>) -> Observed {
    Observed {
        remote_id: format!("{api}/{id}"),
        fields,
        outputs: id_output(id),
        owner: Ownership::Ours,
        pending: None,
    }
}

/// A part that was made or set.
fn accepted_part(call: &Call<'_>, api: &str, id: &str) -> Observed {
    accepted(call, format!("{api}/{id}"), id_output(id))
}

fn id_output(id: &str) -> BTreeMap<String, Json> {
    entries([("id", id.into())])
}
