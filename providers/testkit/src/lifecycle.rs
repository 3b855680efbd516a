//! What holds for every cloud, whatever happens. Each function starts with an empty cloud and
//! leaves an empty cloud; [`contract!`](crate::contract!) names all of them.

#![expect(clippy::missing_panics_doc, reason = "that is how they tell a breach")]

use async_trait::async_trait;
use mlfn_core::{Action, DriftOutcome, Failure, ProviderError, Purpose};
use mlfn_engine::state::{LockError, MemoryStore};
use mlfn_engine::{
    DriftPolicy, EngineError, Freshness, Outcome, PlanError, Request, Status, StepError, plan_file,
};

use crate::bench::{Bench, Faults, Run, Twin, Variant};
use crate::faults::{Fault, Refusal, Script};
use crate::{TestHost, guard};

/// Where clouds come from.
#[async_trait]
pub trait Lab: Send + Sync {
    /// A cloud with nothing of the service `s`, stage `dev`, in it.
    async fn fresh(&self) -> Box<dyn Twin>;

    /// Whether every call meets everything that can go wrong, which takes hundreds of deploys; else
    /// it meets one thing, and the calls take turns.
    fn is_fast(&self) -> bool {
        true
    }

    /// Time for a bench; see [`TestHost::faster`] for clouds behind real sockets.
    fn host(&self) -> TestHost {
        TestHost::new(1)
    }
}

/// Every variant that a service can be brought to.
const VARIANTS: [Variant; 5] = [
    Variant::First,
    Variant::Updated,
    Variant::Replaced,
    Variant::Renamed,
    Variant::Smaller,
];

/// Gives the names of all clauses of the contract to the macro `$test`, which makes a test of each:
/// so no cloud can leave one out.
#[macro_export]
macro_rules! contract {
    ($test:ident) => {
        $test! {
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
    };
}

/// Deploys are idempotent, plans deterministic, and removal complete.
pub async fn a_second_deploy_changes_nothing(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    let first = bench.request(Variant::First);
    let plans = (bench.plan(&first).await, bench.plan(&first).await);
    let bytes =
        |plan: Result<_, EngineError>| plan_file::write(&plan.expect("a plan")).expect("bytes");
    assert_eq!(
        bytes(plans.0),
        bytes(plans.1),
        "the same input, another plan"
    );
    bench.deploy(&first).await;
    assert!(
        !twin.inventory().await.is_empty(),
        "nothing was made, or nothing has tags"
    );
    let (run, calls, writes) = bench.counted(&first, Faults::default()).await;
    assert!(run.is_complete(), "{run:?}");
    assert_eq!(
        (calls, writes),
        (0, 0),
        "changing calls and writes of the state"
    );
    ends_well(&bench, Variant::First).await;
}

/// Update, replace, rename and shrink.
pub async fn a_service_becomes_any_other(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    for from in VARIANTS {
        for to in VARIANTS {
            bench.deploy(&bench.request(from)).await;
            bench.deploy(&bench.request(to)).await;
            settled(&bench, to).await;
        }
    }
    ends_well(&bench, Variant::First).await;
}

/// What somebody changed by hand.
pub async fn drift_is_shown_and_put_right_or_kept(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    let first = bench.request(Variant::First);
    bench.deploy(&first).await;
    twin.tamper().await;
    let keep = Request {
        drift: DriftPolicy::Keep,
        ..first.clone()
    };
    let kept = bench.plan(&keep).await.expect("a plan");
    assert!(
        kept.is_empty(),
        "keeping changes something: {:?}",
        kept.changes
    );
    assert!(
        kept.drift
            .iter()
            .any(|drift| drift.outcome == DriftOutcome::Kept),
        "not shown"
    );
    let plan = bench.plan(&first).await.expect("a plan");
    assert!(
        !plan.drift.is_empty() && !plan.is_empty(),
        "the drift is not seen"
    );
    bench.deploy(&first).await;
    ends_well(&bench, Variant::First).await;
}

/// Tags are enough to find everything again.
pub async fn what_is_ours_is_adopted_without_a_state(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    let first = bench.request(Variant::First);
    bench.deploy(&first).await;
    let before = twin.inventory().await;
    let bench = bench.with_store(MemoryStore::new());
    bench.deploy(&first).await;
    assert_eq!(
        before,
        twin.inventory().await,
        "something was made twice, or lost"
    );
    ends_well(&bench, Variant::First).await;
}

/// Names are enough to remove everything, also when the removal is cut short and begun again.
pub async fn what_is_ours_is_removed_without_a_state(lab: &dyn Lab) {
    for sweep in sweeps(lab, &[Fault::KillBefore, Fault::KillAfter]) {
        for (call, fault) in (1..).zip(sweep.iter().cycle()) {
            let twin = lab.fresh().await;
            let bench = Bench::new(&*twin, lab.host());
            let first = bench.request(Variant::First);
            bench.deploy(&first).await;
            let bench = bench.with_store(MemoryStore::new());
            let remove = Request {
                suspects: first.wanted,
                ..Request::remove()
            };
            let (run, calls, _) = bench.counted(&remove, at(call, fault.clone())).await;
            sound(&run);
            bench.deploy(&remove).await;
            let left = twin.inventory().await;
            assert_eq!(left, Vec::<String>::new(), "{fault:?} at {call}");
            if calls < call {
                break;
            }
        }
    }
}

/// A name that somebody else has.
pub async fn what_others_own_is_left_alone(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    twin.occupy().await;
    let bench = Bench::new(&*twin, lab.host());
    let error = bench
        .plan(&bench.request(Variant::First))
        .await
        .expect_err("taken");
    let EngineError::Plan(PlanError::Foreign { foreign }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(foreign.len(), 1, "{foreign:?}");
    assert!(error.hint().is_some());
    bench.deploy(&Request::remove()).await;
    assert_eq!(twin.inventory().await, Vec::<String>::new());
}

/// Not every right is given.
pub async fn a_refusal_says_what_is_missing(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    let run = bench
        .run(
            &bench.request(Variant::First),
            at(2, Fault::Fail(Refusal::Denied)),
        )
        .await;
    let outcome = run.outcome();
    assert_eq!(outcome.status, Status::Failed, "{outcome:?}");
    let failed = |outcome: &Outcome| outcome.failed.first().and_then(|f| f.error.hint());
    let hint = failed(&outcome).expect("a hint");
    assert!(hint.contains("fake:Do"), "{hint}");
    let request = outcome.failed[0]
        .error
        .provider()
        .and_then(|e| e.request_id.clone());
    assert_eq!(request.as_deref(), Some("injected-1"));
    ends_well(&bench, Variant::First).await;
}

/// Every call is refused a few times.
pub async fn a_throttle_storm_passes(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    // Storms of eight calls, which one that is alone survives with its ten tries. If every call had
    // the same chance, one of several that go on side by side would have bad luck now and then.
    let storm: Script = Box::new(|call| (call % 24 < 8).then_some(Fault::Fail(Refusal::Throttled)));
    let faults = Faults {
        session: Some(storm),
        store: None,
    };
    let run = bench.run(&bench.request(Variant::First), faults).await;
    assert!(run.is_complete(), "{run:?}");
    ends_well(&bench, Variant::First).await;
}

/// The user stops it.
pub async fn an_interrupted_deploy_finishes_what_it_began(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    let run = bench
        .run(&bench.request(Variant::First), at(3, Fault::Interrupt))
        .await;
    let outcome = run.outcome();
    assert_eq!(outcome.status, Status::Interrupted, "{outcome:?}");
    assert!(!outcome.not_tried.is_empty(), "{outcome:?}");
    // What was being waited for is begun, and not finished.
    let stopped = |error: &StepError| matches!(error, StepError::Provider(e) if e.interrupted);
    assert!(
        outcome.failed.iter().all(|failed| stopped(&failed.error)),
        "{outcome:?}"
    );
    let state = bench.state().await.expect("a state");
    assert_eq!(
        state.pending.len(),
        outcome.failed.len(),
        "{:?}",
        state.pending
    );
    assert_eq!(state.resources.len(), outcome.done.len());
    ends_well(&bench, Variant::First).await;
}

/// The lock names who has it.
pub async fn of_two_deploys_at_once_one_is_refused(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    let first = bench.request(Variant::First);
    let deploy = || bench.with_engine(async |engine| engine.deploy(&first).await);
    let (one, two) = futures_util::future::join(deploy(), deploy()).await;
    let refused = [&one, &two]
        .into_iter()
        .find_map(|result| result.as_ref().err());
    let Some(EngineError::Lock(LockError::Held { lock, .. })) = refused else {
        // The clouds of some tests are so fast that the first is done when the second begins.
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        return ends_well(&bench, Variant::First).await;
    };
    assert_eq!(
        (lock.operation.as_str(), lock.host.as_str()),
        ("deploy", "test")
    );
    ends_well(&bench, Variant::First).await;
}

/// Code that does not answer.
pub async fn a_failed_health_check_leaves_the_old_one_serving(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    bench.deploy(&bench.request(Variant::First)).await;
    let serving = pointers(&bench).await;
    let outcome = bench
        .run(&bench.request(Variant::Broken), Faults::default())
        .await
        .outcome();
    assert_eq!(outcome.status, Status::Failed, "{outcome:?}");
    let unhealthy = |error: &ProviderError| matches!(error.failure, Failure::Unhealthy { .. });
    assert!(
        outcome
            .failed
            .iter()
            .all(|f| f.error.provider().is_some_and(unhealthy)),
        "{:?}",
        outcome.failed
    );
    assert_eq!(serving, pointers(&bench).await, "the pointer was switched");
    ends_well(&bench, Variant::First).await;
}

/// What the resources with a health check were set to.
async fn pointers(bench: &Bench<'_>) -> Vec<mlfn_core::Recorded> {
    let state = bench.state().await.expect("a state");
    let probed = bench
        .twin
        .wanted(Variant::First)
        .into_iter()
        .filter(|r| r.probe.is_some());
    probed
        .filter_map(|resource| state.resources.get(&resource.id).cloned())
        .collect()
}

/// One step back.
pub async fn a_rollback_brings_the_earlier_one_back(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    bench.deploy(&bench.request(Variant::First)).await;
    let updated = bench.deploy(&bench.request(Variant::Updated)).await;
    assert_eq!(updated.deployment, Some(2));
    // A token of the first deployment is a secret that nobody kept, so that deploying is the way.
    let request = bench
        .with_engine(async |engine| engine.rollback(None).await)
        .await;
    let request = request.expect("a way back");
    assert_eq!(request.purpose, Purpose::Rollback { to: 1 });
    match bench.plan(&request).await {
        Ok(plan) => {
            bench.apply(&plan, Freshness::State).await.expect("applies");
            settled(&bench, Variant::First).await;
        }
        Err(EngineError::Plan(PlanError::SecretNotKept { .. })) => (),
        Err(error) => panic!("{error:?}"),
    }
    ends_well(&bench, Variant::First).await;
}

/// A plan that was made before something else happened.
pub async fn a_stale_plan_is_refused(lab: &dyn Lab) {
    let twin = lab.fresh().await;
    let bench = Bench::new(&*twin, lab.host());
    let first = bench.request(Variant::First);
    let early = bench.plan(&first).await.expect("a plan");
    bench.deploy(&first).await;
    stale(bench.apply(&early, Freshness::State).await);
    let plan = bench
        .plan(&bench.request(Variant::Updated))
        .await
        .expect("a plan");
    twin.tamper().await;
    stale(bench.apply(&plan, Freshness::Cloud).await);
    let plan = bench
        .plan(&bench.request(Variant::Updated))
        .await
        .expect("a plan");
    let bytes = plan_file::write(&plan).expect("bytes");
    let plan = plan_file::read(&bytes).expect("a plan");
    let outcome = bench.apply(&plan, Freshness::Cloud).await.expect("applies");
    assert_eq!(outcome.status, Status::Complete, "{outcome:?}");
    ends_well(&bench, Variant::Updated).await;
}

#[track_caller]
fn stale(result: Result<Outcome, EngineError>) {
    match result {
        Err(EngineError::Stale { moved }) => assert!(!moved.is_empty()),
        other => panic!("{other:?}"),
    }
}

/// Each call that changes the cloud fails, loses its answer, is the last one of a process, or is
/// interrupted; in a first deploy, and in one that changes and replaces.
pub async fn any_call_may_go_wrong(lab: &dyn Lab) {
    for (from, to) in [
        (None, Variant::First),
        (Some(Variant::First), Variant::Updated),
        (Some(Variant::First), Variant::Replaced),
    ] {
        for sweep in sweeps(lab, &FAULTS) {
            each(lab, (from, to), &sweep, at).await;
        }
    }
}

/// Each write of the state fails, loses its answer, or is the last one of a process.
pub async fn any_write_of_the_state_may_go_wrong(lab: &dyn Lab) {
    for (from, to) in [
        (None, Variant::First),
        (Some(Variant::First), Variant::Replaced),
    ] {
        for sweep in sweeps(lab, &FAULTS) {
            let wrong = |write, fault| Faults {
                session: None,
                store: Some(once(write, fault)),
            };
            each(lab, (from, to), &sweep, wrong).await;
        }
    }
}

/// Whatever an ended deploy made is found by a removal that wants nothing of it.
pub async fn what_was_begun_can_be_removed_at_once(lab: &dyn Lab) {
    for (from, to) in [
        (None, Variant::First),
        (Some(Variant::First), Variant::Replaced),
    ] {
        for sweep in sweeps(lab, &FAULTS) {
            for (call, fault) in (1..).zip(sweep.iter().cycle()) {
                let twin = lab.fresh().await;
                let bench = Bench::new(&*twin, lab.host());
                if let Some(from) = from {
                    bench.deploy(&bench.request(from)).await;
                }
                let faults = at(call, fault.clone());
                let (run, calls, _) = bench.counted(&bench.request(to), faults).await;
                sound(&run);
                bench.deploy(&Request::remove()).await;
                assert_eq!(
                    twin.inventory().await,
                    Vec::<String>::new(),
                    "{fault:?} at {call}"
                );
                if calls < call {
                    break;
                }
            }
        }
    }
}

/// A removal is a deploy of nothing.
pub async fn a_removal_may_go_wrong_at_any_call(lab: &dyn Lab) {
    for sweep in sweeps(lab, &FAULTS) {
        for (call, fault) in (1..).zip(sweep.iter().cycle()) {
            let twin = lab.fresh().await;
            let bench = Bench::new(&*twin, lab.host());
            bench.deploy(&bench.request(Variant::First)).await;
            let (run, calls, _) = bench
                .counted(&Request::remove(), at(call, fault.clone()))
                .await;
            sound(&run);
            bench.deploy(&Request::remove()).await;
            assert_eq!(
                twin.inventory().await,
                Vec::<String>::new(),
                "{fault:?} at {call}"
            );
            if calls < call {
                break;
            }
        }
    }
}

/// Everything that can go wrong once.
const FAULTS: [Fault; 6] = [
    Fault::Fail(Refusal::Rejected),
    Fault::Fail(Refusal::Unauthenticated),
    Fault::LoseAnswer,
    Fault::KillBefore,
    Fault::KillAfter,
    Fault::Interrupt,
];

/// What the first call meets, the second, and so on, again and again: one sweep for each fault, or
/// one for all of them.
fn sweeps(lab: &dyn Lab, faults: &[Fault]) -> Vec<Vec<Fault>> {
    if lab.is_fast() {
        return faults.iter().map(|fault| vec![fault.clone()]).collect();
    }
    vec![faults.to_vec()]
}

/// Goes wrong at the first call, the second, and so on, until there are no more; and each time
/// ends well.
async fn each(
    lab: &dyn Lab,
    (from, to): (Option<Variant>, Variant),
    sweep: &[Fault],
    wrong: impl Fn(u32, Fault) -> Faults,
) {
    for (number, fault) in (1..).zip(sweep.iter().cycle()) {
        let twin = lab.fresh().await;
        let bench = Bench::new(&*twin, lab.host());
        if let Some(from) = from {
            bench.deploy(&bench.request(from)).await;
        }
        let faults = wrong(number, fault.clone());
        let counts_writes = faults.store.is_some();
        let (run, calls, writes) = bench.counted(&bench.request(to), faults).await;
        sound(&run);
        ends_well(&bench, to).await;
        if (if counts_writes { writes } else { calls }) < number {
            break;
        }
    }
}

/// An outcome tells everything: what is not done is failed or not tried.
fn sound(run: &Run) {
    if let Run::Ended(result) = run {
        let outcome = result.as_ref().expect("an outcome");
        let left = outcome.failed.len() + outcome.not_tried.len();
        assert_eq!(outcome.status == Status::Complete, left == 0, "{outcome:?}");
    }
}

/// The same deploy again converges, and a removal leaves nothing.
async fn ends_well(bench: &Bench<'_>, variant: Variant) {
    bench.state().await;
    bench.deploy(&bench.request(variant)).await;
    settled(bench, variant).await;
    bench.deploy(&Request::remove()).await;
    assert_eq!(
        bench.twin.inventory().await,
        Vec::<String>::new(),
        "left behind"
    );
    let state = bench.state().await;
    assert!(
        state.is_none_or(|s| s.resources.is_empty()
            && s.superseded.is_empty()
            && s.pending.is_empty()),
        "the state remembers what is not there"
    );
}

/// There is nothing left to do, and the cloud tells what was set.
async fn settled(bench: &Bench<'_>, variant: Variant) {
    let plan = bench.plan(&bench.request(variant)).await.expect("a plan");
    let left: Vec<String> = plan
        .effective()
        .map(|change| {
            format!(
                "{} {}: {} {:?}",
                change.action.as_str(),
                change.id,
                change.reason,
                change.fields
            )
        })
        .collect();
    assert_eq!(left, Vec::<String>::new(), "left to do");
    assert!(
        plan.changes
            .iter()
            .all(|change| change.action == Action::Keep)
    );
    assert_eq!(
        *guard(&bench.disagreements),
        Vec::<String>::new(),
        "not what was set"
    );
}

/// At one call to the cloud.
fn at(call: u32, fault: Fault) -> Faults {
    Faults {
        session: Some(once(call, fault)),
        store: None,
    }
}

fn once(number: u32, fault: Fault) -> Script {
    Box::new(move |call| (call == number).then(|| fault.clone()))
}
