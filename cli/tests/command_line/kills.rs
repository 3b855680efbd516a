//! The program, killed at every moment of what it does on this machine. `cargo dev bench faults`
//! does all of it and writes the table; here every moment of the first deploy and of the removal is
//! tried, and some of the others.

use std::path::Path;

use mlfn_testkit::kills::{Operation, Program, Tally};

#[track_caller]
fn check(operation: Operation, step: usize) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let program = Program {
        path: env!("CARGO_BIN_EXE_mlfn").into(),
        cache: target.expect("is in the target folder").join("test-cache"),
        example: concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/iris").into(),
    };
    let tally = program.sweep(operation, step);
    let Tally {
        orphans, failures, ..
    } = &tally;
    assert_eq!(failures, &Vec::<String>::new(), "{operation:?}");
    assert_eq!(orphans, &Vec::<String>::new(), "{operation:?}");
    assert_eq!(tally.converged, tally.kills(), "{tally:?}");
    // Eight resources: each is a call, and its intent and its result are writes.
    assert!(tally.calls >= 2 && tally.writes >= 4, "{tally:?}");
    assert!(
        tally.kills() * step >= tally.calls + tally.writes,
        "{tally:?}"
    );
}

#[test]
fn killed_at_any_moment_of_the_first_deploy_the_next_one_finishes_it() {
    check(Operation::FirstDeploy, 1);
}

#[test]
fn killed_at_any_moment_of_a_removal_the_next_one_leaves_nothing() {
    check(Operation::Remove, 1);
}

#[test]
fn killed_while_something_changes_the_next_run_finishes_it() {
    // Five is odd, so that moments before and after a change take turns.
    check(Operation::Update, 5);
    check(Operation::Replace, 5);
    check(Operation::Rollback, 5);
}

#[test]
fn killed_while_removing_what_nobody_recorded_the_next_removal_leaves_nothing() {
    check(Operation::Unrecorded, 5);
}

#[test]
fn what_a_killed_first_deploy_made_can_be_removed_at_once() {
    check(Operation::Abandoned, 5);
}
