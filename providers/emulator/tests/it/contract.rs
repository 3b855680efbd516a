//! The contract that every cloud keeps, on the local twin of AWS.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use mlfn_core::{
    Address, Call, Inputs, KindSpec, Layer, Lower as _, ProviderName, Resource, Service, Session,
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
    /// Any archive, as the handler has no use for a library.
    fn layer(&self) -> Layer {
        let archive = packed(Package::light(), &self.folder, "layer");
        Layer {
            path: archive.path,
            digest: archive.digest,
            packed: archive.packed,
            unpacked: archive.unpacked,
        }
    }

    fn service(variant: Variant) -> Service {
        variant.service(vec![trigger("schedule", json!({}))])
    }

    /// The session of somebody else.
    fn stranger(&self) -> impl Session {
        let mut service = Self::service(Variant::First);
        service.name = "stranger".parse().expect("is a name");
        self.cloud.session(&access(&service), mlfn_aws::Aws.kinds())
    }

    fn find(&self, kind: &str, name: &str) -> Resource {
        let wanted = self.wanted(Variant::First);
        wanted
            .into_iter()
            .find(|resource| resource.id.kind() == kind && resource.id.name() == name)
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
        let service = Self::service(Variant::First);
        Box::new(self.cloud.session(&access(&service), self.kinds()))
    }

    fn wanted(&self, variant: Variant) -> Vec<Resource> {
        let service = Self::service(variant);
        let mark = if variant == Variant::Broken {
            "broken"
        } else {
            ""
        };
        let mut artifact = packed(Package::light(), &self.folder, mark);
        artifact.function = service.functions[0].name.clone();
        artifact.layer = Some(self.layer());
        mlfn_aws::Aws.lower(&service, &[artifact])
    }

    async fn inventory(&self) -> Vec<String> {
        let service = Self::service(Variant::First);
        let session = self.cloud.session(&access(&service), self.kinds());
        session.inventory().expect("reads")
    }

    async fn tamper(&self) {
        let queue = self.find("aws:queue", "jobs");
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
        let topic = self.find("aws:topic", "news");
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

macro_rules! clauses {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                lifecycle::$name(&Lab).await;
            }
        )*
    };
}

mlfn_testkit::contract!(clauses);
