//! What a plan says.

use mlfn_core::{Change, KindSpec, Purpose, Release, Resource, ResourceId, Value};
use mlfn_engine::state::MemoryStore;
use mlfn_engine::{
    DriftPolicy, EngineError, Freshness, PlanError, Question, Request, Seen, Status, diff,
    plan_file,
};
use mlfn_testkit::TestHost;
use mlfn_testkit::bench::{Bench, FakeTwin, Faults};
use mlfn_testkit::fake::{FakeCloud, FakeFunction, FakeService, KINDS, Thing};
use tempfile::TempDir;

/// A cloud in which [`FakeService::small`] with an API is deployed.
struct Deployed {
    folder: TempDir,
    twin: FakeTwin,
}

fn service(change: impl FnOnce(&mut FakeFunction)) -> FakeService {
    let mut service = FakeService::small();
    let function = service.functions.get_mut("a").expect("one");
    function.protocol = Some("http".to_owned());
    change(function);
    service
}

fn request(service: &FakeService) -> Request {
    Request::deploy(service.lower(), Release::default())
}

impl Deployed {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        FakeTwin::write_codes(folder.path());
        let twin = FakeTwin::new(FakeCloud::in_memory(), folder.path());
        Self { folder, twin }
    }

    /// Deploys the service, lets `meddle` happen, and asks for another one.
    fn plan(&self, meddle: impl FnOnce(&FakeCloud), wanted: &Request) -> Vec<String> {
        mlfn_testkit::run(async {
            let bench = Bench::new(&self.twin, TestHost::new(1));
            bench.deploy(&request(&service(|_| ()))).await;
            meddle(&self.twin.cloud);
            let plan = bench.plan(wanted).await.expect("a plan");
            plan.effective().map(line).collect()
        })
    }
}

/// `replace fake:function/a: why; field from -> to`
fn line(change: &Change) -> String {
    let fields = change
        .fields
        .iter()
        .map(|f| format!("; {} {} -> {}", f.field, f.from, f.to));
    let fields: String = fields.collect();
    format!(
        "{} {}: {}{fields}",
        change.action.as_str(),
        change.id,
        change.reason
    )
}

#[track_caller]
fn check(change: impl FnOnce(&mut FakeFunction), expected: &[&str]) {
    check_meddled(|_| (), &request(&service(change)), expected);
}

#[track_caller]
fn check_meddled(meddle: impl FnOnce(&FakeCloud), wanted: &Request, expected: &[&str]) {
    assert_eq!(Deployed::new().plan(meddle, wanted), expected);
}

#[test]
fn what_changes_in_place_is_updated() {
    check(|_| (), &[]);
    check(
        |f| f.memory = 1024,
        &["update fake:function/a: differs; memory 512 -> 1024"],
    );
}

#[test]
fn a_secret_is_compared_and_never_shown() {
    check(
        |f| f.token = "hunter2".to_owned(),
        &["update fake:function/a: differs; token (hidden) -> (hidden)"],
    );
    mlfn_testkit::run(async {
        let deployed = Deployed::new();
        let bench = Bench::new(&deployed.twin, TestHost::new(1));
        bench
            .deploy(&request(&service(|f| f.token = "hunter2".to_owned())))
            .await;
        let state = bench.state().await.expect("a state");
        let bytes = mlfn_engine::state::write(&state).expect("bytes");
        assert!(
            !String::from_utf8_lossy(&bytes).contains("hunter2"),
            "the state tells a secret"
        );
    });
}

#[test]
fn new_code_is_a_new_version_that_the_pointer_changes_over_to() {
    check(
        |f| f.code = "two".to_owned(),
        &[
            "update fake:function/a: differs; code file 7692c3ad3540 -> file 3fc4ccfe7458",
            "replace fake:version/a: `name` cannot be changed in place; \
             code file 7692c3ad3540 -> file 3fc4ccfe7458",
            "update fake:alias/a: differs; version 3 -> (known after deploy)",
        ],
    );
}

#[test]
fn what_lives_in_a_replaced_thing_is_replaced_with_it() {
    let arm = |f: &mut FakeFunction| f.architecture = "arm64".to_owned();
    check(
        arm,
        &[
            "replace fake:alias/a: `fake:function/a`, which it is part of, is replaced; \
             version 3 -> (known after deploy)",
            "replace fake:version/a: `fake:function/a`, which it is part of, is replaced",
            "replace fake:function/a: `architecture` cannot be changed in place; \
             architecture \"x86_64\" -> \"arm64\"",
            "update fake:api/a: differs; \
             target \"to arn:fake:function#0002\" -> (known after deploy)",
        ],
    );
}

#[test]
fn what_is_not_wanted_goes_in_the_order_in_which_it_is_needed() {
    check_meddled(
        |_| (),
        &Request::remove(),
        &[
            "delete fake:api/a: no longer in the manifest",
            "delete fake:alias/a: no longer in the manifest",
            "delete fake:version/a: no longer in the manifest",
            "delete fake:function/a: no longer in the manifest",
            "delete fake:role/a: no longer in the manifest",
        ],
    );
}

#[test]
fn drift_is_put_right_kept_or_overwritten() {
    let meddle = |cloud: &FakeCloud| {
        cloud.tamper("fake:function", "s-dev-a", |thing| {
            thing.fields.insert("memory".to_owned(), 128.into());
        });
    };
    let same = request(&service(|_| ()));
    let right = "update fake:function/a: was changed by somebody else; memory 128 -> 512";
    check_meddled(meddle, &same, &[right]);
    check_meddled(
        meddle,
        &Request {
            drift: DriftPolicy::Keep,
            ..same
        },
        &[],
    );
    let other = request(&service(|f| f.memory = 1024));
    let over = "update fake:function/a: differs; memory 128 -> 1024";
    check_meddled(
        meddle,
        &Request {
            drift: DriftPolicy::Keep,
            ..other
        },
        &[over],
    );
}

#[test]
fn what_vanished_is_made_again_with_what_was_in_it() {
    check_meddled(
        |cloud| cloud.vanish("fake:api", "s-dev-a-http"),
        &request(&service(|_| ())),
        &[
            "create fake:api/a: was removed by somebody else; protocol (none) -> \"http\"; \
           target (none) -> (known after deploy)",
        ],
    );
}

#[test]
fn what_belongs_to_somebody_else_by_now_is_forgotten_and_not_deleted() {
    check_meddled(
        |cloud| cloud.tamper("fake:api", "s-dev-a-http", |thing| thing.tags = None),
        &request(&service(|f| f.protocol = None)),
        &["forget fake:api/a: belongs to somebody who does not use mlfn now"],
    );
}

#[test]
fn a_new_name_for_the_same_thing_does_not_touch_the_cloud() {
    let bucket = Some(("here".to_owned(), "x".to_owned()));
    let wanted = FakeService {
        bucket,
        ..FakeService::default()
    };
    let deployed = Deployed::new();
    mlfn_testkit::run(async {
        let bench = Bench::new(&deployed.twin, TestHost::new(1));
        bench.deploy(&request(&wanted)).await;
        let mut renamed = request(&wanted);
        renamed.wanted[0].id = ResourceId::new("fake:bucket", "other");
        let plan = bench.plan(&renamed).await.expect("a plan");
        let lines: Vec<String> = plan.effective().map(line).collect();
        // A note cannot be read back, so that it is set once more.
        assert_eq!(
            lines,
            [
                "forget fake:bucket/data: is `fake:bucket/other` now",
                "update fake:bucket/other: exists and has the tags of this service; \
                 note (unknown) -> \"x\"",
            ]
        );
        bench.deploy(&renamed).await;
        assert_eq!(deployed.twin.cloud.things().len(), 1);
        assert!(bench.plan(&renamed).await.expect("a plan").is_empty());
    });
}

#[test]
fn a_rollback_brings_back_the_code_without_sending_it() {
    let deployed = Deployed::new();
    mlfn_testkit::run(async {
        let bench = Bench::new(&deployed.twin, TestHost::new(1));
        bench.deploy(&request(&service(|_| ()))).await;
        bench
            .deploy(&request(&service(|f| f.code = "two".to_owned())))
            .await;
        let back = bench
            .with_engine(async |engine| engine.rollback(None).await)
            .await;
        let back = back.expect("a way back");
        let plan = bench.plan(&back).await.expect("a plan");
        let lines: Vec<String> = plan.effective().map(line).collect();
        let found = "adopt fake:version/a: exists and has the tags of this service";
        assert!(lines.contains(&found.to_owned()), "{lines:#?}");
        let outcome = bench.apply(&plan, Freshness::State).await.expect("applies");
        assert_eq!(
            (outcome.status, outcome.deployment),
            (Status::Complete, Some(3))
        );
        assert!(
            bench
                .plan(&request(&service(|_| ())))
                .await
                .expect("a plan")
                .is_empty()
        );
        let again = bench
            .with_engine(async |engine| engine.rollback(None).await)
            .await;
        let Err(EngineError::NoDeployment { known, .. }) = again else {
            panic!("{again:?}")
        };
        assert_eq!(known, [1, 2, 3]);
    });
}

#[test]
fn a_file_that_changed_since_the_plan_stops_the_deploy_before_it_begins() {
    let deployed = Deployed::new();
    let request = request(&service(|_| ()));
    mlfn_testkit::run(async {
        let bench = Bench::new(&deployed.twin, TestHost::new(1));
        let plan = bench.plan(&request).await.expect("a plan");
        assert_eq!(plan.uploads, 6, "the code twice");
        fs_err::write(deployed.folder.path().join("one"), "other").expect("writes");
        let error = bench
            .apply(&plan, Freshness::State)
            .await
            .expect_err("stops");
        assert!(matches!(error, EngineError::File { .. }), "{error:?}");
        assert!(deployed.twin.cloud.things().is_empty());
        let run = bench.run(&request, Faults::default()).await;
        assert!(!run.is_complete());
    });
}

#[test]
fn what_a_kept_resource_tells_anew_is_recorded() {
    let moved = |cloud: &FakeCloud| {
        cloud.tamper("fake:role", "s-dev-a", |thing| {
            thing.outputs.insert("arn".to_owned(), "arn:moved".into());
        });
    };
    check_meddled(
        moved,
        &request(&service(|_| ())),
        &[
            "adopt fake:role/a: what others refer to has changed",
            r#"update fake:function/a: differs; role "arn:fake:role#0001" -> "arn:moved""#,
        ],
    );
}

#[test]
fn what_nobody_recorded_goes_if_it_is_ours() {
    let suspects = || Request {
        suspects: service(|_| ()).lower(),
        ..Request::remove()
    };
    let lost = |meddle: fn(&FakeCloud)| {
        mlfn_testkit::run(async {
            let deployed = Deployed::new();
            let bench = Bench::new(&deployed.twin, TestHost::new(1));
            bench.deploy(&request(&service(|_| ()))).await;
            meddle(&deployed.twin.cloud);
            let bench = bench.with_store(MemoryStore::new());
            let plan = bench.plan(&suspects()).await.expect("a plan");
            plan.effective().map(line).collect::<Vec<String>>()
        })
    };
    let delete = |name: &str| format!("delete fake:{name}/a: no longer in the manifest");
    let all = ["api", "alias", "version", "function", "role"];
    assert_eq!(lost(|_| ()), all.map(delete));
    let foreign = lost(|cloud| {
        cloud.tamper("fake:role", "s-dev-a", |thing| thing.tags = None);
    });
    assert_eq!(foreign, ["api", "alias", "version", "function"].map(delete));
}

/// Removes everything after `meddle`; only the role shall stay, as `line` says.
#[track_caller]
fn check_release(meddle: fn(&FakeCloud), spared: Vec<&'static str>, line: &str) {
    mlfn_testkit::run(async {
        let deployed = Deployed::new();
        let bench = Bench::new(&deployed.twin, TestHost::new(1));
        bench.deploy(&request(&service(|_| ()))).await;
        meddle(&deployed.twin.cloud);
        let remove = Request {
            spared,
            ..Request::remove()
        };
        let plan = bench.plan(&remove).await.expect("a plan");
        let lines: Vec<String> = plan.effective().map(self::line).collect();
        assert_eq!(lines.last().map(String::as_str), Some(line), "{lines:?}");
        bench.deploy(&remove).await;
        let things = deployed.twin.cloud.things().into_values();
        let kinds: Vec<String> = things.map(|thing| thing.kind).collect();
        assert_eq!(kinds, ["fake:role"]);
        assert!(bench.state().await.expect("a state").resources.is_empty());
    });
}

#[test]
fn what_others_lent_and_what_is_spared_stays() {
    check_release(
        |cloud| cloud.tamper("fake:role", "s-dev-a", Thing::lend),
        Vec::new(),
        "release fake:role/a: belongs to others, and stays as it is",
    );
    check_release(
        |_| (),
        vec!["fake:role"],
        "release fake:role/a: stays, as was asked for",
    );
}

#[test]
fn a_plan_of_another_version_is_refused() {
    let question = pure(&[]);
    let plan = question.expect("a plan");
    let text = String::from_utf8(plan_file::write(&plan).expect("bytes")).expect("text");
    assert_eq!(plan_file::read(text.as_bytes()).expect("a plan"), plan);
    for other in [
        text.replace("\"format\": 1", "\"format\": 2"),
        text.replace("0.1.0", "0.0.9"),
    ] {
        let error = plan_file::read(other.as_bytes()).expect_err("another version");
        assert!(
            matches!(error, plan_file::PlanFileError::Version { .. }),
            "{error:?}"
        );
    }
    assert!(plan_file::read(&text.as_bytes()[..40]).is_err());
}

fn pure(wanted: &[Resource]) -> Result<mlfn_core::Plan, PlanError> {
    let kinds: &[KindSpec] = KINDS;
    diff(&Question {
        purpose: Purpose::Deploy,
        provider: "fake",
        service: &"s".parse().expect("a name"),
        stage: &"dev".parse().expect("a name"),
        release: &Release::default(),
        kinds,
        wanted,
        state: None,
        seen: &Seen::default(),
        drift: DriftPolicy::PutRight,
        suspects: &[],
        spared: &[],
    })
}

#[track_caller]
fn check_problem(wanted: &[Resource], expected: &str) {
    match pure(wanted) {
        Err(PlanError::Provider { problems }) => assert_eq!(problems.join("\n"), expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn mistakes_of_providers_are_told_to_their_authors() {
    let id = |name: &str| ResourceId::new("fake:role", name);
    let role = |name: &str| Resource::new(id(name), name);
    check_problem(
        &[role("a"), role("a")],
        "there are two resources `fake:role/a`",
    );
    check_problem(
        &[role("a"), Resource::new(id("b"), "a")],
        "`fake:role/a` and `fake:role/b` are both called `a`",
    );
    check_problem(
        &[role("a").after(id("b"))],
        "`fake:role/a` comes after `fake:role/b`, which is not among the resources",
    );
    check_problem(
        &[role("a").with("size", 1)],
        "`fake:role/a` has a field `size` that its kind does not list",
    );
    check_problem(
        &[Resource::new(ResourceId::new("fake:moon", "a"), "a")],
        "`fake:moon/a` is of a kind that `kinds` does not list",
    );
    check_problem(
        &[
            role("a").with("policy", Value::output(&id("b"), "arn")),
            role("b").after(id("a")),
        ],
        "`fake:role/a`, `fake:role/b` need each other",
    );
}
