//! A local cloud while it changes, and after its process has ended.

use std::cell::Cell;
use std::collections::BTreeSet;

use mlfn_core::{Alarm, Call, Failure, Inputs, Memory, Recorded, Resource, Session as _, Watch};
use mlfn_emulator::{CloudError, EmulatorOptions, Ending, LocalCloud};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::local::{Local, json_of, post};

async fn mark(local: &Local) -> String {
    let done = local.invoke(json!({"do": "mark"})).await;
    assert_eq!(done.ending, Ending::Answered, "{:?}", done.body);
    json_of(&done.body)["mark"]
        .as_str()
        .expect("is text")
        .to_owned()
}

#[tokio::test]
async fn new_code_answers_the_next_request_and_drops_none() {
    let local = Local::new(|_| ()).await;
    assert_eq!(mark(&local).await, "");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("has an address").port();
    let during = async {
        let running = listener.accept().await.expect("arrives");
        local.deploy_code("new").await.expect("deploys");
        assert_eq!(mark(&local).await, "new");
        drop(running);
    };
    let (old, ()) = tokio::join!(local.invoke(json!({"do": "wait", "port": port})), during);
    assert_eq!((old.ending, old.version.as_str()), (Ending::Answered, "1"));
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn no_request_of_many_fails_while_code_changes() {
    let local = Local::new(|_| ()).await;
    let done = Cell::new(false);
    let answered = Notify::new();
    let client = async || {
        while !done.get() {
            let answer = local
                .http(post("/predict", &[], "{\"do\": \"mark\"}"))
                .await;
            assert_eq!(answer.status(), 200, "{answer:?}");
            answered.notify_one();
        }
    };
    // However slow the machine is, every change comes into the midst of requests.
    let deploys = async {
        for mark in ["one", "two", "three"] {
            for _ in 0..6 {
                answered.notified().await;
            }
            local.deploy_code(mark).await.expect("deploys");
            assert_eq!(self::mark(&local).await, mark);
        }
        done.set(true);
    };
    tokio::join!(client(), client(), client(), deploys);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn code_that_fails_its_health_check_leaves_the_old_one_serving() {
    let mut local = Local::new(|service| {
        service.functions[0].example = Some(json!({"do": "mark"}));
    })
    .await;
    local.service.functions[0].example = Some(json!({"do": "error"}));
    let error = local.deploy_code("bad").await.expect_err("is not healthy");
    assert!(
        matches!(error.failure, Failure::Unhealthy { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("wrong_shape"), "{error}");
    assert_eq!(mark(&local).await, "");
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn a_change_of_settings_makes_a_new_version_and_the_old_one_goes() {
    let mut local = Local::new(|_| ()).await;
    local.service.functions[0].memory = Memory::mib(1024);
    local.deploy().await.expect("deploys");
    let done = local.invoke(json!({"do": "describe"})).await;
    assert_eq!(done.version, "2");
    let memory = &json_of(&done.body)["environment"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"];
    assert_eq!(memory, "1024");
    let path = "/2015-03-31/functions/iris-dev-classifier/invocations?Qualifier=1";
    assert_eq!(local.http(post(path, &[], "{}")).await.status(), 404);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let local = Local::new(|_| ()).await;
    let record = local.folder.path().join("cloud/cloud.json");
    let before = fs_err::read(&record).expect("reads");
    local.deploy().await.expect("deploys");
    assert_eq!(fs_err::read(&record).expect("reads"), before);
}

#[tokio::test]
async fn what_was_deployed_is_there_again_after_the_process_has_ended() {
    let local = Local::new(|_| ()).await;
    local.deploy_code("kept").await.expect("deploys");
    let before = (
        local.cloud.emulator().url(),
        local.session.inventory().expect("reads"),
    );
    let local = local.restart().await;
    assert_eq!(mark(&local).await, "kept");
    let after = (
        local.cloud.emulator().url(),
        local.session.inventory().expect("reads"),
    );
    assert_eq!(after, before);
    local.cloud.shut_down().await;
}

#[tokio::test]
async fn one_process_at_a_time_answers_for_a_cloud() {
    let local = Local::new(|_| ()).await;
    let options = EmulatorOptions::new(
        mlfn_core::ProviderName::Aws,
        local.folder.path().join("cloud"),
    );
    let second = LocalCloud::open(options).await;
    assert!(
        matches!(second, Err(CloudError::Running { .. })),
        "{second:?}"
    );
}

#[tokio::test]
async fn packages_that_nobody_needs_are_removed() {
    let local = Local::new(|_| ()).await;
    local.deploy_code("new").await.expect("deploys");
    let packages = local.folder.path().join("cloud/packages");
    let removed = async {
        while fs_err::read_dir(&packages).expect("is there").count() > 1 {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, removed)
        .await
        .expect("is removed");
}

#[tokio::test]
async fn requests_move_to_another_version_by_parts_and_what_it_fails_on_is_told() {
    let local = Local::new(|_| ()).await;
    publish(&local, "new").await;
    let alias = one(&local, "aws:alias", "new");
    let inputs = Inputs::new([("version".to_owned(), "2".into())].into());
    let (call, prior) = (call(&local, &alias, &inputs), prior(&alias));
    let watch = Watch {
        alarm: &Alarm::Errors,
        since: 0,
        now: 0,
    };
    let seen = async || local.session.watch(&call, &watch).await.expect("looks");
    let moved = local.session.shift(&call, &prior, 50).await;
    assert_eq!(moved.expect("moves").fields["routing"], json!({"2": 0.5}));
    assert_eq!(seen().await, None);
    let mut versions = BTreeSet::new();
    while versions.len() < 2 {
        versions.insert(local.invoke(json!({"do": "error"})).await.version);
    }
    let why = seen().await.expect("something");
    assert!(why.starts_with("version 2 failed on "), "{why}");
    local.session.shift(&call, &prior, 0).await.expect("moves");
    assert_eq!(seen().await, None);
    for _ in 0..10 {
        assert_eq!(local.invoke(json!({"do": "mark"})).await.version, "1");
    }
    local.cloud.shut_down().await;
}

/// Makes version 2 of other code, beside version 1, which the alias points to.
async fn publish(local: &Local, code: &str) {
    let function = one(local, "aws:function", code);
    let fields = [("code".to_owned(), function.fields["code"].clone())];
    let (inputs, changed) = (Inputs::new(fields.into()), ["code".to_owned()].into());
    let (call, prior) = (call(local, &function, &inputs), prior(&function));
    let updated = local.session.update(&call, &prior, &changed).await;
    updated.expect("takes the code");
    let version = one(local, "aws:function-version", code);
    let inputs = Inputs::new(version.fields.clone());
    let call = self::call(local, &version, &inputs);
    let made = local.session.create(&call).await;
    assert_eq!(made.expect("publishes").outputs["version"], "2");
}

fn one(local: &Local, kind: &str, code: &str) -> Resource {
    let mut all = local.resources(code).into_iter();
    all.find(|one| one.id.kind() == kind).expect("is there")
}

fn call<'a>(local: &'a Local, resource: &'a Resource, inputs: &'a Inputs) -> Call<'a> {
    Call {
        id: &resource.id,
        remote_name: &resource.remote_name,
        inputs,
        token: "00000000000000000000000000000000",
        root: local.folder.path(),
        progress: &|_, _| (),
    }
}

/// With the alias at version 1.
fn prior(resource: &Resource) -> Recorded {
    Recorded {
        id: resource.id.clone(),
        remote_name: resource.remote_name.clone(),
        remote_id: String::new(),
        fields: [("version".to_owned(), json!("1"))].into(),
        outputs: [].into(),
        dependencies: [].into(),
        within: None,
    }
}
