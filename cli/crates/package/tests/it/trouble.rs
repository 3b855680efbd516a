//! What goes wrong, and what is left then.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use mlfn_core::FieldPath;
use mlfn_package::PackageError;

use crate::support::{Project, digests, model};

/// The message and all of its causes, without the folder of the test.
fn explain(project: &Project, error: &PackageError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    let folder = project.folder.path().to_str().expect("UTF-8");
    text.replace(folder, "FOLDER")
}

#[test]
fn a_missing_model_points_at_its_path_and_at_a_similar_file() {
    let mut project = Project::new(&[]);
    let function = project.service.functions.first_mut().expect("one model");
    function.model = "modle.onnx".into();
    let Err(PackageError::Invalid(problems)) = project.try_build() else {
        panic!("there is no such model");
    };
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    let at = FieldPath::root()
        .key("models")
        .key("classifier")
        .key("path");
    assert_eq!((problem.code, &problem.at), ("model-not-found", &at));
    let file = project.path("modle.onnx");
    assert_eq!(
        problem.detail,
        format!("There is no file `{}`.", file.display())
    );
    assert_eq!(problem.help.as_deref(), Some("did you mean `model.onnx`?"));
    assert!(
        !project.output().exists(),
        "nothing is made for a package that cannot be"
    );
}

#[test]
fn a_model_that_is_none_says_what_to_do() {
    let project = Project::new(&[]);
    project.write(
        "model.onnx",
        b"\x80\x04\x95 a pickle, as Python writes them.",
    );
    let Err(PackageError::Invalid(problems)) = project.try_build() else {
        panic!("this is not a model");
    };
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert_eq!(problem.code, "model-unusable");
    assert!(problem.help.is_some());
}

#[test]
fn a_missing_library_is_named() {
    let project = Project::new(&[]);
    fs_err::remove_file(project.path("library.so")).expect("removes");
    let error = project.try_build().expect_err("there is no library");
    assert_eq!(
        explain(&project, &error),
        "cannot read a file that goes into the package: failed to open file `FOLDER/library.so`: \
         No such file or directory (os error 2)"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let project = Project::new(&[]);
    project.write(".mlfn", b"a file where a folder should be");
    let error = project.try_build().expect_err("this is no folder");
    let text = explain(&project, &error);
    assert!(
        text.starts_with("cannot write `FOLDER/.mlfn/package`: "),
        "{text}"
    );
    let help = error.help().unwrap_or_default();
    assert!(help.contains("choose another folder"), "{help}");
}

#[test]
fn two_files_of_one_name_are_refused() {
    let project = Project::new(&[]).file("bootstrap", "another");
    let error = project.try_build().expect_err("twice");
    assert_eq!(
        error.to_string(),
        "the package cannot hold `bootstrap`: two files have this path"
    );
}

#[test]
fn a_failed_build_leaves_the_old_archive_and_nothing_else() {
    let project = Project::new(&["w.bin"]);
    project.write("w.bin", b"weights");
    let first = project.build();
    let names = || {
        let entries = fs_err::read_dir(project.output()).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    };
    let before = names();
    // A folder stands where the second archive has to go: the first is written, the second fails.
    let tar = project.output().join("classifier.dev.aws.tar.gz");
    fs_err::remove_file(&tar).expect("removes");
    fs_err::create_dir(&tar).expect("a folder");
    project.write("w.bin", b"Weights");
    project.try_build().expect_err("a folder is in the way");
    assert_eq!(names(), before, "no temporary file is left");
    fs_err::remove_dir(&tar).expect("removes");
    project.write("w.bin", b"weights");
    assert_eq!(digests(&project.build()), digests(&first));
}

#[test]
fn a_model_that_is_exchanged_while_it_is_packed_is_noticed() {
    let mut project = Project::new(&[]);
    let other = model(&[]).repeat(2);
    project.cloud.meanwhile = Some((project.path("model.onnx"), other));
    let error = project.try_build().expect_err("it is another model now");
    assert_eq!(
        explain(&project, &error),
        "`FOLDER/model.onnx` changed while it was packed"
    );
    assert!(error.help().is_some_and(|help| help.contains("wait")));
}

#[test]
fn a_full_disk_is_said_to_be_full_wherever_it_shows() {
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let path = PathBuf::from("a.zip");
    for error in [
        PackageError::Write {
            path: path.clone(),
            source: full(),
        },
        PackageError::Unpack {
            path,
            source: full(),
        },
        PackageError::Scratch(full()),
    ] {
        let help = error.help().unwrap_or_default();
        assert!(help.starts_with("free some space"), "{error}: {help}");
    }
}
