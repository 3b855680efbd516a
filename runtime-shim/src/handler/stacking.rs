//! Whether requests may share a run of the model, as far as it is known.
//!
//! Nothing in a graph says whether its leading dimension is a batch, in which no row counts for
//! another, or something else of free size such as time. And sums may be in another order where
//! there are more rows: from the second one on in many operators, in ONNX Runtime's ensembles of
//! trees from the 51st. So a process first does both, and trusts its stacks of one shape only after
//! enough different requests got the same from such stacks as alone: the same bits, or, if the
//! configuration leaves it open, the same but for rounding. A model for which they once got
//! something else is never stacked again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use mlfn_shim_contract::ShimConfig;

use super::likeness::Likeness;
use super::lone::Lone;
use crate::log::{self, Level};

/// Requests that have to agree in stacks of one shape. More than two, because the values of some
/// (zeros, say) may happen not to matter to others.
pub(super) const ENOUGH: usize = 24;

/// Shapes of stacks that are remembered. Whoever sends more is not run faster by company.
const MOST_SHAPES: usize = 1 << 10;

/// Whether requests may be stacked, as far as it is known.
#[derive(Debug)]
pub(super) struct Stacking {
    /// How alike answers have to be.
    least: Likeness,
    /// Somebody asked for stacks, and wants to know why there are none.
    is_wanted: bool,
    /// How a row runs that is alone.
    pub(super) lone: Lone,
    /// Of the stacks that were compared with single requests, by the shapes of their inputs.
    seen: Mutex<BTreeMap<Shapes, Seen>>,
    /// Company has changed an answer, or the answers of a run have no rows.
    refuted: AtomicBool,
}

/// Of each input of a run.
pub(super) type Shapes = Vec<Vec<usize>>;

/// What came of stacks of some shapes.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// So many different requests got the same as alone, and none got anything else.
    Same(usize),
    /// Some got other last digits.
    Rounded,
}

/// What is known of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Company changes nothing.
    Proven,
    /// It is to be found out.
    Open,
    /// This much company changes last digits. Less may change none.
    TooMany,
    /// It will never be known.
    Never,
}

impl Stacking {
    /// Of a model about which nothing is known yet.
    pub(super) fn new(config: &ShimConfig) -> Self {
        let batching = config.batching.as_ref();
        let is_exact = batching.is_none_or(|batching| batching.exact);
        let least = if is_exact {
            Likeness::Bits
        } else {
            Likeness::Rounding
        };
        // Nobody pays for company that never comes.
        let has_company = batching.is_some() || config.record_batches;
        Self {
            least,
            is_wanted: batching.is_some(),
            lone: Lone::new(is_exact && has_company),
            seen: Mutex::default(),
            refuted: AtomicBool::new(false),
        }
    }

    pub(super) fn trust(&self, shapes: &Shapes) -> Trust {
        if self.is_refuted() {
            return Trust::Never;
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(shapes) {
            Some(Seen::Same(requests)) if *requests >= ENOUGH => Trust::Proven,
            Some(Seen::Rounded) => Trust::TooMany,
            None if seen.len() >= MOST_SHAPES => Trust::Never,
            _ => Trust::Open,
        }
    }

    /// So many different requests got answers in a stack of these shapes that are so like those that
    /// they got alone.
    pub(super) fn learn(&self, shapes: Shapes, requests: usize, found: Likeness) {
        if found >= self.least {
            self.agree(shapes, requests);
        } else if found == Likeness::Rounding && self.lone.is_careful() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(shapes, Seen::Rounded);
        } else {
            self.refute(found);
        }
    }

    /// So many different requests got the same in a stack of these shapes as alone.
    pub(super) fn agree(&self, shapes: Shapes, requests: usize) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Seen::Same(agreed) = seen.entry(shapes).or_insert(Seen::Same(0)) {
            *agreed += requests;
        }
    }

    pub(super) fn is_refuted(&self) -> bool {
        self.refuted.load(Ordering::Relaxed)
    }

    /// Company has made of answers what is only so like them.
    pub(super) fn refute(&self, found: Likeness) {
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
                "requests do not share runs of the model: their answers would have other last digits"
            }
            Likeness::None => {
                "requests do not share runs of the model: their answers would be others"
            }
        };
        log::write(level, message, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::tests::config;

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let stacking = Stacking::new(&config());
        let stack = |rows| vec![vec![rows, 1]];
        assert_eq!(stacking.trust(&stack(2)), Trust::Open);
        for rows in 0..MOST_SHAPES {
            stacking.agree(stack(rows), ENOUGH);
        }
        assert_eq!(stacking.trust(&stack(2)), Trust::Proven);
        assert_eq!(stacking.trust(&stack(MOST_SHAPES)), Trust::Never);
    }
}
