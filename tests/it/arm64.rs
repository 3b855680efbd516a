//! Packages for Lambda on arm64, whatever machine they are made on. That needs a shim for it; in its
//! place stands a program of AWS's that is for arm64 and comes in a wheel.

use std::path::PathBuf;

use mlfn_core::Digest;
use mlfn_testkit::python::{self, Packages};

use crate::support::mlfn::{Mlfn, Project};
use crate::support::unpacked::{Unpacked, archive_in};

/// Of ONNX Runtime's library in the wheel for Linux on arm64.
const LIBRARY: &str = "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467";

/// "Machine" in the head of ELF files: that of arm64.
const AARCH64: [u8; 2] = [183, 0];

fn project() -> Project {
    let project = Project::copy_of("iris");
    let path = project.folder().join("serverless.yaml");
    let manifest = fs_err::read_to_string(path).expect("reads");
    let memory = "    memory: 512MB\n";
    assert!(manifest.contains(memory), "{manifest}");
    let arm64 = format!("{memory}    architecture: arm64\n");
    let manifest = manifest.replace(memory, &arm64);
    project.with_file("serverless.yaml", manifest)
}

/// AWS's Runtime Interface Emulator for a processor.
fn program(processor: &str) -> PathBuf {
    let name = format!("samcli/local/rapid/aws-lambda-rie-{processor}");
    Packages::SamEvents.folder().join(name)
}

fn package(project: &Project, shim: Option<PathBuf>) -> Mlfn {
    let mut words = vec!["package".to_owned(), "--output=out".to_owned()];
    words.extend(shim.map(|shim| format!("--shim={}", shim.display())));
    let mlfn = project.mlfn(words);
    mlfn.env("PIP_FIND_LINKS", python::wheels_for("aarch64"))
}

#[test]
fn a_package_for_arm64_has_nothing_of_another_processor_in_it() {
    let project = project();
    package(&project, Some(program("arm64"))).run().success();
    let package = Unpacked::of(&archive_in(&project.folder().join("out"), "zip"));
    for path in ["bootstrap", "lib/libonnxruntime.so"] {
        let bytes = fs_err::read(package.root().join(path)).expect("reads");
        assert_eq!(&bytes[..4], b"\x7fELF", "{path}");
        assert_eq!(bytes[18..20], AARCH64, "{path}");
        if path.starts_with("lib/") {
            assert_eq!(Digest::of(&bytes).to_string(), LIBRARY);
        }
    }
    assert_eq!(package.entry("bootstrap").mode & 0o111, 0o111);
}

#[test]
fn a_shim_for_another_processor_is_refused() {
    let project = project();
    let refused = package(&project, Some(program("x86_64"))).run().code(1);
    refused
        .stderr_has("bootstrap: It is for x86_64; Amazon Linux 2023 is arm64.")
        .stderr_has("take one for arm64");
}

/// What `mlfn doctor` says about shims for arm64: how it is, what, and what to do.
fn doctor(words: &[&str]) -> (String, String, String) {
    let words = [&["doctor", "--json"], words].concat();
    let told = project().mlfn(words).run().json();
    let checks = told["checks"].as_array().expect("is a list");
    let text =
        |check: &serde_json::Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let mut shims = checks.iter().filter(|check| check["name"] == "shim");
    // After those for this machine's processor.
    let check = shims.next_back().expect("there is one");
    (
        text(check, "state"),
        text(check, "message"),
        text(check, "help"),
    )
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_doctor_says_whether_there_is_a_shim_for_arm64_and_how_to_get_one() {
    let (state, message, help) = doctor(&[]);
    let none = "none for arm64, which only `architecture: arm64` needs";
    assert_eq!((state.as_str(), message.as_str()), ("ok", none));
    assert!(
        help.contains("--target aarch64-unknown-linux-gnu"),
        "{help}"
    );
    let shim = format!("--shim={}", program("arm64").display());
    let (state, message, _) = doctor(&[&shim]);
    let (state, message) = (state.as_str(), message.as_str());
    assert_eq!(
        (state, message),
        ("ok", "runs on aws (Amazon Linux 2023, arm64)")
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn without_a_shim_for_arm64_it_is_said_how_to_get_one() {
    let mut refused = package(&project(), None).run().code(1);
    for part in [
        "this mlfn carries a shim for x86_64-unknown-linux-gnu, and the function runs on Linux arm64",
        "rustup target add aarch64-unknown-linux-gnu",
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc",
        "--target aarch64-unknown-linux-gnu",
        "--shim target/aarch64-unknown-linux-gnu/shim/mlfn-shim",
    ] {
        refused = refused.stderr_has(part);
    }
}
