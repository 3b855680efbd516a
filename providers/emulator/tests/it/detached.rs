//! A local cloud in a process of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mlfn_core::{Address, Call, Cloud as _, Inputs, Lower as _, Resource, Service, Session};
use mlfn_emulator::{Launcher, Like, Local, find_detached};
use mlfn_testkit::trigger;
use serde_json::json;
use tempfile::TempDir;

use crate::local::{access, artifact, post, send};

struct Detached {
    folder: TempDir,
    provider: Local,
    service: Service,
}

impl Detached {
    fn new() -> Self {
        let folder = TempDir::new().expect("makes a folder");
        let cloud = folder.path().join("local/dev");
        let launcher = Launcher {
            executable: PathBuf::from(env!("CARGO_BIN_EXE_local-cloud")),
            arguments: vec![cloud.clone().into()],
        };
        let like = Like::Cloud(Box::new(mlfn_aws::Aws));
        let service = mlfn_testkit::service(mlfn_core::ProviderName::Aws, |service| {
            service.functions[0].example = Some(json!({"do": "echo"}));
            service.functions[0].triggers = vec![trigger("http", json!({}))];
        });
        Self {
            provider: Local::new(like, cloud, launcher),
            folder,
            service,
        }
    }

    fn cloud(&self) -> PathBuf {
        self.folder.path().join("local/dev")
    }

    async fn session(&self) -> Box<dyn Session> {
        self.provider
            .connect(&access(&self.service))
            .await
            .expect("connects")
    }

    fn resources(&self) -> Vec<Resource> {
        self.provider
            .lower(&self.service, &[artifact(&self.folder, "")])
    }

    /// As the engine does it: each after what it needs, and back.
    async fn deploy(&self, session: &dyn Session) {
        let mut outputs = std::collections::BTreeMap::new();
        let mut left = self.resources();
        while !left.is_empty() {
            let is_ready = |resource: &Resource| {
                resource
                    .dependencies()
                    .iter()
                    .all(|id| outputs.contains_key(id))
            };
            let ready = left.iter().position(is_ready).expect("no circle");
            let resource = left.swap_remove(ready);
            let lookup = |from: &mlfn_core::ResourceId, output: &str| {
                let of: &std::collections::BTreeMap<String, serde_json::Value> =
                    outputs.get(from)?;
                of.get(output).cloned()
            };
            let fields = resource
                .fields
                .iter()
                .map(|(name, value)| (name.clone(), value.resolve(&lookup).expect("is known")));
            let inputs = Inputs::new(fields.collect());
            let call = Call {
                id: &resource.id,
                remote_name: &resource.remote_name,
                inputs: &inputs,
                token: "00000000000000000000000000000000",
                root: self.folder.path(),
                progress: &|_, _| (),
            };
            if let Some(request) = &resource.probe {
                session.probe(&call, request).await.expect("is healthy");
            }
            let observed = session.create(&call).await.expect("makes");
            outputs.insert(resource.id.clone(), observed.outputs);
        }
    }

    async fn remove(&self, session: &dyn Session) {
        for resource in self.resources() {
            let address = Address {
                id: resource.id.clone(),
                remote_name: resource.remote_name.clone(),
                remote_id: None,
            };
            let Some(found) = session.read(&address).await.expect("reads") else {
                continue;
            };
            let prior = mlfn_core::Recorded {
                id: resource.id.clone(),
                remote_name: resource.remote_name.clone(),
                remote_id: found.remote_id,
                fields: found.fields,
                outputs: found.outputs,
                dependencies: [].into(),
                within: None,
            };
            session.delete(&prior).await.expect("removes");
        }
    }

    fn endpoint(&self) -> serde_json::Value {
        let text = fs_err::read(self.cloud().join("endpoint.json")).expect("is there");
        serde_json::from_slice(&text).expect("is JSON")
    }
}

/// Waits until the process of a cloud has ended, whoever reaps it.
async fn ended(folder: &Path) {
    let gone = async {
        while find_detached(folder).await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("ends");
}

async fn status(port: u16) -> u16 {
    send(port, post("/predict", &[], "{}"))
        .await
        .status()
        .as_u16()
}

#[tokio::test]
async fn it_answers_until_everything_is_removed_and_leaves_nothing() {
    let detached = Detached::new();
    let session = detached.session().await;
    assert_eq!(
        find_detached(&detached.cloud()).await,
        None,
        "looking starts nothing"
    );
    detached.deploy(&*session).await;
    drop(session);
    let url = find_detached(&detached.cloud()).await.expect("runs");
    let port: u16 = url
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    assert_eq!(status(port).await, 200);
    let session = detached.session().await;
    detached.remove(&*session).await;
    ended(&detached.cloud()).await;
    assert!(!detached.cloud().exists(), "something is left");
}

#[tokio::test]
async fn after_it_was_killed_the_next_one_has_everything_again() {
    let detached = Detached::new();
    let session = detached.session().await;
    detached.deploy(&*session).await;
    let before = detached.endpoint();
    let pid = i32::try_from(before["pid"].as_i64().expect("a number")).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kills");
    // The file is there still, and nobody is deceived by it.
    ended(&detached.cloud()).await;
    assert_eq!(detached.endpoint(), before);

    let alias = detached.resources();
    let alias = alias
        .iter()
        .find(|resource| resource.probe.is_some())
        .expect("is there");
    let inputs = Inputs::new([("version".to_owned(), "1".into())].into());
    let call = Call {
        id: &alias.id,
        remote_name: &alias.remote_name,
        inputs: &inputs,
        token: "00000000000000000000000000000000",
        root: detached.folder.path(),
        progress: &|_, _| (),
    };
    session
        .probe(&call, &json!({"do": "echo"}))
        .await
        .expect("runs again");
    let after = detached.endpoint();
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(after["port"], before["port"], "addresses stay");
    detached.remove(&*session).await;
    ended(&detached.cloud()).await;
}

#[tokio::test]
async fn strangers_cannot_control_it() {
    let detached = Detached::new();
    let session = detached.session().await;
    detached.deploy(&*session).await;
    let port = detached.endpoint()["port"].as_u64().expect("a number");
    let port = u16::try_from(port).expect("a port");
    for headers in [&[][..], &[("authorization", "Bearer guess")]] {
        let answer = send(port, post("/_mlfn/stop", headers, "")).await;
        assert_eq!(answer.status(), 403);
    }
    assert_eq!(status(port).await, 200);
    detached.remove(&*session).await;
    ended(&detached.cloud()).await;
}

#[tokio::test]
async fn a_process_that_cannot_start_says_why() {
    let mut detached = Detached::new();
    let launcher = Launcher {
        executable: "/bin/sh".into(),
        arguments: vec!["-c".into(), "echo no such command >&2; exit 3".into()],
    };
    detached.provider = Local::new(
        Like::Cloud(Box::new(mlfn_aws::Aws)),
        detached.cloud(),
        launcher,
    );
    let session = detached.session().await;
    let role = detached.resources();
    let role = role
        .iter()
        .find(|resource| resource.id.kind() == "aws:role")
        .expect("is there");
    let inputs = Inputs::default();
    let call = Call {
        id: &role.id,
        remote_name: &role.remote_name,
        inputs: &inputs,
        token: "00000000000000000000000000000000",
        root: detached.folder.path(),
        progress: &|_, _| (),
    };
    let error = session
        .create(&call)
        .await
        .expect_err("does not start")
        .to_string();
    assert!(
        error.contains("exit status: 3") && error.contains("no such command"),
        "{error}"
    );
}
