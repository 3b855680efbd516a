//! The package for Google Cloud under Google's own launcher, the functions-framework of Python.

use std::ffi::OsString;
use std::path::PathBuf;

use mlfn_core::ProviderName;
use mlfn_testkit::python::{self, Packages, output};
use mlfn_testkit::servers::{Ready, Server};
use serde_json::{Value as Json, json};

use crate::support::golden::{Golden, difference};
use crate::support::http::{Answer, post, send};
use crate::support::mlfn::Project;
use crate::support::place::repository;
use crate::support::unpacked::Unpacked;

/// How the shim gets to run before the framework does.
#[derive(Clone, Copy)]
enum Launch {
    /// `PYTHONPATH` leads the interpreter to the package's `sitecustomize.py`.
    EarlyByPath,
    /// The framework imports `main.py`.
    ByMain,
}

/// Starts the container's command as the buildpack of Python functions does.
fn start(package: &Unpacked, launch: Launch) -> Server {
    let root = package.root();
    let mut path = match launch {
        Launch::EarlyByPath => vec![root.to_owned()],
        Launch::ByMain => vec![],
    };
    path.push(Packages::Google.folder().to_owned());
    let program = python::interpreter();
    Server::start(program, Ready::Listening, |command, [port]: [u16; 1]| {
        command
            .arg(Packages::Google.folder().join("bin/functions-framework"))
            .current_dir(root)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("PYTHONPATH", join(&path))
            .env("PORT", port.to_string())
            // For the shim, and for the framework should it not become the shim.
            .env("MLFN_HOST", "127.0.0.1")
            .env("HOST", "127.0.0.1")
            .env("K_SERVICE", "iris-dev-classifier")
            .env("K_REVISION", "iris-dev-classifier-00001-abc")
            .env("FUNCTION_TARGET", "handler")
            .env("FUNCTION_SIGNATURE_TYPE", "http");
    })
}

fn join(path: &[PathBuf]) -> OsString {
    std::env::join_paths(path).expect("is a path")
}

fn iris() -> Unpacked {
    Unpacked::from(&Project::copy_of("iris"), ProviderName::Gcp)
}

#[tokio::test]
async fn predictions_are_those_of_scikit_learn_however_it_is_launched() {
    let package = iris();
    let golden = Golden::of("iris");
    for launch in [Launch::EarlyByPath, Launch::ByMain] {
        let server = start(&package, launch);
        assert_is_shim(&server);
        for case in &golden.cases {
            let answer = post(server.port, "/", &case.request).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let difference = difference(&answer.json(), &case.response, golden.tolerance);
            assert_eq!(difference, None, "{}", case.name);
        }
        let (log, code) = server.stop();
        assert_eq!(code, Some(0), "SIGTERM ends it cleanly\n{log}");
    }
}

/// The interpreter has become the shim: same process, no Python in between.
#[track_caller]
fn assert_is_shim(server: &Server) {
    if cfg!(target_os = "linux") {
        let link = format!("/proc/{}/exe", server.id());
        let program = fs_err::read_link(link).expect("reads");
        assert_eq!(
            program.file_name(),
            Some("bootstrap".as_ref()),
            "{}",
            server.output()
        );
    }
}

#[tokio::test]
async fn a_bad_request_is_a_4xx_and_the_next_one_works() {
    let package = iris();
    let server = start(&package, Launch::EarlyByPath);
    let answer = post(server.port, "/", &json!({ "features": [1, 2, 3] })).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (400, &json!("wrong_shape"))
    );
    let answer = post(
        server.port,
        "/predict",
        &json!({ "features": [5.1, 3.5, 1.4, 0.2] }),
    )
    .await;
    assert_eq!(answer.json()["prediction"]["label"], "setosa");
    server.stop();
}

#[tokio::test]
async fn the_executable_bit_may_get_lost_on_the_way() {
    use std::os::unix::fs::PermissionsExt as _;
    let package = iris();
    let bootstrap = package.root().join("bootstrap");
    let plain = std::fs::Permissions::from_mode(0o644);
    fs_err::set_permissions(bootstrap, plain).expect("sets the mode");
    let server = start(&package, Launch::EarlyByPath);
    let answer = post(
        server.port,
        "/",
        &json!({ "features": [5.1, 3.5, 1.4, 0.2] }),
    )
    .await;
    assert_eq!(answer.json()["prediction"]["label"], "setosa");
    server.stop();
}

/// Events as the `cloudevents` package makes them, in both modes: headers and body of each.
fn cloud_events(data: &Json) -> Vec<(Vec<(String, String)>, String)> {
    let script = repository().join("tests/it/support/cloud_events.py");
    let mut command = Packages::Google.command();
    command.arg(script).arg(data.to_string());
    serde_json::from_str(&output(&mut command)).expect("has this form")
}

async fn send_event(server: &Server, headers: &[(String, String)], body: &str) -> Answer {
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    send(server.port, "POST", "/", &headers, body.to_owned()).await
}

#[tokio::test]
async fn cloud_events_are_answered_in_both_modes() {
    let package = iris();
    let server = start(&package, Launch::EarlyByPath);
    let request = json!({ "features": [5.1, 3.5, 1.4, 0.2] });
    let message = json!({
        "message": {
            "data": "eyJmZWF0dXJlcyI6WzUuMSwzLjUsMS40LDAuMl19",
            "messageId": "1",
            "publishTime": "2026-01-01T00:00:00Z",
        },
        "subscription": "projects/p/subscriptions/s",
    });
    for data in [request, message] {
        for (headers, body) in cloud_events(&data) {
            let answer = send_event(&server, &headers, &body).await;
            assert_eq!(answer.status, 200, "{headers:?} {body}: {}", answer.text());
            assert_eq!(
                answer.json()["prediction"]["label"],
                "setosa",
                "{headers:?} {body}"
            );
        }
    }
    server.stop();
}
