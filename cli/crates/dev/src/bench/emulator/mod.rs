//! What a request through `mlfn emulate` costs, beside the shim alone, AWS's own emulator around the
//! same shim, and `cargo lambda watch` around a function that does nothing.

mod bare;
mod load;
mod peers;
mod wire;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use self::load::Sample;
use self::peers::Peers;
use super::goals::Goals;
use super::machine::machine;

/// Each competitor runs that often, in turns; the tables have medians.
const ROUNDS: usize = 5;

/// How long a run is.
const RUN: Duration = Duration::from_secs(2);

/// Requests at a time.
const CONNECTIONS: [usize; 3] = [1, 4, 64];

/// Requests over which the memory is looked at, and how often.
const MANY: usize = 1_000_000;
const LOOKS: usize = 10;

/// One competitor with so many requests at a time.
struct Case {
    competitor: Competitor,
    connections: usize,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Competitor {
    Bare,
    Mlfn,
    Rie,
    CargoLambda,
}

impl Competitor {
    const ALL: [Self; 4] = [Self::Bare, Self::Mlfn, Self::Rie, Self::CargoLambda];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "the shim alone",
            Self::Mlfn => "`mlfn emulate`",
            Self::Rie => "AWS's Runtime Interface Emulator, same shim",
            Self::CargoLambda => "`cargo lambda watch`, a function that does nothing",
        }
    }

    /// AWS's emulator has one request at a time: a second one ends it.
    fn takes(self, connections: usize) -> bool {
        self != Self::Rie || connections == 1
    }
}

/// Measures, and writes tables in Markdown.
pub(crate) fn run() -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let peers = Peers::start(&root)?;
    let mut cases = cases();
    for round in 0..=ROUNDS {
        for case in &mut cases {
            let sample = peers.run(case.competitor, case.connections, RUN);
            let sample = sample.with_context(|| case.competitor.name())?;
            // The first round starts instances.
            if round > 0 {
                case.samples.push(sample);
            }
        }
    }
    let memory = peers.memory_over(MANY, LOOKS)?;
    Ok(report(&cases, &memory))
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for connections in CONNECTIONS {
        for competitor in Competitor::ALL {
            if competitor.takes(connections) {
                cases.push(Case {
                    competitor,
                    connections,
                    samples: Vec::new(),
                });
            }
        }
    }
    cases
}

impl Case {
    fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of).collect())
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How much longer a request takes than through the shim alone, round by round.
fn overhead(cases: &[Case], case: &Case) -> Option<f64> {
    let is_bare = |other: &&Case| {
        other.competitor == Competitor::Bare && other.connections == case.connections
    };
    let runs_the_shim = matches!(case.competitor, Competitor::Mlfn | Competitor::Rie);
    let bare = cases.iter().find(is_bare).filter(|_| runs_the_shim)?;
    let pairs = case.samples.iter().zip(&bare.samples);
    Some(median(
        pairs.map(|(one, bare)| one.p50 - bare.p50).collect(),
    ))
}

fn report(cases: &[Case], memory: &[u64]) -> String {
    let machine = machine().unwrap_or_else(|_| "unknown machine".to_owned());
    let mut text = format!(
        "{machine}; {}; {ROUNDS} rounds of {} s for each, in turns, medians; the load comes from one \
         program that keeps its connections, on the same machine.\n\n\
         | | connections | requests/s | p50 | p99 | p50 beyond the shim alone |\n\
         |---|---:|---:|---:|---:|---:|\n",
        Peers::versions(),
        RUN.as_secs(),
    );
    for case in cases {
        let beyond = overhead(cases, case).map(|time| format!("{time:.3} ms"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.3} ms | {:.3} ms | {} |",
            case.competitor.name(),
            case.connections,
            case.median(|sample| sample.rate),
            case.median(|sample| sample.p50),
            case.median(|sample| sample.p99),
            beyond.unwrap_or_default(),
        );
    }
    let _ = write!(text, "\n{}\n{}", goals(cases), resident(memory));
    text
}

fn goals(cases: &[Case]) -> String {
    let of = |connections: usize| {
        cases.iter().find(move |case| {
            (case.competitor, case.connections) == (Competitor::Mlfn, connections)
        })
    };
    let p50 = of(1).map_or(f64::NAN, |case| case.median(|sample| sample.p50));
    let rate = of(4).map_or(f64::NAN, |case| case.median(|sample| sample.rate));
    let mut goals = Goals::new();
    let goal = "p50 of at most 0.2 ms, one connection";
    goals.add(goal, &format!("{p50:.3} ms"), p50 <= 0.2);
    let goal = "at least 8,000 requests/s, 4 connections";
    goals.add(goal, &format!("{rate:.0}"), rate >= 8000.0);
    goals.table()
}

fn resident(memory: &[u64]) -> String {
    let list: Vec<String> = memory
        .iter()
        .map(|kib| {
            format!(
                "{:.1}",
                f64::from(u32::try_from(*kib).unwrap_or(u32::MAX)) / 1024.0
            )
        })
        .collect();
    format!(
        "Resident memory of `mlfn emulate` over a million requests on 4 connections, after each tenth, \
         in MiB: {}.\n",
        list.join(", ")
    )
}
