//! mimalloc, for the shim and for ONNX Runtime: a program's `malloc` comes before that of glibc, also for
//! the libraries that it opens.
//!
//! ONNX Runtime allocates so much that with it a cold start is a fifth shorter: no locks, a tenth of the page faults
//! where the system has huge pages, and memory of requests that is there already (decision 0013).

#![expect(
    unsafe_code,
    reason = "mimalloc is C; what this saves is measured in decision 0013"
)]

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of mimalloc.h, which the bindings leave out.
const PURGE_DELAY: mi_option_t = 15;

/// In milliseconds; less than zero is never.
const NEVER: c_long = -1;

/// Keeps what is freed. mimalloc gives it back to the system after a second, and the next
/// request would wait for it: the first one of a CNN of 14 MB took twice as long if it came late.
pub(crate) fn keep() {
    // SAFETY: mimalloc is made to be told so at any time. It compares the number with those it knows,
    // and there is one thread yet, so that nobody reads the option meanwhile.
    unsafe { mi_option_set(PURGE_DELAY, NEVER) };
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;

    use libmimalloc_sys::{mi_is_in_heap_region, mi_option_get};

    use super::*;

    #[test]
    fn all_memory_is_of_mimalloc() {
        let bytes = Box::new([0_u8; 64]);
        let place = std::ptr::from_ref(&*bytes).cast::<c_void>();
        // SAFETY: the place is only compared.
        assert!(unsafe { mi_is_in_heap_region(place) });
    }

    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: the options are there from the beginning.
        let value = || unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(
            value(),
            1000,
            "mimalloc has other options, or other defaults"
        );
        keep();
        assert_eq!(value(), NEVER);
    }
}
