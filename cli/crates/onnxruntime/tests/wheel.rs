//! The real wheel of this machine's platform, through the real pip (or uv). It stays in the
//! target folder, where later runs and other tests find it.

use std::path::Path;

use mlfn_onnxruntime::{Candidate, Options, Origin, Platform, library};

#[test]
fn the_pinned_library_of_this_machine_can_be_had() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
    let platform = Platform::host().expect("a platform with a wheel");
    let options = |candidates| Options {
        cache: target.join("test-cache"),
        candidates,
        override_path: None,
        offline: false,
        progress: &|progress| println!("{progress:?}"),
    };
    let first = library(platform, &options(Candidate::standard())).expect("fetches");
    let bytes = fs_err::metadata(&first.path).expect("is there").len();
    assert_eq!(bytes, platform.pin().library_bytes);

    let again = library(platform, &options(vec![])).expect("needs no pip");
    assert_eq!(again.origin, Origin::Cache);
    assert_eq!(again.path, first.path);

    let named = Options {
        override_path: Some(first.path.clone()),
        ..options(vec![])
    };
    let named = library(platform, &named).expect("fits");
    assert_eq!(named.sha256, platform.pin().library_sha256);
    assert_eq!(named.version.as_deref(), Some(platform.pin().version));
}
