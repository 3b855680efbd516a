//! What a function answers by HTTP, in the hands of others: Triton's client, `NumPy`, and schemathesis,
//! which sends what the function's own `OpenAPI` document allows and what it does not.

use mlfn_core::ProviderName;
use mlfn_testkit::python::{Packages, output};
use mlfn_testkit::servers::{Ready, Server};
use serde_json::{Value as Json, json};

use crate::support::golden::Golden;
use crate::support::mlfn::Project;
use crate::support::place::{repository, temporary};
use crate::support::unpacked::Unpacked;

const INFER: &str = "/v2/models/classifier/infer";

/// The package that any container runs.
fn serve() -> (Server, Unpacked) {
    let package = Unpacked::from(&Project::copy_of("iris"), ProviderName::Gcp);
    let root = package.root();
    let program = root.join("bootstrap");
    let server = Server::start(program, Ready::Listening, |command, [port]: [u16; 1]| {
        command
            .env_clear()
            .env("PORT", port.to_string())
            .env("MLFN_HOST", "127.0.0.1");
    });
    (server, package)
}

/// What Triton's client and `NumPy` say of one row of iris.
fn clients_say(port: u16, features: &Json) -> Json {
    let mut command = Packages::Inference.command();
    command
        .arg(repository().join("tests/it/support/inference_client.py"))
        .args([
            &port.to_string(),
            "classifier",
            "X",
            &json!([features]).to_string(),
        ]);
    serde_json::from_str(&output(&mut command)).expect("prints JSON")
}

#[test]
fn tritons_client_and_numpy_get_the_predictions_of_scikit_learn() {
    let (server, _package) = serve();
    let golden = Golden::of("iris");
    let case = golden
        .cases
        .iter()
        .find(|case| case.request["features"][0].is_number());
    let case = case.expect("has a single sample");
    let said = clients_say(server.port, &case.request["features"]);
    for question in ["live", "ready", "model_ready"] {
        assert_eq!(said[question], true, "{question}: {said}");
    }
    assert_eq!(said["other_ready"], false);
    assert_eq!(said["extensions"], json!(["binary_tensor_data"]));
    assert_eq!(
        said["inputs"],
        json!([{ "name": "X", "datatype": "FP32", "shape": [-1, 4] }])
    );
    assert_eq!(
        said["equal"],
        json!([true, true, true, true, true]),
        "{said}"
    );
    assert_eq!(said["packed"], 500);
    let expected = case.response["prediction"]["probabilities"].as_object();
    let expected = expected.expect("has probabilities").values();
    let found = said["outputs"][1][0].as_array().expect("has a row");
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let [found, expected] = [found, expected].map(|number| number.as_f64().expect("numbers"));
        assert!(
            (found - expected).abs() < golden.tolerance,
            "{found} {expected}"
        );
    }
    arrays_are_answered(&said);
    for (question, expected) in [
        ("wrong_shape", "has the shape [1, 3]"),
        ("wrong_model", "other"),
    ] {
        let message = said[question].as_str().expect("is refused");
        assert!(message.contains(expected), "{message}");
    }
    server.stop();
}

#[track_caller]
fn arrays_are_answered(said: &Json) {
    assert!(said["npy"]["prediction"][0]["label"].is_string(), "{said}");
    assert_eq!(said["npy"], said["octets"]);
    let arrays = said["npz"].as_object().expect("has arrays by name");
    let arrays: Vec<&Json> = arrays.values().collect();
    let outputs = said["outputs"].as_array().expect("has outputs");
    assert_eq!(arrays, outputs.iter().collect::<Vec<_>>());
}

/// Panics with what schemathesis found.
#[track_caller]
fn check_document(port: u16, words: &[&str]) {
    let folder = temporary();
    let mut command = Packages::Inference.command();
    command
        .current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "run", "--no-color", "--seed", "1"])
        .args([
            "--max-examples",
            "100",
            "--checks",
            "all",
            "--warnings",
            "off",
        ])
        .args(words)
        .arg(format!("http://127.0.0.1:{port}/openapi.json"));
    let report = output(&mut command);
    assert!(report.contains("No issues found"), "{report}");
}

#[test]
fn the_openapi_document_is_what_the_function_does() {
    let (server, _package) = serve();
    check_document(server.port, &["--exclude-path", INFER]);
    // How many values belong to a shape is more than a schema can say.
    let infer = [
        "--include-path",
        INFER,
        "--exclude-checks",
        "positive_data_acceptance",
    ];
    check_document(server.port, &infer);
    server.stop();
}
