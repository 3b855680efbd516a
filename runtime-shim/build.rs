//! How the shim is linked.

/// The shim with tract in it is large: where it may lie anywhere in memory, 76,000 places in it are
/// adjusted before it begins, a third of a small model's start (decision 0021).
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let is_tract = is_set("CARGO_FEATURE_TRACT") && !is_set("CARGO_FEATURE_ONNXRUNTIME");
    let is_linux = std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "linux");
    if is_tract && is_linux {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
