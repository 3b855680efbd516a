//! Addresses: a URL for each function, and one HTTP API for the functions for which that does not
//! do.
//!
//! A function URL has one kind of authentication and knows no tokens; it passes on every path, and
//! the shim answers those of the manifest. So a function gets routes of the service's HTTP API if
//! one of its triggers wants tokens, or if they want different authentication, and a URL else: it
//! costs nothing, waits 15 minutes instead of 30 seconds, and is one hop less.

use std::collections::{BTreeMap, BTreeSet};

use mlfn_core::{
    Digest, Function, HttpAuth, HttpTrigger, Resource, ResourceId, Service, Trigger, Value,
};
use serde_json::{Value as Json, json};

use super::{alias, callee, names, permission, tagged};
use crate::{kinds, limits};

/// What the signatures of AWS put into headers.
const SIGNATURE_HEADERS: [&str; 3] = ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];

/// How long browsers remember what they may: a day, the most that both front doors offer.
const CORS_MAX_AGE: u32 = 86_400;

/// The only stage whose name is not in the path.
const STAGE: &str = "$default";

/// Everything about HTTP in a service.
pub(super) fn resources(service: &Service) -> Vec<Resource> {
    let with_http = service.functions.iter().filter(|f| !triggers(f).is_empty());
    let (by_api, by_url): (Vec<&Function>, Vec<&Function>) = with_http.partition(|f| needs_api(f));
    let mut all: Vec<Resource> = by_url.iter().flat_map(|f| url(service, f)).collect();
    if !by_api.is_empty() {
        all.extend(api(service, &by_api));
    }
    all
}

fn triggers(function: &Function) -> Vec<&HttpTrigger> {
    let triggers = function.triggers.iter();
    let http = triggers.filter_map(|trigger| match trigger {
        Trigger::Http(http) => Some(http),
        _ => None,
    });
    http.collect()
}

fn needs_api(function: &Function) -> bool {
    let triggers = triggers(function);
    let tokens = |http: &&HttpTrigger| matches!(http.auth, HttpAuth::Jwt { .. });
    let different = |pair: &[&HttpTrigger]| pair[0].auth != pair[1].auth;
    triggers.iter().any(tokens) || triggers.windows(2).any(different)
}

fn url(service: &Service, function: &Function) -> Vec<Resource> {
    let triggers = triggers(function);
    let open = triggers.iter().any(|http| http.auth == HttpAuth::None);
    let auth = if open { "NONE" } else { "AWS_IAM" };
    let id = names::id(kinds::FUNCTION_URL, function.name.as_str());
    let mut url = Resource::new(id, names::alias(service, function))
        .within(alias(function))
        .with("auth_type", auth)
        .with("invoke_mode", "BUFFERED");
    if let Some(cors) = cors(&triggers) {
        url = url.with("cors", cors);
    }
    let mut all = vec![url];
    if open {
        all.extend(open_to_all(service, function));
    }
    all
}

/// Since October 2025 an open URL needs both: to be called, and to call the function. Callers with
/// credentials are allowed by their own policies.
fn open_to_all(service: &Service, function: &Function) -> [Resource; 2] {
    let call_url = permission(service, function, "url")
        .with("action", "lambda:InvokeFunctionUrl")
        .with("principal", "*")
        .with("function_url_auth_type", "NONE");
    let call_function = permission(service, function, "url-function")
        .with("principal", "*")
        .with("invoked_via_function_url", true);
    [call_url, call_function]
}

fn api_id() -> ResourceId {
    names::id(kinds::HTTP_API, "api")
}

fn api(service: &Service, functions: &[&Function]) -> Vec<Resource> {
    let name = names::service(service);
    let of_all: Vec<&HttpTrigger> = functions.iter().flat_map(|f| triggers(f)).collect();
    let mut api = tagged(service, api_id(), &name);
    if let Some(cors) = cors(&of_all) {
        api = api.with("cors", cors);
    }
    let stage = Resource::new(
        names::id(kinds::HTTP_STAGE, "api"),
        format!("{name}/{STAGE}"),
    )
    .within(api_id())
    .with("auto_deploy", true);
    let mut all = vec![api, stage];
    all.extend(authorizers(&name, &of_all));
    for function in functions {
        all.push(called_by_api(service, function));
        all.push(integration(&name, function));
    }
    let routes = routes(functions).into_iter();
    all.extend(routes.map(|(key, (function, auth))| route(&name, &key, function, auth)));
    all
}

/// Who answers what, by method and path: the manifest's routes, and those of the Open Inference
/// Protocol that these leave free.
fn routes<'a>(functions: &[&'a Function]) -> BTreeMap<String, (&'a Function, &'a HttpAuth)> {
    let mut all = BTreeMap::new();
    for function in functions {
        for http in triggers(function) {
            let key = format!("{} {}", http.method.as_str(), http.path);
            all.insert(key, (*function, &http.auth));
        }
    }
    for function in functions {
        let Some(auth) = most_open(function) else {
            continue;
        };
        for key in protocol(function, functions.len() == 1) {
            all.entry(key).or_insert((*function, auth));
        }
    }
    all
}

/// What the shim answers besides the manifest's routes. Functions that share an API have their
/// models in it, and none of them is its server.
fn protocol(function: &Function, alone: bool) -> Vec<String> {
    if alone {
        return ["ANY /v2", "ANY /v2/{proxy+}", "GET /openapi.json"]
            .map(str::to_owned)
            .to_vec();
    }
    let model = format!("ANY /v2/models/{}", function.name);
    vec![format!("{model}/{{proxy+}}"), model]
}

/// Whoever may ask the model at one path may ask it in each form.
fn most_open(function: &Function) -> Option<&HttpAuth> {
    let triggers = triggers(function);
    let open = triggers.iter().find(|http| http.auth == HttpAuth::None);
    open.or(triggers.first()).map(|http| &http.auth)
}

/// One for each issuer and audience, named by them.
fn authorizers(api: &str, triggers: &[&HttpTrigger]) -> Vec<Resource> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for http in triggers {
        if let HttpAuth::Jwt { issuer, audience } = &http.auth
            && let Some(id) = authorizer_id(&http.auth)
            && seen.insert(id.clone())
        {
            let remote_name = format!("{api}/{}", id.name());
            let authorizer = Resource::new(id, remote_name)
                .within(api_id())
                .with("issuer", issuer.as_str())
                .with("audience", any_of(audience))
                .with("identity_source", "$request.header.Authorization");
            all.push(authorizer);
        }
    }
    all
}

fn authorizer_id(auth: &HttpAuth) -> Option<ResourceId> {
    let HttpAuth::Jwt { issuer, audience } = auth else {
        return None;
    };
    let digest = Digest::of(json!([issuer, any_of(audience)]).to_string().as_bytes());
    let name = format!("jwt-{}", digest.short());
    Some(names::id(kinds::HTTP_AUTHORIZER, name))
}

/// A token has to be for one of them: their order means nothing.
fn any_of(audience: &[String]) -> Json {
    json!(audience.iter().collect::<BTreeSet<_>>())
}

fn integration_id(function: &Function) -> ResourceId {
    names::id(kinds::HTTP_INTEGRATION, function.name.as_str())
}

/// The API waits as long as the function may take, but no longer than it can.
fn integration(api: &str, function: &Function) -> Resource {
    let seconds = function.timeout.get().min(limits::HTTP_API_TIMEOUT.max);
    Resource::new(integration_id(function), format!("{api}/{}", function.name))
        .within(api_id())
        .with("function", callee(function))
        .with("payload_format", "2.0")
        .with("timeout_ms", seconds.saturating_mul(1000))
}

fn route(api: &str, key: &str, function: &Function, auth: &HttpAuth) -> Resource {
    let authorization = match auth {
        HttpAuth::Iam => "AWS_IAM",
        HttpAuth::Jwt { .. } => "JWT",
        HttpAuth::None | HttpAuth::Key => "NONE",
    };
    let route = Resource::new(names::id(kinds::HTTP_ROUTE, key), format!("{api}/{key}"))
        .within(api_id())
        .with("authorization_type", authorization)
        .with(
            "integration",
            Value::output(&integration_id(function), "id"),
        );
    match authorizer_id(auth) {
        Some(authorizer) => route.with("authorizer", Value::output(&authorizer, "id")),
        None => route,
    }
}

fn called_by_api(service: &Service, function: &Function) -> Resource {
    let api = Value::output(&api_id(), "execution_arn");
    permission(service, function, "api")
        .with("principal", "apigateway.amazonaws.com")
        .with("source_arn", Value::Text(vec![api, "/*".into()]))
}

/// What browsers may do, if any trigger says so. Both front doors have that once and not for each
/// route, so it is all that any trigger allows.
fn cors(triggers: &[&HttpTrigger]) -> Option<Json> {
    let shared: Vec<&&HttpTrigger> = triggers.iter().filter(|h| !h.cors.is_empty()).collect();
    if shared.is_empty() {
        return None;
    }
    let origins: BTreeSet<&String> = shared.iter().flat_map(|http| &http.cors).collect();
    let methods = shared.iter().map(|http| http.method.as_str());
    let mut methods: BTreeSet<String> = methods.map(str::to_owned).collect();
    if methods.remove("ANY") {
        methods = ["*".to_owned()].into();
    }
    let mut headers = BTreeSet::from(["content-type"]);
    if shared.iter().any(|http| http.auth != HttpAuth::None) {
        headers.insert("authorization");
    }
    if shared.iter().any(|http| http.auth == HttpAuth::Iam) {
        headers.extend(SIGNATURE_HEADERS);
    }
    Some(json!({
        "allow_origins": origins,
        "allow_methods": methods,
        "allow_headers": headers,
        "max_age": CORS_MAX_AGE,
    }))
}
