//! The process that the tests of the engine kill; see `mlfn_testkit::victim`.

fn main() {
    mlfn_testkit::victim::main();
}
