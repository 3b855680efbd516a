//! The engine on the fake cloud, killed with SIGKILL before and after every call and before every
//! write of the state, and run again: [`crate::victim`] kills itself, so that the moment is exact.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

use crate::bench::FakeTwin;
use crate::fake::FakeCloud;
use crate::faults::Fault;
use crate::kills::{Operation, Tally};
use crate::victim::{Order, Step, cloud_file};

const SIGKILL: i32 = 9;

/// A moment is tried until a process gets past it; no run has that many.
const MOST: u32 = 10_000;

/// The program that carries out an [`Order`].
#[derive(Debug, Clone)]
pub struct Victims {
    /// `mlfn-victim`.
    pub program: PathBuf,
}

/// What a service goes through.
#[derive(Debug, Clone, Copy)]
struct Life {
    /// What is there already.
    before: Option<Step>,
    /// What is deployed (or that all is removed) when the process is killed.
    then: Option<Step>,
    /// Whether it is removed at once, instead of deployed again first.
    removes: bool,
}

/// When a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeCall,
    AfterCall,
    BeforeWrite,
}

type At = Option<(u32, Fault)>;

impl Life {
    /// None for what needs the real program.
    fn of(operation: Operation) -> Option<Self> {
        let (before, then, removes) = match operation {
            Operation::FirstDeploy => (None, Some(Step::First), false),
            Operation::Abandoned => (None, Some(Step::First), true),
            Operation::Update => (Some(Step::First), Some(Step::Updated), false),
            Operation::Replace => (Some(Step::First), Some(Step::Replaced), false),
            Operation::Remove => (Some(Step::First), None, true),
            Operation::Rollback | Operation::Unrecorded => return None,
        };
        Some(Self {
            before,
            then,
            removes,
        })
    }
}

impl Place {
    const ALL: [Self; 3] = [Self::BeforeCall, Self::AfterCall, Self::BeforeWrite];

    fn at(self, number: u32) -> (At, At) {
        match self {
            Self::BeforeCall => (Some((number, Fault::KillBefore)), None),
            Self::AfterCall => (Some((number, Fault::KillAfter)), None),
            Self::BeforeWrite => (None, Some((number, Fault::KillBefore))),
        }
    }
}

impl Victims {
    /// What [`Self::sweep`] can do.
    pub const OPERATIONS: [Operation; 5] = [
        Operation::FirstDeploy,
        Operation::Abandoned,
        Operation::Update,
        Operation::Replace,
        Operation::Remove,
    ];

    /// Kills a process at every moment of `operation`, and goes on after each. Empty for an operation
    /// that only the real program has.
    pub fn sweep(&self, operation: Operation) -> Tally {
        let mut tally = Tally::default();
        let Some(life) = Life::of(operation) else {
            return tally;
        };
        for place in Place::ALL {
            for number in 1..MOST {
                match self.attempt(life, place.at(number)) {
                    Ok(None) => break,
                    Ok(Some(left)) => {
                        tally.orphans.extend(left);
                        tally.count(place);
                    }
                    Err(failure) => {
                        let failure = format!("{life:?}, {place:?} {number}: {failure}");
                        tally.failures.push(failure);
                        break;
                    }
                }
            }
        }
        tally
    }

    /// What is left in the end after a process was killed; none if it survived.
    fn attempt(&self, life: Life, wrong: (At, At)) -> Result<Option<Vec<String>>, String> {
        let Life {
            before,
            then,
            removes,
        } = life;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        FakeTwin::write_codes(folder.path());
        if let Some(before) = before {
            self.succeeds(&folder, Some(before), (None, None))?;
        }
        let ended = self.deploy(&folder, then, wrong)?;
        if !ended.success() && ended.signal() != Some(SIGKILL) {
            return Err(format!("it ended with {ended}"));
        }
        if then.is_some() && !removes {
            self.succeeds(&folder, then, (None, None))?;
            // It would be killed at its first call, if it made one.
            let first = || Some((1, Fault::KillBefore));
            self.succeeds(&folder, then, (first(), first()))?;
        }
        self.succeeds(&folder, None, (None, None))?;
        let left = FakeCloud::in_file(&cloud_file(folder.path())).things();
        let left = left.into_keys().collect();
        Ok((!ended.success()).then_some(left))
    }

    fn succeeds(
        &self,
        folder: &TempDir,
        step: Option<Step>,
        wrong: (At, At),
    ) -> Result<(), String> {
        let ended = self.deploy(folder, step, wrong)?;
        if ended.success() {
            return Ok(());
        }
        Err(format!("the next run ({step:?}) ended with {ended}"))
    }

    fn deploy(
        &self,
        folder: &TempDir,
        variant: Option<Step>,
        (call, write): (At, At),
    ) -> Result<ExitStatus, String> {
        let order = Order::Deploy {
            folder: folder.path().to_owned(),
            variant,
            call,
            write,
        };
        let ended = self.start(&order).and_then(|mut child| child.wait());
        ended.map_err(|error| error.to_string())
    }

    /// Starts a process with an order; its standard input stays open.
    pub fn start(&self, order: &Order) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let line = serde_json::to_string(order)? + "\n";
        if let Some(input) = &mut child.stdin {
            input.write_all(line.as_bytes())?;
        }
        Ok(child)
    }
}

impl Tally {
    fn count(&mut self, place: Place) {
        match place {
            Place::BeforeCall => self.calls += 1,
            Place::BeforeWrite => self.writes += 1,
            Place::AfterCall => {}
        }
        match place {
            Place::AfterCall => self.after += 1,
            Place::BeforeCall | Place::BeforeWrite => self.before += 1,
        }
        self.converged += 1;
    }
}
