//! What becomes of requests that nobody waits for.

use mlfn_core::{Destination, Function, Resource, Seconds, Service, Value};

use super::policy::Statement;
use super::{alias, events, is_arn, names, queue};
use crate::kinds;

/// How often a request is tried if nobody says, and how old it may be, in seconds: Lambda's own defaults.
const TRIES: u32 = 3;
const MAX_AGE: u32 = 21_600;

/// The settings of the alias, by which all such requests come.
pub(super) fn resources(service: &Service, function: &Function) -> Option<Resource> {
    let settings = function.asynchronous.as_ref()?;
    let id = names::id(kinds::EVENT_INVOKE_CONFIG, function.name.as_str());
    let arn = |destination: &Option<Destination>| destination.as_ref().map(arn);
    let tries = settings.max_tries.unwrap_or(TRIES);
    let mut resource = Resource::new(id, names::alias(service, function))
        .within(alias(function))
        // Lambda tries whether the role may send there.
        .after(names::id(kinds::ROLE, function.name.as_str()))
        .with("max_retries", tries.saturating_sub(1))
        .with("max_age", settings.max_age.map_or(MAX_AGE, Seconds::get));
    if let Some(to) = arn(&settings.on_success) {
        resource = resource.with("on_success", to);
    }
    if let Some(to) = arn(&settings.on_failure) {
        resource = resource.with("on_failure", to);
    }
    Some(resource)
}

/// What the role must be allowed.
pub(super) fn needs(function: &Function) -> impl Iterator<Item = Statement> {
    destinations(function).map(|destination| match destination {
        Destination::Queue(name) => queue::send(queue::arn(name)),
        Destination::Topic(_) => Statement::new("Publish", &["sns:Publish"], arn(destination)),
    })
}

/// The queues of ours that events go to, by the names of the manifest.
pub(super) fn queues(function: &Function) -> impl Iterator<Item = &str> {
    destinations(function).filter_map(|destination| match destination {
        Destination::Queue(name) if !is_arn(name) => Some(name.as_str()),
        _ => None,
    })
}

/// The topics of ours that events go to, by the names of the manifest.
pub(super) fn topics(function: &Function) -> impl Iterator<Item = &str> {
    destinations(function).filter_map(|destination| match destination {
        Destination::Topic(name) if !is_arn(name) => Some(name.as_str()),
        _ => None,
    })
}

fn destinations(function: &Function) -> impl Iterator<Item = &Destination> {
    let settings = function.asynchronous.iter();
    let both = settings.flat_map(|settings| [&settings.on_success, &settings.on_failure]);
    both.flatten()
}

fn arn(destination: &Destination) -> Value {
    match destination {
        Destination::Queue(name) => queue::arn(name),
        Destination::Topic(name) => events::topic_arn(name),
    }
}
