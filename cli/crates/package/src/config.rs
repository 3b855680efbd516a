//! The configuration that the shim reads, compiled from the service and the model.

use std::collections::BTreeMap;

use mlfn_core::{Function, PackageSpec, Service, Trigger};
use mlfn_model::Model;
use mlfn_shim_contract::{Batching, CONFIG_FORMAT, InputConfig, OutputConfig, Route, ShimConfig};

use crate::check::tensor_name;

/// Everything that the shim has to know, except the digest of the model, which stays empty, and
/// whether there are a library (and where) and a graph without weights.
pub(crate) fn compile(
    service: &Service,
    function: &Function,
    model: &Model,
    spec: &PackageSpec,
    model_path: String,
) -> ShimConfig {
    ShimConfig {
        format: CONFIG_FORMAT,
        service: service.name.to_string(),
        stage: service.stage.to_string(),
        function: function.name.to_string(),
        model: model_path,
        model_sha256: String::new(),
        library: String::new(),
        library_in_layer: false,
        inputs: inputs(function, model),
        output: OutputConfig {
            labels: function.output.labels.clone(),
            probability: function.output.probability.clone(),
        },
        example: function.example.clone(),
        max_request: spec.max_request,
        max_response: spec.max_response,
        timeout: function.timeout.get(),
        routes: routes(function, spec),
        schedules: spec.schedules.clone(),
        graph: None,
        batching: function.batching.map(|batching| Batching {
            max: batching.max,
            wait_us: batching.wait_us,
            exact: batching.exact,
        }),
        record_batches: spec.record_batches,
        steady: !loops(model),
        fetched: BTreeMap::new(),
    }
}

/// Whether the values of a request, and not its size, may say how long a run takes.
fn loops(model: &Model) -> bool {
    let mut operators = model.operators.keys();
    operators.any(|operator| operator.ends_with(".Loop"))
}

/// By the tensors' own names, where the manifest may say `features`.
fn inputs(function: &Function, model: &Model) -> BTreeMap<String, InputConfig> {
    let input = |(name, spec): (&String, &mlfn_core::InputSpec)| {
        let tensor = tensor_name(name, &model.inputs).unwrap_or(name);
        (
            tensor.to_owned(),
            InputConfig {
                names: spec.names.clone(),
            },
        )
    };
    function.inputs.iter().map(input).collect()
}

fn routes(function: &Function, spec: &PackageSpec) -> Vec<Route> {
    let route = |trigger: &Trigger| match trigger {
        Trigger::Http(http) => Some(Route {
            method: http.method.as_str().to_owned(),
            path: http.path.clone(),
            cors: if spec.tells_browsers {
                http.cors.clone()
            } else {
                Vec::new()
            },
        }),
        _ => None,
    };
    function.triggers.iter().filter_map(route).collect()
}
