//! When an archive is built again, and when not.

use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use mlfn_core::{Artifact, PartKind};
use mlfn_package::{Built, Formats};

use crate::support::{Project, digests};

fn changed(before: &Built, after: &Built) -> Vec<PartKind> {
    let parts = |built: &Built| -> Vec<_> {
        let first = built
            .artifacts
            .first()
            .map(|artifact: &Artifact| artifact.parts.clone());
        first.expect("an archive")
    };
    let both = parts(before).into_iter().zip(parts(after));
    both.filter(|(a, b)| a.digest != b.digest)
        .map(|(a, _)| a.kind)
        .collect()
}

#[test]
fn a_second_build_writes_nothing() {
    let project = Project::new(&["w.bin"]);
    project.write("w.bin", b"weights");
    let first = project.build();
    let second = project.build();
    assert!(first.fresh && !second.fresh);
    assert_eq!(first.artifacts, second.artifacts);
}

#[test]
fn only_the_part_that_changed_gets_a_new_digest() {
    let mut project = Project::new(&["w.bin"]);
    project.write("w.bin", b"weights");
    let first = project.build();

    project.write("w.bin", b"Weights");
    let second = project.build();
    assert!(second.fresh);
    assert_eq!(changed(&first, &second), [PartKind::Model]);

    project.shim.push(b'!');
    let third = project.build();
    assert_eq!(changed(&second, &third), [PartKind::Shim]);

    project.write("library.so", b"another library");
    let fourth = project.build();
    assert_eq!(changed(&third, &fourth), [PartKind::Runtime]);

    let function = project.service.functions.first_mut().expect("one model");
    function.timeout = mlfn_core::Seconds::new(7);
    assert_eq!(changed(&fourth, &project.build()), [PartKind::Config]);
}

#[test]
fn a_change_that_keeps_size_and_time_is_noticed() {
    let project = Project::new(&["w.bin"]);
    let set = |bytes: &[u8]| {
        project.write("w.bin", bytes);
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let file = fs_err::OpenOptions::new()
            .append(true)
            .open(project.path("w.bin"));
        file.expect("opens")
            .file()
            .set_modified(long_ago)
            .expect("a time");
    };
    set(b"weights");
    let first = project.build();
    set(b"WEIGHTS");
    assert_eq!(changed(&first, &project.build()), [PartKind::Model]);
}

#[test]
fn an_archive_that_is_not_what_was_written_is_built_again() {
    let project = Project::new(&[]);
    let first = project.build();
    let archive = |index: usize| {
        first
            .artifacts
            .get(index)
            .expect("two archives")
            .path
            .clone()
    };
    let beside = |name: &str| project.output().join(name);
    let damages: [&dyn Fn() -> std::io::Result<()>; 4] = [
        &|| fs_err::write(archive(0), b"short"),
        &|| fs_err::remove_file(archive(1)),
        &|| fs_err::write(beside("classifier.dev.aws.zip.json"), b"{"),
        &|| fs_err::remove_file(beside("classifier.dev.aws.tar.gz.json")),
    ];
    for damage in damages {
        damage().expect("damages");
        let again = project.build();
        assert!(again.fresh);
        assert_eq!(digests(&again), digests(&first));
    }
    fs_err::write(project.output().join("hashes.json"), b"not JSON").expect("writes");
    assert!(!project.build().fresh);
}

#[test]
fn an_archive_with_another_name_is_not_built_again_and_stays_under_it() {
    let project = Project::new(&["w.bin"]);
    project.write("w.bin", b"weights");
    let first = project.build();
    let archive = &first.artifacts.first().expect("two archives").path;
    let kept = project.path("kept");
    mlfn_package::link(archive, &kept).expect("links");
    assert!(!project.build().fresh);
    let before = fs_err::read(&kept).expect("reads");
    project.write("w.bin", b"Weights");
    assert!(project.build().fresh);
    assert_eq!(fs_err::read(&kept).expect("reads"), before);
    assert_ne!(fs_err::read(archive).expect("reads"), before);
    mlfn_package::link(archive, &kept).expect_err("there is one");
    assert!(!project.build().fresh);
}

#[test]
fn stages_do_not_share_an_archive() {
    let mut project = Project::new(&[]);
    project.formats = Formats::Deployed;
    let dev = project.build();
    project.service.stage = "prod".parse().expect("a name");
    let prod = project.build();
    assert_eq!(prod.artifacts.len(), 1);
    assert_ne!(digests(&dev), digests(&prod));
    project.service.stage = "dev".parse().expect("a name");
    assert!(!project.build().fresh);
}

/// Else the index of one could come to describe the archive of the other.
#[test]
fn a_build_waits_until_another_one_in_the_same_folder_is_done() {
    let project = Project::new(&[]);
    let first = project.build();
    let lock = fs_err::File::open(project.output().join(".lock")).expect("is there");
    lock.file().lock().expect("locks");
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| done.send(project.build()).expect("sends"));
        let early = is_done.recv_timeout(Duration::from_millis(300));
        drop(lock);
        assert!(early.is_err(), "it does not wait");
        let second = is_done.recv().expect("is built");
        assert_eq!(digests(&first), digests(&second));
    });
}
