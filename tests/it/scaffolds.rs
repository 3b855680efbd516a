//! What `mlfn init` writes is valid and runs as it is.

use serde_json::Value as Json;

use crate::support::mlfn::Project;
use crate::support::place::repository;

/// Starts a project, and does with it what its README says.
#[track_caller]
fn check(options: &[&str]) -> Json {
    let project = Project::empty();
    let init = [&["init", "my-project"], options].concat();
    project.mlfn(init).run().success();
    for platform in ["aws", "azure", "gcp"] {
        let validate = ["validate", "-C", "my-project", "--provider", platform];
        project.mlfn(validate).run().success();
    }
    let invoke = [
        "invoke",
        "--local",
        "-C",
        "my-project",
        "--path",
        "request.json",
    ];
    project.mlfn(invoke).run().success().json()
}

#[test]
fn every_template_that_brings_a_model_runs() {
    let project = Project::empty();
    let list = project.mlfn(["init", "--list", "--json"]).run().success();
    let templates = list.json();
    let names = templates["templates"].as_array().expect("is a list");
    let names = names
        .iter()
        .map(|template| template["name"].as_str().expect("has a name"));
    let names: Vec<&str> = names.filter(|name| *name != "bring-your-own").collect();
    assert!(names.len() >= 2, "{list}");
    for name in names {
        let answer = check(&["--template", name]);
        assert!(!answer["prediction"].is_null(), "{name}: {answer}");
    }
}

#[test]
fn a_model_of_ones_own_runs() {
    for example in ["iris", "digits-svm", "diabetes", "cartpole-policy"] {
        let model = repository()
            .join("examples")
            .join(example)
            .join("model.onnx");
        let answer = check(&["--model", model.to_str().expect("is text")]);
        assert!(!answer["prediction"].is_null(), "{example}: {answer}");
    }
}

#[test]
fn what_is_there_is_not_overwritten() {
    let project = Project::empty().with_file("serverless.yaml", "mine");
    let output = project.mlfn(["init", "--non-interactive"]).run().code(1);
    output.stderr_has("serverless.yaml").stderr_has("--force");
    let text = fs_err::read_to_string(project.folder().join("serverless.yaml")).expect("reads");
    assert_eq!(text, "mine");
    project.mlfn(["init", "--force"]).run().success();
    project.mlfn(["validate"]).run().success();
}
