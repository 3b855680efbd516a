//! What benchmarks run on, and how the programs that they measure are built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, bail, ensure};
use serde_json::Value as Json;

/// Its processor, not its name.
pub(super) fn machine() -> anyhow::Result<String> {
    let text = fs_err::read_to_string("/proc/cpuinfo")?;
    let Some(model) = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
    else {
        bail!("no model name");
    };
    let cores = thread::available_parallelism()?;
    Ok(format!(
        "{cores} cores of {}",
        model.trim_start_matches([' ', '\t', ':']).trim()
    ))
}

/// A program of this repository, optimised: what measures it usually is not.
pub(super) fn built(root: &Path, what: &[&str], name: &str) -> anyhow::Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--message-format=json"])
        .args(what)
        .current_dir(root)
        .output()
        .context("running cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages.lines().find_map(|line| {
        let message: Json = serde_json::from_str(line).ok()?;
        (message.pointer("/target/name")?.as_str()? == name).then_some(())?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.context("cargo names the program that it built")
}
