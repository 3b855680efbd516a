//! What is uploaded to a bucket: packages that are too large for a request, and models that are too
//! large for a package. The keys hold digests, so that an object never changes.

use std::path::Path;

use mlfn_core::{
    Artifact, Digest, FetchedFile, FileRef, Function, Layer, Resource, ResourceId, Route, Service,
    Value,
};

use super::policy::{Statement, object};
use super::{events, layers, names, tagged};
use crate::{kinds, package};

/// The environment variable that tells the shim where the model is, if it is not in the package: a
/// JSON array of `path`, `bucket` and `key`.
const MODEL_VARIABLE: &str = "MLFN_MODEL";

/// The bucket that is needed by some function, if the user names none, and those that are named and
/// that roles have to refer to.
pub(super) fn shared(service: &Service, artifacts: &[Artifact]) -> Vec<Resource> {
    let functions = service.functions.iter().zip(artifacts);
    let (mut ours, mut all) = (false, Vec::new());
    for (function, artifact) in functions {
        let is_fetched = !artifact.fetched.is_empty();
        match &function.aws.deployment_bucket {
            Some(given) if is_fetched => {
                all.push(Resource::new(names::id(kinds::BUCKET, given), given));
            }
            Some(_) => {}
            None => ours |= is_fetched || by_bucket(artifact) || layer_by_bucket(artifact),
        }
    }
    let bucket = || {
        let name = names::deployment_bucket(service);
        tagged(service, deployment_bucket(), name)
    };
    all.extend(ours.then(bucket));
    all
}

/// What is uploaded for a function.
pub(super) fn objects(
    service: &Service,
    function: &Function,
    artifact: &Artifact,
) -> Vec<Resource> {
    let upload = |id, key: &str, file: FileRef| Upload {
        id,
        key: key.to_owned(),
        file,
    };
    let package = by_bucket(artifact).then(|| {
        let key = format!("{}/{}.zip", folder(service, function), artifact.digest);
        upload(code_object_id(function), &key, file(artifact))
    });
    let models = artifact.fetched.iter().map(|fetched| {
        let id = model_id(function, fetched);
        let key = model_key(service, function, fetched);
        upload(
            id,
            &key,
            file_ref(&fetched.source, &fetched.digest, fetched.bytes),
        )
    });
    let uploads = package.into_iter().chain(models);
    uploads
        .map(|upload| upload.resource(service, function))
        .collect()
}

/// The variable, if the function fetches anything. The bucket is that of the object, which is there
/// before; the key is a text: with another model, it is another revision.
pub(super) fn variable(
    service: &Service,
    function: &Function,
    artifact: &Artifact,
) -> Option<(String, Value)> {
    let entry = |fetched: &FetchedFile| {
        object([
            ("path", fetched.path.as_str().into()),
            (
                "bucket",
                Value::output(&model_id(function, fetched), "bucket"),
            ),
            ("key", model_key(service, function, fetched).into()),
        ])
    };
    let entries: Vec<Value> = artifact.fetched.iter().map(entry).collect();
    (!entries.is_empty()).then(|| {
        let text = Value::Text(vec![Value::List(entries)]);
        (MODEL_VARIABLE.to_owned(), text)
    })
}

/// What the role must be allowed: all models of the function, since instances of the old revision
/// start until the alias is switched.
pub(super) fn needs(
    service: &Service,
    function: &Function,
    artifact: &Artifact,
) -> Option<Statement> {
    let arn = match &function.aws.deployment_bucket {
        Some(given) => events::bucket_arn(given),
        None => Value::output(&deployment_bucket(), "arn"),
    };
    let keys = format!("/{}/model/*", folder(service, function));
    let objects = Value::Text(vec![arn, keys.into()]);
    (!artifact.fetched.is_empty()).then(|| Statement::new("ReadModel", &["s3:GetObject"], objects))
}

/// Whether the package is too large for a request.
pub(super) fn by_bucket(artifact: &Artifact) -> bool {
    matches!(&artifact.route, Route::Fits { name, .. } if *name == package::BUCKET)
}

fn layer_by_bucket(artifact: &Artifact) -> bool {
    artifact.layer.as_ref().is_some_and(layers::by_bucket)
}

/// The archive of a layer.
pub(super) fn layer_file(layer: &Layer) -> FileRef {
    file_ref(&layer.path, &layer.digest, layer.packed)
}

/// The same in the bucket: `<service>/<stage>/_layers/<digest>.zip`, which is no folder of a
/// function, as their names have no `_`.
pub(super) fn layer_object(service: &Service, function: &Function, layer: &Layer) -> Resource {
    let architecture = function.architecture;
    let upload = Upload {
        id: names::id(kinds::CODE_OBJECT, format!("layer_{architecture}")),
        key: format!(
            "{}/{}/_layers/{}.zip",
            service.name, service.stage, layer.digest
        ),
        file: layer_file(layer),
    };
    upload.resource(service, function)
}

/// Megabytes of what the function fetches, rounded up.
pub(super) fn fetched_megabytes(artifact: &Artifact) -> u32 {
    let bytes: u64 = artifact.fetched.iter().map(|file| file.bytes).sum();
    u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX)
}

/// The package itself.
pub(super) fn file(artifact: &Artifact) -> FileRef {
    file_ref(&artifact.path, &artifact.digest, artifact.packed)
}

pub(super) fn code_object_id(function: &Function) -> ResourceId {
    names::id(kinds::CODE_OBJECT, function.name.as_str())
}

fn model_id(function: &Function, fetched: &FetchedFile) -> ResourceId {
    names::id(kinds::CODE_OBJECT, names::part(function, &fetched.path))
}

/// Something to upload.
struct Upload {
    id: ResourceId,
    key: String,
    file: FileRef,
}

impl Upload {
    fn resource(self, service: &Service, function: &Function) -> Resource {
        let (bucket, name) = bucket(service, function);
        let object = tagged(service, self.id, format!("{name}/{}", self.key))
            .with("bucket", bucket)
            .with("file", self.file);
        match function.aws.deployment_bucket {
            Some(_) => object,
            None => object.within(deployment_bucket()),
        }
    }
}

/// The bucket for what a function needs, and its name as remote names have it.
fn bucket(service: &Service, function: &Function) -> (Value, String) {
    match &function.aws.deployment_bucket {
        Some(given) => (given.as_str().into(), given.clone()),
        None => (
            Value::output(&deployment_bucket(), "name"),
            names::deployment_bucket(service),
        ),
    }
}

fn deployment_bucket() -> ResourceId {
    names::id(kinds::DEPLOYMENT_BUCKET, "packages")
}

/// What the keys of a function begin with.
fn folder(service: &Service, function: &Function) -> String {
    format!("{}/{}/{}", service.name, service.stage, function.name)
}

/// `<service>/<stage>/<function>/model/<digest>/<file name>`.
fn model_key(service: &Service, function: &Function, fetched: &FetchedFile) -> String {
    let name = fetched.path.rsplit('/').next().unwrap_or_default();
    let folder = folder(service, function);
    format!("{folder}/model/{}/{name}", fetched.digest)
}

fn file_ref(path: &Path, digest: &Digest, bytes: u64) -> FileRef {
    let parts = path.components();
    let parts: Vec<_> = parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    FileRef {
        // An absolute path begins with a component `/`.
        path: parts.join("/").replacen("//", "/", 1),
        digest: digest.clone(),
        bytes,
    }
}
