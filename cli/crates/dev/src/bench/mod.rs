//! `cargo dev bench <what>`: tables for `docs/benchmarks.md`.

#[cfg(target_os = "linux")]
mod cold;
#[cfg(target_os = "linux")]
mod conformance;
mod deploy;
mod emulator;
#[cfg(target_os = "linux")]
mod faults;
mod goals;
mod machine;
mod package;
#[cfg(target_os = "linux")]
mod warm;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::repository::Repository;

/// What to measure and where the result goes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to measure.
    what: Benchmark,
    /// Put the table into `docs/benchmarks.md`, in place of the last one.
    #[arg(long)]
    write: bool,
    /// One round with programs as they are built for tests, to see whether the benchmark works
    /// (`deploy` only).
    #[arg(long, conflicts_with = "write")]
    quick: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Benchmark {
    /// `mlfn` killed at every moment of what it does on this machine, and run again.
    #[cfg(target_os = "linux")]
    Faults,
    /// Deploys to AWS, as ministack makes it, beside a script with the same calls and other tools.
    Deploy,
    /// Requests a second and time of a request through `mlfn emulate`, beside the shim alone, AWS's
    /// own emulator and `cargo lambda watch`; and its memory over a million requests.
    Emulator,
    /// Time and memory of packaging a 500 MB model, beside `zip -6` and `zip -0`.
    Package,
    /// Cold starts of the shim, beside a bare C program and Python.
    #[cfg(target_os = "linux")]
    Cold,
    /// Warm requests to the shim, beside a Python handler, `MLServer` and a bare session.
    #[cfg(target_os = "linux")]
    Warm,
    /// The node tests of the ONNX project through the shim, beside ONNX Runtime itself.
    #[cfg(target_os = "linux")]
    Conformance,
}

impl Benchmark {
    /// The name of the table's section in `docs/benchmarks.md`.
    fn section(self) -> &'static str {
        match self {
            #[cfg(target_os = "linux")]
            Self::Faults => "faults",
            Self::Deploy => "deploy",
            Self::Emulator => "emulator",
            Self::Package => "package",
            #[cfg(target_os = "linux")]
            Self::Cold => "cold",
            #[cfg(target_os = "linux")]
            Self::Warm => "warm",
            #[cfg(target_os = "linux")]
            Self::Conformance => "conformance",
        }
    }
}

/// Runs one benchmark; the answer is its table in Markdown.
pub(crate) fn run(repository: &Repository, arguments: &Arguments) -> anyhow::Result<String> {
    let table = match arguments.what {
        #[cfg(target_os = "linux")]
        Benchmark::Faults => faults::run()?,
        Benchmark::Deploy => deploy::run(repository.root(), arguments.quick)?,
        Benchmark::Emulator => emulator::run()?,
        Benchmark::Package => package::run()?,
        #[cfg(target_os = "linux")]
        Benchmark::Cold => cold::run(repository.root())?,
        #[cfg(target_os = "linux")]
        Benchmark::Warm => warm::run(repository.root())?,
        #[cfg(target_os = "linux")]
        Benchmark::Conformance => conformance::run(repository.root())?,
    };
    if arguments.write {
        write(repository, arguments.what.section(), &table)?;
    }
    Ok(table)
}

/// Replaces what stands between the section's two marks.
fn write(repository: &Repository, section: &str, table: &str) -> anyhow::Result<()> {
    let path = repository.root().join("docs/benchmarks.md");
    let text = fs_err::read_to_string(&path)?;
    let (open, close) = (
        format!("<!-- bench {section} -->\n"),
        format!("<!-- /bench {section} -->"),
    );
    let start = text
        .find(&open)
        .with_context(|| format!("{open} is missing"))?
        + open.len();
    let end = text
        .find(&close)
        .with_context(|| format!("{close} is missing"))?;
    let (before, after) = (
        text.get(..start).unwrap_or(""),
        text.get(end..).unwrap_or(""),
    );
    fs_err::write(&path, format!("{before}\n{}\n\n{after}", table.trim()))?;
    Ok(())
}
