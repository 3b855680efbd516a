//! Random services that become other services while random things go wrong. The number of a
//! failing schedule is printed; it alone decides everything in it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use mlfn_core::{Plan, Release};
use mlfn_engine::{EngineError, PlanError, Request, plan_file};
use mlfn_testkit::TestHost;
use mlfn_testkit::bench::{Bench, FakeTwin, Faults, Run, Twin as _};
use mlfn_testkit::fake::{FakeFunction, FakeService};
use mlfn_testkit::faults::{Fault, Refusal, Script};

use crate::lab::FakeLab;

const SCHEDULES: u64 = 10_000;

#[test]
fn ten_thousand_random_schedules_end_well() {
    let lab = FakeLab::new();
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let seed @ 0..SCHEDULES = next.fetch_add(1, Ordering::Relaxed) {
            let run = || mlfn_testkit::run(Schedule::run(&lab.twin(), seed));
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                failed.lock().expect("no panic").push(seed);
                next.store(SCHEDULES, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().expect("no panic");
    assert!(
        failed.is_empty(),
        "the schedules {failed:?} failed, see above"
    );
}

struct Schedule<'a> {
    twin: &'a FakeTwin,
    bench: Bench<'a>,
    chance: Rng,
    service: FakeService,
}

impl<'a> Schedule<'a> {
    async fn run(twin: &'a FakeTwin, seed: u64) {
        let mut schedule = Schedule {
            twin,
            bench: Bench::new(twin, TestHost::new(seed)),
            chance: Rng::with_seed(seed),
            service: FakeService::default(),
        };
        for _ in 0..schedule.chance.u32(1..=3) {
            schedule.step().await;
        }
        schedule.remove().await;
    }

    /// A few runs in which things go wrong, each wanting something else, and one in which all is
    /// well again.
    async fn step(&mut self) {
        for _ in 0..self.chance.u32(0..=2) {
            self.evolve(true);
            self.meddle();
            let request = self.request();
            let faults = self.faults();
            self.bench.run(&request, faults).await;
        }
        self.evolve(false);
        let request = self.request();
        if self.chance.u8(0..4) == 0 {
            self.same_bytes(&request).await;
        }
        self.bench.deploy(&request).await;
        self.settled(&request).await;
        if self.chance.u8(0..8) == 0 {
            self.roll_back().await;
        }
    }

    async fn remove(&mut self) {
        if self.chance.bool() {
            let faults = self.faults();
            self.bench.run(&Request::remove(), faults).await;
        }
        self.bench.deploy(&Request::remove()).await;
        self.settled(&Request::remove()).await;
        assert_eq!(
            self.twin.cloud.things().len(),
            0,
            "{:#?}",
            self.twin.cloud.things()
        );
    }

    async fn roll_back(&mut self) {
        let back = self
            .bench
            .with_engine(async |engine| engine.rollback(None).await)
            .await;
        let request = match back {
            Ok(request) => request,
            Err(EngineError::NoDeployment { .. }) => return,
            Err(error) => panic!("{error:?}"),
        };
        match self.bench.run(&request, Faults::default()).await {
            Run::Ended(Err(EngineError::Plan(PlanError::SecretNotKept { .. }))) => (),
            run => {
                assert!(run.is_complete(), "{run:?}");
                self.settled(&request).await;
            }
        }
    }

    async fn same_bytes(&self, request: &Request) {
        let bytes = |plan: &Result<Plan, EngineError>| {
            plan_file::write(plan.as_ref().expect("a plan")).expect("bytes")
        };
        let (one, two) = (
            self.bench.plan(request).await,
            self.bench.plan(request).await,
        );
        assert!(bytes(&one) == bytes(&two), "the same input, another plan");
    }

    /// Nothing is left to do; there is what is wanted and what is kept for a rollback, and no more.
    async fn settled(&self, request: &Request) {
        let plan = self.bench.plan(request).await.expect("a plan");
        assert!(
            plan.is_empty(),
            "{:#?}",
            plan.effective().collect::<Vec<_>>()
        );
        let state = self.bench.state().await;
        let kept = state.map_or(0, |state| {
            assert!(state.pending.is_empty(), "{:?}", state.pending);
            state.superseded.len()
        });
        let things = self.twin.cloud.things();
        assert_eq!(things.len(), request.wanted.len() + kept, "{things:#?}");
        assert_eq!(
            self.twin.inventory().await.len(),
            things.len(),
            "without tags: {things:#?}"
        );
        for wanted in &request.wanted {
            let found = things
                .values()
                .find(|thing| thing.kind == wanted.id.kind() && thing.name == wanted.remote_name);
            let found = found.expect("what is wanted");
            for (name, value) in &wanted.fields {
                // What refers to others is checked by the plan.
                let Some(value) = value.resolve(&|_, _| None) else {
                    continue;
                };
                let same = found.fields.get(name) == Some(&value.to_json());
                let masked = matches!(value, mlfn_core::Value::Masked(_));
                assert!(same || masked, "{name}: {value:?} of {found:#?}");
            }
        }
        let disagreements = self.bench.disagreements.lock().expect("no panic");
        assert!(disagreements.is_empty(), "{disagreements:?}");
    }

    fn request(&self) -> Request {
        Request::deploy(self.service.lower(), Release::default())
    }

    /// The manifest changes in a few places.
    fn evolve(&mut self, may_break: bool) {
        for _ in 0..self.chance.u32(0..=3) {
            let name = self.chance.choice(["a", "b"]).expect("one").to_owned();
            match self.chance.u8(0..10) {
                0 => drop(self.service.functions.remove(&name)),
                1 => self.service.bucket = None,
                2 => {
                    let (region, note) = (self.pick(["here", "there"]), self.pick(["x", "y"]));
                    self.service.bucket = Some((region, note));
                }
                _ => self.evolve_function(name, may_break),
            }
        }
        if !may_break {
            let broken = self
                .service
                .functions
                .values_mut()
                .filter(|f| f.code == "broken" || f.code == "flaky");
            broken.for_each(|function| function.code = "one".into());
        }
    }

    fn evolve_function(&mut self, name: String, may_break: bool) {
        let memory = self.chance.choice([512, 1024]).expect("one");
        let (token, path) = (self.pick(["secret", "other"]), self.pick(["/", "/x/"]));
        let architecture = self.pick(["x86_64", "arm64"]);
        let protocol = self.chance.bool().then(|| self.pick(["http", "websocket"]));
        let codes = ["one", "two", "three", "four", "broken", "flaky"];
        let known = if may_break { codes.len() } else { 4 };
        let canary = (self.chance.u8(0..4) == 0).then_some(40);
        let code = codes[self.chance.usize(0..known)].to_owned();
        let function: &mut FakeFunction = self.service.functions.entry(name).or_default();
        function.canary = canary;
        match self.chance.u8(0..7) {
            0 => function.memory = memory,
            1 => function.token = token,
            2 => function.path = path,
            3 => function.architecture = architecture,
            4 => function.protocol = protocol,
            _ => function.code = code,
        }
    }

    fn pick<const N: usize>(&mut self, from: [&str; N]) -> String {
        self.chance.choice(from).expect("one").to_owned()
    }

    /// Somebody changes or removes something by hand.
    fn meddle(&mut self) {
        if self.chance.u8(0..6) > 0 {
            return;
        }
        let things: Vec<_> = self.twin.cloud.things().into_values().collect();
        let Some(thing) = self.chance.choice(&things) else {
            return;
        };
        if self.chance.bool() {
            self.twin.cloud.vanish(&thing.kind, &thing.name);
        } else if thing.kind == "fake:function" {
            self.twin.cloud.tamper(&thing.kind, &thing.name, |thing| {
                thing.fields.insert("memory".to_owned(), 128.into());
            });
        }
    }

    fn faults(&mut self) -> Faults {
        let session = random(self.chance.fork(), 5);
        let store = random(self.chance.fork(), 20);
        Faults {
            session: Some(session),
            store: Some(store),
        }
    }
}

/// About one of `rarity` calls goes wrong; others take their time, so that the order in which
/// things end varies.
fn random(mut chance: Rng, rarity: u32) -> Script {
    Box::new(move |_| {
        if chance.u32(0..rarity) > 0 {
            return chance.bool().then(|| Fault::Slow(chance.u64(0..2_000)));
        }
        Some(match chance.u8(0..12) {
            0 => Fault::KillBefore,
            1 => Fault::KillAfter,
            2 => Fault::Interrupt,
            3 => Fault::Fail(Refusal::Throttled),
            4 => Fault::Fail(Refusal::Conflict),
            5 => Fault::Fail(Refusal::Denied),
            6 => Fault::Fail(Refusal::Rejected),
            7 => Fault::Fail(Refusal::Unauthenticated),
            8 | 9 => Fault::Fail(Refusal::Unreachable),
            _ => Fault::LoseAnswer,
        })
    })
}
