//! `mlfn version`.

use mlfn_onnxruntime::Platform;
use serde::Serialize;

use crate::report::Report;
use crate::shim;
use crate::status::ExitStatus;

/// Which versions this program has inside.
#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    /// Of the program.
    pub(crate) mlfn: &'static str,
    /// Of the manifests that it reads.
    pub(crate) manifest: u32,
    /// Of the inference library that it packs.
    pub(crate) onnxruntime: &'static str,
    /// The shim that it carries.
    pub(crate) shim: ShimVersion,
}

/// A shim, as far as it has a version.
#[derive(Debug, Serialize)]
pub(crate) struct ShimVersion {
    /// What it runs on.
    pub(crate) target: &'static str,
    /// Of the file.
    pub(crate) sha256: String,
}

/// Prints them.
pub(crate) fn version(report: &dyn Report) -> anyhow::Result<ExitStatus> {
    report.versions(&Versions {
        mlfn: env!("CARGO_PKG_VERSION"),
        manifest: 1,
        onnxruntime: Platform::LinuxX86_64.pin().version,
        shim: ShimVersion {
            target: shim::embedded_target(),
            sha256: shim::embedded_digest().to_string(),
        },
    })?;
    Ok(ExitStatus::Ok)
}
