//! A lock that is lost while a deploy goes on, and one that is waited for.

use std::time::Duration;

use mlfn_engine::state::{LockPolicy, Locksmith};
use mlfn_engine::{Cancel, Engine, Event, Host as _, Settings, Status};
use mlfn_testkit::TestHost;
use mlfn_testkit::bench::{Bench, Faults, Twin as _, Variant};
use mlfn_testkit::faults::Fault;

use crate::lab::FakeLab;

#[test]
fn a_deploy_whose_lock_is_lost_stops_and_the_next_one_goes_on() {
    mlfn_testkit::run(async {
        let twin = FakeLab::new();
        let twin = twin.twin();
        let bench = Bench::new(&twin, TestHost::new(1));
        let request = bench.request(Variant::First);
        // The third call takes longer than the lock lasts without being renewed.
        let slow = Fault::Slow(50_000);
        let faults = Faults {
            session: Some(Box::new(move |call| (call == 3).then(|| slow.clone()))),
            store: None,
        };
        let thief = async {
            bench.host.sleep(Duration::from_secs(5)).await;
            let policy = LockPolicy::default();
            let locksmith = Locksmith {
                store: &*bench.store,
                host: &bench.host,
                policy: &policy,
            };
            let lost = locksmith.break_open().await.expect("reads");
            let lost = lost.expect("the deploy holds it");
            assert_eq!(lost.operation, "deploy");
            locksmith.take("bob", "deploy").await.expect("it is free")
        };
        let (run, stolen) = futures_util::future::join(bench.run(&request, faults), thief).await;
        let outcome = run.outcome();
        assert_eq!(outcome.status, Status::LockLost, "{outcome:?}");
        assert!(!outcome.not_tried.is_empty(), "{outcome:?}");
        assert!(outcome.failed.is_empty(), "{outcome:?}");
        assert_eq!(outcome.deployment, None);
        // What was in flight is finished and recorded.
        let state = bench.state().await.expect("a state");
        assert_eq!(state.resources.len(), outcome.done.len());
        assert!(state.pending.is_empty(), "{:?}", state.pending);

        let policy = LockPolicy::default();
        let locksmith = Locksmith {
            store: &*bench.store,
            host: &bench.host,
            policy: &policy,
        };
        locksmith.release(stolen).await.expect("gives back");
        bench.deploy(&request).await;
        let plan = bench.plan(&request).await.expect("a plan");
        assert!(plan.is_empty(), "{:?}", plan.changes);
    });
}

#[test]
fn somebody_who_waits_for_a_lock_is_told_once_for_whom() {
    mlfn_testkit::run(async {
        let twin = FakeLab::new();
        let twin = twin.twin();
        let bench = Bench::new(&twin, TestHost::new(1));
        let request = bench.request(Variant::First);
        let policy = LockPolicy::default();
        let locksmith = Locksmith {
            store: &*bench.store,
            host: &bench.host,
            policy: &policy,
        };
        let alice = locksmith.take("alice", "remove").await.expect("free");
        let since = bench.host.now();
        let told = std::sync::Mutex::new(Vec::new());
        let events = |event: &Event<'_>| {
            if let Event::Waiting { lock, left } = event {
                let line = (
                    lock.holder.clone(),
                    lock.operation.clone(),
                    lock.since,
                    *left,
                );
                told.lock().expect("nobody panicked").push(line);
            }
        };
        let session = twin.session().await;
        let (service, stage) = ("s".parse().expect("a name"), "dev".parse().expect("a name"));
        let engine = Engine {
            service: &service,
            stage: &stage,
            session: &*session,
            kinds: twin.kinds(),
            store: &*bench.store,
            host: &bench.host,
            events: &events,
            cancel: &Cancel::new(),
            settings: Settings {
                root: twin.root(),
                lock: LockPolicy {
                    patience: Duration::from_mins(1),
                    ..policy
                },
                ..Settings::default()
            },
        };
        let release = async {
            bench.host.sleep(Duration::from_secs(10)).await;
            locksmith.release(alice).await.expect("gives back");
        };
        let (outcome, ()) = futures_util::future::join(engine.deploy(&request), release).await;
        assert_eq!(outcome.expect("an outcome").status, Status::Complete);
        let minute = Duration::from_mins(1);
        let expected = [("alice".to_owned(), "remove".to_owned(), since, minute)];
        assert_eq!(*told.lock().expect("nobody panicked"), expected);
    });
}
