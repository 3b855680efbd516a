//! tract, an engine in Rust that is part of the shim: no library to open, no operators to register,
//! so that a small model answers a few milliseconds after the process has started.
//!
//! - `graph`: what the graph says of itself, and its parts that tract does not know rewritten
//! - `hypot`: a function of C that newer systems have in a form that older ones lack
//! - `rewrite`: operators that tract does not know, in terms of those that it does
//! - `tensor`: our tensors <-> tract's
//! - `trees`: ensembles of trees, faster than tract runs them

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use tract_onnx::prelude::{
    Framework as _, InferenceModelExt as _, IntoRunnable as _, TVec, TractError, TypedRunnableModel,
};

use self::graph::{Form, Prepared};
use super::{Engine, EngineError, Signature};
use crate::tensor::{Data, Element as _, Tensor, Value};

mod graph;
mod hypot;
mod rewrite;
mod tensor;
mod trees;

/// A model as tract runs it. Runs share nothing that changes, and may go on side by side.
pub(crate) struct Tract {
    prepared: Prepared,
    plan: Arc<TypedRunnableModel>,
}

impl Tract {
    /// Reads the model and lays out its runs.
    pub(crate) fn load(model: &Path) -> Result<Self, EngineError> {
        hypot::define();
        // It has met fewer graphs than ONNX Runtime has, and gives up on some by panicking.
        let loaded = catch_unwind(AssertUnwindSafe(|| open(model)));
        let loaded = loaded.unwrap_or_else(|_| Err("tract panicked; see the line above".into()));
        loaded.map_err(|error| EngineError::Model(error.to_string()))
    }
}

/// Of whatever kind it is, an error here means that tract cannot run the model.
type LoadError = Box<dyn std::error::Error>;

fn open(model: &Path) -> Result<Tract, LoadError> {
    let onnx = tract_onnx::onnx();
    let mut proto = onnx.proto_model_for_path(model).map_err(chain)?;
    let knows = |operator: &str| onnx.op_register.0.contains_key(operator);
    let prepared = graph::prepare(&mut proto, &knows)?;
    let folder = model.parent().and_then(Path::to_str);
    let parsed = onnx.parse(&proto, folder).map_err(chain)?;
    if let Some(name) = parsed.unresolved_inputs.first() {
        return Err(format!("nothing in the graph makes `{name}`").into());
    }
    let mut optimized = parsed.model.into_optimized().map_err(chain)?;
    trees::exchange(&mut optimized).map_err(chain)?;
    Ok(Tract {
        prepared,
        plan: optimized.into_runnable().map_err(chain)?,
    })
}

/// An error of tract and what caused it, in one line.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` calls it")]
fn chain(error: TractError) -> String {
    format!("{error:#}").replace('\n', " ")
}

impl Engine for Tract {
    fn signature(&self) -> &Signature {
        &self.prepared.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Value>, EngineError> {
        let failed = |error| EngineError::Run(chain(error));
        let inputs = inputs.into_iter().map(tensor::to_tract);
        let inputs: Result<TVec<_>, _> = inputs.collect();
        let inputs = inputs.map_err(|error| EngineError::Refused(chain(error)))?;
        let outputs = self.plan.run(inputs).map_err(failed)?;
        let outputs = outputs.iter().zip(&self.prepared.outputs);
        outputs
            .map(|(value, output)| {
                let tensor = tensor::from_tract(value, output.element).map_err(failed)?;
                match &output.form {
                    Form::Plain => Ok(Value::Tensor(tensor)),
                    Form::Dictionaries(keys) => dictionaries(&tensor, keys),
                    Form::Texts(texts) => looked_up(tensor, texts).map(Value::Tensor),
                }
            })
            .collect()
    }
}

/// What `ZipMap` makes of a table: for each row, a dictionary of its values.
fn dictionaries(table: &Tensor, keys: &Data) -> Result<Value, EngineError> {
    let width = keys.len();
    if table.shape.last() != Some(&width) || width == 0 {
        let message = format!(
            "{width} classes do not fit a tensor of shape {:?}",
            table.shape
        );
        return Err(EngineError::Run(message));
    }
    let rows = (0..table.data.len() / width).map(|row| {
        let values = table.data.part(row * width, width);
        let values = values.ok_or_else(|| EngineError::Run("a row is not whole".to_owned()))?;
        Ok(Value::Map {
            keys: keys.clone(),
            values,
        })
    });
    Ok(Value::Sequence(rows.collect::<Result<_, EngineError>>()?))
}

/// The texts at the places that a classifier answered.
fn looked_up(places: Tensor, texts: &[String]) -> Result<Tensor, EngineError> {
    let text = |place: &i64| texts.get(usize::try_from(*place).ok()?).cloned();
    let found = i64::unpack(&places.data).and_then(|all| all.iter().map(text).collect());
    let found: Vec<String> =
        found.ok_or_else(|| EngineError::Run("a class has no text".to_owned()))?;
    Ok(Tensor {
        shape: places.shape,
        data: String::pack(found),
    })
}
