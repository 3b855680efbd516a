//! What only a process shows: exit codes, variables, streams and signals.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use crate::mlfn;

#[track_caller]
fn run(words: &str, variables: &[(&str, &str)]) -> Output {
    let home = tempfile::tempdir().expect("creates");
    let mut command = mlfn(&home, words);
    command
        .envs(variables.iter().copied())
        .output()
        .expect("starts")
}

#[track_caller]
fn check(words: &str, variables: &[(&str, &str)], code: i32, in_stdout: &str, in_stderr: &str) {
    let output = run(words, variables);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    assert!(stdout.contains(in_stdout), "{stdout}");
    assert!(stderr.contains(in_stderr), "{stderr}");
    assert_eq!(in_stdout.is_empty(), stdout.is_empty(), "{stdout}");
    assert_eq!(in_stderr.is_empty(), stderr.is_empty(), "{stderr}");
}

#[test]
fn help_and_version_are_results() {
    check("--help", &[], 0, "Usage: mlfn", "");
    check("invoke --help", &[], 0, "--local", "");
    check("--version", &[], 0, "mlfn 0.", "");
    check("version", &[], 0, "mlfn 0.", "");
    check("version --json", &[], 0, "\"onnxruntime\": \"1.", "");
}

#[test]
fn a_wrong_command_line_is_not_a_plan_with_changes() {
    check("", &[], 64, "", "Usage: mlfn");
    check("validte", &[], 64, "", "'validate'");
    check("version --what", &[], 64, "", "--what");
    check(
        "validate --provider ibm",
        &[],
        64,
        "",
        "`aws`, `azure`, `gcp` or `local`",
    );
    check("deploy --as ibm", &[], 64, "", "`aws`, `azure` or `gcp`");
    check("remove", &[], 64, "", "--yes");
}

#[test]
fn a_missing_folder_is_a_failure() {
    check(
        "version -C nowhere",
        &[],
        1,
        "",
        "error: cannot go to the folder `nowhere`",
    );
}

#[test]
fn variables_stand_for_flags_and_flags_win() {
    check("version", &[("MLFN_JSON", "1")], 0, "\"mlfn\"", "");
    check("version", &[("MLFN_JSON", "0")], 0, "mlfn 0.", "");
    check(
        "version",
        &[("MLFN_STAGE", "Prod")],
        64,
        "",
        "the stage `Prod`",
    );
    check(
        "version -s dev",
        &[("MLFN_STAGE", "Prod")],
        0,
        "mlfn 0.",
        "",
    );
}

#[test]
fn the_users_file_is_read_and_loses_against_variables() {
    let home = tempfile::tempdir().expect("creates");
    let folder = home.path().join(".config/mlfn");
    fs_err::create_dir_all(&folder).expect("creates");
    fs_err::write(folder.join("config.yaml"), "stage: Prod\n").expect("writes");
    let of_file = mlfn(&home, "version").output().expect("starts");
    assert_eq!(of_file.status.code(), Some(64));
    let of_variable = mlfn(&home, "version")
        .env("MLFN_STAGE", "dev")
        .output()
        .expect("starts");
    assert_eq!(of_variable.status.code(), Some(0));
}

#[test]
fn colours_are_only_for_those_who_want_them() {
    check("version -C nowhere", &[], 1, "", "error: cannot");
    check(
        "version -C nowhere",
        &[("FORCE_COLOR", "1")],
        1,
        "",
        "\u{1b}[",
    );
    let both = [("FORCE_COLOR", "1"), ("NO_COLOR", "1")];
    check("version -C nowhere", &both, 1, "", "error: cannot");
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let home = tempfile::tempdir().expect("creates");
    let mut command = mlfn(&home, "completion zsh");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn limits_of_the_cloud_are_told_with_the_mistakes_of_the_manifest() {
    #[track_caller]
    fn check(model: &str, expected: &[&str]) {
        let home = tempfile::tempdir().expect("creates");
        let manifest = format!("mlfn: 1\nservice: a\nmodels: {{ b: {{ {model} }} }}\n");
        fs_err::write(home.path().join("serverless.yaml"), manifest).expect("writes");
        let output = mlfn(&home, "validate --json").output().expect("starts");
        assert_eq!(output.status.code(), Some(3));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("is JSON");
        let found = found["diagnostics"].as_array().expect("a list").iter();
        let places: Vec<&str> = found
            .map(|one| one["path"].as_str().expect("text"))
            .collect();
        for place in expected {
            assert!(places.contains(place), "{model}: {places:?}");
        }
    }
    let (memory, timeout) = ("models.b.memory", "models.b.timeout");
    check("path: b.onnx, memory: 99GB", &[memory]);
    check(
        "path: b.onnx, memory: 99GB, timeout: soon",
        &[timeout, memory],
    );
    check(
        "path: b.onnx, timeout: 2h, memory: much",
        &[memory, timeout],
    );
}

#[test]
fn ctrl_c_ends_with_130() {
    let home = tempfile::tempdir().expect("creates");
    let manifest = "mlfn: 1\nservice: a\nmodels: { b: b.onnx }\n";
    fs_err::write(home.path().join("serverless.yaml"), manifest).expect("writes");
    let mut command = mlfn(&home, "invoke --local --verbose");
    // Nobody writes to this pipe, so that the command waits for its request.
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("is piped"));
    let mut line = String::new();
    while !line.contains("reading the request") {
        line.clear();
        assert_ne!(
            stderr.read_line(&mut line).expect("reads"),
            0,
            "it ended before it read"
        );
    }
    let id = child.id().to_string();
    let killed = Command::new("kill")
        .args(["-INT", &id])
        .status()
        .expect("starts");
    assert!(killed.success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("reads");
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{rest}");
}
