//! What holds for every provider, whatever its cloud.

use std::collections::BTreeSet;

use mlfn_core::{Diagnostic, PackageSpec, Provider};

use crate::{listing, service};

/// A provider has nothing to say about the smallest service, and packs it in a sound layout.
///
/// # Panics
///
/// If it has, or does not.
#[track_caller]
pub fn provider(provider: &dyn Provider) {
    let service = service(provider.name(), |_| ());
    let found = provider.check(&service);
    assert!(found.is_empty(), "{}", listing(&found));
    for function in &service.functions {
        layout(&provider.package(&service, function));
    }
}

/// Every path of a package is relative, has no `..`, and is there once; the package can be
/// archived, started and sent.
///
/// # Panics
///
/// If not.
#[track_caller]
pub fn layout(spec: &PackageSpec) {
    assert!(!spec.formats.is_empty(), "no archive format");
    assert!(!spec.routes.is_empty(), "no route");
    assert!(
        spec.max_request > 0 && spec.max_response > 0,
        "no room for requests"
    );
    let shim = [spec.shim.as_str()];
    let paths: Vec<&str> = spec
        .files
        .iter()
        .map(|file| file.path.as_str())
        .chain(shim)
        .collect();
    let unique: BTreeSet<&str> = paths.iter().copied().collect();
    assert_eq!(unique.len(), paths.len(), "a path twice: {paths:?}");
    for path in paths {
        let parts = path.split('/');
        let sound = parts.clone().all(|part| !matches!(part, "" | "." | ".."));
        assert!(
            sound && !path.contains('\\'),
            "not a path in a package: {path}"
        );
    }
}

/// A diagnostic has a code in kebab case, a summary in fixed words, a detail in full sentences, a
/// way to mend it, and stands at a field of the manifest.
///
/// # Panics
///
/// If one has not.
#[track_caller]
pub fn diagnostics(found: &[Diagnostic]) {
    for diagnostic in found {
        let text = listing(std::slice::from_ref(diagnostic));
        let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(diagnostic.code.chars().all(kebab), "code: {text}");
        assert!(!diagnostic.summary.contains(['`', '.']), "summary: {text}");
        assert!(diagnostic.detail.ends_with('.'), "detail: {text}");
        assert!(
            diagnostic
                .help
                .as_ref()
                .is_some_and(|help| help.ends_with('.')),
            "help: {text}"
        );
        assert!(diagnostic.at.last().is_some(), "path: {text}");
    }
}
