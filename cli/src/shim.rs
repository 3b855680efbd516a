//! Where the shim of a package comes from. There are two: one for ONNX Runtime's library, one that
//! runs models by itself, with tract.

use std::borrow::Cow;
use std::path::PathBuf;

use anyhow::Context as _;
use mlfn_core::{Architecture, Digest};

use crate::errors::CommandError;

/// Built by `build.rs` for the machine that this program runs on.
static EMBEDDED: &[u8] = include_bytes!(env!("MLFN_SHIM_BINARY"));

/// The target that it was built for, as Rust names it.
const EMBEDDED_TARGET: &str = env!("MLFN_SHIM_TARGET");

/// The one that runs models by itself, if this program was built with it.
#[cfg(feature = "tract")]
static EMBEDDED_TRACT: Option<&[u8]> = Some(include_bytes!(env!("MLFN_TRACT_SHIM_BINARY")));
#[cfg(not(feature = "tract"))]
static EMBEDDED_TRACT: Option<&[u8]> = None;

/// What a shim runs models with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShimKind {
    /// With ONNX Runtime's library.
    OnnxRuntime,
    /// By itself.
    Tract,
}

/// Where a shim comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShimSource {
    kind: ShimKind,
    /// A file of the user's, for whatever target; otherwise it comes out of this program.
    file: Option<PathBuf>,
}

/// The machine that the shim has to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShimPlace {
    /// A cloud's Linux.
    Cloud(Architecture),
    /// This machine.
    Here,
}

impl ShimSource {
    /// The file if there is one.
    pub(crate) fn new(kind: ShimKind, file: Option<PathBuf>) -> Self {
        Self { kind, file }
    }

    /// The shim's bytes. That a file is for the right machine is seen when it is packed.
    pub(crate) fn bytes(&self, place: ShimPlace) -> anyhow::Result<Cow<'static, [u8]>> {
        if let Some(path) = &self.file {
            let bytes = fs_err::read(path).context("the shim cannot be read")?;
            return Ok(bytes.into());
        }
        let embedded = match self.kind {
            ShimKind::OnnxRuntime => Some(EMBEDDED),
            ShimKind::Tract => EMBEDDED_TRACT,
        };
        match embedded {
            Some(bytes) if suits(EMBEDDED_TARGET, place) => Ok(bytes.into()),
            Some(_) => Err(not_embedded(self.kind, place).into()),
            None => Err(not_built().into()),
        }
    }
}

/// The target that the embedded shim was built for.
pub(crate) fn embedded_target() -> &'static str {
    EMBEDDED_TARGET
}

/// The processor of this machine.
pub(crate) fn host_architecture() -> Architecture {
    if cfg!(target_arch = "aarch64") {
        return Architecture::Arm64;
    }
    Architecture::X86_64
}

/// The embedded shim's digest.
pub(crate) fn embedded_digest() -> Digest {
    Digest::of(EMBEDDED)
}

fn suits(target: &str, place: ShimPlace) -> bool {
    match place {
        ShimPlace::Here => true,
        ShimPlace::Cloud(architecture) => {
            target.contains("-linux-") && target.starts_with(processor(architecture))
        }
    }
}

/// Why there is no shim for tract at all.
fn not_built() -> CommandError {
    CommandError::failure("this mlfn carries no shim that runs models with tract").hint(
        "build mlfn with `--features tract`, or pass a shim that you have built: --tract-shim FILE",
    )
}

fn not_embedded(kind: ShimKind, place: ShimPlace) -> CommandError {
    let architecture = match place {
        ShimPlace::Cloud(architecture) => architecture,
        ShimPlace::Here => Architecture::default(),
    };
    CommandError::failure(format!(
        "this mlfn carries a shim for {EMBEDDED_TARGET}, and the function runs on Linux {architecture}"
    ))
    .hint(how_to_build(kind, architecture))
}

/// How to get a shim for Linux on a processor.
pub(crate) fn how_to_build(kind: ShimKind, architecture: Architecture) -> String {
    let target = format!("{}-unknown-linux-gnu", processor(architecture));
    let (profile, engine, flag) = match kind {
        ShimKind::OnnxRuntime => ("shim", "onnxruntime", "--shim"),
        ShimKind::Tract => ("shim-tract", "tract", "--tract-shim"),
    };
    format!(
        "build one in mlfn's sources with {}`cargo build --profile {profile} -p mlfn-shim \
         --no-default-features --features {engine} --target {target}`, then pass \
         `{flag} target/{target}/{profile}/mlfn-shim`",
        cross(architecture, &target),
    )
}

/// What a machine with another processor needs before it can build for one.
fn cross(architecture: Architecture, target: &str) -> String {
    if cfg!(target_os = "linux") && architecture == host_architecture() {
        return String::new();
    }
    let (processor, variable) = (processor(architecture), target.replace('-', "_"));
    format!(
        "`rustup target add {target}`, a linker and C compiler for it (on Debian: `apt install \
         gcc-{}-linux-gnu`), `export CARGO_TARGET_{}_LINKER={processor}-linux-gnu-gcc`, and ",
        processor.replace('_', "-"),
        variable.to_uppercase(),
    )
}

/// The first word of the targets of Rust for this processor.
fn processor(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_shim_is_only_for_linux_on_its_own_processor() {
        let cloud = ShimPlace::Cloud(Architecture::Arm64);
        assert!(suits("aarch64-unknown-linux-gnu", cloud));
        assert!(!suits("aarch64-apple-darwin", cloud));
        assert!(!suits("x86_64-unknown-linux-gnu", cloud));
        assert!(suits("aarch64-apple-darwin", ShimPlace::Here));
    }

    #[test]
    fn a_missing_shim_says_how_to_build_one() {
        let error = not_embedded(ShimKind::Tract, ShimPlace::Cloud(Architecture::Arm64)).into();
        let hint = crate::errors::hint(&error).expect("has a hint");
        assert!(
            hint.contains("--features tract --target aarch64-unknown-linux-gnu"),
            "{hint}"
        );
    }
}
