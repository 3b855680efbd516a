//! ONNX Runtime as a layer: uploaded once, and shared by the functions of a service whose packages
//! leave it out.

use mlfn_core::{Artifact, Function, Layer, Resource, ResourceId, Service, Value, file_mark};
use serde_json::{Value as Json, json};

use super::{names, packages};
use crate::{kinds, limits};

/// What a function needs so that it has its layer. Functions of one architecture need the same.
pub(super) fn resources(
    service: &Service,
    function: &Function,
    artifact: &Artifact,
) -> Vec<Resource> {
    let Some(layer) = &artifact.layer else {
        return Vec::new();
    };
    let name = names::layer(service, function.architecture);
    let remote_name = format!("{name}@{}", layer.digest);
    let resource = Resource::new(layer_id(function), remote_name)
        .with("architecture", function.architecture.as_str());
    let file = packages::layer_file(layer);
    if !by_bucket(layer) {
        return vec![resource.with("content", file)];
    }
    let object = packages::layer_object(service, function, layer);
    let resource = resource
        .with("content", file_mark(&layer.digest))
        .with("content_bucket", Value::output(&object.id, "bucket"))
        .with("content_key", Value::output(&object.id, "key"));
    vec![resource, object]
}

/// The field of a function that names its layers; none if it has none.
pub(super) fn field(function: &Function, artifact: &Artifact) -> Option<Value> {
    let arn = || Value::List(vec![Value::output(&layer_id(function), "arn")]);
    artifact.layer.as_ref().map(|_| arn())
}

/// What that field comes down to, for the name of a version: which number AWS gives to a layer is
/// not known before.
pub(super) fn content(artifact: &Artifact) -> Json {
    let layers = artifact.layer.iter();
    json!(layers.map(|layer| &layer.digest).collect::<Vec<_>>())
}

/// Whether the layer is too large for a request.
pub(super) fn by_bucket(layer: &Layer) -> bool {
    layer.packed > limits::ZIP_DIRECT
}

fn layer_id(function: &Function) -> ResourceId {
    names::id(
        kinds::LAYER,
        format!("onnxruntime-{}", function.architecture),
    )
}
