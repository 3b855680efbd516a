//! The binary. All of it is in the library, where programs that look for faults reach it, too.

fn main() {
    mlfn_shim::main();
}
