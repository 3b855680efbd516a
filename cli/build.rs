//! Builds the shim that the binary carries, so that `mlfn` works without a second download; with the
//! feature `tract`, also the one that runs models by itself, which takes longer.
//!
//! Shims get a target folder of its own beside the outer profiles: debug builds, release builds,
//! clippy and rustdoc share them, and cargo's own lock on that folder keeps them apart.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A shim that the binary carries.
struct Shim {
    /// The variable that skips its build and embeds the file that it names: for distributions that
    /// build shims themselves, e.g. against an older GLIBC. Also how the program finds it.
    variable: &'static str,
    /// Its profile.
    profile: &'static str,
    /// The feature that is its engine.
    engine: &'static str,
}

const ONNX_RUNTIME: Shim = Shim {
    variable: "MLFN_SHIM_BINARY",
    profile: "shim",
    engine: "onnxruntime",
};

const TRACT: Shim = Shim {
    variable: "MLFN_TRACT_SHIM_BINARY",
    profile: "shim-tract",
    engine: "tract",
};

/// What the shim is made of, relative to the workspace.
const SOURCES: [&str; 6] = [
    "Cargo.toml",
    "Cargo.lock",
    "runtime-shim/Cargo.toml",
    "runtime-shim/src",
    "runtime-shim/contract/Cargo.toml",
    "runtime-shim/contract/src",
];

fn main() {
    let mut result = embed(&ONNX_RUNTIME);
    if env::var_os("CARGO_FEATURE_TRACT").is_some() {
        result = result.and_then(|()| embed(&TRACT));
    }
    if let Err(message) = result {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn embed(shim: &Shim) -> Result<(), String> {
    let name = shim.variable;
    println!("cargo::rerun-if-env-changed={name}");
    let target = variable("TARGET")?.to_string_lossy().into_owned();
    let path = match env::var_os(name) {
        Some(path) => given(name, PathBuf::from(path))?,
        None => built(shim, &target)?,
    };
    println!("cargo::rerun-if-changed={}", path.display());
    println!("cargo::rustc-env={name}={}", path.display());
    println!("cargo::rustc-env=MLFN_SHIM_TARGET={target}");
    Ok(())
}

fn given(name: &str, path: PathBuf) -> Result<PathBuf, String> {
    if path.is_absolute() && path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(format!("{name}={path} is not the absolute path of a file"))
}

fn built(shim: &Shim, target: &str) -> Result<PathBuf, String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = manifest.parent().ok_or("cli/ has no parent folder")?;
    for source in SOURCES {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    let folder = target_folder(Path::new(&variable("OUT_DIR")?)).join("embedded-shim");
    let mut command = cargo(shim, workspace, &folder)?;
    let mut output = folder;
    if variable("HOST")? != OsStr::new(target) {
        command.args(["--target", target]);
        output.push(target);
    }
    run(shim, &mut command)?;
    Ok(output.join(shim.profile).join("mlfn-shim"))
}

/// Cargo marks the root of its target folder with this file.
fn target_folder(out: &Path) -> &Path {
    let is_root = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    out.ancestors().find(is_root).unwrap_or(out)
}

fn cargo(shim: &Shim, workspace: &Path, folder: &Path) -> Result<Command, String> {
    let mut command = Command::new(variable("CARGO")?);
    command
        .args([
            "build",
            "--quiet",
            "--package",
            "mlfn-shim",
            "--bin",
            "mlfn-shim",
            "--no-default-features",
        ])
        .args(["--features", shim.engine])
        .args(["--profile", shim.profile, "--target-dir"])
        .arg(folder)
        .current_dir(workspace);
    for (name, _) in env::vars_os().filter(|(name, _)| disturbs(name)) {
        command.env_remove(name);
    }
    Ok(command)
}

/// Whether a variable belongs to the outer build: how it compiles, or which package it is at. What
/// the user set about registries, proxies, being offline or the job server stays.
fn disturbs(name: &OsString) -> bool {
    const EXACT: [&str; 12] = [
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CLIPPY_ARGS",
        "OUT_DIR",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        // Set by editors: a wrapper that does not compile anything.
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
    ];
    const PREFIXES: [&str; 5] = [
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "DEP_",
    ];
    let name = name.to_string_lossy();
    EXACT.contains(&&*name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn run(shim: &Shim, command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot start cargo for the shim: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let log = String::from_utf8_lossy(&output.stderr);
    let Shim {
        variable,
        profile,
        engine,
    } = shim;
    Err(format!(
        "the shim does not build; try `cargo build --profile {profile} -p mlfn-shim \
         --no-default-features --features {engine}`, or set {variable} to a shim that is built \
         already\n{log}"
    ))
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"))
}
