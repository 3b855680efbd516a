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
    serve_package(Unpacked::from(&Project::copy_of("iris"), ProviderName::Gcp))
}

fn serve_package(package: Unpacked) -> (Server, Unpacked) {
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
        json!([true, true, true, true, true, true]),
        "{said}"
    );
    assert_eq!(said["packed"], 500);
    assert_eq!(said["codings"], json!([true, true]), "{said}");
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

/// A model that answers values of a type as they are, and its package.
fn identity(kind: &str) -> Unpacked {
    let models = repository().join("runtime-shim/tests/models");
    let model = fs_err::read(models.join(format!("identity_{kind}.onnx"))).expect("reads");
    let manifest = "mlfn: 1\nservice: types\nprovider: gcp\nmodels: { same: model.onnx }\n";
    let project = Project::empty()
        .with_file("serverless.yaml", manifest)
        .with_file("model.onnx", model);
    Unpacked::from(&project, ProviderName::Gcp)
}

#[track_caller]
fn check_type(kind: &str, datatype: &str, ways: usize) {
    let (server, package) = serve_package(identity(kind));
    let config = fs_err::read(package.root().join("mlfn.json")).expect("reads");
    let config: Json = serde_json::from_slice(&config).expect("is JSON");
    let version = config["model_sha256"].as_str().expect("has a version");
    let script = repository().join("tests/it/support/inference_types.py");
    let mut command = Packages::Inference.command();
    command.arg(script);
    command.args([&server.port.to_string(), "same", version, datatype]);
    let said: Json = serde_json::from_str(&output(&mut command)).expect("prints JSON");
    assert_eq!(said["ways"], json!(vec![true; ways]), "{kind}: {said}");
    for question in ["empty", "version", "ready", "parameters"] {
        assert_eq!(said[question], true, "{kind}, {question}: {said}");
    }
    let tensor = json!({ "name": "x", "datatype": datatype, "shape": [-1, -1] });
    assert_eq!(said["metadata"], json!([tensor]), "{kind}");
    let refusal = said["other_version"].as_str().expect("is refused");
    assert!(refusal.contains("its version is"), "{refusal}");
    server.stop();
}

#[test]
fn values_of_every_kind_survive_triton_s_client() {
    check_type("bool", "BOOL", 4);
    check_type("uint8", "UINT8", 4);
    check_type("int64", "INT64", 4);
    check_type("float16", "FP16", 1);
    check_type("float64", "FP64", 4);
    check_type("string", "BYTES", 4);
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
