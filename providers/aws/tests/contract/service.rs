//! The service `s`: one function with triggers, in the variants of the contract.

use std::io::Write as _;
use std::path::Path;

use mlfn_core::{ArchiveFormat, Artifact, Digest, Layer, ProviderName, Route, Service};
use mlfn_testkit::bench::Variant;
use mlfn_testkit::python::interpreter;

const LAYER: &str = "layer.zip";

/// The service, and the package of its function, which [`pack`] made.
pub(crate) fn of(variant: Variant, folder: &Path) -> (Service, Artifact) {
    let service = variant.service(Vec::new());
    let mut artifact = artifact(folder, file(variant));
    artifact.function = service.functions[0].name.clone();
    (service, artifact)
}

/// Writes the packages.
pub(crate) fn pack(folder: &Path) {
    for variant in [Variant::First, Variant::Updated, Variant::Broken] {
        let name = file(variant);
        let mut zip = zip::ZipWriter::new(fs_err::File::create(folder.join(name)).expect("opens"));
        let options = zip::write::SimpleFileOptions::default()
            .unix_permissions(0o755)
            .last_modified_time(zip::DateTime::default());
        zip.start_file("bootstrap", options).expect("begins");
        let python = interpreter().display();
        let script = mlfn_testkit::LIGHT_RUNTIME;
        write!(zip, "#!{python} -IS\n# {name}\n{script}").expect("writes");
        zip.finish().expect("ends");
    }
    let mut zip = zip::ZipWriter::new(fs_err::File::create(folder.join(LAYER)).expect("opens"));
    let options = zip::write::SimpleFileOptions::default();
    let options = options.last_modified_time(zip::DateTime::default());
    zip.start_file("lib/libonnxruntime.so", options)
        .expect("begins");
    zip.finish().expect("ends");
}

/// New code comes with what is updated, and with what is broken.
fn file(variant: Variant) -> &'static str {
    match variant {
        Variant::Updated => "updated.zip",
        Variant::Broken => "broken.zip",
        _ => "first.zip",
    }
}

/// With nothing that the function needs: ministack does not unpack layers.
fn layer(folder: &Path) -> Layer {
    let bytes = fs_err::read(folder.join(LAYER)).expect("reads");
    Layer {
        path: LAYER.into(),
        digest: Digest::of(&bytes),
        packed: bytes.len() as u64,
        unpacked: bytes.len() as u64,
    }
}

fn artifact(folder: &Path, name: &str) -> Artifact {
    let bytes = fs_err::read(folder.join(name)).expect("reads");
    Artifact {
        function: "classifier".parse().expect("is a name"),
        provider: ProviderName::Aws,
        path: name.into(),
        format: ArchiveFormat::Zip,
        digest: Digest::of(&bytes),
        packed: bytes.len() as u64,
        unpacked: bytes.len() as u64,
        parts: Vec::new(),
        fetched: Vec::new(),
        layer: Some(layer(folder)),
        route: Route::Fits {
            name: "direct zip",
            max_packed: None,
            max_unpacked: None,
        },
    }
}
