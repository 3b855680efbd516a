//! For tests: an engine that answers what it was given, without a library or a model.

use super::{Dim, Engine, EngineError, Input, InputKind, Signature};
use crate::tensor::{ElementType, Tensor, Value};

/// Its outputs are its inputs, or what it was told to answer.
pub(crate) struct Echo {
    signature: Signature,
    answer: Option<Vec<Value>>,
}

impl Echo {
    /// With these inputs.
    pub(crate) fn new(inputs: Vec<Input>) -> Self {
        let outputs = inputs.iter().map(|input| input.name.clone()).collect();
        let output_kinds = inputs.iter().map(|input| input.kind.clone()).collect();
        Self {
            signature: Signature {
                inputs,
                outputs,
                output_kinds,
            },
            answer: None,
        }
    }

    /// Answers these outputs to one row of one float.
    #[cfg(test)]
    pub(crate) fn answering(outputs: Vec<(&str, Value)>) -> Self {
        let (names, values) = outputs.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        let mut echo = Self::new(vec![input(
            "x",
            ElementType::Float32,
            vec![Dim::Any, Dim::Fixed(1)],
        )]);
        echo.signature.outputs = names.into_iter().map(str::to_owned).collect();
        echo.answer = Some(values);
        echo
    }
}

/// An input that takes tensors.
pub(crate) fn input(name: &str, element: ElementType, dims: Vec<Dim>) -> Input {
    Input {
        name: name.to_owned(),
        kind: InputKind::Tensor { element, dims },
    }
}

impl Engine for Echo {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Value>, EngineError> {
        match &self.answer {
            Some(answer) => Ok(answer.clone()),
            None => Ok(inputs.into_iter().map(Value::Tensor).collect()),
        }
    }
}
