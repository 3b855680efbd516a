//! The feature names of the manifest, by input.

use std::collections::BTreeMap;

use mlfn_shim_contract::InputConfig;

use crate::engine::Signature;

/// The key that stands for the only input of a model, whatever the graph calls it.
pub(crate) const FEATURES: &str = "features";

/// Names along the last dimension of inputs.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Vec<String>>);

impl Names {
    /// Finds the inputs that the manifest's keys mean.
    pub(crate) fn new(signature: &Signature, config: &BTreeMap<String, InputConfig>) -> Self {
        let alias = match signature.inputs.as_slice() {
            [_] => config.get(FEATURES),
            _ => None,
        };
        let named = signature.inputs.iter().filter_map(|input| {
            let config = config.get(&input.name).or(alias)?;
            Some((input.name.clone(), config.names.clone()))
        });
        Self(named.collect())
    }

    /// Those of an input; empty if it has none.
    pub(crate) fn of(&self, input: &str) -> &[String] {
        self.0.get(input).map_or(&[], Vec::as_slice)
    }
}
