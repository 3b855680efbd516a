//! What happens before the first request.

use std::net::TcpListener;
use std::path::Path;

use serde_json::Value as Json;

use crate::support::{Package, Shim};

/// How a shim ends that cannot start, and the last line of its log.
#[track_caller]
fn check_refusal(variables: &[(&str, &str)], expected: &[&str]) {
    let binary = Path::new(env!("CARGO_BIN_EXE_mlfn-shim"));
    let (status, log) = Shim::start(binary, variables).ended();
    assert_eq!(status.code(), Some(1), "{log:#?}");
    let last = log.last().expect("a line");
    assert_eq!(last["level"], "error");
    let message = last["message"].as_str().expect("a message");
    for part in expected {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn without_a_platform_it_names_all_of_them() {
    let names = [
        "AWS_LAMBDA_RUNTIME_API",
        "FUNCTIONS_CUSTOMHANDLER_PORT",
        "PORT",
    ];
    check_refusal(&[], &names);
}

#[test]
fn a_port_must_be_one() {
    let expected = ["PORT is `http`, which is not a port"];
    check_refusal(&[("PORT", "http")], &expected);
    check_refusal(&[("PORT", "70000")], &["PORT is `70000`"]);
    let name = "FUNCTIONS_CUSTOMHANDLER_PORT";
    check_refusal(&[(name, "-1")], &["FUNCTIONS_CUSTOMHANDLER_PORT is `-1`"]);
}

#[test]
fn the_address_must_be_one() {
    let expected = ["MLFN_HOST is `localhost`, which is not an IP address"];
    check_refusal(&[("PORT", "0"), ("MLFN_HOST", "localhost")], &expected);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("an address");
    let port = address.port().to_string();
    let package = Package::of("scalar");
    let (status, log) = Shim::with(&package, &[("PORT", &port)]).ended();
    assert_eq!(status.code(), Some(1));
    let expected = format!("cannot listen on {address}: Address already in use");
    // The model may be loaded a moment later.
    let is_it = |line: &Json| line["message"].to_string().contains(&expected);
    assert!(log.iter().any(is_it), "{log:?}");
}

#[test]
fn without_a_package_it_says_where_it_looked() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("text");
    let expected = ["no mlfn.json in", root, "MLFN_ROOT"];
    check_refusal(&[("PORT", "0"), ("MLFN_ROOT", root)], &expected);
}

#[test]
fn a_configuration_of_another_time_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("text");
    let variables = [("PORT", "0"), ("MLFN_ROOT", root)];
    for (text, expected) in [
        (
            r#"{"format": 999, "new": true}"#,
            "has the format 999, this shim reads 1",
        ),
        (r#"{"format": 1}"#, "is not a configuration of this shim"),
        ("{", "is not a configuration of this shim"),
        ("", "is not a configuration of this shim"),
    ] {
        fs_err::write(folder.path().join("mlfn.json"), text).expect("a file");
        check_refusal(&variables, &[expected, "mlfn.json", "package again"]);
    }
}

#[test]
fn the_package_is_found_beside_the_binary_or_where_the_platform_says() {
    let folder = Package::of("scalar").write();
    let binary = folder.path().join("bootstrap");
    fs_err::copy(env!("CARGO_BIN_EXE_mlfn-shim"), &binary).expect("a copy");
    Shim::start(&binary, &[("PORT", "0")]).wait_for("model loaded");
    // A platform's folder without a package does not hide the one beside the binary.
    let elsewhere = ("LAMBDA_TASK_ROOT", "/nonexistent");
    Shim::start(&binary, &[("PORT", "0"), elsewhere]).wait_for("model loaded");
    let root = folder.path().to_str().expect("text");
    let shim = Path::new(env!("CARGO_BIN_EXE_mlfn-shim"));
    for name in ["MLFN_ROOT", "LAMBDA_TASK_ROOT", "FUNCTIONS_APP_ROOT_PATH"] {
        Shim::start(shim, &[("PORT", "0"), (name, root)]).wait_for("model loaded");
    }
}

#[test]
fn the_command_line_refuses_libraries_that_the_shim_cannot_use() {
    assert_eq!(mlfn_onnxruntime::OLDEST, (1, ort::sys::ORT_API_VERSION));
}

#[test]
fn threads_follow_the_share_of_the_processor() {
    let package = Package::of("scalar");
    let small = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512");
    let mut shim = Shim::with(&package, &[("PORT", "0"), small]);
    assert_eq!(shim.wait_for("model loaded")["threads"], 1);
}

#[test]
fn the_phases_of_a_start_are_told_on_demand() {
    let package = Package::of("scalar");
    let mut shim = Shim::serving(&package, &[("PORT", "0"), ("MLFN_TRACE_COLD", "1")]);
    shim.prediction(r#"{"x": 1}"#);
    let line = shim.wait_for("cold start");
    let until = line["until_ms"].as_object().expect("an object");
    let all = [
        "process",
        "configuration",
        "read_ahead",
        "library",
        "environment",
        "platform",
        "session",
        "first_request",
        "first_run",
        "first_answer",
    ];
    let mut last = 0.0;
    for phase in all {
        let milliseconds = until[phase].as_f64().expect("a number");
        // The platform gets ready, and hears of requests, beside the session.
        assert!(milliseconds > 0.0, "{line}");
        if !["platform", "first_request"].contains(&phase) {
            assert!(milliseconds >= last, "{line}");
            last = milliseconds;
        }
    }
    assert_eq!(until.len(), all.len(), "{line}");
}

#[test]
fn how_long_a_model_took_is_told_although_it_was_loaded_before_anybody_asked() {
    let mut packages = vec![Package::of("classifier_int")];
    if cfg!(feature = "tract") {
        packages.push(Package::of("classifier_int").tract());
    }
    for package in packages {
        let mut shim = Shim::serving(&package, &[("PORT", "0"), ("MLFN_TRACE_COLD", "1")]);
        shim.prediction(r#"{"features": [1, 2]}"#);
        let line = shim.wait_for("model loaded");
        let took = line["duration_ms"].as_f64().expect("a number");
        let line = shim.wait_for("cold start");
        let session = line["until_ms"]["session"].as_f64().expect("a number");
        // Nobody reads a model and prepares it in 50 us; to find one that is there takes 1 us.
        assert!((0.05..session).contains(&took), "{took} {line}");
    }
}

#[test]
fn the_level_of_the_log_can_be_chosen() {
    let quiet = [("PORT", "0"), ("MLFN_LOG", "error")];
    let package = Package::of("broken");
    let mut shim = Shim::with(&package, &quiet);
    // Nothing comes before the first error.
    let line = shim.wait_for("");
    assert_eq!(line["level"], "error", "{line}");
    assert!(shim.stopped().iter().all(|line| line["level"] == "error"));
}
