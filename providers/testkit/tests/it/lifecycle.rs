//! The contract, on the fake cloud. Every cloud has the same tests.

use mlfn_testkit::lifecycle;

use crate::lab::FakeLab;

macro_rules! clauses {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let lab = FakeLab::new();
                mlfn_testkit::run(lifecycle::$name(&lab));
            }
        )*
    };
}

mlfn_testkit::contract!(clauses);
