//! The same input gives the same bytes, on any day, in any folder, for any user.

use std::path::Path;
use std::time::{Duration, SystemTime};

use mlfn_core::{Digest, ProviderName};

use crate::support::mlfn::Project;
use crate::support::unpacked::{Unpacked, archive_in};

/// The digests of the packages for all platforms.
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
        let bytes = fs_err::read(archive_in(&folder, "zip")).expect("reads");
        Digest::of(&bytes).to_string()
    };
    ProviderName::ALL.into_iter().map(digest).collect()
}

/// Gives all files of a project this age.
#[track_caller]
fn age(folder: &Path, age: Duration) {
    let time = SystemTime::now() - age;
    for entry in fs_err::read_dir(folder).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_file() {
            let file = fs_err::File::options()
                .write(true)
                .open(path)
                .expect("opens");
            file.file().set_modified(time).expect("sets the time");
        }
    }
}

#[test]
fn two_packagings_on_different_days_in_different_places_are_equal() {
    let here = Project::copy_of("iris");
    let one = digests(&here, "022", &[("TZ", "UTC"), ("LC_ALL", "C.UTF-8")]);
    let there = Project::copy_of("iris");
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
