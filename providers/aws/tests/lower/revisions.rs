//! When a new version is published.

use mlfn_aws::{Aws, kinds};
use mlfn_core::{Artifact, Digest, EnvironmentValue, Layer, Lower as _, Memory, Service};
use mlfn_testkit::{service, trigger};
use serde_json::json;

use crate::cases::artifacts;

/// The remote name of the version, which is made anew when that changes.
fn version(service: &Service, artifacts: &[Artifact]) -> String {
    let resources = Aws.lower(service, artifacts);
    let version = resources
        .into_iter()
        .find(|r| r.id.kind() == kinds::FUNCTION_VERSION.kind);
    version.expect("a version").remote_name
}

/// Whether a change of the service or its package publishes a version.
#[track_caller]
fn check(what: &str, change: impl FnOnce(&mut Service, &mut Artifact), publishes: bool) {
    let mut service = service(mlfn_core::ProviderName::Aws, |_| ());
    let mut packages = artifacts(&service, "direct zip");
    let before = version(&service, &packages);
    change(&mut service, &mut packages[0]);
    assert_eq!(version(&service, &packages) != before, publishes, "{what}");
}

#[test]
fn only_what_a_version_holds_publishes_one() {
    check("nothing", |_, _| (), false);
    check(
        "code",
        |_, package| package.digest = Digest::of(b"new"),
        true,
    );
    check(
        "memory",
        |s, _| s.functions[0].memory = Memory::mib(1024),
        true,
    );
    let layer = |content: &[u8]| Layer {
        path: "layer.zip".into(),
        digest: Digest::of(content),
        packed: 1,
        unpacked: 1,
    };
    check(
        "a layer",
        |_, package| package.layer = Some(layer(b"one")),
        true,
    );
    let variable = EnvironmentValue::Plain("fast".into());
    let set = |s: &mut Service| s.functions[0].environment.insert("MODE".into(), variable);
    check("a variable", |s, _| drop(set(s)), true);
    let output = trigger("queue", json!({"output": "results"}));
    check(
        "an output",
        |s, _| s.functions[0].triggers.push(output),
        true,
    );
    let http = trigger("http", json!({}));
    check(
        "a trigger",
        |s, _| s.functions[0].triggers.push(http),
        false,
    );
    check(
        "tags",
        |s, _| drop(s.tags.insert("team".into(), "a".into())),
        false,
    );
    let reserve = |s: &mut Service| s.functions[0].aws.reserved_concurrency = Some(3);
    check("concurrency", |s, _| reserve(s), false);
    check(
        "where the package is",
        |_, package| package.path = "/tmp/other.zip".into(),
        false,
    );
}

#[test]
fn another_library_in_a_layer_publishes_a_version() {
    let service = service(mlfn_core::ProviderName::Aws, |s| {
        s.functions[0].aws.layers = true;
    });
    let mut packages = artifacts(&service, "direct zip");
    let before = version(&service, &packages);
    packages[0].layer.as_mut().expect("a layer").digest = Digest::of(b"another");
    assert_ne!(version(&service, &packages), before);
}

#[test]
fn the_way_to_the_cloud_publishes_nothing() {
    let service = service(mlfn_core::ProviderName::Aws, |_| ());
    let [direct, bucket] = ["direct zip", "bucket"].map(|route| artifacts(&service, route));
    assert_eq!(version(&service, &direct), version(&service, &bucket));
}
