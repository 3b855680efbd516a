//! Requests of all forms, to the shim.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| mlfn_shim::fuzz::request(bytes));
