//! The program `mlfn`. Everything is in the library, so that other crates can start it, too.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlfn::main()
}
