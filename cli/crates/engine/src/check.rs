//! What the engine asks of the resources that a provider lowers to. A breach is a bug of the
//! provider, so the sentences are for its author.

use std::collections::{BTreeMap, BTreeSet};

use mlfn_core::{KindSpec, Resource, ResourceId};

use crate::PlanError;

/// The spec of a kind.
pub(crate) fn spec<'a>(kinds: &'a [KindSpec], id: &ResourceId) -> Option<&'a KindSpec> {
    kinds.iter().find(|spec| spec.kind == id.kind())
}

/// Everything at once.
pub(crate) fn resources(kinds: &[KindSpec], wanted: &[Resource]) -> Result<(), PlanError> {
    let mut problems = names(wanted);
    let ids: BTreeSet<&ResourceId> = wanted.iter().map(|resource| &resource.id).collect();
    for resource in wanted {
        problems.extend(fields(kinds, resource));
        let missing = resource
            .dependencies()
            .into_iter()
            .filter(|id| !ids.contains(id));
        problems.extend(missing.map(|id| {
            format!(
                "`{}` comes after `{id}`, which is not among the resources",
                resource.id
            )
        }));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(PlanError::Provider { problems })
    }
}

/// Two resources with one name would be one thing in the cloud.
fn names(wanted: &[Resource]) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut ids, mut remote) = (BTreeSet::new(), BTreeMap::new());
    for resource in wanted {
        if !ids.insert(&resource.id) {
            problems.push(format!("there are two resources `{}`", resource.id));
        } else if let Some(other) =
            remote.insert((resource.id.kind(), &resource.remote_name), &resource.id)
        {
            let name = &resource.remote_name;
            problems.push(format!(
                "`{other}` and `{}` are both called `{name}`",
                resource.id
            ));
        }
    }
    problems
}

fn fields(kinds: &[KindSpec], resource: &Resource) -> Vec<String> {
    let Some(spec) = spec(kinds, &resource.id) else {
        return vec![format!(
            "`{}` is of a kind that `kinds` does not list",
            resource.id
        )];
    };
    let unknown = resource
        .fields
        .keys()
        .filter(|field| spec.field(field).is_none());
    let id = &resource.id;
    unknown
        .map(|field| format!("`{id}` has a field `{field}` that its kind does not list"))
        .collect()
}
