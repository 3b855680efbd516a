//! What holds for the resources of all cases.

use std::collections::{BTreeMap, BTreeSet};

use mlfn_aws::{Aws, kinds};
use mlfn_core::{KindSpec, Lower as _, Resource, ResourceId};
use serde_json::Value as Json;

use crate::cases::{self, Case};
use crate::golden::shown;

#[track_caller]
fn for_all(check: impl Fn(&Case, &[Resource])) {
    for case in cases::all() {
        check(&case, &case.resources());
    }
}

fn spec(resource: &Resource) -> &'static KindSpec {
    let spec = Aws
        .kinds()
        .iter()
        .find(|spec| spec.kind == resource.id.kind());
    spec.unwrap_or_else(|| panic!("`{}` is of no kind", resource.id))
}

#[test]
fn names_are_unique_here_and_in_the_cloud() {
    for_all(|case, resources| {
        let ids: BTreeSet<&ResourceId> = resources.iter().map(|r| &r.id).collect();
        let remote: BTreeSet<(&str, &str)> = resources
            .iter()
            .map(|r| (r.id.kind(), r.remote_name.as_str()))
            .collect();
        assert_eq!(
            (ids.len(), remote.len()),
            (resources.len(), resources.len()),
            "{}",
            case.name
        );
    });
}

#[test]
fn names_are_read_as_they_are_written() {
    for_all(|case, resources| {
        for resource in resources {
            assert_eq!(
                resource.id.to_string().parse(),
                Ok(resource.id.clone()),
                "{}",
                case.name
            );
        }
    });
}

#[test]
fn every_field_is_one_of_its_kind() {
    for_all(|case, resources| {
        for resource in resources {
            let spec = spec(resource);
            let known = |field: &&String| spec.field(field).is_none();
            let unknown: Vec<&String> = resource.fields.keys().filter(known).collect();
            assert!(
                unknown.is_empty(),
                "{}: {}: {unknown:?}",
                case.name,
                resource.id
            );
        }
    });
}

#[test]
fn every_kind_and_field_is_used_by_a_case() {
    let mut used = BTreeSet::new();
    for case in cases::all() {
        for resource in case.resources() {
            let kind = resource.id.kind().to_owned();
            used.extend(
                resource
                    .fields
                    .keys()
                    .map(|field| format!("{kind} {field}")),
            );
            used.insert(kind);
        }
    }
    let field = |spec: &'static KindSpec| {
        let fields = spec.fields.iter();
        fields.map(|field| format!("{} {}", spec.kind, field.name))
    };
    let known = Aws
        .kinds()
        .iter()
        .flat_map(|spec| field(spec).chain([spec.kind.to_owned()]));
    assert_eq!(used, known.collect());
}

#[test]
fn every_reference_is_to_an_output_of_a_resource_that_is_there() {
    let outputs: BTreeMap<&str, &[&str]> = kinds::OUTPUTS.iter().copied().collect();
    for_all(|case, resources| {
        let ids: BTreeSet<&ResourceId> = resources.iter().map(|r| &r.id).collect();
        for resource in resources {
            for other in resource.dependencies() {
                assert!(
                    ids.contains(&other),
                    "{}: {} needs {other}",
                    case.name,
                    resource.id
                );
            }
            for value in resource.fields.values() {
                value.for_each_reference(&mut |from, output| {
                    let known = outputs
                        .get(from.kind())
                        .is_some_and(|all| all.contains(&output));
                    assert!(known, "{}: {from} tells no `{output}`", case.name);
                });
            }
        }
    });
}

#[test]
fn nothing_needs_itself() {
    for_all(|case, resources| {
        let mut left: BTreeMap<ResourceId, BTreeSet<ResourceId>> = resources
            .iter()
            .map(|r| (r.id.clone(), r.dependencies()))
            .collect();
        while !left.is_empty() {
            let free = |needs: &BTreeSet<ResourceId>| needs.iter().all(|id| !left.contains_key(id));
            let next: BTreeSet<ResourceId> = left
                .iter()
                .filter(|(_, needs)| free(needs))
                .map(|(id, _)| id.clone())
                .collect();
            assert!(
                !next.is_empty(),
                "{}: {:?} need each other",
                case.name,
                left.keys()
            );
            left.retain(|id, _| !next.contains(id));
        }
    });
}

#[test]
fn the_same_service_gives_the_same_bytes() {
    for_all(|case, resources| {
        let bytes = |resources: &[Resource]| serde_json::to_string(resources).expect("writes");
        assert_eq!(bytes(resources), bytes(&case.resources()), "{}", case.name);
    });
}

#[test]
fn what_has_tags_gets_those_of_the_user() {
    for_all(|case, resources| {
        for resource in resources {
            let expected = spec(resource).field("tags").is_some() && !case.service.tags.is_empty();
            assert_eq!(
                resource.fields.contains_key("tags"),
                expected,
                "{}: {}",
                case.name,
                resource.id
            );
        }
    });
}

/// The statements of the policies of all roles.
fn statements(resources: &[Resource]) -> Vec<Json> {
    let policies = resources
        .iter()
        .filter_map(|resource| resource.fields.get("policy"));
    let statements = policies.map(|policy| shown(policy)["Statement"].take());
    let statements =
        statements.flat_map(|statements| statements.as_array().cloned().expect("an array"));
    statements.collect()
}

#[test]
fn no_role_may_touch_everything() {
    for_all(|case, resources| {
        for statement in statements(resources) {
            for action in texts(&statement["Action"]) {
                assert!(!action.contains('*'), "{}: {action}", case.name);
            }
            for resource in texts(&statement["Resource"]) {
                assert!(is_one_thing(&resource), "{}: {resource}", case.name);
            }
        }
    });
}

/// An ARN, or a pattern for what is in the one thing that is referred to: `${..}/*`.
fn is_one_thing(resource: &str) -> bool {
    let reference = resource
        .strip_prefix("${")
        .and_then(|rest| rest.split_once('}'));
    match reference {
        Some((_, pattern)) => pattern.is_empty() || pattern.starts_with(['/', ':']),
        None => resource.starts_with("arn:") && !resource.contains('*'),
    }
}

#[test]
fn statements_have_names_of_letters_and_no_doubles() {
    for_all(|case, resources| {
        for resource in resources.iter().filter(|r| r.fields.contains_key("policy")) {
            let statements = statements(std::slice::from_ref(resource));
            let names: BTreeSet<&str> = statements
                .iter()
                .filter_map(|s| s["Sid"].as_str())
                .collect();
            assert_eq!(
                names.len(),
                statements.len(),
                "{}: {}",
                case.name,
                resource.id
            );
            let letters = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(names.iter().all(letters), "{}: {names:?}", case.name);
        }
    });
}

fn texts(json: &Json) -> Vec<String> {
    let texts = json.as_array().expect("an array").iter();
    texts
        .map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn everything_that_calls_a_function_calls_its_alias() {
    for_all(|case, resources| {
        let not_alias = |from: &ResourceId| from.kind() == kinds::FUNCTION.kind;
        for resource in resources {
            for value in resource.fields.values() {
                value.for_each_reference(&mut |from, _| {
                    assert!(
                        !not_alias(from),
                        "{}: {} calls {from}",
                        case.name,
                        resource.id
                    );
                });
            }
        }
    });
}
