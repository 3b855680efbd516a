//! Whether requests may share a run of the model, and their answers if they do.
//!
//! Nothing in a graph says whether its leading dimension is a batch, in which no row counts for
//! another, or something else of free size such as time. And sums may be in another order where
//! there are more rows: in a product of matrices from the second one on, in ONNX Runtime's ensembles
//! of trees from the 51st. So a process first does both, and trusts its stacks of one shape only
//! after enough different requests got the same from such stacks as alone: the same bits, or, if
//! the configuration leaves it open, the same but for rounding. A model for which they once did not
//! is never stacked again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use mlfn_shim_contract::Batching;

use super::likeness::{Likeness, likeness};
use crate::codec::failure::Failure;
use crate::codec::request::Request;
use crate::codec::stack;
use crate::engine::Engine;
use crate::log::{self, Level};
use crate::tensor::{Tensor, Value};

/// Requests that have to agree in stacks of one shape. More than two, because the values of some
/// (zeros, say) may happen not to matter to others.
pub(super) const ENOUGH: usize = 24;

/// Shapes of stacks that are remembered. Whoever sends more is not run faster by company.
const MOST_SHAPES: usize = 1 << 10;

/// Values in the inputs of one run, unless a single request has more. A model needs memory in
/// proportion to them, and large inputs gain nothing by company.
pub(super) const LARGEST: usize = 1 << 16;

/// The outputs of one request.
pub(super) type Outputs = Result<Vec<Value>, Failure>;

/// Whether requests may be stacked, as far as it is known.
#[derive(Debug)]
pub(super) struct Stacking {
    /// How alike answers have to be.
    least: Likeness,
    /// Somebody asked for stacks, and wants to know why there are none.
    is_wanted: bool,
    /// How many requests got the same answers in a run with different ones as alone, by the shapes
    /// of that run's inputs.
    agreed: Mutex<BTreeMap<Shapes, usize>>,
    /// Some did not, or the answers of a run have no rows.
    refuted: AtomicBool,
}

/// Of each input of a run.
type Shapes = Vec<Vec<usize>>;

/// What is known of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Company changes nothing.
    Proven,
    /// It is to be found out.
    Open,
    /// It will never be known.
    Never,
}

impl Stacking {
    /// Of a model about which nothing is known yet.
    pub(super) fn new(batching: Option<&Batching>) -> Self {
        let is_exact = batching.is_none_or(|batching| batching.exact);
        Self {
            least: if is_exact {
                Likeness::Bits
            } else {
                Likeness::Rounding
            },
            is_wanted: batching.is_some(),
            agreed: Mutex::default(),
            refuted: AtomicBool::new(false),
        }
    }

    fn trust(&self, shapes: &Shapes) -> Trust {
        if self.is_refuted() {
            return Trust::Never;
        }
        let agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        match agreed.get(shapes) {
            Some(requests) if *requests >= ENOUGH => Trust::Proven,
            None if agreed.len() >= MOST_SHAPES => Trust::Never,
            _ => Trust::Open,
        }
    }

    /// So many different requests got the same in a stack of these shapes as alone.
    pub(super) fn agree(&self, shapes: Shapes, requests: usize) {
        let mut agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        *agreed.entry(shapes).or_default() += requests;
    }

    pub(super) fn is_refuted(&self) -> bool {
        self.refuted.load(Ordering::Relaxed)
    }

    fn refute(&self, found: Likeness) {
        if self.refuted.swap(true, Ordering::Relaxed) {
            return;
        }
        let level = if self.is_wanted {
            Level::Warn
        } else {
            Level::Debug
        };
        let message = match found {
            Likeness::Bits | Likeness::Rounding => {
                "requests do not share runs of the model: their answers would have other last \
                 digits; `batching: { exact: false }` in the manifest lets them"
            }
            Likeness::None => {
                "requests do not share runs of the model: their answers would be others"
            }
        };
        log::write(level, message, &[]);
    }
}

/// The outputs of requests of one form. As long as it is not proven that company changes nothing,
/// those of single runs.
pub(super) fn together(
    engine: &dyn Engine,
    stacking: &Stacking,
    requests: Vec<Request>,
) -> Vec<Outputs> {
    let inputs = (requests.len() > 1 && !stacking.is_refuted())
        .then(|| stack::stack(&requests))
        .flatten();
    let Some(inputs) = inputs else {
        return alone(engine, requests);
    };
    let shapes = shapes(&inputs);
    let (trust, different) = (stacking.trust(&shapes), different(&requests));
    if trust == Trust::Never || (trust == Trust::Open && different == 0) {
        return alone(engine, requests);
    }
    let Ok(values) = engine.run(inputs) else {
        // One of them made the run fail, and it is to be found out which.
        return alone(engine, requests);
    };
    let Some(parts) = stack::split(&values, &requests) else {
        stacking.refute(Likeness::None);
        return alone(engine, requests);
    };
    if trust == Trust::Proven {
        shared(parts.len());
        return parts.into_iter().map(Ok).collect();
    }
    let alone = alone(engine, requests);
    let pairs = alone.iter().zip(&parts);
    let found = pairs.map(|(one, part)| {
        one.as_ref()
            .map_or(Likeness::None, |one| likeness(one, part))
    });
    match found.min().unwrap_or(Likeness::None) {
        found if found >= stacking.least => stacking.agree(shapes, different),
        found => stacking.refute(found),
    }
    alone
}

fn alone(engine: &dyn Engine, requests: Vec<Request>) -> Vec<Outputs> {
    let requests = requests.into_iter();
    let outputs = requests.map(|request| engine.run(request.inputs).map_err(Failure::from));
    outputs.collect()
}

/// Of the inputs of a run.
fn shapes(stack: &[Tensor]) -> Shapes {
    stack.iter().map(|tensor| tensor.shape.clone()).collect()
}

/// How many of the requests differ from the one before. Of equal ones nobody can tell whether they
/// were mixed up.
fn different(requests: &[Request]) -> usize {
    let pairs = requests.windows(2).filter(|pair| pair[0] != pair[1]);
    match pairs.count() {
        0 => 0,
        pairs => pairs + 1,
    }
}

/// Says that so many requests were answered by one run.
fn shared(requests: usize) {
    let fields = [("requests", requests.into())];
    log::write(Level::Debug, "requests shared a run", &fields);
}

/// How many of the requests are for the next run.
pub(super) fn next_run(requests: &[Request]) -> usize {
    let mut size = 0;
    let fitting = requests.iter().take_while(|request| {
        let values = request.inputs.iter().map(|input| input.data.len());
        size += values.sum::<usize>();
        size <= LARGEST
    });
    fitting.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let stacking = Stacking::new(None);
        let stack = |rows| vec![vec![rows, 1]];
        assert_eq!(stacking.trust(&stack(2)), Trust::Open);
        for rows in 0..MOST_SHAPES {
            stacking.agree(stack(rows), ENOUGH);
        }
        assert_eq!(stacking.trust(&stack(2)), Trust::Proven);
        assert_eq!(stacking.trust(&stack(MOST_SHAPES)), Trust::Never);
    }
}
