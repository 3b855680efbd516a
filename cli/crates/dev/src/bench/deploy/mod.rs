//! What a deploy to AWS takes, beside a script that makes the same calls with boto3, and beside other
//! people's tools: all to the same account, which is one of ministack's, in turns.

mod peers;
mod subject;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

use self::peers::{Peers, Tool};
use self::subject::Subject;
use super::goals::Goals;
use super::machine::machine;

/// Each tool runs that often; the table has medians.
const ROUNDS: usize = 3;

/// What is done, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// To an empty account.
    First,
    /// Nothing is different.
    Nothing,
    /// More memory.
    Settings,
    /// Another model of the same size.
    Model,
    /// All of it.
    Remove,
}

impl Step {
    const ALL: [Self; 5] = [
        Self::First,
        Self::Nothing,
        Self::Settings,
        Self::Model,
        Self::Remove,
    ];
}

/// The seconds that a tool took for each step, a list for each.
struct Times {
    tool: Tool,
    of: [Vec<f64>; Step::ALL.len()],
}

/// Measures, and writes a table in Markdown. A quick run has one round, with programs as they are
/// built for tests: it tells whether the benchmark works, and nothing else.
pub(crate) fn run(root: &Path, is_quick: bool) -> anyhow::Result<String> {
    let subject = Subject::new(root, is_quick)?;
    let peers = Peers::start(root, &subject)?;
    let mut all = Tool::ALL.map(|tool| Times {
        tool,
        of: Default::default(),
    });
    for _ in 0..if is_quick { 1 } else { ROUNDS } {
        for times in &mut all {
            peers.empty();
            subject.reset()?;
            for (step, seconds) in Step::ALL.into_iter().zip(&mut times.of) {
                let tool = times.tool;
                let took = take(&peers, &subject, tool, step);
                seconds.push(took.with_context(|| format!("{}, {step:?}", tool.name()))?);
            }
        }
    }
    Ok(report(&all, &subject))
}

/// How many seconds a step takes.
fn take(peers: &Peers, subject: &Subject, tool: Tool, step: Step) -> anyhow::Result<f64> {
    match step {
        Step::First | Step::Nothing | Step::Remove => {}
        Step::Settings => subject.change_settings()?,
        Step::Model => subject.change_model()?,
    }
    peers.prepare(tool, subject)?;
    let start = Instant::now();
    peers.run(tool, step)?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(all: &[Times], subject: &Subject) -> String {
    let machine = machine().unwrap_or_else(|_| "unknown machine".to_owned());
    let rounds = all
        .first()
        .map_or(0, |times| times.of.first().map_or(0, Vec::len));
    let mut text = format!(
        "{machine}; {}; a package of {:.1} MB; seconds, medians of {rounds} in turns.\n\n\
         | | first | nothing changed | memory changed | model changed | remove |\n\
         |---|---:|---:|---:|---:|---:|\n",
        Peers::versions(),
        subject.megabytes(),
    );
    for times in all {
        let numbers = times.of.iter().map(|of| format!("{:.2}", median(of)));
        let numbers: Vec<String> = numbers.collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {} |", times.tool.name(), numbers.join(" | "));
    }
    text + "\n" + &goals(all)
}

/// What the issue asked for: faster than the script at each step, and nothing to do in half a second.
fn goals(all: &[Times]) -> String {
    let of = |tool: Tool| all.iter().find(move |times| times.tool == tool);
    let (Some(mlfn), Some(script)) = (of(Tool::Mlfn), of(Tool::Script)) else {
        return String::new();
    };
    let slowest = mlfn.of.iter().zip(&script.of);
    let slowest = slowest.map(|(mlfn, script)| median(mlfn) / median(script));
    let slowest = slowest.fold(0.0, f64::max);
    let nothing = mlfn.of.get(1).map_or(f64::NAN, |of| median(of));
    let mut goals = Goals::new();
    let measured = format!("{slowest:.2} of its time at most");
    goals.add(
        "faster than the script at each step",
        &measured,
        slowest < 1.0,
    );
    goals.add(
        "nothing changed: under 0.5 s",
        &format!("{nothing:.2} s"),
        nothing < 0.5,
    );
    for (tool, goal) in [(Tool::Sam, 2.0), (Tool::Serverless, 5.0), (Tool::Osls, 5.0)] {
        let Some(other) = of(tool) else { continue };
        let pairs = other.of.iter().zip(&mlfn.of);
        let least = pairs.map(|(other, mlfn)| median(other) / median(mlfn));
        let least = least.fold(f64::INFINITY, f64::min);
        let name = tool.name();
        let wanted = format!("{goal} times as fast as {name} at each step");
        goals.add(
            &wanted,
            &format!("{least:.1} times at least"),
            least >= goal,
        );
    }
    goals.table()
}
