//! Requests that come at the same time, from several threads, in one run of the model.
//!
//! Nobody waits for company who is alone: a request is run at once if no other one is running and
//! no more are expected than are there. As many are expected as the last run had.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use mlfn_shim_contract::Batching;

use super::stacking::Stacking;
use super::together::{Outputs, next_run, together};
use crate::codec::failure::{Code, Failure};
use crate::codec::request::{Request, Rows};
use crate::codec::stack;
use crate::engine::Engine;
use crate::tensor::Tensor;

/// Where requests meet.
#[derive(Debug)]
pub(super) struct Gatherer {
    /// The most requests of one run.
    most: usize,
    /// The longest that a request waits for others.
    wait: Duration,
    group: Mutex<Group>,
    /// A group is complete, or a run has ended.
    changed: Condvar,
}

/// Those who wait for the same run.
#[derive(Debug)]
struct Group {
    waiting: Vec<Waiting>,
    /// How many groups there were before.
    number: usize,
    /// Runs that have not ended.
    running: usize,
    /// Requests of the last run.
    expected: usize,
}

#[derive(Debug)]
struct Waiting {
    request: Request,
    answer: mpsc::Sender<Outputs>,
}

impl Gatherer {
    /// With these bounds.
    pub(super) fn new(batching: &Batching) -> Self {
        Self {
            most: batching.max.try_into().unwrap_or(1),
            wait: Duration::from_micros(batching.wait_us),
            group: Mutex::new(Group {
                waiting: Vec::new(),
                number: 0,
                running: 0,
                expected: 1,
            }),
            changed: Condvar::new(),
        }
    }

    /// Runs the model for one request, together with others if there are such.
    pub(super) fn run(
        &self,
        engine: &dyn Engine,
        stacking: &Stacking,
        inputs: Vec<Tensor>,
    ) -> Outputs {
        let request = Request {
            inputs,
            rows: Rows::Whole,
        };
        if stacking.is_refuted() || stack::form(engine.signature(), &request.inputs).is_none() {
            return engine.run(request.inputs).map_err(Failure::from);
        }
        let (answer, answered) = mpsc::channel();
        if let Some(group) = self.join(Waiting { request, answer }) {
            let _run = Running(self);
            answer_all(engine, stacking, group);
        }
        // Whoever ran the group has panicked if there is none.
        let lost = |_| Failure::new(Code::Internal, "an internal error; the log has the details");
        answered.recv().unwrap_or_else(|error| Err(lost(error)))
    }

    /// Waits for others. The group, for the one who has to run it.
    fn join(&self, one: Waiting) -> Option<Vec<Waiting>> {
        let mut group = self.lock();
        group.waiting.push(one);
        if group.waiting.len() >= self.most {
            return Some(self.close(group));
        }
        if group.waiting.len() > 1 {
            // The first one looks whether all are there.
            self.changed.notify_all();
            return None;
        }
        let own = group.number;
        let is_open = |group: &mut Group| {
            let is_early = group.running > 0 || group.waiting.len() < group.expected;
            group.number == own && is_early
        };
        let waited = self.changed.wait_timeout_while(group, self.wait, is_open);
        let (group, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (group.number == own).then(|| self.close(group))
    }

    fn close(&self, mut group: MutexGuard<'_, Group>) -> Vec<Waiting> {
        let all = std::mem::take(&mut group.waiting);
        group.number += 1;
        group.running += 1;
        group.expected = all.len();
        drop(group);
        self.changed.notify_all();
        all
    }

    fn lock(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run, until it ends, in whichever way.
struct Running<'a>(&'a Gatherer);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.changed.notify_all();
    }
}

/// Answers those who wait, each form of requests by a run of its own.
fn answer_all(engine: &dyn Engine, stacking: &Stacking, group: Vec<Waiting>) {
    let mut forms: BTreeMap<_, (Vec<Request>, Vec<mpsc::Sender<Outputs>>)> = BTreeMap::new();
    for Waiting { request, answer } in group {
        let form = stack::form(engine.signature(), &request.inputs);
        let (requests, answers) = forms.entry(form).or_default();
        requests.push(request);
        answers.push(answer);
    }
    for (mut requests, answers) in forms.into_values() {
        let mut answers = answers.into_iter();
        while !requests.is_empty() {
            let later = requests.split_off(next_run(&requests));
            let outputs = together(engine, stacking, requests);
            for (outputs, answer) in outputs.into_iter().zip(&mut answers) {
                // Who hung up needs none.
                let _ = answer.send(outputs);
            }
            requests = later;
        }
    }
}

#[cfg(test)]
mod tests;
