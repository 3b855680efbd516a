//! Golden manifests: `tests/ui/bad` with what is said about them, `tests/ui/good` with the service
//! that they mean.
//!
//! A case is a file `<case>.yaml`, or a folder `<case>/` with a `serverless.yaml` and other files.
//! Lines at the top of a manifest set options: `# --stage prod`, `# --param name=value`,
//! `# --provider gcp`, `# --region name`, `# env NAME=value`. `UPDATE_EXPECT=1` rewrites what is
//! expected.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use mlfn_manifest::{LoadOptions, Loaded, json_schema, load};
use similar_asserts::assert_eq;

struct Case {
    name: String,
    folder: PathBuf,
    file: &'static str,
    manifest: PathBuf,
    expected: PathBuf,
}

/// All cases of a folder, at least as many as there must be.
fn cases(folder: &str, extension: &str, least: usize) -> Vec<Case> {
    let folder = Path::new("tests/ui").join(folder);
    let mut cases = Vec::new();
    for entry in fs_err::read_dir(&folder).expect("cases") {
        let path = entry.expect("a case").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            cases.push(Case {
                name,
                file: "serverless.yaml",
                manifest: path.join("serverless.yaml"),
                expected: path.join(format!("expected.{extension}")),
                folder: path,
            });
        } else if path.extension().is_some_and(|e| e == "yaml") {
            cases.push(Case {
                name,
                file: "",
                expected: path.with_extension(extension),
                folder: folder.clone(),
                manifest: path,
            });
        }
    }
    assert!(
        cases.len() >= least,
        "{} cases, {least} were there",
        cases.len()
    );
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn run(case: &Case) -> Loaded {
    let text =
        String::from_utf8_lossy(&fs_err::read(&case.manifest).expect("a manifest")).into_owned();
    let mut environment = HashMap::new();
    let mut options = LoadOptions {
        folder: case.folder.clone(),
        file: Some(match case.file {
            "" => case.manifest.file_name().expect("a name").into(),
            file => file.into(),
        }),
        stage: "dev".parse().expect("a stage"),
        provider: None,
        region: None,
        params: BTreeMap::new(),
        environment: &|_| None,
    };
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').expect("name=value");
        (name.to_owned(), value.to_owned())
    };
    for line in text.lines().map_while(|line| line.strip_prefix("# ")) {
        match line.split_once(' ') {
            Some(("--stage", value)) => options.stage = value.parse().expect("a stage"),
            Some(("--provider", value)) => options.provider = Some(value.parse().expect("a cloud")),
            Some(("--region", value)) => options.region = Some(value.to_owned()),
            Some(("--param", value)) => options.params.extend([pair(value)]),
            Some(("env", value)) => environment.extend([pair(value)]),
            _ => {}
        }
    }
    let look_up = |name: &str| environment.get(name).cloned();
    options.environment = &look_up;
    load(&options).expect("a file that can be read")
}

fn rendered(loaded: &Loaded) -> String {
    let all = loaded
        .diagnostics
        .iter()
        .map(|d| loaded.source.render(d, false));
    all.collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn compare(case: &Case, found: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs_err::write(&case.expected, found).expect("a golden file");
    }
    let expected = fs_err::read_to_string(&case.expected).unwrap_or_default();
    assert_eq!(expected: expected, found: found, "{}", case.name);
}

#[test]
fn bad_manifests_are_explained() {
    for case in cases("bad", "stderr", 75) {
        let loaded = run(&case);
        assert!(!loaded.diagnostics.is_empty(), "{} is accepted", case.name);
        let has_errors = loaded
            .diagnostics
            .iter()
            .any(mlfn_core::Diagnostic::is_error);
        assert_eq!(loaded.service.is_none(), has_errors, "{}", case.name);
        compare(&case, &rendered(&loaded));
    }
}

#[test]
fn good_manifests_become_services() {
    for case in cases("good", "json", 12) {
        let loaded = run(&case);
        let said = rendered(&loaded);
        assert_eq!(said, "", "{}", case.name);
        let service = loaded.service.expect("a service");
        let json = serde_json::to_string_pretty(&service).expect("JSON");
        compare(&case, &format!("{json}\n"));
    }
}

/// Editors use the schema, so what mlfn accepts must not be underlined there.
#[test]
fn good_manifests_fit_to_the_published_schema() {
    let schema = jsonschema::validator_for(&json_schema()).expect("a schema");
    for case in cases("good", "json", 12) {
        let resolved = run(&case).resolved;
        let errors = schema
            .iter_errors(&resolved)
            .map(|e| format!("{}: {e}", e.instance_path()));
        assert_eq!(
            errors.collect::<Vec<_>>(),
            Vec::<String>::new(),
            "{}",
            case.name
        );
    }
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = Path::new("schema/mlfn.schema.json");
    let schema = format!(
        "{}\n",
        serde_json::to_string_pretty(&json_schema()).expect("JSON")
    );
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs_err::create_dir_all("schema").expect("a folder");
        fs_err::write(path, &schema).expect("a file");
    }
    let committed = fs_err::read_to_string(path).unwrap_or_default();
    assert_eq!(committed: committed, of_the_types: schema, "bless it with UPDATE_EXPECT=1");
}
