//! The engine on the fake cloud, with its state in buckets of others.

use async_trait::async_trait;
use mlfn_core::{KindSpec, Release, Resource, Session};
use mlfn_engine::Request;
use mlfn_engine::state::StateStore;
use mlfn_testkit::TestHost;
use mlfn_testkit::bench::{Bench, FakeTwin, Faults, Twin, Variant};
use mlfn_testkit::buckets::{self, TestBucket};
use mlfn_testkit::fake::FakeService;
use mlfn_testkit::faults::{Fault, Refusal, Script};
use mlfn_testkit::lifecycle::{self, Lab};

use crate::lab::FakeLab;

/// The fake cloud, with the state in a bucket.
struct BucketLab {
    fake: FakeLab,
    bucket: &'static TestBucket,
}

struct BucketTwin {
    fake: FakeTwin,
    bucket: &'static TestBucket,
}

#[async_trait]
impl Lab for BucketLab {
    async fn fresh(&self) -> Box<dyn Twin> {
        Box::new(self.twin())
    }
}

impl BucketLab {
    fn on(bucket: &'static TestBucket) -> Self {
        let fake = FakeLab::new();
        Self { fake, bucket }
    }

    fn twin(&self) -> BucketTwin {
        BucketTwin {
            fake: self.fake.twin(),
            bucket: self.bucket,
        }
    }
}

#[async_trait]
impl Twin for BucketTwin {
    fn kinds(&self) -> &'static [KindSpec] {
        self.fake.kinds()
    }

    async fn session(&self) -> Box<dyn Session> {
        self.fake.session().await
    }

    fn wanted(&self, variant: Variant) -> Vec<Resource> {
        self.fake.wanted(variant)
    }

    async fn inventory(&self) -> Vec<String> {
        self.fake.inventory().await
    }

    async fn tamper(&self) {
        self.fake.tamper().await;
    }

    async fn occupy(&self) {
        self.fake.occupy().await;
    }

    fn root(&self) -> std::path::PathBuf {
        self.fake.root()
    }

    fn store(&self) -> Box<dyn StateStore> {
        Box::new(self.bucket.fresh().off_the_clock())
    }
}

#[test]
fn the_contract_holds_with_the_state_in_a_bucket() {
    for bucket in buckets::everywhere() {
        let lab = BucketLab::on(bucket);
        mlfn_testkit::run(async {
            lifecycle::a_second_deploy_changes_nothing(&lab).await;
            lifecycle::of_two_deploys_at_once_one_is_refused(&lab).await;
            lifecycle::a_rollback_brings_the_earlier_one_back(&lab).await;
            lifecycle::a_stale_plan_is_refused(&lab).await;
        });
    }
}

/// The same as for the state in memory, on a service that is small: each try makes some hundred
/// requests.
#[test]
fn any_write_of_the_state_in_a_bucket_may_go_wrong() {
    std::thread::scope(|scope| {
        for bucket in buckets::everywhere() {
            scope.spawn(|| {
                for fault in [
                    Fault::LoseAnswer,
                    Fault::Fail(Refusal::Unreachable),
                    Fault::KillBefore,
                    Fault::KillAfter,
                ] {
                    let lab = BucketLab::on(bucket);
                    mlfn_testkit::run(each_write_goes_wrong(&lab, &fault));
                }
            });
        }
    });
}

async fn each_write_goes_wrong(lab: &BucketLab, fault: &Fault) {
    for write in 1.. {
        let twin = lab.twin();
        let bench = Bench::new(&twin, TestHost::new(1));
        let request = Request::deploy(FakeService::small().lower(), Release::default());
        let (here, wrong) = (write, fault.clone());
        let script: Script = Box::new(move |number| (number == here).then(|| wrong.clone()));
        let faults = Faults {
            session: None,
            store: Some(script),
        };
        let (_, _, writes) = bench.counted(&request, faults).await;
        bench.deploy(&request).await;
        let plan = bench.plan(&request).await.expect("a plan");
        assert!(plan.is_empty(), "{fault:?} at {write}: {:?}", plan.changes);
        bench.deploy(&Request::remove()).await;
        let left = twin.inventory().await;
        assert_eq!(left, Vec::<String>::new(), "{fault:?} at {write}");
        if writes < write {
            assert!(write > 5, "only {write} writes were tried");
            break;
        }
    }
}
