//! Many requests at once. Each gets the answer that it would get alone.
//!
//! Requests that differ in their rows only are stacked into one run of the model. Nothing in a
//! graph says whether its leading dimension is a batch, in which no row counts for another, or
//! something else of free size such as time. And sums may be in another order where there are more
//! rows, e.g. from 51 on in ONNX Runtime's ensembles of trees. So a process first does both, and
//! trusts its stacks of one shape only after enough different requests got the same bits in such
//! stacks as alone. A model for which they once did not is never stacked again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Handler, Timings};
use crate::codec::failure::Failure;
use crate::codec::request::Request;
use crate::codec::stack;
use crate::log::{self, Level};
use crate::tensor::Tensor;

/// Requests that have to agree in stacks of one shape. More than two, because the values of some
/// (zeros, say) may happen not to matter to others.
const ENOUGH: usize = 24;

/// Shapes of stacks that are remembered. Whoever sends more is not run faster by company.
const MOST_SHAPES: usize = 1 << 10;

/// Values in the inputs of one run, unless a single request has more. A model needs memory in
/// proportion to them, and large inputs gain nothing by company.
const LARGEST: usize = 1 << 16;

/// The answer to one request.
type Answer = Result<Vec<u8>, Failure>;

/// Whether requests may be stacked, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Stacking {
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
pub(super) enum Trust {
    /// Company changes nothing.
    Proven,
    /// It is to be found out.
    Open,
    /// It will never be known.
    Never,
}

impl Stacking {
    /// What is known of stacks of these shapes.
    pub(super) fn trust(&self, stack: &[Tensor]) -> Trust {
        if self.is_refuted() {
            return Trust::Never;
        }
        let agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        match agreed.get(&shapes(stack)) {
            Some(requests) if *requests >= ENOUGH => Trust::Proven,
            None if agreed.len() >= MOST_SHAPES => Trust::Never,
            _ => Trust::Open,
        }
    }

    /// So many different requests got the same bits in a stack of these shapes as alone.
    pub(super) fn agree(&self, shapes: Shapes, requests: usize) {
        let mut agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        *agreed.entry(shapes).or_default() += requests;
    }

    pub(super) fn is_refuted(&self) -> bool {
        self.refuted.load(Ordering::Relaxed)
    }

    pub(super) fn refute(&self) {
        if !self.refuted.swap(true, Ordering::Relaxed) {
            let message = "stacked requests get other bits than single ones: none are stacked";
            log::write(Level::Debug, message, &[]);
        }
    }
}

/// Of the inputs of a run.
pub(super) fn shapes(stack: &[Tensor]) -> Shapes {
    stack.iter().map(|tensor| tensor.shape.clone()).collect()
}

/// How many of the requests differ from the one before. Of equal ones nobody can tell whether they
/// were mixed up.
pub(super) fn different(requests: &[Request]) -> usize {
    let pairs = requests.windows(2).filter(|pair| pair[0] != pair[1]);
    match pairs.count() {
        0 => 0,
        pairs => pairs + 1,
    }
}

/// Says that so many requests were answered by one run.
pub(super) fn shared(requests: usize) {
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

impl Handler {
    /// Answers requests in the simple format, each for itself and in their order: one that is bad
    /// does no harm to the others.
    pub(crate) fn handle_many(&self, bodies: &[&[u8]], timings: &mut Timings) -> Vec<Answer> {
        let mut answers = BTreeMap::new();
        let mut groups: BTreeMap<_, (Vec<usize>, Vec<Request>)> = BTreeMap::new();
        for (index, body) in bodies.iter().enumerate() {
            match self.read(body, timings) {
                Ok(request) => {
                    let form = stack::form(self.engine.signature(), &request);
                    let group = groups.entry(form).or_default();
                    group.0.push(index);
                    group.1.push(request);
                }
                Err(failure) => {
                    answers.insert(index, Err(failure));
                }
            }
        }
        for (form, (indices, requests)) in groups {
            let found = match form {
                Some(_) => self.in_runs(requests, timings),
                None => self.one_by_one(requests, timings),
            };
            answers.extend(indices.into_iter().zip(found));
        }
        answers.into_values().collect()
    }

    /// Answers requests of one form, in runs of a bounded size.
    fn in_runs(&self, mut requests: Vec<Request>, timings: &mut Timings) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(requests.len());
        while !requests.is_empty() {
            let later = requests.split_off(next_run(&requests));
            answers.extend(self.together(requests, timings));
            requests = later;
        }
        answers
    }

    fn together(&self, requests: Vec<Request>, timings: &mut Timings) -> Vec<Answer> {
        let inputs = (requests.len() > 1 && !self.stacking.is_refuted())
            .then(|| stack::stack(&requests))
            .flatten();
        let Some(inputs) = inputs else {
            return self.one_by_one(requests, timings);
        };
        let (trust, different) = (self.stacking.trust(&inputs), different(&requests));
        if trust == Trust::Never || (trust == Trust::Open && different == 0) {
            return self.one_by_one(requests, timings);
        }
        let shapes = shapes(&inputs);
        let stacked = self.stacked(inputs, &requests, timings);
        if trust == Trust::Proven
            && let Some(answers) = stacked
        {
            shared(answers.len());
            return answers;
        }
        // Either this is the comparison, or the run failed, and it is to be found out for whom.
        let alone = self.one_by_one(requests, timings);
        match stacked {
            Some(stacked) if stacked == alone => self.stacking.agree(shapes, different),
            Some(_) => self.stacking.refute(),
            None => {}
        }
        alone
    }

    fn one_by_one(&self, requests: Vec<Request>, timings: &mut Timings) -> Vec<Answer> {
        let requests = requests.into_iter();
        let answers = requests.map(|request| self.predict(request, timings));
        answers.collect()
    }

    /// Answers all requests by one run; none if that failed or cannot be.
    fn stacked(
        &self,
        inputs: Vec<Tensor>,
        requests: &[Request],
        timings: &mut Timings,
    ) -> Option<Vec<Answer>> {
        let values = self.run(inputs, timings).ok()?;
        let Some(parts) = stack::split(&values, requests) else {
            self.stacking.refute();
            return None;
        };
        let parts = parts.iter().zip(requests);
        let answers = parts.map(|(values, request)| self.write(values, request.rows, timings));
        Some(answers.collect())
    }
}

#[cfg(test)]
mod tests;
