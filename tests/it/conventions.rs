//! What the command line promises to scripts and terminals.

use std::process::Command;

use mlfn_core::{Digest, ProviderName};
use mlfn_testkit::python::{self, output};
use serde_json::Value as Json;

use crate::support::mlfn::{Output, Project};
use crate::support::place::repository;

#[test]
fn with_json_short_verbs_write_one_document_to_stdout() {
    let project = Project::copy_of("iris");
    for words in [
        &["validate", "--json"][..],
        &["inspect", "--json", "model.onnx"],
        &["doctor", "--json"],
        &["version", "--json"],
        &["schema", "--json"],
        &["invoke", "--local", "--json"],
    ] {
        let output = project.mlfn(words).run().success();
        assert!(output.json().is_object(), "{output}");
    }
}

/// What long verbs write with `--json`: a document in each line, the first about the form.
#[track_caller]
fn json_lines(output: &Output) -> Vec<Json> {
    let parse = |line| serde_json::from_str(line);
    let lines: Result<Vec<Json>, _> = output.stdout.lines().map(parse).collect();
    let lines = lines.unwrap_or_else(|error| panic!("{error}: {output}"));
    assert_eq!(lines[0]["type"], "version", "{output}");
    lines
}

#[test]
fn an_invalid_manifest_is_told_in_json_too() {
    let project = Project::copy_of("iris").with_file("serverless.yaml", "mlfn: 1\nmodells: {}\n");
    let validate = project.mlfn(["validate", "--json"]).run().code(3);
    let from_validate = validate.json()["diagnostics"].clone();
    let package = project.mlfn(["package", "--json"]).run().code(3);
    let from_package = &json_lines(&package)[1..];
    for diagnostics in [
        from_validate.as_array().expect("is a list").as_slice(),
        from_package,
    ] {
        let codes: Vec<_> = diagnostics
            .iter()
            .map(|diagnostic| &diagnostic["code"])
            .collect();
        assert_eq!(codes, ["missing-key", "unknown-key"]);
    }
}

#[test]
fn the_package_report_counts_every_byte() {
    let project = Project::copy_of("iris");
    for platform in ProviderName::ALL {
        let words = ["package", "--json", "--platform", platform.as_str()];
        let output = project.mlfn(words).run().success();
        let lines = json_lines(&output);
        let artifact = lines.iter().find(|line| line["type"] == "artifact");
        let artifact = artifact.expect("has an artifact");
        let path = artifact["path"].as_str().expect("has a path");
        let bytes = fs_err::read(project.folder().join(path)).expect("is there");
        assert_eq!(artifact["packed"], bytes.len(), "{artifact}");
        assert_eq!(
            artifact["digest"],
            Digest::of(&bytes).as_str(),
            "{artifact}"
        );
        let parts = artifact["parts"].as_array().expect("has parts");
        let unpacked: u64 = parts
            .iter()
            .filter_map(|part| part["unpacked"].as_u64())
            .sum();
        assert_eq!(artifact["unpacked"], unpacked, "{artifact}");
    }
}

#[test]
fn nothing_but_the_answer_is_on_stdout() {
    let project = Project::copy_of("iris");
    for more in [&["--verbose"][..], &["--log"], &["--quiet"], &[]] {
        let words = [&["invoke", "--local"], more].concat();
        let output = project.mlfn(words).run().success();
        assert_eq!(output.json()["prediction"]["label"], "setosa", "{output}");
        assert_eq!(output.stdout.lines().count(), 1, "{output}");
    }
}

#[tokio::test]
async fn an_interrupted_run_ends_with_130() {
    let project = Project::copy_of("iris");
    let mlfn = project.mlfn(["invoke", "--local", "--verbose", "--path", "-"]);
    assert_eq!(
        mlfn.interrupt_at("reading the request from stdin").await,
        Some(130)
    );
}

#[test]
fn completion_scripts_are_accepted_by_their_shell() {
    let project = Project::empty();
    let script = project.mlfn(["completion", "bash"]).run().success().stdout;
    let file = project.folder().join("completion.bash");
    fs_err::write(&file, script).expect("writes");
    output(Command::new("bash").arg("-n").arg(file));
}

/// What a run at a terminal writes. Python's pseudo-terminal is the terminal.
fn at_a_terminal(project: &Project, environment: &[(&str, &str)]) -> String {
    let script = repository().join("tests/it/support/terminal.py");
    let mut command = Command::new(python::interpreter());
    command
        .arg(script)
        .args([env!("CARGO_BIN_EXE_mlfn-under-test"), "validate"])
        .current_dir(project.folder())
        .env_clear()
        .env("HOME", project.home())
        .env("TERM", "xterm-256color")
        .envs(environment.iter().copied());
    output(&mut command)
}

#[test]
fn colours_are_for_terminals_of_people_who_want_them() {
    const ESCAPE: char = '\u{1b}';
    let project = Project::empty().with_file("serverless.yaml", "mlfn: 1\nmodells: {}\n");
    assert!(at_a_terminal(&project, &[]).contains(ESCAPE));
    for variable in [("NO_COLOR", "1"), ("MLFN_NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = at_a_terminal(&project, &[variable]);
        assert!(
            text.contains("modells") && !text.contains(ESCAPE),
            "{variable:?}: {text}"
        );
    }
    let output = project.mlfn(["validate"]).run().code(3);
    assert!(!output.stderr.contains(ESCAPE), "{output}");
}
