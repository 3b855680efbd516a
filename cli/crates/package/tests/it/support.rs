//! A cloud, a model and a folder for each test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use mlfn_core::{
    Architecture, ArchiveFormat, Diagnostic, Function, InputSpec, LibcLimit, PackageFile,
    PackageSpec, Provider, ProviderName, RouteSpec, Service, Target,
};
use mlfn_package::{BuildOptions, Built, Formats, PackageError, build};
use serde_json::json;
use tempfile::TempDir;

/// A cloud with these small files.
pub(crate) struct Cloud {
    pub(crate) files: Vec<PackageFile>,
    pub(crate) routes: Vec<RouteSpec>,
    pub(crate) shares_library: bool,
    /// A file that somebody else writes while a package is built.
    pub(crate) meanwhile: Option<(PathBuf, Vec<u8>)>,
}

/// One way, which takes what AWS takes.
pub(crate) const ZIP: RouteSpec = RouteSpec {
    name: "direct zip",
    max_packed: Some(50 << 20),
    max_unpacked: Some(250 << 20),
    max_fetched: None,
};

impl Provider for Cloud {
    fn name(&self) -> ProviderName {
        ProviderName::Aws
    }

    fn check(&self, _: &Service) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn package(&self, _: &Service, _: &Function) -> PackageSpec {
        if let Some((path, contents)) = &self.meanwhile {
            fs::write(path, contents).expect("writes");
        }
        PackageSpec {
            formats: vec![ArchiveFormat::Zip, ArchiveFormat::TarGz],
            target: target(),
            shim: "bootstrap".to_owned(),
            files: self.files.clone(),
            schedules: BTreeMap::from([("timer".to_owned(), Some(json!({"x": 1})))]),
            routes: self.routes.clone(),
            max_request: 6 << 20,
            max_response: 5 << 20,
            tells_browsers: true,
            record_batches: false,
            shares_library: self.shares_library,
        }
    }
}

fn target() -> Target {
    Target {
        name: "Test Linux",
        architecture: Architecture::X86_64,
        libc: LibcLimit {
            glibc: (2, 34),
            glibcxx: (3, 4, 29),
        },
    }
}

/// A folder with a model, and what is packed with it.
pub(crate) struct Project {
    pub(crate) folder: TempDir,
    pub(crate) service: Service,
    pub(crate) cloud: Cloud,
    pub(crate) shim: Vec<u8>,
    pub(crate) library: bool,
    pub(crate) formats: Formats,
    pub(crate) cache: Option<PathBuf>,
}

impl Project {
    /// A model whose weights are in the files of `weights`, which need not exist on the disk yet.
    pub(crate) fn new(weights: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("model.onnx"), model(weights)).expect("the model");
        fs::write(folder.path().join("library.so"), b"\x7fELF, nearly").expect("the library");
        let text = include_str!("../service.json");
        let mut service: Service = serde_json::from_str(text).expect("a service");
        if let Some(function) = service.functions.first_mut() {
            let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
            function.inputs = BTreeMap::from([("features".to_owned(), InputSpec { names })]);
        }
        Self {
            folder,
            service,
            cloud: Cloud {
                files: Vec::new(),
                routes: vec![ZIP],
                shares_library: false,
                meanwhile: None,
            },
            shim: b"#!/bin/sh\n".to_vec(),
            library: true,
            formats: Formats::All,
            cache: None,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.path(".mlfn/package")
    }

    pub(crate) fn write(&self, name: &str, contents: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(path, contents).expect("a file");
    }

    pub(crate) fn file(mut self, path: &str, contents: &str) -> Self {
        let (path, contents) = (path.to_owned(), contents.to_owned());
        self.cloud.files.push(PackageFile { path, contents });
        self
    }

    pub(crate) fn try_build(&self) -> Result<Built, PackageError> {
        let function = self.service.functions.first().expect("one model");
        let library = self.path("library.so");
        let options = BuildOptions {
            folder: self.folder.path(),
            output: &self.output(),
            shim: &self.shim,
            library: self.library.then_some(&*library),
            formats: self.formats,
            cache: self.cache.as_deref(),
        };
        build(&self.service, function, &self.cloud, &options)
    }

    #[track_caller]
    pub(crate) fn build(&self) -> Built {
        self.try_build().expect("builds")
    }
}

/// The digests of all archives.
pub(crate) fn digests(built: &Built) -> Vec<String> {
    built
        .artifacts
        .iter()
        .map(|artifact| artifact.digest.to_string())
        .collect()
}

/// All files below a folder: path -> (mode, contents).
pub(crate) fn tree(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    collect(root, root, &mut files);
    files
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, (u32, Vec<u8>)>) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
            continue;
        }
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        let name = path.strip_prefix(root).expect("below the root");
        let name = name.to_str().expect("UTF-8").to_owned();
        files.insert(name, (mode, fs::read(&path).expect("contents")));
    }
}

/// Bytes that do not compress, the same each time.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// An ONNX model with the input `x` (`float32[N, 4]`), the output `y`, and one tensor of one byte
/// in each of the files `weights`.
pub(crate) fn model(weights: &[&str]) -> Vec<u8> {
    made_of(weights.iter().flat_map(|file| weight(file)).collect())
}

/// The same with an initializer of these fields.
pub(crate) fn model_with(tensor: &[u8]) -> Vec<u8> {
    made_of(field(5, tensor))
}

fn made_of(weights: Vec<u8>) -> Vec<u8> {
    let node = [text(1, "x"), text(2, "y"), text(4, "Identity")].concat();
    let graph = [
        field(1, &node),
        text(2, "graph"),
        weights,
        field(11, &value("x")),
        field(12, &value("y")),
    ];
    let opset = [text(1, ""), number(2, 17)].concat();
    [number(1, 8), field(7, &graph.concat()), field(8, &opset)].concat()
}

fn weight(file: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| field(13, &[text(1, key), text(2, value)].concat());
    let tensor = [
        number(1, 0),
        number(2, 2),
        text(8, file),
        entry("location", file),
        number(14, 1),
    ];
    field(5, &tensor.concat())
}

fn value(name: &str) -> Vec<u8> {
    let dimensions = [field(1, &text(2, "N")), field(1, &number(1, 4))].concat();
    let tensor = field(1, &[number(1, 1), field(2, &dimensions)].concat());
    [text(1, name), field(2, &tensor)].concat()
}

fn text(number: u8, value: &str) -> Vec<u8> {
    field(number, value.as_bytes())
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [
        &[number << 3 | 2],
        varint(value.len() as u64).as_slice(),
        value,
    ]
    .concat()
}

fn number(number: u8, value: u64) -> Vec<u8> {
    [&[number << 3], varint(value).as_slice()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(u8::try_from((value & 0x7f) | 0x80).expect("one byte"));
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("one byte"));
    out
}
