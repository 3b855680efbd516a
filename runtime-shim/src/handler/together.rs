//! The outputs of several requests, of one run of the model or of several.

use super::likeness::{Likeness, likeness};
use super::stacking::{Shapes, Stacking, Trust};
use crate::codec::failure::Failure;
use crate::codec::request::Request;
use crate::codec::stack;
use crate::engine::Engine;
use crate::log::{self, Level};
use crate::tensor::{Tensor, Value};

/// Values in the inputs of one run, unless a single request has more. A model needs memory in
/// proportion to them, and large inputs gain nothing by company.
pub(super) const LARGEST: usize = 1 << 16;

/// The outputs of one request.
pub(super) type Outputs = Result<Vec<Value>, Failure>;

/// The outputs of requests of one form. As long as it is not proven that company changes nothing,
/// those that they get alone.
pub(super) fn together(
    engine: &dyn Engine,
    stacking: &Stacking,
    mut requests: Vec<Request>,
) -> Vec<Outputs> {
    let inputs = (requests.len() > 1 && !stacking.is_refuted())
        .then(|| stack::stack(&requests))
        .flatten();
    let Some(inputs) = inputs else {
        return alone(engine, stacking, requests);
    };
    match stacking.trust(&shapes(&inputs)) {
        Trust::Proven => proven(engine, stacking, inputs, requests),
        Trust::Open => compared(engine, stacking, inputs, requests),
        Trust::TooMany => {
            let later = requests.split_off(requests.len() / 2);
            let mut outputs = together(engine, stacking, requests);
            outputs.extend(together(engine, stacking, later));
            outputs
        }
        Trust::Never => alone(engine, stacking, requests),
    }
}

fn alone(engine: &dyn Engine, stacking: &Stacking, requests: Vec<Request>) -> Vec<Outputs> {
    let requests = requests.into_iter();
    let outputs = requests.map(|request| stacking.run_alone(engine, request.inputs));
    outputs.collect()
}

/// In one run, which is known to change nothing.
fn proven(
    engine: &dyn Engine,
    stacking: &Stacking,
    inputs: Vec<Tensor>,
    requests: Vec<Request>,
) -> Vec<Outputs> {
    let Ok(values) = engine.run(inputs) else {
        // One of them made the run fail, and it is to be found out which.
        return alone(engine, stacking, requests);
    };
    let Some(parts) = stack::split(&values, &requests) else {
        stacking.refute(Likeness::None);
        return alone(engine, stacking, requests);
    };
    let fields = [("requests", parts.len().into())];
    log::write(Level::Debug, "requests shared a run", &fields);
    parts.into_iter().map(Ok).collect()
}

/// In one run and each alone, to see whether that is the same.
fn compared(
    engine: &dyn Engine,
    stacking: &Stacking,
    inputs: Vec<Tensor>,
    requests: Vec<Request>,
) -> Vec<Outputs> {
    let (shapes, different) = (shapes(&inputs), different(&requests));
    if different == 0 {
        return alone(engine, stacking, requests);
    }
    let Ok(values) = engine.run(inputs) else {
        return alone(engine, stacking, requests);
    };
    let Some(parts) = stack::split(&values, &requests) else {
        stacking.refute(Likeness::None);
        return alone(engine, stacking, requests);
    };
    let alone = alone(engine, stacking, requests);
    let pairs = alone.iter().zip(&parts);
    let found = pairs.map(|(one, part)| {
        one.as_ref()
            .map_or(Likeness::None, |one| likeness(one, part))
    });
    stacking.learn(shapes, different, found.min().unwrap_or(Likeness::None));
    alone
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

/// How many of the requests are for the next run.
pub(super) fn next_run(requests: &[Request]) -> usize {
    let mut size = 0;
    let fitting = requests.iter().take_while(|request| {
        size += values(&request.inputs);
        size <= LARGEST
    });
    fitting.count().max(1)
}

/// How many values inputs have.
pub(super) fn values(inputs: &[Tensor]) -> usize {
    inputs.iter().map(|input| input.data.len()).sum()
}
