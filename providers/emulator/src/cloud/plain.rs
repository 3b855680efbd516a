//! Azure and Google as far as their functions answer HTTP: one kind of resource, which is the
//! twin's own, until their providers say what a service becomes there.

use std::collections::BTreeMap;
use std::time::Duration;

use mlfn_core::{
    Artifact, EnvironmentValue, FieldSpec, FileRef, Function, GcpEngine, KindSpec, Memory,
    ProviderName, ReplaceOrder, Resource, ResourceId, Service, Value,
};
use serde_json::{Value as Json, json};

use super::aws::{environment, routes};
use super::record::{Record, Thing, file};
use crate::emulator::LATEST;
use crate::emulator::wiring::{FunctionWiring, Revision, Wiring};
use crate::packages::Packages;

/// A function that answers HTTP. `memory` is in MB and `timeout` in seconds; an instance gets
/// `seats` requests at a time, there are `instances` of them at most, and `warm` at least.
const FUNCTION: KindSpec = KindSpec {
    kind: "local:function",
    fields: &[
        FieldSpec::mutable("code"),
        FieldSpec::mutable("environment"),
        FieldSpec::mutable("instances"),
        FieldSpec::mutable("memory"),
        FieldSpec::mutable("seats"),
        FieldSpec::mutable("timeout"),
        FieldSpec::mutable("warm"),
    ],
    replace: ReplaceOrder::DeleteThenCreate,
    volatile: &[],
};

pub(crate) const KINDS: &[KindSpec] = &[FUNCTION];

/// Requests that an instance gets at a time if the manifest does not say: what the Functions host
/// begins with at 2 GB, one for Google's functions, and 80 for services
/// (<https://cloud.google.com/run/docs/about-concurrency>).
const AZURE_SEATS: u32 = 16;
const SERVICE_SEATS: u32 = 80;

/// The size of the disk for temporary files: there is no limit that both clouds share.
const SCRATCH: Memory = Memory::mib(512);

/// The resources of a service on Azure or Google.
pub(crate) fn lower(service: &Service, artifacts: &[Artifact]) -> Vec<Resource> {
    let functions = service.functions.iter().zip(artifacts);
    let mut all: Vec<Resource> = functions
        .map(|(function, artifact)| resource(service, function, artifact))
        .collect();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

fn resource(service: &Service, function: &Function, artifact: &Artifact) -> Resource {
    let name = function.name.as_str();
    let scale = Scale::of(service.provider, function);
    let environment = function.environment.iter().map(|(name, value)| {
        let value = match value {
            EnvironmentValue::Plain(text) => text.as_str().into(),
            EnvironmentValue::Secret(secret) => secret.clone().into(),
        };
        (name.clone(), value)
    });
    let code = FileRef {
        path: artifact.path.to_string_lossy().into_owned(),
        digest: artifact.digest.clone(),
        bytes: artifact.packed,
    };
    let id = ResourceId::new(FUNCTION.kind, name);
    let mut resource = Resource::new(id, service.cloud_name(name))
        .with("code", code)
        .with("environment", Value::Object(environment.collect()))
        .with("memory", function.memory.as_mib())
        .with("timeout", function.timeout.get())
        .with("seats", scale.seats)
        .with("warm", scale.warm);
    if let Some(instances) = scale.instances {
        resource = resource.with("instances", instances);
    }
    resource
}

struct Scale {
    seats: u32,
    warm: u32,
    instances: Option<u32>,
}

impl Scale {
    fn of(provider: ProviderName, function: &Function) -> Self {
        let (azure, gcp) = (&function.azure, &function.gcp);
        if provider == ProviderName::Azure {
            return Self {
                seats: azure.concurrency.unwrap_or(AZURE_SEATS),
                warm: azure.always_ready.unwrap_or_default(),
                instances: azure.max_instances,
            };
        }
        let seats = match gcp.engine {
            GcpEngine::Functions => 1,
            GcpEngine::CloudRun => SERVICE_SEATS,
        };
        Self {
            seats: gcp.concurrency.unwrap_or(seats),
            warm: gcp.min_instances.unwrap_or_default(),
            instances: gcp.max_instances,
        }
    }
}

/// What others may refer to.
pub(super) fn outputs(record: &Record, thing: &Thing) -> Vec<(&'static str, Json)> {
    let path = match record.platform {
        ProviderName::Azure => "api",
        ProviderName::Gcp | ProviderName::Aws => thing.name.as_str(),
    };
    vec![("url", json!(format!("{}/{path}/", record.url())))]
}

/// What of it takes requests.
pub(super) fn wire(record: &Record, packages: &Packages) -> Wiring {
    let functions = record.of_kind(FUNCTION.kind).filter_map(|thing| {
        let revision = revision(record, packages, thing)?;
        let warm = thing.number_of("warm").unwrap_or_default();
        let function = FunctionWiring {
            revisions: [(LATEST.to_owned(), revision)].into(),
            asynchronous: BTreeMap::new(),
            aliases: BTreeMap::new(),
            reserved: None,
            warm: [(LATEST.to_owned(), warm)].into(),
            tags: thing.tags.clone(),
        };
        Some((thing.name.clone(), function))
    });
    Wiring {
        region: record.region.clone(),
        functions: functions.collect(),
        ..Wiring::empty(record.platform)
    }
}

fn revision(record: &Record, packages: &Packages, thing: &Thing) -> Option<Revision> {
    let digest = file(&thing.fields, "code")?;
    let root = packages.path(&digest);
    if !root.is_dir() {
        return None;
    }
    Some(Revision {
        bytes: record.packages.get(&digest).copied().unwrap_or_default(),
        routes: routes(&root),
        label: Some(format!("{}-00001-{}", thing.name, &digest.short()[..3])),
        digest,
        root,
        layers: None,
        memory: Memory::mib(thing.number_of("memory")?),
        timeout: Duration::from_secs(thing.number_of("timeout")?.into()),
        scratch: SCRATCH,
        environment: environment(&thing.fields),
        seats: thing.number_of("seats")?.max(1),
        instances: thing.number_of("instances"),
        facts: BTreeMap::new(),
        modified: thing.modified,
    })
}
