//! `mlfn` killed with SIGKILL at every moment of what it does, and run again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use mlfn_testkit::kills::{Operation, Program, Tally};
use serde_json::Value as Json;

/// An operation somewhere, and what came of killing it. Another place is another function that
/// makes rows.
pub(crate) struct Row {
    place: &'static str,
    operation: &'static str,
    tally: Tally,
}

/// Kills, and writes a table in Markdown; fails if anything was left or not finished.
pub(crate) fn run() -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let rows = local(&root)?;
    let text = table(&rows);
    for Row {
        operation, tally, ..
    } in &rows
    {
        let wrong: Vec<&String> = tally.failures.iter().chain(&tally.orphans).collect();
        ensure!(wrong.is_empty(), "{operation}: {wrong:#?}\n\n{text}");
    }
    Ok(text)
}

/// On the local cloud.
fn local(root: &Path) -> anyhow::Result<Vec<Row>> {
    let program = Program {
        path: build(root)?,
        cache: root.join("target/test-cache"),
        example: root.join("examples/iris"),
    };
    let row = |operation: Operation| Row {
        place: "local",
        operation: operation.name(),
        tally: program.sweep(operation, 1),
    };
    Ok(Operation::ALL.map(row).into())
}

/// The program, as tests use it.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--package", "mlfn", "--bin", "mlfn"])
        .arg("--message-format=json")
        .current_dir(root)
        .output()
        .context("running cargo")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages.lines().find_map(|line| {
        let message: Json = serde_json::from_str(line).ok()?;
        (message.pointer("/target/name")?.as_str()? == "mlfn").then_some(())?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    executable.context("cargo names the program that it built")
}

fn table(rows: &[Row]) -> String {
    let mut text = "\
        | place | operation | calls | writes of the state | other changes of files \
        | killed before | killed after | finished by the next run | left behind |\n\
        |---|---|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for Row {
        place,
        operation,
        tally,
    } in rows
    {
        let Tally {
            calls,
            writes,
            others,
            before,
            after,
            converged,
            orphans,
            failures: _,
        } = tally;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {place} | {operation} | {calls} | {writes} | {others} | {before} | {after} \
             | {converged} of {} | {} |",
            tally.kills(),
            orphans.len()
        );
    }
    text
}
