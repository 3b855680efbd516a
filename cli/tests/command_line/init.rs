//! New projects are complete, and never cost anybody a file.

use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::mlfn;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/iris/model.onnx");

#[track_caller]
fn check(home: &TempDir, words: &str, code: i32) -> Output {
    let output = mlfn(home, words).output().expect("starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words}: {stderr}");
    output
}

fn read(home: &TempDir, path: &str) -> String {
    fs_err::read_to_string(home.path().join(path)).expect("reads")
}

#[test]
fn every_template_is_valid_on_every_cloud() {
    let home = tempfile::tempdir().expect("creates");
    for scaffold in mlfn_templates::scaffold::scaffolds() {
        for provider in mlfn_core::ProviderName::ALL {
            let name = scaffold.name;
            let model = if scaffold.needs_model() {
                format!("--model {MODEL}")
            } else {
                String::new()
            };
            let folder = format!("{name}-{provider}");
            let words = format!("init {folder} --template {name} --provider {provider} {model}");
            check(&home, &words, 0);
            check(&home, &format!("validate -C {folder}"), 0);
            assert!(read(&home, &format!("{folder}/serverless.yaml")).contains(provider.as_str()));
        }
    }
}

#[test]
fn the_users_model_is_copied_and_shapes_the_example() {
    let home = tempfile::tempdir().expect("creates");
    check(&home, &format!("init iris --ci github --model {MODEL}"), 0);
    let copy = fs_err::read(home.path().join("iris/model.onnx")).expect("reads");
    assert_eq!(copy, fs_err::read(MODEL).expect("reads"));
    let manifest = read(&home, "iris/serverless.yaml");
    assert!(
        manifest.contains(r#"{"features":[0.5,0.5,0.5,0.5]}"#),
        "{manifest}"
    );
    assert!(read(&home, "iris/.github/workflows/mlfn.yml").contains("mlfn validate"));
}

#[test]
fn a_model_that_is_in_the_project_stays_where_it_is() {
    let home = tempfile::tempdir().expect("creates");
    let folder = home.path().join("models");
    fs_err::create_dir(&folder).expect("creates");
    fs_err::copy(MODEL, folder.join("iris.onnx")).expect("copies");
    check(&home, "init --model models/iris.onnx", 0);
    assert!(read(&home, "serverless.yaml").contains(r#"path: "models/iris.onnx""#));
    assert!(!home.path().join("iris.onnx").exists());
}

#[test]
fn files_that_are_there_are_listed_and_kept_unless_forced() {
    let home = tempfile::tempdir().expect("creates");
    let path = home.path().join("README.md");
    fs_err::write(&path, "mine").expect("writes");
    let output = check(&home, "init", 1);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("  README.md\n") && stderr.contains("--force"),
        "{stderr}"
    );
    assert!(!Path::new(&home.path().join("serverless.yaml")).exists());
    assert_eq!(read(&home, "README.md"), "mine");
    check(&home, "init --force", 0);
    assert_ne!(read(&home, "README.md"), "mine");
}

#[test]
fn what_does_not_fit_together_is_a_usage_error() {
    let home = tempfile::tempdir().expect("creates");
    check(&home, "init --template regresion", 64);
    check(&home, "init --template bring-your-own", 64);
    check(
        &home,
        &format!("init --template regression --model {MODEL}"),
        64,
    );
    check(&home, "init --ci jenkins", 64);
    assert_eq!(fs_err::read_dir(home.path()).expect("lists").count(), 0);
}
