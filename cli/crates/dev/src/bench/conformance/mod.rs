//! The node tests of the ONNX project, through the packaged shim and by ONNX Runtime itself: whatever
//! the latter answers, the former must answer with the same bits.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use mlfn_shim_contract::CONFIG_FILE;
use serde_json::Value as Json;

use super::cold::setup::{LIBRARY, build_shim, config, python, site_packages};

/// Failures that the table shows; the first ones tell what is wrong.
const SHOWN: usize = 20;

/// Runs the tests, and writes a table in Markdown.
pub(crate) fn run(repository: &Path) -> anyhow::Result<String> {
    let root = repository.join("target/bench/conformance");
    if root.exists() {
        fs_err::remove_dir_all(&root)?;
    }
    let package = root.join("package");
    fs_err::create_dir_all(package.join("lib"))?;
    let python = python(repository, &repository.join("target/bench/cold"))?;
    let library = site_packages(&python)?.join(LIBRARY);
    let target = package.join("lib/libonnxruntime.so");
    std::os::unix::fs::symlink(library, target)?;
    fs_err::copy(build_shim(repository)?, package.join("bootstrap"))?;
    fs_err::write(package.join(CONFIG_FILE), serde_json::to_vec(&config())?)?;
    let script = repository.join("cli/crates/dev/src/bench/conformance/cases.py");
    let output = Command::new(&python).arg(script).arg(&package).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    let found: Json = serde_json::from_slice(&output.stdout).context("reading the results")?;
    Ok(table(&found))
}

fn table(found: &Json) -> String {
    let count = |key: &str| found[key].as_u64().unwrap_or_default();
    let failures = found["failures"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    let mut table = format!(
        "onnx {}, ONNX Runtime {}, one thread.\n\n\
         | node tests of ONNX | |\n|---|---:|\n\
         | all | {} |\n\
         | that ONNX Runtime itself does not run | {} |\n\
         | with values that the protocol has no words for (sequences, optional values, rare types) | {} |\n\
         | with the same bits through the shim, as bytes | {} |\n\
         | with the same values through the shim, as JSON (where JSON has the numbers) | {} |\n\
         | that fail | {} |\n",
        text("onnx"),
        text("onnxruntime"),
        count("cases"),
        count("not_run"),
        count("not_carried"),
        count("binary"),
        count("json"),
        failures.len(),
    );
    for failure in failures.iter().take(SHOWN).filter_map(Json::as_str) {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "\n- {failure}");
    }
    table
}
