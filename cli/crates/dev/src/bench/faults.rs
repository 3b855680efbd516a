//! `mlfn` killed with SIGKILL at every moment of what it does, and run again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use mlfn_testkit::kills::{Operation, Program, Tally};
use mlfn_testkit::victims::Victims;
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
    let programs = programs(&root)?;
    let mut rows = fake(copy(&root, &programs, "mlfn-victim")?);
    rows.extend(local(&root, copy(&root, &programs, "mlfn")?));
    let text = table(&rows);
    for Row {
        place,
        operation,
        tally,
    } in &rows
    {
        let wrong: Vec<&String> = tally.failures.iter().chain(&tally.orphans).collect();
        ensure!(
            wrong.is_empty(),
            "{place}, {operation}: {wrong:#?}\n\n{text}"
        );
    }
    Ok(text)
}

/// On the fake cloud of the tests: the engine alone, at each of its calls and writes.
fn fake(program: PathBuf) -> Vec<Row> {
    let victims = Victims { program };
    let row = |operation: Operation| Row {
        place: "fake cloud",
        operation: operation.name(),
        tally: victims.sweep(operation),
    };
    Victims::OPERATIONS.map(row).into()
}

/// On the local cloud: the program itself, at each change of a file.
fn local(root: &Path, program: PathBuf) -> Vec<Row> {
    let program = Program {
        path: program,
        cache: root.join("target/test-cache"),
        example: root.join("examples/iris"),
    };
    let row = |operation: Operation| Row {
        place: "local cloud",
        operation: operation.name(),
        tally: program.sweep(operation, 1),
    };
    Operation::ALL.map(row).into()
}

/// The programs, as tests use them, by name.
fn programs(root: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--workspace", "--bins", "--message-format=json"])
        .current_dir(root)
        .output()
        .context("running cargo")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let messages = String::from_utf8(output.stdout)?;
    let built = messages.lines().filter_map(|line| {
        let message: Json = serde_json::from_str(line).ok()?;
        let name = message.pointer("/target/name")?.as_str()?;
        let path = message.get("executable")?.as_str()?;
        Some((name.to_owned(), PathBuf::from(path)))
    });
    Ok(built.collect())
}

/// A copy, so that whoever builds meanwhile does not change what is measured.
fn copy(root: &Path, programs: &BTreeMap<String, PathBuf>, name: &str) -> anyhow::Result<PathBuf> {
    let found = programs.get(name);
    let found = found.with_context(|| format!("cargo did not build `{name}`"))?;
    let folder = root.join("target/bench-faults");
    fs_err::create_dir_all(&folder)?;
    let copy = folder.join(name);
    fs_err::copy(found, &copy)?;
    Ok(copy.canonicalize()?)
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
