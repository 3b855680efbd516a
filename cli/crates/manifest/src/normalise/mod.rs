//! What is written -> what is meant: defaults filled in, short forms expanded, texts turned into
//! the types of the vocabulary. What cannot be turned is reported, one function a section.

mod asynchronous;
mod cron;
mod http;
mod models;
mod options;
mod traffic;
mod triggers;
mod values;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use mlfn_core::{
    Architecture, BucketUrl, EnvironmentValue, FieldPath, Function, Memory, ModelEngine,
    ProviderName, Seconds, ServiceName, StageName, Traffic,
};

use crate::LoadOptions;
use crate::problems::{Code, Problem, Problems};
use crate::schema::v1;

const NOT_LOCAL: Code = Code::new("imitation-not-local", "nothing that could imitate a cloud");
const BAD_REGION: Code = Code::new("invalid-region", "not a region");
const BAD_STATE: Code = Code::new("invalid-state", "not a place for state");
const BAD_TAG: Code = Code::new("invalid-tag", "a tag that not every cloud accepts");

/// Clouds take 50 or more; the rest is for those that mlfn adds.
const MAX_TAGS: usize = 40;

/// The longest key or value: that of Google's labels.
const MAX_TAG: usize = 63;

/// A service of which some parts may be missing, because they are wrong.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: Option<ServiceName>,
    pub(crate) provider: ProviderName,
    /// Whether the manifest says that this machine stands for that cloud.
    pub(crate) local: bool,
    pub(crate) region: Option<String>,
    /// The bucket that the state lies in, if it does.
    pub(crate) state: Option<BucketUrl>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) functions: Vec<Located>,
}

/// A function, and where it and each of its triggers stand.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) at: FieldPath,
    pub(crate) function: Function,
    pub(crate) triggers: Vec<FieldPath>,
}

/// What holds for every model that does not say otherwise.
#[derive(Debug, Default)]
struct Defaults {
    memory: Option<Memory>,
    timeout: Option<Seconds>,
    architecture: Option<Architecture>,
    engine: Option<ModelEngine>,
    environment: BTreeMap<String, EnvironmentValue>,
    traffic: Option<Traffic>,
}

/// Everything of the manifest that makes sense.
pub(crate) fn normalise(
    written: &v1::Manifest,
    options: &LoadOptions<'_>,
    problems: &mut Problems,
) -> Draft {
    let root = FieldPath::root();
    let name = written.service.as_deref();
    let name = name.and_then(|name| problems.take(values::name(name, &root.key("service"))));
    let place = place(written.provider.as_ref(), options, problems);
    let state = state(written.state.as_deref(), &root, problems);
    let tags = tags(written.tags.as_ref(), problems);
    let defaults = v1::Stage {
        state: None,
        params: None,
        memory: written.memory.clone(),
        timeout: written.timeout.clone(),
        architecture: written.architecture,
        engine: written.engine,
        environment: written.environment.clone(),
        traffic: written.traffic.clone(),
    };
    let defaults = self::defaults(&defaults, &root, problems);
    stages(written.stages.as_ref(), problems);
    let models = written.models.iter().flatten();
    let functions =
        models.filter_map(|(name, model)| models::function(name, model, &defaults, problems));
    Draft {
        name,
        provider: place.provider,
        local: place.local,
        region: place.region,
        state,
        tags,
        functions: functions.collect(),
    }
}

/// Where a service runs.
struct Place {
    provider: ProviderName,
    local: bool,
    region: Option<String>,
}

/// The cloud and the region. A region belongs to the cloud that it is written beside: when the
/// command line chooses another cloud, the manifest's region does not hold.
fn place(
    written: Option<&v1::Provider>,
    options: &LoadOptions<'_>,
    problems: &mut Problems,
) -> Place {
    let at = FieldPath::root().key("provider");
    let (name, imitated, region) = match written {
        None => (None, None, None),
        Some(v1::Provider::Name(name)) => (Some(*name), None, None),
        Some(v1::Provider::Long(long)) => (long.name, long.imitate, long.region.clone()),
    };
    let local = matches!(name, Some(v1::ProviderName::Local));
    if imitated.is_some() && !local {
        let detail = "a cloud is imitated by your own machine only".to_owned();
        let problem = NOT_LOCAL.error(&at.key("as"), detail);
        problems.push(problem.help("write `name: local` beside it, or remove it"));
    }
    let written = match (name, imitated) {
        (Some(v1::ProviderName::Azure), _)
        | (Some(v1::ProviderName::Local), Some(v1::CloudName::Azure)) => ProviderName::Azure,
        (Some(v1::ProviderName::Gcp), _)
        | (Some(v1::ProviderName::Local), Some(v1::CloudName::Gcp)) => ProviderName::Gcp,
        _ => ProviderName::Aws,
    };
    let provider = options.provider.unwrap_or(written);
    let region = options
        .region
        .clone()
        .or(region.filter(|_| provider == written));
    if let Some(region) = &region {
        check_region(region, &at.key("region"), problems);
    }
    Place {
        provider,
        local,
        region,
    }
}

/// All three clouds write regions in lower case without spaces; which ones there are, only the
/// cloud knows.
fn check_region(region: &str, at: &FieldPath, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.starts_with(|c: char| c.is_ascii_lowercase()) && region.chars().all(allowed) {
        return;
    }
    let detail = format!("`{region}` contains what no name of a region has");
    let problem = BAD_REGION.error(at, detail);
    problems.push(
        problem.help("write it as the cloud's tools do: `eu-west-1`, `westeurope`, `europe-west1`"),
    );
}

/// A bucket; whether it is there, only its cloud knows.
fn state(written: Option<&str>, at: &FieldPath, problems: &mut Problems) -> Option<BucketUrl> {
    let url = written?.parse::<BucketUrl>();
    let url = url.map_err(|error| {
        let problem = BAD_STATE.error(&at.key("state"), error.to_string());
        problem.help(error.help())
    });
    problems.take(url)
}

fn tags(
    written: Option<&IndexMap<String, v1::Scalar>>,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let at = FieldPath::root().key("tags");
    let written = written.into_iter().flatten();
    let tags: BTreeMap<_, _> = written
        .map(|(key, value)| (key.clone(), value.0.clone()))
        .collect();
    if tags.len() > MAX_TAGS {
        let detail = format!(
            "there are {} tags, and at most {MAX_TAGS} are allowed",
            tags.len()
        );
        problems.push(BAD_TAG.error(&at, detail));
    }
    for (key, value) in &tags {
        check_tag(key, value, &at.key(key), problems);
    }
    tags
}

fn check_tag(key: &str, value: &str, at: &FieldPath, problems: &mut Problems) {
    let lower = key.to_ascii_lowercase();
    let reserved = ["mlfn", "aws:", "azure", "microsoft", "windows", "goog"];
    if let Some(prefix) = reserved
        .into_iter()
        .find(|prefix| lower.starts_with(prefix))
    {
        let detail = format!("keys that start with `{prefix}` are reserved");
        let problem = BAD_TAG.error(at, detail).help("choose another key");
        problems.push(Problem::of_key(problem));
    }
    let too_long = |text: &str| text.chars().count() > MAX_TAG;
    if key.is_empty() || too_long(key) {
        let detail = format!(
            "a key has 1 to {MAX_TAG} characters, and this one {}",
            key.chars().count()
        );
        problems.push(Problem::of_key(BAD_TAG.error(at, detail)));
    }
    if too_long(value) {
        let detail = format!(
            "a value has at most {MAX_TAG} characters, and this one {}",
            value.chars().count()
        );
        problems.push(BAD_TAG.error(at, detail));
    }
}

fn defaults(written: &v1::Stage, at: &FieldPath, problems: &mut Problems) -> Defaults {
    Defaults {
        memory: values::memory(written.memory.as_ref(), &at.key("memory"), problems),
        timeout: values::seconds(written.timeout.as_ref(), &at.key("timeout"), problems),
        architecture: written.architecture.map(values::architecture),
        engine: written.engine.map(values::engine),
        environment: values::environment(
            written.environment.as_ref(),
            &at.key("environment"),
            problems,
        ),
        traffic: written
            .traffic
            .as_ref()
            .and_then(|written| traffic::traffic(written, &at.key("traffic"), problems)),
    }
}

/// The stages that are not chosen are looked at as well: mistakes should not wait for the day on
/// which somebody deploys to production.
fn stages(written: Option<&IndexMap<String, Option<v1::Stage>>>, problems: &mut Problems) {
    let stages = FieldPath::root().key("stages");
    for (name, stage) in written.into_iter().flatten() {
        let at = stages.key(name);
        let _: Option<StageName> = problems.take(values::name(name, &at).map_err(Problem::of_key));
        if let Some(stage) = stage {
            state(stage.state.as_deref(), &at, problems);
            defaults(stage, &at, problems);
        }
    }
}
