//! End-to-end tests of mlfn.
