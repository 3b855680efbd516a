//! Packs one model, as a process of its own that can be measured: `cargo dev bench package`.
//!
//! Arguments: a folder with `bootstrap`, `lib/libonnxruntime.so` and `model/model.onnx`, and the
//! folder for the archive.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mlfn_core::{
    Architecture, ArchiveFormat, Diagnostic, Function, LibcLimit, PackageSpec, Provider,
    ProviderName, RouteSpec, Service, Target,
};
use mlfn_package::{BuildOptions, Formats, build};

/// A cloud without files and limits of its own.
struct Plain;

impl Provider for Plain {
    fn name(&self) -> ProviderName {
        ProviderName::Aws
    }

    fn check(&self, _: &Service) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn package(&self, _: &Service, _: &Function) -> PackageSpec {
        PackageSpec {
            formats: vec![ArchiveFormat::Zip],
            target: Target {
                name: "this machine",
                architecture: Architecture::X86_64,
                libc: LibcLimit {
                    glibc: (2, 34),
                    glibcxx: (3, 4, 29),
                },
            },
            shim: "bootstrap".to_owned(),
            files: Vec::new(),
            schedules: BTreeMap::new(),
            routes: vec![RouteSpec {
                name: "bucket",
                max_packed: None,
                max_unpacked: None,
                max_fetched: None,
            }],
            max_request: 0,
            max_response: 0,
            shares_library: false,
            tells_browsers: false,
            record_batches: false,
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("two folders are needed: the files, and where the archive goes".into());
    };
    let text = include_str!("../tests/service.json");
    let mut service: Service = serde_json::from_str(text)?;
    let mut function = service.functions.remove(0);
    function.model = "model/model.onnx".into();
    let options = BuildOptions {
        folder: &folder,
        output: &output,
        shim: &fs_err::read(folder.join("bootstrap"))?,
        library: Some(&folder.join("lib/libonnxruntime.so")),
        formats: Formats::Deployed,
        cache: None,
    };
    build(&service, &function, &Plain, &options)?;
    Ok(())
}
