//! Many requests at once. Each gets the answer that it would get alone.
//!
//! Requests that differ in their rows only are stacked into one run of the model. Nothing in a
//! graph says whether its leading dimension is a batch, in which no row counts for another, or
//! something else of free size such as time. So a process first does both, and trusts its stacks
//! only after enough different requests got the same bits in them as alone. A model for which they
//! once did not is never stacked again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Handler, Timings};
use crate::codec::failure::Failure;
use crate::codec::request::Request;
use crate::codec::stack;
use crate::log::{self, Level};

/// Requests in a run that is compared with single ones.
const COMPARED: usize = 8;

/// Requests that have to agree. More than two, because the values of some (zeros, say) may happen
/// not to matter to others.
const ENOUGH: usize = 24;

/// Values in the inputs of one run, unless a single request has more. A model needs memory in
/// proportion to them, and large inputs gain nothing by company.
const LARGEST: usize = 1 << 16;

/// The answer to one request.
type Answer = Result<Vec<u8>, Failure>;

/// Whether requests may be stacked, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Stacking {
    /// How many requests got the same answers in a run with different ones as alone.
    agreed: AtomicUsize,
    /// Some did not, or the answers of a run have no rows.
    refuted: AtomicBool,
}

impl Stacking {
    pub(super) fn is_proven(&self) -> bool {
        self.agreed.load(Ordering::Relaxed) >= ENOUGH
    }

    pub(super) fn agree(&self, requests: usize) {
        self.agreed.fetch_add(requests, Ordering::Relaxed);
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
            let later = requests.split_off(self.next_run(&requests));
            answers.extend(self.together(requests, timings));
            requests = later;
        }
        answers
    }

    /// How many of the requests are for the next run.
    fn next_run(&self, requests: &[Request]) -> usize {
        let most = if self.stacking.is_proven() {
            requests.len()
        } else {
            COMPARED.min(requests.len())
        };
        let mut size = 0;
        let fitting = requests[..most].iter().take_while(|request| {
            let values = request.inputs.iter().map(|input| input.data.len());
            size += values.sum::<usize>();
            size <= LARGEST
        });
        fitting.count().max(1)
    }

    fn together(&self, requests: Vec<Request>, timings: &mut Timings) -> Vec<Answer> {
        // Of equal requests nobody can tell whether they were mixed up.
        let differ = || requests.windows(2).any(|pair| pair[0] != pair[1]);
        let is_proven = self.stacking.is_proven();
        if self.stacking.is_refuted() || requests.len() < 2 || !(is_proven || differ()) {
            return self.one_by_one(requests, timings);
        }
        let stacked = self.stacked(&requests, timings);
        if is_proven && let Some(answers) = stacked {
            return answers;
        }
        // Either this is the comparison, or the run failed, and it is to be found out for whom.
        let alone = self.one_by_one(requests, timings);
        match stacked {
            Some(stacked) if stacked == alone => self.stacking.agree(alone.len()),
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
    fn stacked(&self, requests: &[Request], timings: &mut Timings) -> Option<Vec<Answer>> {
        let inputs = stack::stack(requests)?;
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
