//! Cold starts: a bare C program (the floor), the shim, and Python with AWS's runtime client, in turns
//! under AWS's own Runtime Interface Emulator.
//!
//! - this file: who runs, and the table
//! - `setup`: models, packages and foreign programs
//! - `start`: one cold start under AWS's emulator
//! - `emulated`: the same under `mlfn emulate`
//! - `cache`: files out of the page cache

mod cache;
mod emulated;
pub(super) mod setup;
mod start;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::goals::Goals;
use emulated::Emulated;
use setup::{MODELS, Setup, WITH_TRACT};
use start::{Bootstrap, Start};

/// Each bootstrap starts that often, in turns; the table has medians.
const ROUNDS: usize = 21;

/// Other processes of the machine do not take the processor away from what is measured.
const PRIORITY: [&str; 4] = ["-f", "-p", "10", "PID"];

/// Of the table. Two numbers in a cell are milliseconds of the start, and until the first answer.
const HEAD: &str = "\
| | floor | shim, as exported | / floor | shim, mapped | / floor | Python | init: Python / mapped | tract | / floor |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// Who starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Nothing,
    Floor,
    Plain,
    Optimized,
    Python,
    Tract,
    Emulated,
}

/// Who runs what.
type Case = (&'static str, Kind);

/// A bootstrap and the files that it reads.
struct Competitor {
    bootstrap: Bootstrap,
    files: Vec<PathBuf>,
}

/// Measures, and writes tables in Markdown.
pub(crate) fn run(repository: &Path) -> anyhow::Result<String> {
    let setup = Setup::make(repository)?;
    let priority = raise_priority();
    let competitors = competitors(&setup)?;
    let emulated = Emulated::make(repository, &setup)?;
    let mut warm = None;
    let mut text = format!(
        "{ROUNDS} starts each, in turns, one thread; {}{}.\n",
        super::machine::machine()?,
        if priority {
            ", with real-time priority"
        } else {
            ""
        }
    );
    for (title, cold) in [("Page cache warm", false), ("Page cache cold", true)] {
        let starts = measure(&setup, &competitors, cold)?;
        let _ = writeln!(text, "\n{title}:\n\n{}", table(&starts));
        warm.get_or_insert(starts);
    }
    let _ = writeln!(text, "\n{}", emulated_table(&emulated)?);
    text.push_str(&goals(&warm.unwrap_or_default()));
    Ok(text)
}

/// Not permitted to everybody; the medians are what they are without it.
fn raise_priority() -> bool {
    let own = std::process::id().to_string();
    let arguments = PRIORITY.map(|word| if word == "PID" { own.as_str() } else { word });
    let status = Command::new("chrt").args(arguments).status();
    status.is_ok_and(|status| status.success())
}

fn competitors(setup: &Setup) -> anyhow::Result<BTreeMap<Case, Competitor>> {
    let mut competitors = BTreeMap::from([(("", Kind::Nothing), nothing(setup))]);
    for name in MODELS {
        competitors.insert((name, Kind::Floor), floor(setup, name));
        let packages = [setup.package(name, false), setup.package(name, true)];
        let [plain, optimized] = packages.map(|folder| shim(folder, name));
        competitors.insert((name, Kind::Plain), plain);
        competitors.insert((name, Kind::Optimized), optimized);
        competitors.insert((name, Kind::Python), python(setup, name)?);
    }
    for name in WITH_TRACT {
        let tract = shim(setup.tract_package(name), name);
        competitors.insert((name, Kind::Tract), tract);
    }
    Ok(competitors)
}

fn nothing(setup: &Setup) -> Competitor {
    let mut competitor = floor(setup, MODELS[0]);
    competitor.bootstrap.environment.clear();
    competitor.files.truncate(1);
    competitor
}

fn floor(setup: &Setup, name: &str) -> Competitor {
    let (library, model) = (setup.library.clone(), setup.model(name));
    Competitor {
        bootstrap: Bootstrap {
            folder: setup.root.clone(),
            command: vec![text(&setup.floor)],
            environment: vec![
                ("FLOOR_LIBRARY", text(&library)),
                ("FLOOR_MODEL", text(&model)),
            ],
            event: event(name),
        },
        files: vec![setup.floor.clone(), library, model],
    }
}

fn shim(folder: PathBuf, name: &str) -> Competitor {
    Competitor {
        bootstrap: Bootstrap {
            command: vec![text(&folder.join("bootstrap"))],
            environment: Vec::new(),
            event: event(name),
            folder: folder.clone(),
        },
        files: vec![folder],
    }
}

fn python(setup: &Setup, name: &str) -> anyhow::Result<Competitor> {
    let command = [
        &text(&setup.python),
        "-m",
        "awslambdaric",
        "handler.handler",
    ];
    Ok(Competitor {
        bootstrap: Bootstrap {
            folder: setup.handler(),
            command: command.map(str::to_owned).to_vec(),
            environment: vec![("MODEL", text(&setup.model(name)))],
            event: batch_event(name),
        },
        files: vec![setup.python_packages()?, setup.model(name)],
    })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// One sample of the size that the floor makes for itself.
fn event(name: &str) -> String {
    match name {
        "iris" => r#"{"features":[0.5,0.5,0.5,0.5]}"#.to_owned(),
        "forest" => format!(r#"{{"features":{}}}"#, list("0.5", 64)),
        "mobilenet" => {
            let row = list("0.5", 224);
            format!(r#"{{"features":{}}}"#, list(&list(&row, 224), 3))
        }
        _ => {
            let words = list("1", 16);
            format!(r#"{{"input_ids":{words},"attention_mask":{words}}}"#)
        }
    }
}

/// The same for a handler that knows of no samples, but of tensors by their names only.
fn batch_event(name: &str) -> String {
    let input = match name {
        "mobilenet" => "image",
        "forest" => "X",
        _ => "features",
    };
    let event = event(name).replacen("features", input, 1);
    event
        .replace(":[", ":[[")
        .replace("],\"", "]],\"")
        .replace("]}", "]]}")
}

fn list(item: &str, count: usize) -> String {
    format!("[{}]", vec![item; count].join(","))
}

type Starts = BTreeMap<Case, Vec<Start>>;

fn measure(
    setup: &Setup,
    competitors: &BTreeMap<Case, Competitor>,
    cold: bool,
) -> anyhow::Result<Starts> {
    let log = setup.root.join("rie.log");
    let mut starts = Starts::new();
    // The first round fills the page cache, and does not count. Files that were written a moment ago
    // are in it page by page, which costs whoever reads them up to 80 ms; they are to be read as
    // files are.
    for round in 0..=ROUNDS {
        for (case, competitor) in competitors {
            if cold || round == 0 {
                competitor
                    .files
                    .iter()
                    .try_for_each(|path| cache::forget(path))?;
            }
            let start = || competitor.bootstrap.start(&setup.rie, &log);
            // Once in some hundred starts the emulator has no answer for whoever it is.
            let start = start().or_else(|_| start());
            let start = start.with_context(|| format!("{case:?}, round {round}"))?;
            if round > 0 {
                starts.entry(*case).or_default().push(start);
            }
        }
    }
    Ok(starts)
}

/// Nothing is taken off here: there is no other emulator around it.
fn emulated_table(emulated: &Emulated) -> anyhow::Result<String> {
    let mut starts = Starts::new();
    for round in 0..=ROUNDS {
        for (name, start) in MODELS.into_iter().zip(emulated.start(event)?) {
            if round > 0 {
                let case = (name, Kind::Emulated);
                starts.entry(case).or_default().push(start);
            }
        }
    }
    let mut table = String::from(
        "Under `mlfn emulate`, as packaged, with all that it adds:\n\n| | start, first answer |\n|---|---:|\n",
    );
    for name in MODELS {
        let start = cell(median(&starts, (name, Kind::Emulated)));
        let _ = writeln!(table, "| {name} | {start} |");
    }
    Ok(table)
}

/// With files in the page cache.
fn goals(starts: &Starts) -> String {
    let answer = |name, kind| net(starts, (name, kind)).answer;
    let init = |name, kind| net(starts, (name, kind)).init;
    let share = |name, kind| answer(name, kind) / answer(name, Kind::Floor);
    let mut goals = Goals::new();
    for name in MODELS {
        let share = share(name, Kind::Plain);
        let goal = format!("{name}, as exported: at most 1.10 of the floor");
        goals.add(&goal, &format!("{share:.2}"), share <= 1.1);
    }
    for (name, least) in [("iris", 4.5), ("mobilenet", 2.2)] {
        let times = init(name, Kind::Python) / init(name, Kind::Optimized);
        let goal = format!("{name}: Python's start at least {least} times the shim's");
        goals.add(&goal, &format!("{times:.1} times"), times >= least);
    }
    let mapped = share("mobilenet", Kind::Optimized);
    let goal = "mobilenet, mapped: at most 0.8 of the floor";
    goals.add(goal, &format!("{mapped:.2}"), mapped <= 0.8);
    let tract = share("iris", Kind::Tract);
    let goal = "iris, tract: at most a quarter of the floor";
    goals.add(goal, &format!("{tract:.2}"), tract <= 0.25);
    goals.table()
}

/// What the emulator itself and an empty process take is taken off everywhere.
fn net(starts: &Starts, case: Case) -> Start {
    let (all, nothing) = (median(starts, case), median(starts, ("", Kind::Nothing)));
    Start {
        init: all.init - nothing.init,
        answer: all.answer - nothing.answer,
    }
}

fn table(starts: &Starts) -> String {
    let nothing = median(starts, ("", Kind::Nothing));
    let mut table = String::from(HEAD);
    for name in MODELS {
        let net = |kind| net(starts, (name, kind));
        let (floor, plain, optimized) = (net(Kind::Floor), net(Kind::Plain), net(Kind::Optimized));
        let python = net(Kind::Python);
        let tract = if WITH_TRACT.contains(&name) {
            let tract = net(Kind::Tract);
            format!("{} | {:.2}", cell(tract), tract.answer / floor.answer)
        } else {
            "| ".to_owned()
        };
        let _ = writeln!(
            table,
            "| {name} | {} | {} | {:.2} | {} | {:.2} | {} | {:.1} | {tract} |",
            cell(floor),
            cell(plain),
            plain.answer / floor.answer,
            cell(optimized),
            optimized.answer / floor.answer,
            cell(python),
            python.init / optimized.init,
        );
    }
    let _ = writeln!(
        table,
        "\nTaken off everywhere, an empty bootstrap: {}.",
        cell(nothing)
    );
    table
}

/// Milliseconds of the start, and until the first answer.
fn cell(start: Start) -> String {
    format!("{:.1}, {:.1}", start.init, start.answer)
}

fn median(starts: &Starts, case: Case) -> Start {
    let all = starts.get(&case).map_or(&[][..], Vec::as_slice);
    let middle = |take: fn(&Start) -> f64| {
        let mut values: Vec<f64> = all.iter().map(take).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Start {
        init: middle(|start| start.init),
        answer: middle(|start| start.answer),
    }
}
