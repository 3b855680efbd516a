//! A local cloud while it changes, and after its process has ended.

use mlfn_core::{Failure, Memory};
use mlfn_emulator::{CloudError, EmulatorOptions, Ending, LocalCloud};
use serde_json::json;
use tokio::net::TcpListener;

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
    let done = std::cell::Cell::new(false);
    let client = async || {
        let mut answered = 0;
        while !done.get() {
            let answer = local
                .http(post("/predict", &[], "{\"do\": \"mark\"}"))
                .await;
            assert_eq!(answer.status(), 200, "{answer:?}");
            answered += 1;
        }
        answered
    };
    let deploys = async {
        for mark in ["one", "two", "three"] {
            local.deploy_code(mark).await.expect("deploys");
            assert_eq!(self::mark(&local).await, mark);
        }
        done.set(true);
    };
    let (first, second, third, ()) = tokio::join!(client(), client(), client(), deploys);
    assert!(first + second + third >= 9, "{first} {second} {third}");
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
