//! The binary. All of it is in the library, where programs that look for faults reach it, too; but for
//! the allocator, which is the whole process's.

#[cfg(all(target_os = "linux", feature = "onnxruntime"))]
mod allocator;

fn main() {
    #[cfg(all(target_os = "linux", feature = "onnxruntime"))]
    allocator::keep();
    mlfn_shim::main();
}
