//! The automation behind `cargo dev`.
//!
//! - `tidy` checks what the compiler and clippy cannot: dependency arrows, who may do what, the
//!   form of the repository itself.
//! - `generate` writes reference files from the code; `--check` fails when one is stale.
//! - `bench` measures, beside a peer in the same run, and writes `docs/benchmarks.md`.

mod bench;
mod generate;
mod repository;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::repository::Repository;

/// Automation for people who work on mlfn.
#[derive(Debug, Parser)]
#[command(name = "cargo dev")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the rules that the compiler does not know.
    Tidy,
    /// Write the reference files that are generated from the code.
    Generate {
        /// Only say which files are stale, and fail if one is.
        #[arg(long)]
        check: bool,
    },
    /// Measure, beside a peer in the same run.
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(lines) => {
            say(&lines);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<String> {
    let repository = Repository::find()?;
    match arguments.command {
        Command::Tidy => tidy::run(&repository),
        Command::Generate { check } => generate::run(&repository, check),
        Command::Bench(arguments) => bench::run(&repository, &arguments),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the only place of this program that prints results"
)]
fn say(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "the only place of this program that prints errors"
)]
fn complain(text: &str) {
    eprintln!("{text}");
}
