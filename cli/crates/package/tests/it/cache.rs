//! Compressed libraries and shims that outlive a build.

use std::path::Path;

use crate::support::{Project, digests, noise};

fn project(cache: Option<&Path>) -> Project {
    let mut project = Project::new(&[]);
    let library = [
        b"library ".repeat(150_000),
        noise(1_100_000, 5),
        vec![0; 300_000],
    ]
    .concat();
    project.write("library.so", &library);
    project.cache = cache.map(Path::to_owned);
    project
}

#[test]
fn a_cached_library_gives_the_same_archives() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("not/there/yet");
    let without = digests(&project(None).build());
    assert_eq!(digests(&project(Some(&cache)).build()), without, "filling");
    let files: Vec<_> = fs_err::read_dir(cache.join("deflate"))
        .expect("a folder")
        .collect();
    let [Ok(cached)] = files.as_slice() else {
        panic!("{files:?}");
    };
    let filled = fs_err::metadata(cached.path())
        .expect("there")
        .modified()
        .expect("a time");
    assert_eq!(digests(&project(Some(&cache)).build()), without, "using");
    let used = fs_err::metadata(cached.path())
        .expect("there")
        .modified()
        .expect("a time");
    assert_eq!(used, filled, "what is there is not written again");

    let mut bytes = fs_err::read(cached.path()).expect("reads");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs_err::write(cached.path(), &bytes).expect("writes");
    assert_eq!(digests(&project(Some(&cache)).build()), without, "damaged");
    let mended = fs_err::read(cached.path()).expect("reads");
    assert_ne!(mended, bytes, "what is damaged is written again");
}

#[test]
fn a_cache_that_cannot_be_written_is_done_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs_err::write(&file, "where a folder should be").expect("writes");
    let without = digests(&project(None).build());
    let found = digests(&project(Some(&file.join("cache"))).build());
    assert_eq!(found, without);
}

#[test]
fn a_cache_keeps_library_and_shim_and_little_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let cached = folder.path().join("deflate");
    fs_err::create_dir_all(&cached).expect("a folder");
    for number in 0..30 {
        fs_err::write(cached.join(format!("old-{number}")), "of an older version").expect("writes");
    }
    let mut project = project(Some(folder.path()));
    project.shim = b"shim ".repeat(100_000);
    let first = digests(&project.build());
    let files = || {
        let files = fs_err::read_dir(&cached).expect("lists");
        let names = files.map(|file| file.expect("lists").file_name());
        names.collect::<Vec<_>>()
    };
    assert_eq!(files().len(), 16);
    let is_ours = |name: &std::ffi::OsString| !name.to_string_lossy().starts_with("old-");
    assert_eq!(files().into_iter().filter(is_ours).count(), 2);
    fs_err::remove_dir_all(project.output()).expect("removes the archives");
    assert_eq!(digests(&project.build()), first);
}
