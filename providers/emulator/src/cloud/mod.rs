//! The imitated clouds: what there is ([`record`]), what that tells others and how it hangs
//! together ([`aws`], [`plain`]), and what of it takes requests ([`wiring`](crate::emulator)).

pub(crate) mod aws;
pub(crate) mod plain;
pub(crate) mod record;

use std::collections::BTreeMap;

use mlfn_core::{Failure, ProviderName};
use serde_json::Value as Json;

use self::record::{Record, Thing};
use crate::emulator::wiring::Wiring;
use crate::packages::Packages;

/// What others may refer to.
pub(crate) fn outputs(record: &Record, thing: &Thing) -> BTreeMap<String, Json> {
    let outputs = match thing.kind.strip_prefix("aws:") {
        Some(kind) => aws::outputs(record, kind, thing),
        None => plain::outputs(record, thing),
    };
    let outputs = outputs.into_iter();
    outputs
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The cloud's own name for it.
pub(crate) fn remote_id(record: &Record, thing: &Thing) -> String {
    let outputs = outputs(record, thing);
    let arn = outputs.get("arn").and_then(Json::as_str);
    arn.map_or_else(
        || aws::full_name(record.region.as_deref(), &thing.name),
        str::to_owned,
    )
}

/// Refuses what the cloud would refuse, and gives numbers to what has numbers.
pub(crate) fn admit(record: &mut Record, thing: &mut Thing) -> Result<(), Failure> {
    if thing.kind.starts_with("aws:") {
        aws::admit(record, thing)?;
    }
    Ok(())
}

/// Refuses to remove what something else needs.
pub(crate) fn dismiss(record: &Record, thing: &Thing) -> Result<(), Failure> {
    aws::dismiss(record, thing)
}

/// Removes a thing and everything that is in it.
pub(crate) fn remove(record: &mut Record, kind: &str, name: &str) {
    let inside: Vec<(String, String)> = record
        .things
        .values()
        .filter(|thing| aws::parent(thing).is_some_and(|parent| parent == (kind, name)))
        .map(|thing| (thing.kind.clone(), thing.name.clone()))
        .collect();
    record
        .things
        .retain(|_, thing| (thing.kind.as_str(), thing.name.as_str()) != (kind, name));
    for (kind, name) in inside {
        remove(record, &kind, &name);
    }
}

/// What of it takes requests.
pub(crate) fn wire(record: &Record, packages: &Packages) -> Wiring {
    match record.platform {
        ProviderName::Aws => aws::wire(record, packages),
        ProviderName::Azure | ProviderName::Gcp => plain::wire(record, packages),
    }
}
