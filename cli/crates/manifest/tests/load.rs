//! What callers of `load` rely on, beyond what is said about manifests.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::{errors_of, load_bytes, load_file, options};
use mlfn_core::{Diagnostic, FieldPath};
use mlfn_manifest::{LoadError, LoadOptions, Loaded, Position, load};
use serde_json::json;

const SMALLEST: &str = "mlfn: 1\nservice: iris\nmodels: { classifier: model.onnx }\n";

/// A folder with these files in it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs_err::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

fn file_name(loaded: &Loaded) -> &str {
    let name = loaded.source.path().file_name().expect("a name");
    name.to_str().expect("text")
}

#[test]
fn the_manifest_is_found_under_three_names() {
    let all = [
        ("serverless.yml", SMALLEST),
        ("serverless.yaml", SMALLEST),
        ("mlfn.yaml", SMALLEST),
    ];
    for (count, expected) in [
        (1, "serverless.yml"),
        (2, "serverless.yaml"),
        (3, "mlfn.yaml"),
    ] {
        let folder = folder(&all[..count]);
        let loaded = load(&options(folder.path())).expect("a manifest");
        assert_eq!(file_name(&loaded), expected);
        assert_eq!(loaded.folder, folder.path());
    }
}

#[test]
fn a_missing_manifest_says_where_it_was_looked_for() {
    let folder = folder(&[]);
    let error = load(&options(folder.path())).expect_err("nothing there");
    let message = error.to_string();
    assert!(
        message.contains("mlfn.yaml, serverless.yaml, serverless.yml"),
        "{message}"
    );
    assert!(
        message.contains(&folder.path().display().to_string()),
        "{message}"
    );
    assert!(error.hint().contains("mlfn init"));
}

#[test]
fn a_missing_file_that_was_asked_for_is_named() {
    let folder = folder(&[("mlfn.yaml", SMALLEST)]);
    let file = Some("other.yaml".into());
    let error = load(&LoadOptions {
        file,
        ..options(folder.path())
    })
    .expect_err("nothing there");
    assert!(matches!(&error, LoadError::NotFound { looked_for, .. } if looked_for == "other.yaml"));
}

#[test]
fn a_folder_is_no_manifest() {
    let folder = folder(&[]);
    fs_err::create_dir_all(folder.path().join("serverless.yaml")).expect("a folder");
    let error = load(&options(folder.path())).expect_err("a folder");
    assert!(matches!(error, LoadError::Unreadable { .. }), "{error}");
    assert!(error.hint().contains("folder"));
}

#[test]
fn a_broken_link_is_not_taken_for_a_missing_manifest() {
    let folder = folder(&[("serverless.yml", SMALLEST)]);
    std::os::unix::fs::symlink("nowhere", folder.path().join("serverless.yaml")).expect("a link");
    let error = load(&options(folder.path())).expect_err("a broken link");
    assert!(matches!(error, LoadError::Unreadable { .. }), "{error}");
}

#[test]
fn a_file_in_another_folder_has_its_paths_there() {
    let folder = folder(&[]);
    fs_err::create_dir_all(folder.path().join("sub")).expect("a folder");
    fs_err::write(folder.path().join("sub/m.yaml"), SMALLEST).expect("a file");
    let file = Some("sub/m.yaml".into());
    let loaded = load(&LoadOptions {
        file,
        ..options(folder.path())
    })
    .expect("a manifest");
    assert_eq!(loaded.folder, folder.path().join("sub"));
}

const STAGES: &str = "\
mlfn: 1
service: iris
timeout: 20s
stages:
  prod:
    memory: 2GB
models:
  short: a.onnx
  long:
    path: b.onnx
    triggers:
      - http: POST /predict
";

#[track_caller]
fn check_position(path: &FieldPath, line: usize, column: usize) {
    let folder = folder(&[("mlfn.yaml", STAGES)]);
    let stage = "prod".parse().expect("a stage");
    let loaded = load(&LoadOptions {
        stage,
        ..options(folder.path())
    })
    .expect("a manifest");
    assert_eq!(
        loaded.source.position(path),
        Position { line, column },
        "{path}"
    );
}

#[test]
fn a_path_is_found_where_its_value_was_written() {
    let models = FieldPath::root().key("models");
    let long = models.key("long");
    check_position(&long.key("path"), 10, 11);
    check_position(&models.key("short").key("path"), 8, 10);
    check_position(&long.key("memory"), 6, 13);
    check_position(&models.key("short").key("timeout"), 3, 10);
    check_position(
        &long.key("triggers").index(0).key("http").key("path"),
        12,
        15,
    );
    check_position(&long.key("triggers").index(7), 11, 5);
    check_position(&long.key("gcp").key("cpu"), 9, 3);
    check_position(&long, 9, 3);
    check_position(&FieldPath::root(), 1, 1);
}

#[test]
fn what_a_provider_says_is_shown_in_the_manifest() {
    let folder = folder(&[("mlfn.yaml", STAGES)]);
    let stage = "prod".parse().expect("a stage");
    let loaded = load(&LoadOptions {
        stage,
        ..options(folder.path())
    })
    .expect("a manifest");
    let at = FieldPath::root().key("models").key("long").key("memory");
    let diagnostic = Diagnostic::error("memory-out-of-range", "too much", at, "2GB is too much");
    let text = loaded.source.render(&diagnostic, false);
    assert!(text.contains("mlfn.yaml:6:13"), "{text}");
    assert!(
        text.contains("6 |     memory: 2GB\n  |             ^^^ 2GB is too much\n"),
        "{text}"
    );
    let coloured = loaded.source.render(&diagnostic, true);
    assert!(coloured.contains("\u{1b}["), "{coloured}");
}

#[test]
fn a_problem_in_an_included_file_is_located_there() {
    let folder = folder(&[
        (
            "mlfn.yaml",
            "mlfn: 1\nservice: iris\nmodels: ${file:models.yaml}\n",
        ),
        (
            "models.yaml",
            "classifier:\n  path: model.onnx\n  memory: lots\n",
        ),
    ]);
    let loaded = load(&options(folder.path())).expect("a manifest");
    let (path, position) = loaded.source.locate(&loaded.diagnostics[0]);
    assert_eq!(path.file_name(), Some("models.yaml".as_ref()));
    assert_eq!(
        position,
        Position {
            line: 3,
            column: 11
        }
    );
}

#[test]
fn secrets_are_not_in_what_is_printed() {
    let text = "\
mlfn: 1
service: iris
params: { api_key: key-in-params }
environment: { DB_PASSWORD: written-password, MODE: fast, KEY: \"${param:api_key}\", TOKEN: { secret: name } }
memory: ${env:HF_TOKEN}
models: { classifier: { path: model.onnx, environment: { URL: \"https://${env:HF_TOKEN}@host\" } } }
stages: { prod: { environment: { API_KEY: other-stage } } }
";
    let folder = folder(&[("mlfn.yaml", text)]);
    let environment = |name: &str| (name == "HF_TOKEN").then(|| "token-in-environment".to_owned());
    let loaded = load(&LoadOptions {
        environment: &environment,
        ..options(folder.path())
    });
    let loaded = loaded.expect("a manifest");
    let rendered = loaded
        .diagnostics
        .iter()
        .map(|d| loaded.source.render(d, false));
    let printed = format!(
        "{}{}{}",
        loaded.resolved,
        rendered.collect::<String>(),
        serde_json::to_string(&loaded.diagnostics).expect("JSON")
    );
    for secret in [
        "written-password",
        "key-in-params",
        "token-in-environment",
        "other-stage",
    ] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert_eq!(loaded.resolved["environment"]["MODE"], "fast");
    assert_eq!(
        loaded.resolved["environment"]["TOKEN"],
        json!({ "secret": "name" })
    );
    assert_eq!(
        loaded.resolved["models"]["classifier"]["environment"]["URL"],
        "***"
    );
}

#[test]
fn what_is_resolved_has_the_stage_in_it() {
    let folder = folder(&[("mlfn.yaml", STAGES)]);
    let stage = "prod".parse().expect("a stage");
    let loaded = load(&LoadOptions {
        stage,
        ..options(folder.path())
    })
    .expect("a manifest");
    assert_eq!(loaded.resolved["memory"], "2GB");
    assert_eq!(loaded.resolved.get("stages"), None);
}

#[test]
fn the_state_of_a_stage_lies_where_the_stage_says() {
    let manifest = "\
mlfn: 1
service: iris
state: s3://my-states/${env:TEAM, everybody}
models: { classifier: model.onnx }
stages: { prod: { state: \"gs://production/${stage}\" }, test: {} }
";
    let folder = folder(&[("mlfn.yaml", manifest)]);
    let place = |stage: &str| {
        let stage = stage.parse().expect("a stage");
        let loaded = load(&LoadOptions {
            stage,
            ..options(folder.path())
        });
        loaded.expect("a manifest").state.map(|url| url.to_string())
    };
    assert_eq!(place("prod").as_deref(), Some("gs://production/prod"));
    assert_eq!(place("test").as_deref(), Some("s3://my-states/everybody"));
    assert_eq!(load_bytes(b"mlfn: 1\n").state, None);
}

#[test]
fn git_is_asked_without_git() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let manifest = "\
mlfn: 1
service: iris
tags: { commit: \"${git:sha}\", branch: \"${git:branch}\" }
models: { classifier: model.onnx }
";
    let folder = folder(&[("mlfn.yaml", manifest)]);
    let git = folder.path().join(".git");
    fs_err::create_dir_all(git.join("refs/heads")).expect("folders");
    fs_err::write(git.join("HEAD"), "ref: refs/heads/main\n").expect("a file");
    fs_err::write(git.join("refs/heads/main"), format!("{commit}\n")).expect("a file");
    let service = load(&options(folder.path()))
        .expect("a manifest")
        .service
        .expect("a service");
    assert_eq!(service.tags["commit"], commit);
    assert_eq!(service.tags["branch"], "main");
}

#[test]
fn an_included_file_cannot_be_a_link_to_the_outside() {
    let outside = folder(&[("secret.txt", "secret")]);
    let folder = folder(&[(
        "mlfn.yaml",
        "mlfn: 1\nservice: iris\nmodels: { a: \"${file:link.txt}\" }\n",
    )]);
    let target = outside.path().join("secret.txt");
    std::os::unix::fs::symlink(target, folder.path().join("link.txt")).expect("a link");
    let loaded = load_file(&folder.path().join("mlfn.yaml"));
    assert_eq!(errors_of(&loaded), ["file-outside"]);
}

#[test]
fn a_folder_named_like_an_environment_file_is_ignored() {
    let manifest = "mlfn: 1\nservice: iris\nmodels: { a: \"${env:MODEL, a.onnx}\" }\n";
    let folder = folder(&[("mlfn.yaml", manifest)]);
    fs_err::create_dir_all(folder.path().join(".env")).expect("a folder");
    let loaded = load_file(&folder.path().join("mlfn.yaml"));
    let service = loaded.service.expect("a service");
    assert_eq!(service.functions[0].model, Path::new("a.onnx"));
}

#[test]
fn warnings_do_not_stop_a_service() {
    let loaded = load_bytes(b"mlfn: 1\nservice: iris\nmodels: { classifier: model.pkl }\n");
    assert_eq!(errors_of(&loaded), Vec::<&str>::new());
    assert_eq!(loaded.diagnostics.len(), 1);
}
