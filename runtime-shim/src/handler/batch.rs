//! Many requests at once. Each gets the answer that it would get alone.

use std::collections::BTreeMap;
use std::time::Instant;

use super::together::{next_run, together};
use super::{Handler, Timings};
use crate::codec::failure::Failure;
use crate::codec::request::Request;
use crate::codec::stack;
use crate::trace::{self, Phase};

/// The answer to one request.
type Answer = Result<Vec<u8>, Failure>;

impl Handler {
    /// Answers requests in the simple format, each for itself and in their order: one that is bad
    /// does no harm to the others.
    pub(crate) fn handle_many(&self, bodies: &[&[u8]], timings: &mut Timings) -> Vec<Answer> {
        let mut answers = BTreeMap::new();
        let mut groups: BTreeMap<_, (Vec<usize>, Vec<Request>)> = BTreeMap::new();
        for (index, body) in bodies.iter().enumerate() {
            match self.read(body, timings) {
                Ok(request) => {
                    let form = stack::form(self.engine.signature(), &request.inputs);
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
        let rows: Vec<_> = requests.iter().map(|request| request.rows).collect();
        let start = Instant::now();
        let outputs = together(&*self.engine, &self.stacking, requests);
        timings.run += start.elapsed();
        trace::mark(Phase::FirstRun);
        let outputs = outputs.into_iter().zip(rows);
        outputs
            .map(|(outputs, rows)| self.write(&outputs?, rows, timings))
            .collect()
    }

    fn one_by_one(&self, requests: Vec<Request>, timings: &mut Timings) -> Vec<Answer> {
        let requests = requests.into_iter();
        let answers = requests.map(|request| self.predict(request, timings));
        answers.collect()
    }
}

#[cfg(test)]
mod tests;
