//! `mlfn` itself, under a name that cargo tells the tests of this package.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlfn::main()
}
