//! What other programs read in our archives.

use std::path::Path;
use std::process::Command;

use mlfn_core::ArchiveFormat;
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Project, noise, tree};

/// Lists an archive, and reads all of it, which checks the checksums.
const LIST: &str = r#"
import hashlib, json, sys, tarfile, zipfile
def zipped(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for entry in archive.infolist():
            digest = hashlib.sha256(archive.read(entry)).hexdigest()
            yield [entry.filename, oct(entry.external_attr >> 16), entry.file_size, digest,
                   entry.create_system, list(entry.date_time)]
def tarred(path):
    with tarfile.open(path, "r:gz") as archive:
        for entry in archive:
            digest = hashlib.sha256(archive.extractfile(entry).read()).hexdigest()
            yield [entry.name, oct(entry.mode), entry.size, digest, entry.uid, entry.mtime]
path = sys.argv[1]
print(json.dumps(list((zipped if path.endswith(".zip") else tarred)(path))))
"#;

#[track_caller]
fn python(archive: &Path) -> Vec<Json> {
    let output = Command::new("python3")
        .args(["-c", LIST])
        .arg(archive)
        .output();
    let output = output.expect("the tests need python3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn python_reads_what_we_write() {
    let long = format!("{}/weights.bin", "folder".repeat(30));
    let locations = ["plain.bin", "größe/weiß.bin", long.as_str(), "empty.bin"];
    let project = Project::new(&locations);
    let mut mixed = noise(3 << 20, 1);
    mixed.extend(vec![7; 2 << 20]);
    mixed.extend(noise(100_000, 2));
    let contents = [
        noise(1_500_000, 3),
        mixed,
        b"text ".repeat(9999),
        Vec::new(),
    ];
    for (location, bytes) in locations.iter().zip(&contents) {
        project.write(location, bytes);
    }
    let built = project.build();
    for artifact in &built.artifacts {
        let listing = python(&artifact.path);
        let about = match artifact.format {
            ArchiveFormat::Zip => (0o100_000, json!(3), json!([1980, 1, 1, 0, 0, 0])),
            ArchiveFormat::TarGz => (0, json!(0), json!(315_532_800)),
        };
        for (location, bytes) in locations.iter().zip(&contents) {
            let digest = mlfn_core::Digest::of(bytes).to_string();
            let mode = format!("0o{:o}", about.0 | 0o644);
            let path = format!("model/{location}");
            let expected = json!([path, mode, bytes.len(), digest, about.1, about.2]);
            assert!(
                listing.contains(&expected),
                "{expected} is not in {listing:#?}"
            );
        }
        let order: Vec<_> = listing
            .iter()
            .filter_map(|entry| entry.get(0)?.as_str())
            .collect();
        assert_eq!(
            order.get(..4),
            Some(
                &[
                    "bootstrap",
                    "mlfn.json",
                    "lib/libonnxruntime.so",
                    "model/empty.bin"
                ][..]
            ),
            "what a cold start reads first comes first"
        );
    }
    let [zip, tar] = built.artifacts.as_slice() else {
        panic!("two archives");
    };
    // Noise is stored: zip has no overhead but headers, deflate 5 bytes for every 65535.
    let noisy = 1_500_000 + (3 << 20) + 100_000;
    assert!(
        (noisy..noisy + 15_000).contains(&zip.packed),
        "{}",
        zip.packed
    );
    assert!(
        (noisy..noisy + 15_000).contains(&tar.packed),
        "{}",
        tar.packed
    );
}

#[test]
fn whatever_goes_in_comes_out() {
    let file = |longest: usize| {
        prop_oneof![
            (0..longest, any::<u64>()).prop_map(|(length, seed)| noise(length, seed)),
            (0..longest, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
            (0..longest / 8).prop_map(|length| b"a line\n!".repeat(length)),
        ]
    };
    let names = "[a-zäß0-9][a-zäß0-9. -]{0,12}(/[a-z]{1,3}){0,3}\\.bin";
    let inputs = (btree_map(names, file(2_500_000), 0..4), file(9000));
    let mut runner = TestRunner::new(Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&inputs, |(weights, shim)| {
        let locations: Vec<_> = weights.keys().map(String::as_str).collect();
        let mut project = Project::new(&locations);
        project.shim.clone_from(&shim);
        for (location, bytes) in &weights {
            project.write(location, bytes);
        }
        for artifact in &project.build().artifacts {
            let into = TempDir::new().expect("a folder");
            mlfn_package::unpack(&artifact.path, artifact.format, into.path()).expect("unpacks");
            let files = tree(into.path());
            prop_assert_eq!(files.len(), weights.len() + 4);
            prop_assert_eq!(files.get("bootstrap"), Some(&(0o755, shim.clone())));
            for (location, bytes) in &weights {
                let found = files.get(&format!("model/{location}"));
                prop_assert!(found == Some(&(0o644, bytes.clone())), "{}", location);
            }
        }
        Ok(())
    });
    result.expect("every package round-trips");
}
