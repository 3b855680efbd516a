//! The runtime library in the user's cache: fetched once, then no network is needed.

use crate::support::mlfn::{Mlfn, Output, Project};
use crate::support::place::temporary;

const INVOKE: [&str; 4] = [
    "invoke",
    "--local",
    "--data",
    r#"{"features":[5.1,3.5,1.4,0.2]}"#,
];

#[track_caller]
fn assert_setosa(output: &Output) {
    assert_eq!(output.json()["prediction"]["label"], "setosa", "{output}");
}

/// No Python, and an index that nobody answers at.
fn offline(mlfn: Mlfn) -> Mlfn {
    mlfn.env("PATH", "/nowhere")
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_NO_INDEX", "0")
        .env("PIP_FIND_LINKS", "")
}

#[test]
fn an_empty_cache_is_filled_and_then_works_without_a_network() {
    let project = Project::copy_of("iris");
    let cache = temporary();
    let first = project
        .mlfn(INVOKE)
        .env("XDG_CACHE_HOME", cache.path())
        .run()
        .success();
    assert_setosa(&first);
    let second = offline(project.mlfn(INVOKE).env("XDG_CACHE_HOME", cache.path()));
    assert_setosa(&second.run().success());
    let home = fs_err::read_dir(project.home()).expect("lists");
    let mut home: Vec<_> = home
        .map(|entry| entry.expect("lists").file_name())
        .collect();
    // pip asks rustc for its version, and rustup makes itself a folder at every opportunity.
    home.retain(|name| name != ".rustup");
    assert!(
        home.is_empty(),
        "the home of the user stays as it was: {home:?}"
    );
}

#[test]
fn without_a_cache_and_a_network_the_error_says_what_to_do() {
    let project = Project::copy_of("iris");
    let cache = temporary();
    let mlfn = offline(project.mlfn(INVOKE).env("XDG_CACHE_HOME", cache.path()));
    let output = mlfn
        .run()
        .code(1)
        .stderr_has("pip")
        .stderr_has("--onnxruntime");
    assert_eq!(output.stdout, "");
}

#[test]
fn runs_at_the_same_time_share_an_empty_cache() {
    let project = Project::copy_of("iris");
    let cache = temporary();
    std::thread::scope(|scope| {
        let run = || {
            project
                .mlfn(INVOKE)
                .env("XDG_CACHE_HOME", cache.path())
                .run()
                .success()
        };
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        for run in runs {
            assert_setosa(&run.join().expect("does not panic"));
        }
    });
}
