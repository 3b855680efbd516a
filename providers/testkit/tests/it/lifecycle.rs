//! The contract, on the fake cloud. Other providers call `lifecycle::all`.

use mlfn_testkit::lifecycle;

use crate::lab::FakeLab;

macro_rules! contract {
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

contract! {
    a_second_deploy_changes_nothing
    a_service_becomes_any_other
    drift_is_shown_and_put_right_or_kept
    what_is_ours_is_adopted_without_a_state
    what_is_ours_is_removed_without_a_state
    what_others_own_is_left_alone
    a_refusal_says_what_is_missing
    a_throttle_storm_passes
    an_interrupted_deploy_finishes_what_it_began
    of_two_deploys_at_once_one_is_refused
    a_failed_health_check_leaves_the_old_one_serving
    a_rollback_brings_the_earlier_one_back
    a_stale_plan_is_refused
    any_call_may_go_wrong
    any_write_of_the_state_may_go_wrong
    what_was_begun_can_be_removed_at_once
    a_removal_may_go_wrong_at_any_call
}
