//! How often, how long, and when to stop.

use std::sync::Mutex;
use std::time::Duration;

use mlfn_core::{Failure, ProviderError};
use mlfn_engine::retry::{GaveUp, Policies, Policy, Retry};
use mlfn_engine::{Cancel, Host as _};
use mlfn_testkit::TestHost;

const POLICY: Policy = Policy {
    first: Duration::from_millis(100),
    growth: 200,
    longest: Duration::from_secs(1),
    tries: 5,
    within: Duration::from_secs(30),
};

/// Makes calls that fail like this, but for the one with number `works`; tells the pauses in
/// milliseconds.
fn tried(failure: &Failure, works: u32, cancel: &Cancel) -> (Result<u32, GaveUp>, Vec<u128>) {
    let pauses = Mutex::new(Vec::new());
    let note = |_: &ProviderError, pause: Duration| {
        pauses.lock().expect("no panic").push(pause.as_millis());
    };
    let wait = Policy {
        tries: 50,
        ..POLICY
    };
    let policies = Policies {
        failure: POLICY,
        wait,
    };
    let result = mlfn_testkit::run(async {
        let host = TestHost::new(7);
        let retry = Retry {
            policies: &policies,
            host: &host,
            cancel,
            note: &note,
        };
        let before = host.elapsed();
        let result = retry
            .run(async |tries| {
                let worked = (tries == works).then_some(tries);
                worked.ok_or_else(|| failure.clone().into())
            })
            .await;
        let slept: u128 = pauses.lock().expect("no panic").iter().sum();
        assert!(
            host.elapsed().saturating_sub(before).as_millis() >= slept,
            "it did not wait"
        );
        result
    });
    (result, pauses.into_inner().expect("no panic"))
}

#[test]
fn pauses_double_up_to_a_limit_and_half_of_each_is_chance() {
    let (result, pauses) = tried(
        &Failure::Conflict { why: String::new() },
        99,
        &Cancel::new(),
    );
    let error = result.expect_err("gives up");
    assert_eq!(error.tries, 5);
    assert!(
        error.to_string().starts_with("failed after 5 tries in "),
        "{error}"
    );
    for (pause, doubled) in pauses.iter().zip([100, 200, 400, 800]) {
        assert!((doubled / 2..=doubled).contains(pause), "{pauses:?}");
    }
    assert_eq!(
        POLICY.pause(30, u64::MAX).as_millis().div_ceil(1000),
        1,
        "the limit"
    );
}

#[test]
fn what_gets_ready_is_seen_soon_after() {
    let wait = Policies::default().wait;
    // Half of it is chance.
    let pause = |retry| wait.pause(retry, 0) * 2;
    let mut waited = Duration::ZERO;
    for retry in 1..80 {
        assert!(pause(retry) <= wait.first + waited / 19, "pause {retry}");
        waited += pause(retry);
    }
    assert!(waited > Duration::from_secs(10));
    // No fewer tries than the time that there is, whatever chance says.
    let least: Duration = (1..wait.tries).map(|retry| wait.pause(retry, 0)).sum();
    assert!(least > wait.within / 2, "{least:?}");
}

#[test]
fn a_cloud_that_names_a_pause_gets_it() {
    let after = Some(Duration::from_secs(9));
    let (result, pauses) = tried(&Failure::Throttled { after }, 2, &Cancel::new());
    assert_eq!(result.expect("works"), 2);
    assert_eq!(pauses, [9000, 9000]);
}

#[test]
fn no_try_starts_after_the_time_is_over() {
    let after = Some(Duration::from_secs(20));
    let (result, pauses) = tried(&Failure::Throttled { after }, 9, &Cancel::new());
    let error = result.expect_err("gives up");
    assert_eq!(
        (error.tries, error.elapsed, pauses.len()),
        (2, Duration::from_secs(20), 1)
    );
}

#[test]
fn what_gets_ready_has_more_patience() {
    let (result, pauses) = tried(
        &Failure::NotReady { why: String::new() },
        20,
        &Cancel::new(),
    );
    assert_eq!((result.expect("works"), pauses.len()), (20, 20));
}

#[test]
fn what_will_never_work_is_tried_once() {
    let (result, pauses) = tried(
        &Failure::Rejected {
            why: "no".to_owned(),
        },
        1,
        &Cancel::new(),
    );
    let error = result.expect_err("gives up");
    assert_eq!((error.tries, error.to_string().as_str()), (1, "failed"));
    assert!(pauses.is_empty());
}

#[test]
fn somebody_who_wants_to_stop_does_not_wait_for_another_try() {
    let cancel = Cancel::new();
    cancel.cancel();
    let (result, pauses) = tried(&Failure::Conflict { why: String::new() }, 1, &cancel);
    let error = result.expect_err("stops");
    assert_eq!((error.tries, error.interrupted), (1, true));
    assert!(pauses.is_empty());
}
