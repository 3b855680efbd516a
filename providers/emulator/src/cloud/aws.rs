//! AWS: the outputs of its kinds, what is inside of what, and which of them take requests. The kinds
//! are those of the provider, which says what each means.

use std::collections::BTreeMap;
use std::time::Duration;

use mlfn_core::{Digest, Failure, Memory, file_mark};
use mlfn_shim_contract::{CONFIG_FILE, Route, ShimConfig};
use serde_json::{Value as Json, json};

use super::record::{Record, Thing, file, number};
use crate::emulator::LATEST;
use crate::emulator::wiring::{
    Alias, Api, ApiRoute, Asynchronous, Cors, FunctionWiring, Revision, Tokens, Url, Variable,
    Wiring,
};
use crate::packages::Packages;
use crate::platform::{ACCOUNT, REGION, arn};

const FUNCTION: &str = "aws:function";
const VERSION: &str = "aws:function-version";
const ALIAS: &str = "aws:alias";
const API: &str = "aws:http-api";
const LAYER: &str = "aws:layer";

/// What a version remembers of the layer that it was published with, which may go before it does.
const LAYER_CONTENT: &str = "layer_content";

/// Seconds that a function may take, MB that it has, and MB of `/tmp`, if nobody said: Lambda's
/// own defaults.
const TIMEOUT: u32 = 3;
const MEMORY: u32 = 128;
const SCRATCH: u32 = 512;

/// The longest that an HTTP API waits for a function, in milliseconds.
const API_TIMEOUT: u32 = 30_000;

fn region(record: &Record) -> &str {
    record.region.as_deref().unwrap_or(REGION)
}

/// The name with what only the cloud knows, if that is in `region`.
pub(crate) fn full_name(region: Option<&str>, name: &str) -> String {
    name.replace("{region}", region.unwrap_or(REGION))
        .replace("{account}", ACCOUNT)
}

/// A name as AWS makes them up, which is always the same for the same thing.
fn made_up(thing: &Thing, length: usize) -> String {
    let digest = Digest::of(format!("{} {}", thing.kind, thing.name).as_bytes());
    digest.as_str().chars().take(length).collect()
}

/// What others may refer to; `kind` is without `aws:`.
pub(super) fn outputs(record: &Record, kind: &str, thing: &Thing) -> Vec<(&'static str, Json)> {
    let region = region(record);
    let name = full_name(record.region.as_deref(), &thing.name);
    let of =
        |service: &str, rest: &str| json!(format!("arn:aws:{service}:{region}:{ACCOUNT}:{rest}"));
    match kind {
        "role" => vec![("arn", json!(format!("arn:aws:iam::{ACCOUNT}:role/{name}")))],
        "log-group" => {
            vec![
                ("arn", of("logs", &format!("log-group:{name}"))),
                ("name", json!(name)),
            ]
        }
        "deployment-bucket" => {
            vec![
                ("arn", json!(format!("arn:aws:s3:::{name}"))),
                ("name", json!(name)),
            ]
        }
        "code-object" => code_object(&name),
        "layer" => vec![("arn", of("lambda", &layer_name(thing)))],
        "function" | "alias" => vec![("arn", json!(arn(Some(region), &name)))],
        "function-version" => {
            vec![(
                "version",
                json!(thing.number.unwrap_or_default().to_string()),
            )]
        }
        "function-url" => {
            let function = name.split(':').next().unwrap_or_default();
            vec![(
                "url",
                json!(format!("{}/lambda-url/{function}/", record.url())),
            )]
        }
        "http-api" => {
            let id = made_up(thing, 10);
            let execution = of("execute-api", &id);
            vec![
                ("id", json!(id)),
                ("execution_arn", execution),
                ("url", json!(record.url())),
            ]
        }
        "http-integration" | "http-authorizer" => vec![("id", json!(made_up(thing, 7)))],
        "schedule-group" => vec![("arn", of("scheduler", &format!("schedule-group/{name}")))],
        "queue" => {
            let url = format!("{}/{ACCOUNT}/{name}", record.url());
            vec![("arn", of("sqs", &name)), ("url", json!(url))]
        }
        "topic" => vec![("arn", of("sns", &name))],
        "bucket" => {
            vec![
                ("account", json!(ACCOUNT)),
                ("arn", json!(format!("arn:aws:s3:::{name}"))),
            ]
        }
        "kinesis-stream" => vec![("arn", of("kinesis", &format!("stream/{name}")))],
        "dynamodb-stream" => vec![("arn", table_stream(&name, &of))],
        "parameter" => {
            let name = name.trim_start_matches('/');
            vec![("arn", of("ssm", &format!("parameter/{name}")))]
        }
        "secret" => {
            let end = made_up(thing, 6);
            vec![("arn", of("secretsmanager", &format!("secret:{name}-{end}")))]
        }
        _ => Vec::new(),
    }
}

/// `layer:<name>:<number>`.
fn layer_name(layer: &Thing) -> String {
    let (name, _) = layer.name.split_once('@').unwrap_or((&layer.name, ""));
    format!("layer:{name}:{}", layer.number.unwrap_or_default())
}

/// What is in the layer of a function.
fn layer_content(record: &Record, fields: &BTreeMap<String, Json>) -> Option<Digest> {
    let arn = fields.get("layers")?.get(0)?.as_str()?;
    let mut layers = record.of_kind(LAYER);
    let layer = layers.find(|layer| arn.ends_with(&format!(":{}", layer_name(layer))))?;
    file(&layer.fields, "content")
}

fn code_object(name: &str) -> Vec<(&'static str, Json)> {
    let (bucket, key) = name.split_once('/').unwrap_or((name, ""));
    vec![("bucket", json!(bucket)), ("key", json!(key))]
}

/// Whether it is a file of a model, and no package:
/// `<bucket>/<service>/<stage>/<function>/model/<digest>/<name>`.
pub(crate) fn is_of_a_model(kind: &str, name: &str) -> bool {
    kind == "aws:code-object" && name.split('/').nth(4) == Some("model")
}

/// The files of models, by bucket and key.
pub(crate) fn models(record: &Record) -> impl Iterator<Item = ((String, String), Digest)> {
    let objects = record.of_kind("aws:code-object");
    let models = objects.filter(|thing| is_of_a_model(&thing.kind, &thing.name));
    models.filter_map(|thing| {
        let name = full_name(record.region.as_deref(), &thing.name);
        let (bucket, key) = name.split_once('/')?;
        let digest = file(&thing.fields, "file")?;
        Some(((bucket.to_owned(), key.to_owned()), digest))
    })
}

/// The ARNs of what is told what became of asynchronous requests, as far as it is of `service`.
pub(crate) fn destinations<'a>(
    record: &'a Record,
    service: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let all = record.of_kind("aws:event-invoke-config");
    let arns = all.flat_map(|thing| ["on_success", "on_failure"].map(|field| thing.text(field)));
    let arns = arns.flatten();
    let of_service = arns.filter(move |arn| arn.split(':').nth(2) == Some(service));
    of_service.map(str::to_owned)
}

/// Named by the table's name or ARN.
fn table_stream(name: &str, of: &dyn Fn(&str, &str) -> Json) -> Json {
    const ENABLED: &str = "stream/2025-01-01T00:00:00.000";
    if name.starts_with("arn:") {
        return json!(format!("{name}/{ENABLED}"));
    }
    of("dynamodb", &format!("table/{name}/{ENABLED}"))
}

/// The kind and name of what a thing lives in and vanishes with.
pub(super) fn parent(thing: &Thing) -> Option<(&str, &str)> {
    let name = thing.name.as_str();
    let before = |end: char| name.split_once(end).map(|(before, _)| before);
    match thing.kind.strip_prefix("aws:")? {
        "function-version" => Some((FUNCTION, before('@')?)),
        "alias" => Some((FUNCTION, before(':')?)),
        "provisioned-concurrency" | "function-url" | "event-invoke-config" => Some((ALIAS, name)),
        "permission" => Some((ALIAS, before('/')?)),
        "http-integration" | "http-authorizer" | "http-route" | "http-stage" => {
            Some((API, before('/')?))
        }
        "schedule" => Some(("aws:schedule-group", before('/')?)),
        "subscription" if !name.starts_with("arn:") => Some(("aws:topic", before('/')?)),
        "bucket-notification" => Some(("aws:bucket", before('/')?)),
        _ => None,
    }
}

/// Refuses what AWS would refuse, and numbers versions.
pub(super) fn admit(record: &mut Record, thing: &mut Thing) -> Result<(), Failure> {
    if let Some((kind, name)) = parent(thing) {
        let found = record.find(kind, name);
        let found = found.ok_or_else(|| Failure::NotFound {
            what: name.to_owned(),
        })?;
        // Kinds without tags of their own have their owner by what they are in.
        thing.tags = found.tags.clone();
    }
    match thing.kind.as_str() {
        VERSION => publish(record, thing),
        LAYER => {
            let (name, _) = thing.name.split_once('@').unwrap_or((&thing.name, ""));
            thing.number = Some(record.count(&format!("{LAYER} {name}")));
            Ok(())
        }
        ALIAS => points_to_something(record, thing),
        _ => Ok(()),
    }
}

/// `PublishVersion`.
fn publish(record: &mut Record, thing: &mut Thing) -> Result<(), Failure> {
    let (function, _) = thing.name.split_once('@').unwrap_or((&thing.name, ""));
    let function = function.to_owned();
    let Some(latest) = record.find(FUNCTION, &function) else {
        return Err(Failure::NotFound { what: function });
    };
    let (wanted, found) = (file(&thing.fields, "code"), file(&latest.fields, "code"));
    if wanted != found {
        let why = format!("`{function}` has other code by now than the one to publish");
        return Err(Failure::Conflict { why });
    }
    let mut fields = latest.fields.clone();
    let layer = layer_content(record, &fields).map(|digest| file_mark(&digest));
    fields.extend(layer.map(|mark| (LAYER_CONTENT.to_owned(), mark)));
    thing.snapshot = Some(fields);
    thing.number = Some(record.count(&format!("{FUNCTION} {function}")));
    Ok(())
}

/// For an alias that is made or changed.
pub(crate) fn points_to_something(record: &Record, alias: &Thing) -> Result<(), Failure> {
    if alias.kind != ALIAS {
        return Ok(());
    }
    let function = alias.name.split(':').next().unwrap_or_default();
    let alias = pointer(alias);
    let sound = |weight: &f64| (0.0..=1.0).contains(weight);
    if alias.weights.len() > 1 || !alias.weights.values().all(sound) {
        let why = "an alias shares its requests between two versions, by a weight from 0 to 1";
        return Err(Failure::Rejected {
            why: why.to_owned(),
        });
    }
    let exists = |wanted: &String| versions(record, function).any(|(number, _)| number == *wanted);
    let wanted = std::iter::once(&alias.version).chain(alias.weights.keys());
    match wanted.into_iter().find(|version| !exists(version)) {
        None => Ok(()),
        Some(version) => Err(Failure::NotFound {
            what: format!("{function}:{version}"),
        }),
    }
}

/// A version that an alias points to stays.
pub(super) fn dismiss(record: &Record, thing: &Thing) -> Result<(), Failure> {
    let (Some((FUNCTION, function)), VERSION) = (parent(thing), thing.kind.as_str()) else {
        return Ok(());
    };
    let number = thing.number.unwrap_or_default().to_string();
    let user = aliases(record, function)
        .find(|(_, alias)| alias.version == number || alias.weights.contains_key(&number));
    match user {
        Some((alias, _)) => Err(Failure::Conflict {
            why: format!("the alias `{alias}` of `{function}` points to version {number}"),
        }),
        None => Ok(()),
    }
}

/// The versions of a function, by number.
fn versions<'a>(
    record: &'a Record,
    function: &'a str,
) -> impl Iterator<Item = (String, &'a Thing)> {
    let all = record.of_kind(VERSION);
    let ours = all.filter(move |thing| parent(thing) == Some((FUNCTION, function)));
    ours.map(|thing| (thing.number.unwrap_or_default().to_string(), thing))
}

/// The aliases of a function, with what they point to.
fn aliases<'a>(record: &'a Record, function: &'a str) -> impl Iterator<Item = (&'a str, Alias)> {
    let all = record.of_kind(ALIAS);
    all.filter_map(move |thing| {
        let (of, alias) = thing.name.split_once(':')?;
        (of == function).then(|| (alias, pointer(thing)))
    })
}

/// What an alias points to. `routing` is what `RoutingConfig` has in `AdditionalVersionWeights`.
fn pointer(alias: &Thing) -> Alias {
    let weights = alias.fields.get("routing").cloned().unwrap_or_default();
    Alias {
        version: alias.text("version").unwrap_or_default().to_owned(),
        weights: serde_json::from_value(weights).unwrap_or_default(),
    }
}

/// What of it takes requests.
pub(super) fn wire(record: &Record, packages: &Packages) -> Wiring {
    let wirer = Wirer { record, packages };
    let functions = record.of_kind(FUNCTION);
    let functions = functions.map(|thing| (thing.name.clone(), wirer.function(thing)));
    Wiring {
        platform: record.platform,
        region: record.region.clone(),
        functions: functions.collect(),
        urls: record.of_kind("aws:function-url").map(url).collect(),
        apis: record.of_kind(API).map(|api| wirer.api(api)).collect(),
    }
}

struct Wirer<'a> {
    record: &'a Record,
    packages: &'a Packages,
}

impl Wirer<'_> {
    fn function(&self, thing: &Thing) -> FunctionWiring {
        let name = thing.name.as_str();
        let latest = self.revision(&thing.fields, thing.modified);
        let latest = latest.map(|revision| (LATEST.to_owned(), revision));
        let versions = versions(self.record, name).filter_map(|(number, version)| {
            let revision = self.revision(version.snapshot.as_ref()?, version.modified)?;
            Some((number, revision))
        });
        let aliases: BTreeMap<String, Alias> = aliases(self.record, name)
            .map(|(name, alias)| (name.to_owned(), alias))
            .collect();
        FunctionWiring {
            revisions: latest.into_iter().chain(versions).collect(),
            reserved: thing.number_of("reserved_concurrency"),
            asynchronous: self.asynchronous(name),
            warm: self.warm(name, &aliases),
            aliases,
            tags: thing.tags.clone(),
        }
    }

    fn asynchronous(&self, function: &str) -> BTreeMap<String, Asynchronous> {
        let all = self.record.of_kind("aws:event-invoke-config");
        let ours = all.filter_map(|thing| {
            let (of, alias) = thing.name.split_once(':')?;
            (of == function).then(|| (alias.to_owned(), asynchronous(thing)))
        });
        ours.collect()
    }

    fn warm(&self, function: &str, aliases: &BTreeMap<String, Alias>) -> BTreeMap<String, u32> {
        let all = self.record.of_kind("aws:provisioned-concurrency");
        let ours = all.filter_map(|thing| {
            let (of, alias) = thing.name.split_once(':')?;
            let alias = aliases.get(alias).filter(|_| of == function)?;
            Some((alias.version.clone(), thing.number_of("instances")?))
        });
        ours.collect()
    }

    /// None without its package, which is only so when somebody removed it by hand.
    fn revision(&self, fields: &BTreeMap<String, Json>, modified: u64) -> Option<Revision> {
        let digest = file(fields, "code")?;
        let root = self.packages.path(&digest);
        if !root.is_dir() {
            return None;
        }
        let seconds = number(fields, "timeout").unwrap_or(TIMEOUT);
        let layer = file(fields, LAYER_CONTENT).or_else(|| layer_content(self.record, fields));
        Some(Revision {
            bytes: self
                .record
                .packages
                .get(&digest)
                .copied()
                .unwrap_or_default(),
            routes: routes(&root),
            label: None,
            digest,
            root,
            layers: layer.map(|digest| self.packages.path(&digest)),
            memory: Memory::mib(number(fields, "memory").unwrap_or(MEMORY)),
            timeout: Duration::from_secs(seconds.into()),
            scratch: Memory::mib(number(fields, "ephemeral_storage").unwrap_or(SCRATCH)),
            environment: environment(fields),
            seats: 1,
            instances: None,
            facts: facts(fields),
            modified,
        })
    }

    fn api(&self, api: &Thing) -> Api {
        let inside = |kind| {
            let all = self.record.of_kind(kind);
            all.filter(|thing| parent(thing) == Some((API, api.name.as_str())))
        };
        // Without a stage, it answers nothing.
        let is_deployed = inside("aws:http-stage").next().is_some();
        let routes = inside("aws:http-route")
            .filter(|_| is_deployed)
            .filter_map(|route| {
                let integration = route.text("integration")?;
                let integration = inside("aws:http-integration")
                    .find(|thing| made_up(thing, 7) == integration)?;
                let authorizer = route.text("authorizer");
                let authorizer = authorizer.and_then(|id| {
                    inside("aws:http-authorizer").find(|thing| made_up(thing, 7) == id)
                });
                api_route(route, integration, authorizer)
            });
        Api {
            id: made_up(api, 10),
            routes: routes.collect(),
            cors: cors(api),
        }
    }
}

fn api_route(route: &Thing, integration: &Thing, authorizer: Option<&Thing>) -> Option<ApiRoute> {
    let (_, key) = route.name.split_once('/')?;
    // arn:aws:lambda:<region>:<account>:function:<name>:<alias>
    let callee: Vec<&str> = integration.text("function")?.split(':').collect();
    let milliseconds = integration.number_of("timeout_ms").unwrap_or(API_TIMEOUT);
    Some(ApiRoute {
        key: key.to_owned(),
        function: (*callee.get(6)?).to_owned(),
        qualifier: callee.get(7).map(|alias| (*alias).to_owned()),
        timeout: Duration::from_millis(milliseconds.into()),
        tokens: authorizer.map(tokens),
    })
}

fn tokens(authorizer: &Thing) -> Tokens {
    let audience = authorizer
        .fields
        .get("audience")
        .cloned()
        .unwrap_or_default();
    Tokens {
        issuer: authorizer.text("issuer").unwrap_or_default().to_owned(),
        audience: serde_json::from_value(audience).unwrap_or_default(),
    }
}

fn asynchronous(thing: &Thing) -> Asynchronous {
    let usual = Asynchronous::default();
    let age = thing.number_of("max_age");
    Asynchronous {
        tries: thing
            .number_of("max_retries")
            .map_or(usual.tries, |retries| retries + 1),
        max_age: age.map_or(usual.max_age, |age| Duration::from_secs(age.into())),
        on_success: thing.text("on_success").map(str::to_owned),
        on_failure: thing.text("on_failure").map(str::to_owned),
    }
}

fn url(thing: &Thing) -> Url {
    let (function, alias) = thing.name.split_once(':').unwrap_or((&thing.name, LATEST));
    Url {
        function: function.to_owned(),
        qualifier: Some(alias.to_owned()),
        cors: cors(thing),
    }
}

fn cors(thing: &Thing) -> Option<Cors> {
    let cors = thing.fields.get("cors").filter(|cors| !cors.is_null())?;
    serde_json::from_value(cors.clone()).ok()
}

/// The paths that the package says that it answers.
pub(super) fn routes(root: &std::path::Path) -> Vec<Route> {
    let config = fs_err::read(root.join(CONFIG_FILE)).unwrap_or_default();
    let config = serde_json::from_slice::<ShimConfig>(&config);
    config.map(|config| config.routes).unwrap_or_default()
}

/// The variables; a secret is `{"$secret": name}`.
pub(super) fn environment(fields: &BTreeMap<String, Json>) -> BTreeMap<String, Variable> {
    let Some(Json::Object(entries)) = fields.get("environment") else {
        return BTreeMap::new();
    };
    let variables = entries.iter().map(|(name, value)| {
        let value = match (value, value.get("$secret").and_then(Json::as_str)) {
            (_, Some(secret)) => Variable::Secret(secret.to_owned()),
            (Json::String(text), None) => Variable::Plain(text.clone()),
            (other, None) => Variable::Plain(other.to_string()),
        };
        (name.clone(), value)
    });
    variables.collect()
}

/// What the API says about a function besides.
fn facts(fields: &BTreeMap<String, Json>) -> BTreeMap<String, Json> {
    let given = |field: &str| fields.get(field).filter(|value| !value.is_null()).cloned();
    let mut facts = BTreeMap::new();
    for (fact, field) in [
        ("Runtime", "runtime"),
        ("Handler", "handler"),
        ("Role", "role"),
    ] {
        facts.extend(given(field).map(|value| (fact.to_owned(), value)));
    }
    let architectures = given("architecture").map(|one| json!([one]));
    let layers = given("layers").and_then(|layers| serde_json::from_value(layers).ok());
    let layers =
        layers.map(|layers: Vec<String>| layers.iter().map(|arn| json!({ "Arn": arn })).collect());
    facts.extend(layers.map(|value| ("Layers".to_owned(), value)));
    facts.extend(architectures.map(|value| ("Architectures".to_owned(), value)));
    let logging = given("log_group").map(|group| json!({"LogFormat": "Text", "LogGroup": group}));
    facts.extend(logging.map(|value| ("LoggingConfig".to_owned(), value)));
    facts
}
