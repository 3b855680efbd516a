//! Manifests, to what reads them.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mlfn_manifest::LoadOptions;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a folder"));

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(FOLDER.path().join("serverless.yaml"), bytes).expect("writes");
    let options = LoadOptions {
        folder: FOLDER.path().to_owned(),
        file: None,
        stage: "dev".parse().expect("a good name"),
        provider: None,
        region: None,
        params: BTreeMap::new(),
        environment: &|_| None,
    };
    let loaded = mlfn_manifest::load(&options).expect("the file is there");
    // Either there is a service, or somebody is told why not, and where.
    let is_wrong = loaded
        .diagnostics
        .iter()
        .any(mlfn_core::Diagnostic::is_error);
    assert_eq!(loaded.service.is_none(), is_wrong);
    for diagnostic in &loaded.diagnostics {
        assert!(!loaded.source.render(diagnostic, false).is_empty());
    }
});
