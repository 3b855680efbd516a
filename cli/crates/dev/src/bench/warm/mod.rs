//! Warm requests over the loopback interface: the shim, a Python handler, `MLServer`, and a bare
//! session in a loop.
//!
//! - this file: who runs, and the table
//! - `setup`: models, packages and servers
//! - `load`: requests

mod load;
mod setup;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use mlfn_testkit::servers::Server;

use super::goals::Goals;
use load::{Request, Sample};
use setup::{ML_SERVER, MODELS, Model, Setup};

/// Each case runs that often, in turns; the tables have medians.
const ROUNDS: usize = 3;

/// How long a run is, in seconds.
const SECONDS: u64 = 1;

/// Requests at a time.
const CONNECTIONS: [usize; 2] = [1, 16];

/// Who answers, and how it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rival {
    Bare,
    ShimBytes,
    ShimJson,
    Handler,
    MlServer,
}

impl Rival {
    const ALL: [Self; 5] = [
        Self::Bare,
        Self::ShimBytes,
        Self::ShimJson,
        Self::Handler,
        Self::MlServer,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "`session.run` in a loop",
            Self::ShimBytes => "shim, bytes",
            Self::ShimJson => "shim, JSON",
            Self::Handler => "Python handler, JSON",
            Self::MlServer => "MLServer, JSON",
        }
    }
}

/// One rival with so many requests at a time.
struct Case {
    model: Model,
    rival: Rival,
    connections: usize,
    samples: Vec<Sample>,
}

/// Servers of one model.
struct Servers {
    shim: Server,
    handler: Server,
    ml_server: Server,
}

impl Servers {
    fn request(&self, model: Model, rival: Rival) -> Option<Request> {
        match rival {
            Rival::Bare => None,
            Rival::ShimBytes => Some(model.binary(self.shim.port)),
            Rival::ShimJson => Some(model.simple(self.shim.port)),
            Rival::Handler => Some(model.simple(self.handler.port)),
            Rival::MlServer => Some(model.open(self.ml_server.port)),
        }
    }
}

/// Measures, and writes tables in Markdown.
pub(crate) fn run(repository: &Path) -> anyhow::Result<String> {
    let setup = Setup::make(repository)?;
    let mut text = format!(
        "{}; {ML_SERVER}, ONNX Runtime 1.31.1 everywhere; {ROUNDS} rounds of {SECONDS} s for each, in \
         turns, medians; the load comes from the same machine.\n",
        super::machine::machine()?
    );
    let mut all = Vec::new();
    for model in MODELS {
        let servers = Servers {
            shim: setup.shim(model),
            handler: setup.handler(model),
            ml_server: setup.ml_server(model),
        };
        let cases = measure(&setup, model, &servers)?;
        let _ = write!(text, "\n{}", table(&cases));
        all.extend(cases);
    }
    let _ = write!(text, "\n{}", goals(&all));
    Ok(text)
}

fn goals(cases: &[Case]) -> String {
    let of = |model: &str, rival: Rival| {
        let mut cases = cases.iter();
        let case = cases.find(|case| case.is(model, rival));
        let of = |take: fn(&Sample) -> f64| case.map_or(f64::NAN, |case| case.median(take));
        (of(|sample| sample.p50), of(|sample| sample.rate))
    };
    let (bare, _) = of("iris", Rival::Bare);
    let (p50, rate) = of("iris", Rival::ShimJson);
    let (_, served) = of("iris", Rival::MlServer);
    let beyond = p50 - bare;
    let mut goals = Goals::new();
    let goal = "iris as JSON: at most 0.060 ms beyond a bare run";
    goals.add(goal, &format!("{beyond:.3} ms"), beyond <= 0.06);
    let times = rate / served;
    let goal = "iris as JSON: 5 times the requests of MLServer, one connection";
    goals.add(goal, &format!("{times:.1} times"), times >= 5.0);
    let (bare, _) = of("mobilenet", Rival::Bare);
    let share = of("mobilenet", Rival::ShimBytes).0 / bare;
    let goal = "CNN as bytes: at most 1.03 of a bare run";
    goals.add(goal, &format!("{share:.2}"), share <= 1.03);
    let share = of("mobilenet", Rival::ShimJson).0 / of("mobilenet", Rival::Handler).0;
    let goal = "CNN as JSON: at most 0.25 of the Python handler";
    goals.add(goal, &format!("{share:.2}"), share <= 0.25);
    goals.table()
}

fn measure(setup: &Setup, model: Model, servers: &Servers) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for connections in CONNECTIONS {
        for rival in Rival::ALL {
            // A loop has no connections.
            if rival != Rival::Bare || connections == 1 {
                cases.push(Case {
                    model,
                    rival,
                    connections,
                    samples: Vec::new(),
                });
            }
        }
    }
    for _ in 0..ROUNDS {
        for case in &mut cases {
            let sample = match servers.request(case.model, case.rival) {
                None => setup.bare(case.model, SECONDS),
                Some(request) => request.run(case.connections, Duration::from_secs(SECONDS)),
            };
            case.samples
                .push(sample.with_context(|| case.rival.name())?);
        }
    }
    Ok(cases)
}

fn table(cases: &[Case]) -> String {
    let mut table = String::from(
        "| | connections | requests/s | p50 | p99 | p50 beyond the loop |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    let bare = cases.iter().find(|case| case.rival == Rival::Bare);
    let bare = bare.map_or(f64::NAN, |case| case.median(|sample| sample.p50));
    for case in cases {
        let p50 = case.median(|sample| sample.p50);
        let _ = writeln!(
            table,
            "| {}, {} | {} | {:.0} | {p50:.3} ms | {:.3} ms | {} |",
            case.model.name,
            case.rival.name(),
            case.connections,
            case.median(|sample| sample.rate),
            case.median(|sample| sample.p99),
            if case.connections == 1 && case.rival != Rival::Bare {
                format!("{:.3} ms", p50 - bare)
            } else {
                String::new()
            },
        );
    }
    table
}

impl Case {
    fn is(&self, model: &str, rival: Rival) -> bool {
        self.model.name == model && self.rival == rival && self.connections == 1
    }

    fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        let mut numbers: Vec<f64> = self.samples.iter().map(of).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
    }
}
