//! Loading for tests that are not golden files.

use std::collections::BTreeMap;
use std::path::Path;

use mlfn_core::Diagnostic;
use mlfn_manifest::{LoadOptions, Loaded, load};

/// Options for a file, with nothing in the environment.
pub(crate) fn options(folder: &Path) -> LoadOptions<'static> {
    LoadOptions {
        folder: folder.to_owned(),
        file: None,
        stage: "dev".parse().expect("a stage"),
        provider: None,
        region: None,
        params: BTreeMap::new(),
        environment: &|_| None,
    }
}

/// Loads a file, and renders and locates everything that is said about it.
pub(crate) fn load_file(path: &Path) -> Loaded {
    let folder = path.parent().expect("a folder");
    let loaded = load(&LoadOptions {
        file: Some(path.to_owned()),
        ..options(folder)
    });
    let loaded = loaded.expect("a file that can be read");
    for diagnostic in &loaded.diagnostics {
        let text = loaded.source.render(diagnostic, false);
        assert!(text.contains(diagnostic.code), "{text}");
        assert!(
            text.len() < 5000,
            "{} bytes are too long to read",
            text.len()
        );
        loaded.source.locate(diagnostic);
    }
    loaded
}

/// The same for a file with these bytes.
pub(crate) fn load_bytes(bytes: &[u8]) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("serverless.yaml");
    fs_err::write(&path, bytes).expect("a file");
    load_file(&path)
}

/// The codes of the errors.
pub(crate) fn errors_of(loaded: &Loaded) -> Vec<&'static str> {
    let errors = loaded.diagnostics.iter().filter(|d| d.is_error());
    let codes: Vec<&str> = errors.map(|d: &Diagnostic| d.code).collect();
    assert_eq!(codes.is_empty(), loaded.service.is_some());
    codes
}
