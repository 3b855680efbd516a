//! The same input gives the same bytes, on any day, in any folder, for any user.

use std::path::Path;
use std::time::{Duration, SystemTime};

use mlfn_core::{Digest, ProviderName};

use crate::support::mlfn::Project;
use crate::support::place::repository;
use crate::support::unpacked::{Unpacked, archive_in};

/// A model that keeps its weights in other files, one of them in a folder of its own.
fn external() -> Project {
    let fixtures = repository().join("cli/crates/model/tests/fixtures");
    let read = |name: &str| fs_err::read(fixtures.join(name)).expect("reads");
    let manifest = "mlfn: 1\nservice: big\nmodels: { net: model.onnx }\n";
    Project::empty()
        .with_file("serverless.yaml", manifest)
        .with_file("model.onnx", read("outside.onnx"))
        .with_file("outside.data", read("outside.data"))
        .with_file("outside/more.data", read("outside/more.data"))
}

/// The digests of all packages for all platforms, in every format.
#[track_caller]
fn digests(project: &Project, umask: &'static str, environment: &[(&str, &str)]) -> Vec<String> {
    let digest = |platform: ProviderName| {
        let folder = project.folder().join(platform.as_str());
        let output = folder.to_str().expect("is text");
        let words = [
            "package",
            "--platform",
            platform.as_str(),
            "--output",
            output,
        ];
        let mut command = project.mlfn(words).umask(umask);
        for (name, value) in environment {
            command = command.env(name, value);
        }
        command.run().success();
        let formats: &[&str] = match platform {
            ProviderName::Gcp => &["zip", "tar.gz"],
            ProviderName::Aws | ProviderName::Azure => &["zip"],
        };
        let digest = |format: &&str| {
            let bytes = fs_err::read(archive_in(&folder, format)).expect("reads");
            Digest::of(&bytes).to_string()
        };
        formats.iter().map(digest).collect::<Vec<_>>()
    };
    ProviderName::ALL.into_iter().flat_map(digest).collect()
}

/// Gives all files of a project this age.
#[track_caller]
fn age(folder: &Path, age: Duration) {
    let time = SystemTime::now() - age;
    for entry in fs_err::read_dir(folder).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_dir() {
            self::age(&path, age);
        } else {
            let file = fs_err::File::options()
                .write(true)
                .open(path)
                .expect("opens");
            file.file().set_modified(time).expect("sets the time");
        }
    }
}

#[track_caller]
fn check_equal(project: fn() -> Project) {
    let here = project();
    let one = digests(&here, "022", &[("TZ", "UTC"), ("LC_ALL", "C.UTF-8")]);
    assert_eq!(one.len(), 4);
    let there = project();
    age(&there.folder(), Duration::from_hours(24 * 400));
    let other = digests(
        &there,
        "077",
        &[("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8")],
    );
    assert_eq!(one, other);
    let again = digests(&here, "022", &[]);
    assert_eq!(one, again, "a second packaging in the same place");
}

#[test]
fn two_packagings_on_different_days_in_different_places_are_equal() {
    check_equal(|| Project::copy_of("iris"));
}

#[test]
fn so_are_those_of_models_with_weights_in_other_files() {
    check_equal(external);
    let package = Unpacked::from(&external(), ProviderName::Azure);
    for path in ["model/outside.data", "model/outside/more.data"] {
        let packed = fs_err::read(package.root().join(path)).expect("is in the package");
        let path = path.replace("model/", "");
        let original = fs_err::read(external().folder().join(path)).expect("reads");
        assert!(packed == original, "the weights change");
    }
}

#[test]
fn a_package_that_is_too_large_for_a_request_goes_by_way_of_a_bucket() {
    // Bytes that do not compress, the same each time.
    let mut noise = vec![0; 60 << 20];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    let project = external().with_file("outside.data", noise);
    let output = project.mlfn(["package"]).run().success();
    let lines: Vec<&str> = output.stdout.lines().collect();
    let line = |start: &str| lines.iter().find(|line| line.starts_with(start));
    let is = |start: &str, end: &str| line(start).is_some_and(|line| line.ends_with(end));
    assert!(is("direct zip", "MiB too large"), "{output}");
    assert!(is("bucket", "used"), "{output}");
}

#[test]
fn a_package_that_is_too_large_for_a_cloud_goes_without_the_model_or_is_refused_with_advice() {
    let project = external();
    let weights = project.folder().join("outside.data");
    let weights = fs_err::OpenOptions::new().write(true).open(weights);
    let weights = weights.expect("opens");
    // Without writing them: most file systems keep no zeros.
    weights.set_len(770 << 20).expect("grows");
    let output = project.mlfn(["package"]).run().success();
    let lines = output.stdout.lines();
    let mut apart = lines.filter(|line| line.starts_with("model in bucket"));
    assert!(apart.any(|line| line.ends_with("used")), "{output}");
    project
        .mlfn(["package", "--platform", "azure"])
        .run()
        .code(1)
        .stderr_has(
            "`net` is too large for azure: `publish zip` takes files of 763 MiB, and this is 3",
        )
        .stderr_has(" MiB over it. ")
        .stderr_has("The model is 770.1 MiB of it: make it smaller (float16 weights halve it")
        .stderr_has("or choose a provider or engine that takes more");
}

#[test]
fn another_model_gives_another_package() {
    let project = Project::copy_of("iris");
    let one = digests(&project, "022", &[]);
    let kmeans = Project::copy_of("iris-kmeans");
    let model = fs_err::read(kmeans.folder().join("model.onnx")).expect("reads");
    let manifest = "mlfn: 1\nservice: iris\nmodels: { classifier: model.onnx }\n";
    let project = project
        .with_file("model.onnx", model)
        .with_file("serverless.yaml", manifest);
    let other = digests(&project, "022", &[]);
    for (one, other) in one.iter().zip(&other) {
        assert_ne!(one, other);
    }
}

#[test]
fn every_platform_finds_its_executable() {
    let project = Project::copy_of("iris");
    for (platform, shim) in [
        (ProviderName::Aws, "bootstrap"),
        (ProviderName::Azure, "handler"),
        (ProviderName::Gcp, "bootstrap"),
    ] {
        let package = Unpacked::from(&project, platform);
        assert_eq!(package.entry(shim).mode, 0o755, "{platform}");
        for path in ["mlfn.json", "model/model.onnx", "lib/libonnxruntime.so"] {
            package.entry(path);
        }
    }
}
