//! The shim with all of its engines, under a name that cargo tells the tests of this package.

fn main() {
    mlfn_shim::main();
}
