//! The contract that every cloud keeps, on the local twin of AWS.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mlfn_core::{
    Address, Call, Inputs, KindSpec, Lower as _, Memory, ProviderName, Resource, Service, Session,
};
use mlfn_emulator::{EmulatorOptions, LocalCloud};
use mlfn_testkit::bench::{Twin, Variant};
use mlfn_testkit::{TestHost, lifecycle, trigger};
use serde_json::json;
use tempfile::TempDir;

use crate::local::{access, packed};
use crate::support::Package;

/// The local twin of AWS, for the service `s`.
struct LocalTwin {
    cloud: Arc<LocalCloud>,
    folder: TempDir,
}

impl LocalTwin {
    fn service(change: impl FnOnce(&mut Service)) -> Service {
        mlfn_testkit::service(ProviderName::Aws, |service| {
            service.name = "s".parse().expect("is a name");
            let function = &mut service.functions[0];
            function.example = Some(json!({"do": "echo"}));
            function.triggers = vec![
                trigger("http", json!({})),
                trigger("queue", json!({"name": "jobs"})),
                trigger("schedule", json!({})),
                trigger("topic", json!({"name": "news"})),
            ];
            change(service);
        })
    }

    /// The session of somebody else.
    fn stranger(&self) -> impl Session {
        let service =
            Self::service(|service| service.name = "stranger".parse().expect("is a name"));
        self.cloud.session(&access(&service), mlfn_aws::Aws.kinds())
    }

    fn find(&self, kind: &str) -> Resource {
        let wanted = self.wanted(Variant::First);
        wanted
            .into_iter()
            .find(|resource| resource.id.kind() == kind)
            .expect("is there")
    }
}

fn call<'a>(resource: &'a Resource, inputs: &'a Inputs, root: &'a std::path::Path) -> Call<'a> {
    Call {
        id: &resource.id,
        remote_name: &resource.remote_name,
        inputs,
        token: "00000000000000000000000000000000",
        root,
        progress: &|_, _| (),
    }
}

#[async_trait]
impl Twin for LocalTwin {
    fn kinds(&self) -> &'static [KindSpec] {
        mlfn_aws::Aws.kinds()
    }

    async fn session(&self) -> Box<dyn Session> {
        let service = Self::service(|_| ());
        Box::new(self.cloud.session(&access(&service), self.kinds()))
    }

    fn wanted(&self, variant: Variant) -> Vec<Resource> {
        let service = Self::service(|service| {
            let function = &mut service.functions[0];
            match variant {
                Variant::First => (),
                Variant::Updated => function.memory = Memory::mib(1024),
                Variant::Replaced => {
                    function.triggers[1] = trigger("queue", json!({"name": "jobs.fifo"}));
                }
                Variant::Renamed => function.name = "renamed".parse().expect("is a name"),
                Variant::Smaller => function.triggers.clear(),
                Variant::Broken => function.example = Some(json!({"do": "error"})),
            }
        });
        let mark = if variant == Variant::Broken {
            "broken"
        } else {
            ""
        };
        let mut artifact = packed(Package::light(), &self.folder, mark);
        artifact.function = service.functions[0].name.clone();
        mlfn_aws::Aws.lower(&service, &[artifact])
    }

    async fn inventory(&self) -> Vec<String> {
        let service = Self::service(|_| ());
        let session = self.cloud.session(&access(&service), self.kinds());
        session.inventory().expect("reads")
    }

    async fn tamper(&self) {
        let queue = self.find("aws:queue");
        let session = self.session().await;
        let address = Address {
            id: queue.id.clone(),
            remote_name: queue.remote_name.clone(),
            remote_id: None,
        };
        let found = session
            .read(&address)
            .await
            .expect("reads")
            .expect("is there");
        let prior = mlfn_core::Recorded {
            id: queue.id.clone(),
            remote_name: queue.remote_name.clone(),
            remote_id: found.remote_id,
            fields: found.fields,
            outputs: found.outputs,
            dependencies: [].into(),
            within: None,
        };
        let inputs = Inputs::new([("message_retention".to_owned(), 60.into())].into());
        let changed = ["message_retention".to_owned()].into();
        let call = call(&queue, &inputs, self.folder.path());
        session
            .update(&call, &prior, &changed)
            .await
            .expect("changes");
    }

    async fn occupy(&self) {
        let topic = self.find("aws:topic");
        let inputs = Inputs::default();
        let call = call(&topic, &inputs, self.folder.path());
        self.stranger().create(&call).await.expect("makes");
    }

    fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

struct Lab;

#[async_trait]
impl lifecycle::Lab for Lab {
    async fn fresh(&self) -> Box<dyn Twin> {
        let folder = TempDir::new().expect("makes a folder");
        let options = EmulatorOptions::new(ProviderName::Aws, folder.path().join("cloud"));
        let cloud = LocalCloud::open(options).await.expect("starts");
        Box::new(LocalTwin { cloud, folder })
    }

    fn host(&self) -> TestHost {
        TestHost::faster(1, 100)
    }
}

macro_rules! contract {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                lifecycle::$name(&Lab).await;
            }
        )*
    };
}

contract! {
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
    a_removal_may_go_wrong_at_any_call
    what_was_begun_can_be_removed_at_once
}
