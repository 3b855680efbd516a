//! Functions, connections and queues as the package and the cloud call them.
//!
//! A package holds one Azure function for each trigger, because that is what Azure calls a
//! function: `classifier-http-0` is the first trigger of the model `classifier`.

use mlfn_core::{Function, Service, Trigger};

/// The function that gives models without an HTTP trigger a door for `mlfn invoke`.
pub fn door(function: &Function) -> String {
    format!("{}-invoke", function.name)
}

/// The function of the trigger at this place in the list.
pub fn folder(function: &Function, index: usize, trigger: &Trigger) -> String {
    format!("{}-{}-{index}", function.name, trigger.kind())
}

/// The app settings that tell where the app's own storage account is.
pub const STORAGE_CONNECTION: &str = "AzureWebJobsStorage";

/// The app settings that tell where the app's own Service Bus namespace is.
pub const SERVICE_BUS_CONNECTION: &str = "AzureWebJobsServiceBus";

/// The app settings that tell where the app's own Event Hubs namespace is.
pub const EVENT_HUBS_CONNECTION: &str = "AzureWebJobsEventHubs";

/// What the manifest names, as a binding says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name in its account or namespace.
    pub name: String,
    /// The app settings that tell where that is.
    pub connection: String,
}

/// What the manifest calls `name`: something of this stage's own behind `connection`, or, if it
/// is a resource id, something that is there behind settings of its own, `<connection><index>`.
pub fn place(service: &Service, name: &str, connection: &str, index: usize) -> Place {
    match resource_name(name) {
        Some(last) => Place {
            name: last.to_owned(),
            connection: format!("{connection}{index}"),
        },
        None => Place {
            name: service.cloud_name(name),
            connection: connection.to_owned(),
        },
    }
}

/// The last part of a resource id; none if `name` is a plain name.
pub fn resource_name(name: &str) -> Option<&str> {
    name.starts_with("/subscriptions/")
        .then(|| name.rsplit('/').next().unwrap_or(name))
}
