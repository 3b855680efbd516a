//! How a request runs that is alone, where others have company.
//!
//! Many operators of ONNX Runtime take another way where there is one row only, so that its last
//! digits are not those which the same row gets in company; from two rows on they are the same
//! (decision 0019). Where that is so, a single row is run as two equal ones: it gets the same bits
//! whether or not others came at its moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::likeness::{Likeness, likeness};
use super::stacking::{ENOUGH, Stacking};
use super::together::{LARGEST, Outputs, values};
use crate::codec::failure::Failure;
use crate::codec::stack;
use crate::engine::Engine;
use crate::log::{self, Level};
use crate::tensor::{Tensor, Value};

/// How a row runs that is alone.
#[derive(Debug)]
pub(super) struct Lone {
    /// Its bits have to be those that it gets in company.
    is_careful: bool,
    way: Mutex<Way>,
}

/// As far as it is known.
#[derive(Debug)]
enum Way {
    /// So many different rows in turn got the same bits once and twice, this one last.
    Open { agreed: usize, last: Vec<Tensor> },
    /// As it is: that makes no difference.
    Once,
    /// As two equal rows.
    Twice,
}

/// What to do with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Once,
    Twice,
    Both,
}

impl Lone {
    /// Of a model about which nothing is known yet. Whoever is not careful runs a row as it is.
    pub(super) fn new(is_careful: bool) -> Self {
        let open = Way::Open {
            agreed: 0,
            last: Vec::new(),
        };
        let way = if is_careful { open } else { Way::Once };
        Self {
            is_careful,
            way: Mutex::new(way),
        }
    }

    /// Whether single rows are run such that their bits are those of company.
    pub(super) fn is_careful(&self) -> bool {
        self.is_careful
    }

    fn plan(&self, inputs: &[Tensor]) -> Plan {
        match &*self.lock() {
            Way::Once => Plan::Once,
            _ if !may_be_doubled(inputs) => Plan::Once,
            Way::Twice => Plan::Twice,
            // It is known for this one that it makes no difference.
            Way::Open { last, .. } if last == inputs => Plan::Once,
            Way::Open { .. } => Plan::Both,
        }
    }

    /// The bits of this row were the same, or others but for rounding.
    fn learn(&self, row: Vec<Tensor>, found: Likeness) {
        let mut way = self.lock();
        let Way::Open { agreed, last } = &mut *way else {
            return;
        };
        if found == Likeness::Bits {
            *agreed += 1;
            *last = row;
            if *agreed >= ENOUGH {
                *way = Way::Once;
            }
        } else {
            *way = Way::Twice;
            drop(way);
            let message = "a request alone is run as two equal rows, for the last digits that it \
                           gets in company; `batching: { exact: false }` in the manifest spares that";
            log::write(Level::Info, message, &[]);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stacking {
    /// Runs a request that has no company, or is to be compared with what it got there.
    pub(super) fn run_alone(&self, engine: &dyn Engine, inputs: Vec<Tensor>) -> Outputs {
        let plan = if self.is_refuted() {
            Plan::Once
        } else {
            self.lone.plan(&inputs)
        };
        match plan {
            Plan::Once => once(engine, inputs),
            // If it fails, the row itself says why.
            Plan::Twice => twice(engine, &inputs).map_or_else(|| once(engine, inputs), Ok),
            Plan::Both => self.run_both(engine, inputs),
        }
    }

    fn run_both(&self, engine: &dyn Engine, inputs: Vec<Tensor>) -> Outputs {
        if stack::form(engine.signature(), &inputs).is_none() {
            return once(engine, inputs);
        }
        let one = once(engine, inputs.clone())?;
        let Some(two) = twice(engine, &inputs) else {
            self.refute(Likeness::None);
            return Ok(one);
        };
        match likeness(&one, &two) {
            Likeness::None => {
                self.refute(Likeness::None);
                Ok(one)
            }
            found => {
                self.lone.learn(inputs, found);
                Ok(two)
            }
        }
    }
}

fn once(engine: &dyn Engine, inputs: Vec<Tensor>) -> Outputs {
    engine.run(inputs).map_err(Failure::from)
}

/// What a row gets as two equal rows; none if that fails, or if they do not get the same.
fn twice(engine: &dyn Engine, inputs: &[Tensor]) -> Option<Vec<Value>> {
    let values = engine.run(stack::twice(inputs)?).ok()?;
    let [one, other] = stack::halves(&values)?;
    (likeness(&one, &other) == Likeness::Bits).then_some(one)
}

/// Whether it is one row that has company in some run.
fn may_be_doubled(inputs: &[Tensor]) -> bool {
    let is_row = |input: &Tensor| input.shape.first() == Some(&1);
    inputs.iter().all(is_row) && 2 * values(inputs) <= LARGEST
}
