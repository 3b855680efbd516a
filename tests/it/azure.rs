//! The package for Azure Functions, as the Functions host reads and runs it.

use mlfn_core::ProviderName;
use mlfn_emulator::{Failure, Outcome};
use serde_json::{Value as Json, json};

use crate::support::mlfn::Project;
use crate::support::unpacked::Unpacked;

fn iris() -> Unpacked {
    Unpacked::from(&Project::copy_of("iris"), ProviderName::Azure)
}

#[track_caller]
fn read_json(package: &Unpacked, path: &str) -> Json {
    let text = fs_err::read(package.root().join(path)).expect("is in the package");
    serde_json::from_slice(&text).expect("is JSON")
}

#[test]
fn the_host_finds_its_files_and_an_executable_handler() {
    let package = iris();
    let host = read_json(&package, "host.json");
    assert_eq!(host["version"], "2.0");
    assert_eq!(host["customHandler"]["enableProxyingHttpRequest"], true);
    let handler = &host["customHandler"]["description"]["defaultExecutablePath"];
    let entry = package.entry(handler.as_str().expect("is a path"));
    assert_eq!(entry.mode, 0o755, "the host starts it");
    assert!(entry.made_on_unix, "else the mode means nothing");
    for entry in &package.entries {
        assert_eq!(
            entry.mode & 0o444,
            0o444,
            "another user must be able to read {entry:?}"
        );
    }
}

#[test]
fn routes_are_those_of_the_manifest_and_of_the_protocol() {
    let package = iris();
    let functions = package
        .entries
        .iter()
        .filter(|entry| entry.path.ends_with("/function.json"));
    let triggers: Vec<Json> = functions
        .map(|entry| read_json(&package, &entry.path)["bindings"][0].clone())
        .filter(|binding| binding["type"] == "httpTrigger")
        .collect();
    let mut routes: Vec<[&Json; 4]> = triggers
        .iter()
        .map(|trigger| ["route", "methods", "direction", "authLevel"].map(|key| &trigger[key]))
        .collect();
    routes.sort_by_key(|[route, ..]| route.to_string());
    let expected = [
        json!(["openapi.json", ["get", "head"], "in", "anonymous"]),
        json!(["predict", ["post"], "in", "anonymous"]),
        json!(["v2/{*path}", ["get", "head", "post"], "in", "anonymous"]),
    ];
    assert_eq!(json!(routes), json!(expected));
}

#[tokio::test]
async fn a_bad_request_is_a_4xx_and_the_next_one_works() {
    let package = iris();
    let function = package.start(ProviderName::Azure, "classifier").await;
    let bad = function
        .invoke(br#"{"features":[1,2,3]}"#)
        .await
        .expect("invokes");
    assert_eq!(bad.outcome, Outcome::FunctionError(Failure::Reported));
    assert_eq!(bad.status, Some(400));
    let good = function
        .invoke(br#"{"features":[5.1,3.5,1.4,0.2]}"#)
        .await
        .expect("invokes");
    assert_eq!(good.status, Some(200));
    let exit = function.stop().await;
    assert_eq!(
        exit.how.to_string(),
        "exit status 0",
        "SIGTERM ends it cleanly: {:?}",
        exit.logs
    );
}

/// The iris model with this trigger and no other.
fn iris_with(trigger: &str) -> Unpacked {
    let manifest = format!(
        "mlfn: 1
service: iris
provider: azure
models:
  classifier:
    path: model.onnx
    output: {{ labels: [setosa, versicolor, virginica] }}
    triggers:
      - {trigger}
"
    );
    let project = Project::copy_of("iris").with_file("serverless.yaml", manifest);
    Unpacked::from(&project, ProviderName::Azure)
}

#[tokio::test]
async fn a_queue_gets_its_prediction_through_the_envelope() {
    let package = iris_with("queue: { name: jobs, output: results }");
    let function = package.start(ProviderName::Azure, "classifier").await;
    let invocation = function
        .invoke(br#"{"features":[5.1,3.5,1.4,0.2]}"#)
        .await
        .expect("invokes");
    let text = String::from_utf8_lossy(&invocation.body);
    assert_eq!(invocation.outcome, Outcome::Success, "{text}");
    assert!(text.contains("setosa"), "{text}");
    function.stop().await;
}

#[tokio::test]
async fn a_timer_predicts_on_the_input_of_its_schedule() {
    let package =
        iris_with("schedule: { every: 5 minutes, input: { features: [6.3, 3.3, 6.0, 2.5] } }");
    // Without its door for `mlfn invoke`, the timer is all there is.
    fs_err::remove_dir_all(package.root().join("classifier-invoke")).expect("is there");
    let function = package.start(ProviderName::Azure, "classifier").await;
    let fired = function.invoke(b"").await.expect("invokes");
    let text = String::from_utf8_lossy(&fired.body);
    assert_eq!(fired.outcome, Outcome::Success, "{text}");
    assert!(text.contains(r#""label":"virginica""#), "{text}");
    function.stop().await;
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_a_5xx_that_says_so() {
    let package = iris();
    fs_err::write(package.root().join("model/model.onnx"), "not a model").expect("writes");
    let function = package.start(ProviderName::Azure, "classifier").await;
    let answer = function
        .invoke(br#"{"features":[5.1,3.5,1.4,0.2]}"#)
        .await
        .expect("invokes");
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.status.is_some_and(|status| status >= 500), "{text}");
    assert!(text.contains("model"), "{text}");
    function.stop().await;
}
