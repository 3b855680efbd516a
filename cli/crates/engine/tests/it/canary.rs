//! Requests that move to a new version step by step, and what may come in between.
//!
//! A deploy of new code makes these calls: 1 the function, 2 its version, 3 to 6 a part of the
//! requests each, 7 the alias.

use std::time::Duration;

use mlfn_core::{Purpose, Release};
use mlfn_engine::state::{Shifted, State};
use mlfn_engine::{Host as _, Outcome, Request, Status, StepError};
use mlfn_testkit::TestHost;
use mlfn_testkit::bench::{Bench, FakeTwin, Faults, Run};
use mlfn_testkit::fake::{FakeCloud, FakeService};
use mlfn_testkit::faults::{Fault, Script};
use serde_json::{Value as Json, json};

/// The call by which the new version gets 20 % of the requests.
const SECOND_PART: u32 = 4;

/// With this code, and new versions of it that get a tenth of the requests first.
fn service(code: &str) -> Request {
    let mut service = FakeService::small();
    for function in service.functions.values_mut() {
        code.clone_into(&mut function.code);
        function.canary = Some(10);
    }
    Request::deploy(service.lower(), Release::default())
}

/// The code `one` is deployed; then `test` goes on.
fn deployed(test: impl AsyncFnOnce(&FakeTwin, &Bench<'_>)) {
    let folder = tempfile::tempdir().expect("a folder");
    FakeTwin::write_codes(folder.path());
    let twin = FakeTwin::new(FakeCloud::in_memory(), folder.path());
    mlfn_testkit::run(async {
        let bench = Bench::new(&twin, TestHost::new(1));
        bench.deploy(&service("one")).await;
        test(&twin, &bench).await;
        bench.deploy(&Request::remove()).await;
        assert_eq!(twin.cloud.things().len(), 0, "something is left");
        let disagreements = bench.disagreements.lock().expect("no panic");
        assert!(disagreements.is_empty(), "{disagreements:?}");
    });
}

fn at(number: u32, fault: Fault) -> Faults {
    let script: Script = Box::new(move |call| (call == number).then(|| fault.clone()));
    Faults {
        session: Some(script),
        store: None,
    }
}

/// The code that most requests get, and the parts that others get, by code.
fn alias(twin: &FakeTwin) -> (String, Json) {
    let things = twin.cloud.things();
    let code = |number: &Json| {
        let mut all = things.values();
        let version = all.find(|thing| thing.outputs.get("number") == Some(number));
        let digest = version.expect("a version").fields["code"]["$file"].clone();
        let codes = ["one", "two", "three", "flaky"].into_iter();
        let mut codes =
            codes.filter(|code| digest == json!(mlfn_core::Digest::of(code.as_bytes())));
        codes.next().expect("a code").to_owned()
    };
    let mut all = things.values();
    let alias = all.find(|thing| thing.kind == "fake:alias").expect("one");
    let parts = alias.fields.get("routing").and_then(Json::as_object);
    let parts = parts.into_iter().flatten().map(|(number, percent)| {
        let number: u64 = number.parse().expect("a number");
        (code(&json!(number)), percent.clone())
    });
    (
        code(&alias.fields["version"]),
        parts.collect::<serde_json::Map<_, _>>().into(),
    )
}

fn shifted(state: Option<State>) -> Option<u8> {
    let pending = state.expect("a state").pending;
    let percent = |shifted: Shifted| shifted.percent;
    pending
        .iter()
        .find_map(|intent| intent.shifted)
        .map(percent)
}

/// The steps that a plan has.
async fn planned(bench: &Bench<'_>, request: &Request) -> Option<Vec<u8>> {
    let plan = bench.plan(request).await.expect("a plan");
    let mut steps = plan.changes.into_iter().filter_map(|change| change.steps);
    steps.next().map(|steps| steps.parts)
}

fn error(outcome: &Outcome) -> &StepError {
    assert_eq!(outcome.failed.len(), 1, "{:?}", outcome.failed);
    &outcome.failed[0].error
}

#[test]
fn each_part_is_watched_before_the_next_and_the_last_is_all() {
    deployed(async |twin, bench| {
        assert_eq!(
            planned(bench, &service("two")).await,
            Some(vec![10, 20, 40, 80])
        );
        // From the second time on, the version is there already.
        for (call, parts) in [(3, 10), (3, 20), (4, 40), (5, 80)] {
            let run = bench.run(&service("two"), at(call, Fault::KillAfter)).await;
            assert!(matches!(run, Run::Killed), "{run:?}");
            assert_eq!(alias(twin), ("one".to_owned(), json!({"two": parts})));
            assert_eq!(shifted(bench.state().await), Some(parts));
            bench.deploy(&service("one")).await;
        }
        let start = bench.host.elapsed();
        bench.deploy(&service("two")).await;
        assert_eq!(alias(twin), ("two".to_owned(), json!({})));
        let took = bench.host.elapsed().saturating_sub(start);
        let four = Duration::from_mins(1);
        assert!(
            (four..four + Duration::from_secs(30)).contains(&took),
            "{took:?}"
        );
        assert!(
            bench
                .plan(&service("two"))
                .await
                .expect("a plan")
                .is_empty()
        );
    });
}

#[test]
fn what_a_new_version_fails_on_gives_all_requests_back() {
    deployed(async |twin, bench| {
        for _ in 0..2 {
            let run = bench.run(&service("flaky"), Faults::default()).await;
            let outcome = run.outcome();
            assert_eq!(outcome.status, Status::Failed);
            let StepError::WentBack { percent, why } = error(&outcome) else {
                panic!("{:?}", outcome.failed);
            };
            assert_eq!(*percent, 20);
            assert!(why.ends_with("failed on 3 requests"), "{why}");
            assert_eq!(alias(twin), ("one".to_owned(), json!({})));
            let state = bench.state().await.expect("a state");
            assert!(state.pending.is_empty(), "{:?}", state.pending);
            assert_eq!(state.history.len(), 1);
        }
        bench.deploy(&service("two")).await;
        assert_eq!(alias(twin), ("two".to_owned(), json!({})));
    });
}

#[test]
fn errors_that_nobody_watched_count() {
    deployed(async |twin, bench| {
        bench
            .run(&service("flaky"), at(SECOND_PART, Fault::KillAfter))
            .await;
        assert_eq!(alias(twin), ("one".to_owned(), json!({"flaky": 20})));
        let outcome = bench
            .run(&service("flaky"), Faults::default())
            .await
            .outcome();
        assert!(matches!(
            error(&outcome),
            StepError::WentBack { percent: 20, .. }
        ));
        assert_eq!(alias(twin), ("one".to_owned(), json!({})));
    });
}

#[test]
fn whoever_stops_leaves_the_requests_where_they_are_and_the_next_deploy_goes_on() {
    deployed(async |twin, bench| {
        let run = bench
            .run(&service("two"), at(SECOND_PART, Fault::Interrupt))
            .await;
        let outcome = run.outcome();
        assert_eq!(outcome.status, Status::Interrupted);
        assert!(matches!(error(&outcome), StepError::Paused { percent: 20 }));
        assert_eq!(alias(twin), ("one".to_owned(), json!({"two": 20})));
        let steps = planned(bench, &service("two")).await;
        assert_eq!(steps, Some(vec![20, 40, 80]));
        bench.deploy(&service("two")).await;
        assert_eq!(alias(twin), ("two".to_owned(), json!({})));
    });
}

#[test]
fn another_version_in_between_begins_anew() {
    deployed(async |twin, bench| {
        bench
            .run(&service("two"), at(SECOND_PART, Fault::KillAfter))
            .await;
        let steps = planned(bench, &service("three")).await;
        assert_eq!(steps, Some(vec![10, 20, 40, 80]));
        bench.deploy(&service("three")).await;
        assert_eq!(alias(twin), ("three".to_owned(), json!({})));
    });
}

#[test]
fn a_rollback_in_between_brings_back_what_served_and_at_once() {
    deployed(async |twin, bench| {
        bench
            .run(&service("two"), at(SECOND_PART, Fault::KillAfter))
            .await;
        let back = bench
            .with_engine(async |engine| engine.rollback(None).await)
            .await;
        let back = back.expect("a deployment");
        assert_eq!(back.purpose, Purpose::Rollback { to: 1 });
        assert_eq!(planned(bench, &back).await, None);
        bench.deploy(&back).await;
        assert_eq!(alias(twin), ("one".to_owned(), json!({})));
    });
}

async fn rollback(bench: &Bench<'_>) -> Request {
    let back = bench.with_engine(async |engine| engine.rollback(None).await);
    back.await.expect("a deployment")
}

#[test]
fn a_rollback_after_a_new_version_failed_brings_back_what_served() {
    deployed(async |twin, bench| {
        bench.deploy(&service("two")).await;
        bench.run(&service("flaky"), Faults::default()).await;
        assert_eq!(alias(twin), ("two".to_owned(), json!({})));
        let back = rollback(bench).await;
        assert_eq!(back.purpose, Purpose::Rollback { to: 2 });
        // The function itself has the code that failed.
        bench.deploy(&back).await;
        assert_eq!(alias(twin), ("two".to_owned(), json!({})));
        let further = rollback(bench).await;
        assert_eq!(further.purpose, Purpose::Rollback { to: 1 });
    });
}

#[test]
fn a_rollback_that_was_killed_goes_on_to_where_it_went() {
    deployed(async |twin, bench| {
        bench.deploy(&service("two")).await;
        let back = rollback(bench).await;
        assert_eq!(back.purpose, Purpose::Rollback { to: 1 });
        bench.run(&back, at(2, Fault::KillBefore)).await;
        let again = rollback(bench).await;
        assert_eq!(again.purpose, Purpose::Rollback { to: 1 });
        bench.deploy(&again).await;
        assert_eq!(alias(twin), ("one".to_owned(), json!({})));
    });
}

#[test]
fn a_run_is_finished_when_nothing_is_left_to_do() {
    deployed(async |_, bench| {
        bench.run(&service("two"), at(1, Fault::KillBefore)).await;
        let unfinished = async || bench.state().await.expect("a state").unfinished;
        assert_eq!(unfinished().await, Some(Purpose::Deploy));
        bench.deploy(&service("one")).await;
        assert_eq!(unfinished().await, None);
    });
}

#[test]
fn a_removal_in_between_leaves_nothing() {
    deployed(async |_, bench| {
        bench
            .run(&service("two"), at(SECOND_PART, Fault::KillAfter))
            .await;
    });
}

#[test]
fn requests_that_somebody_sent_elsewhere_are_drift() {
    deployed(async |twin, bench| {
        bench.deploy(&service("two")).await;
        let things = twin.cloud.things();
        let mut versions = things
            .values()
            .filter_map(|thing| thing.outputs.get("number"));
        let first = versions.next().expect("a version").to_string();
        twin.cloud.tamper("fake:alias", "s-dev-a:live", |alias| {
            alias
                .fields
                .insert("routing".to_owned(), json!({first: 30}));
        });
        let plan = bench.plan(&service("two")).await.expect("a plan");
        assert_eq!(plan.drift.len(), 1, "{:?}", plan.drift);
        assert_eq!(plan.drift[0].fields[0].field, "routing");
        assert_eq!(planned(bench, &service("two")).await, None);
        bench.deploy(&service("two")).await;
        assert_eq!(alias(twin), ("two".to_owned(), json!({})));
    });
}
