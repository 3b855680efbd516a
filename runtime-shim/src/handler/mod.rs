//! A request's bytes -> an answer's bytes. Knows no platform.
//!
//! - this file: one request
//! - `batch`: many requests, in as few runs of the model as possible
//! - `gather`: the same for requests that come one by one, at the same time
//! - `together`: the outputs of several requests, of one run if they may share it
//! - `stacking`: whether they may, as far as it is known
//! - `lone`: how a request runs that is alone, where others have company
//! - `likeness`: how alike the outputs of two runs are
//! - `forms`: one request in any form that there is

use std::time::{Duration, Instant};

use mlfn_shim_contract::ShimConfig;
use serde_json::value::RawValue;

use crate::codec::expected::expected;
use crate::codec::failure::{Code, Failure};
use crate::codec::names::Names;
use crate::codec::request::{Request, Rows};
use crate::codec::{request, response};
use crate::engine::Engine;
use crate::tensor::{Tensor, Value};
use crate::trace::{self, Phase};

mod batch;
mod forms;
mod gather;
mod likeness;
mod lone;
mod stacking;
mod together;

/// A loaded model and how to speak with it.
pub(crate) struct Handler {
    engine: Box<dyn Engine>,
    config: ShimConfig,
    names: Names,
    expected: Option<Box<RawValue>>,
    stacking: stacking::Stacking,
    /// On platforms that send requests at the same time.
    gatherer: Option<gather::Gatherer>,
}

/// Where the time of a request went.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timings {
    /// Reading the JSON.
    pub(crate) parse: Duration,
    /// In the model.
    pub(crate) run: Duration,
    /// Writing the JSON.
    pub(crate) write: Duration,
}

impl Handler {
    /// For a model.
    pub(crate) fn new(engine: Box<dyn Engine>, config: ShimConfig) -> Self {
        let names = Names::new(engine.signature(), &config.inputs);
        let expected = expected(engine.signature(), &names, config.example.as_ref());
        let stacking = stacking::Stacking::new(&config);
        Self {
            engine,
            config,
            names,
            expected,
            stacking,
            gatherer: None,
        }
    }

    /// Runs requests together that come at the same time, if the configuration wants it so.
    pub(crate) fn gathering(mut self) -> Self {
        self.gatherer = self.config.batching.as_ref().map(gather::Gatherer::new);
        self
    }

    /// What the model expects, as JSON for failures.
    pub(crate) fn expected(&self) -> Option<&RawValue> {
        self.expected.as_deref()
    }

    /// The configuration of the package.
    pub(crate) fn config(&self) -> &ShimConfig {
        &self.config
    }

    /// Whether a key at the top of a request means an input or a feature, so that the request
    /// cannot be an envelope of a platform.
    pub(crate) fn knows(&self, key: &str) -> bool {
        let mut inputs = self.engine.signature().inputs.iter();
        inputs.any(|input| input.name == key || self.names.of(&input.name).iter().any(|n| n == key))
    }

    /// Answers one request in the simple format.
    pub(crate) fn handle(&self, body: &[u8], timings: &mut Timings) -> Result<Vec<u8>, Failure> {
        let request = self.read(body, timings)?;
        self.predict(request, timings)
    }

    fn read(&self, body: &[u8], timings: &mut Timings) -> Result<Request, Failure> {
        let start = Instant::now();
        let request = request::read(body, self.engine.signature(), &self.names);
        timings.parse += start.elapsed();
        request
    }

    fn predict(&self, request: Request, timings: &mut Timings) -> Result<Vec<u8>, Failure> {
        let values = self.run_gathered(request.inputs, timings)?;
        self.write(&values, request.rows, timings)
    }

    /// Runs the model, for other requests of this moment too.
    fn run_gathered(
        &self,
        inputs: Vec<Tensor>,
        timings: &mut Timings,
    ) -> Result<Vec<Value>, Failure> {
        let (engine, stacking) = (&*self.engine, &self.stacking);
        let start = Instant::now();
        let values = match &self.gatherer {
            Some(gatherer) => gatherer.run(engine, stacking, inputs),
            None => stacking.run_alone(engine, inputs),
        };
        timings.run += start.elapsed();
        trace::mark(Phase::FirstRun);
        values
    }

    fn write(
        &self,
        values: &[Value],
        rows: Rows,
        timings: &mut Timings,
    ) -> Result<Vec<u8>, Failure> {
        let names = &self.engine.signature().outputs;
        let start = Instant::now();
        let answer = response::write(names, values, &self.config.output, rows);
        timings.write += start.elapsed();
        self.limit(answer?)
    }

    /// The platform would refuse what is larger, with less of an explanation.
    pub(crate) fn limit(&self, answer: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let (size, limit) = (answer.len() as u64, self.config.max_response);
        if size <= limit {
            return Ok(answer);
        }
        let message = format!(
            "the answer has {size} bytes, but at most {limit} can be sent; send fewer samples in \
             one request, or let the model answer less"
        );
        Err(Failure::new(Code::ResponseTooLarge, message))
    }
}

#[cfg(test)]
mod allocations;
#[cfg(test)]
pub(crate) mod tests;
