//! An account on ministack, with what a service finds there; and how its things are made, looked at
//! and removed.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use mlfn_aws::{AwsSession, kinds};
use mlfn_core::{
    Access, Address, Call, Failure, Inputs, KindSpec, Observed, Ownership, ProviderError, Recorded,
    ResourceId, Session as _, Value,
};
use mlfn_testkit::python::{Packages, output};
use mlfn_testkit::servers::{Ministack, Moto};
use serde_json::{Value as Json, json};

/// One for all tests: each uses names of its own.
static AWS: LazyLock<Ministack> = LazyLock::new(|| {
    let aws = Ministack::start();
    let mut command = Packages::Aws.command();
    let prepare = command.args(["-c", include_str!("prepare.py")]);
    assert_eq!(output(prepare.envs(aws.environment())), "done");
    aws
});

/// An account where nobody has anything.
static MOTO: LazyLock<Moto> = LazyLock::new(Moto::start);

/// What boto3 says of a thing, as JSON text.
pub(crate) fn told(what: &str, name: &str) -> String {
    let mut command = Packages::Aws.command();
    let describe = command.args(["-c", include_str!("describe.py"), what, name]);
    output(describe.envs(AWS.environment()))
}

/// The service `iris` in a stage of it.
pub(crate) struct Account {
    session: AwsSession,
}

impl Account {
    pub(crate) async fn dev() -> Self {
        Self::of("dev").await
    }

    pub(crate) async fn of(stage: &str) -> Self {
        Self::at(AWS.url(), stage).await
    }

    /// On moto.
    pub(crate) async fn elsewhere() -> Self {
        Self::at(MOTO.url(), "dev").await
    }

    async fn at(endpoint: String, stage: &str) -> Self {
        let access = Access {
            service: "iris".parse().expect("a name"),
            stage: stage.parse().expect("a name"),
            region: Some("us-east-1".to_owned()),
            profile: None,
            endpoint: Some(endpoint),
            tags: [].into(),
        };
        let session = AwsSession::connect_as(&access, ("test", "test")).await;
        Self {
            session: session.expect("connects"),
        }
    }

    pub(crate) async fn read(&self, kind: KindSpec, name: &str) -> Option<Observed> {
        self.look(kind, name, None).await
    }

    /// As the engine reads it: until it is ready.
    async fn look(&self, kind: KindSpec, name: &str, id: Option<&str>) -> Option<Observed> {
        let address = Address {
            id: ResourceId::new(kind.kind, "x"),
            remote_name: name.to_owned(),
            remote_id: id.map(str::to_owned),
        };
        loop {
            let found = self.session.read(&address).await.expect("reads");
            if found.as_ref().is_none_or(|found| found.pending.is_none()) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn create(
        &self,
        kind: KindSpec,
        name: &str,
        fields: &Json,
    ) -> Result<Observed, ProviderError> {
        let (id, inputs) = (ResourceId::new(kind.kind, "x"), inputs(fields));
        self.session.create(&call(&id, name, &inputs)).await
    }

    pub(crate) async fn update(&self, kind: KindSpec, there: &Recorded, fields: &Json) -> Observed {
        let inputs = inputs(fields);
        let is = |field: &str| there.fields.get(field).cloned().unwrap_or_default();
        let all = kind.fields.iter().map(|field| field.name);
        let changed: BTreeSet<String> = all
            .filter(|field| is(field) != inputs.json(field))
            .map(str::to_owned)
            .collect();
        let call = call(&there.id, &there.remote_name, &inputs);
        let set = self.session.update(&call, there, &changed).await;
        set.expect("updates")
    }

    pub(crate) async fn delete(&self, there: &Recorded) -> Result<(), ProviderError> {
        self.session.delete(there).await
    }

    /// Makes a thing, and makes sure that it is as it shall be.
    pub(crate) async fn made(&self, kind: KindSpec, name: &str, fields: &Json) -> Recorded {
        assert_eq!(self.read(kind, name).await, None, "{name} is there already");
        let made = self.create(kind, name, fields).await.expect("creates");
        self.is(kind, name, &made, fields).await
    }

    /// Brings a thing into another form.
    pub(crate) async fn becomes(
        &self,
        kind: KindSpec,
        there: &Recorded,
        fields: &Json,
    ) -> Recorded {
        let set = self.update(kind, there, fields).await;
        self.is(kind, &there.remote_name, &set, fields).await
    }

    /// Makes sure that it reads as it was set, by its name alone and by its id.
    async fn is(&self, kind: KindSpec, name: &str, said: &Observed, fields: &Json) -> Recorded {
        let by_name = self.read(kind, name).await.expect("is there");
        let by_id = self.look(kind, name, Some(&said.remote_id)).await;
        assert_eq!(by_id.as_ref(), Some(&by_name), "{name}: by id and by name");
        let seen: Json = by_name.fields.clone().into_iter().collect();
        assert_eq!(without_nulls(&seen), *fields, "{name}: its fields");
        assert_eq!(by_name.owner, Ownership::Ours, "{name}: its owner");
        assert_eq!(by_name.remote_id, said.remote_id, "{name}: its id");
        assert_eq!(by_name.outputs, said.outputs, "{name}: its outputs");
        let outputs: BTreeSet<&str> = by_name.outputs.keys().map(String::as_str).collect();
        let mut all = kinds::OUTPUTS.iter();
        let documented = all.find(|(of, _)| *of == kind.kind);
        for output in documented.map_or(&[][..], |(_, outputs)| outputs) {
            assert!(outputs.contains(output), "{name} has no output {output}");
        }
        recorded(kind, name, by_name)
    }

    /// Removes a thing, twice.
    pub(crate) async fn gone(&self, kind: KindSpec, there: &Recorded) {
        for _ in 0..2 {
            self.delete(there).await.expect("deletes");
        }
        let left = self.read(kind, &there.remote_name).await;
        assert_eq!(left, None, "{} is still there", there.remote_name);
    }

    /// Makes sure that a thing of ours cannot be made a second time.
    pub(crate) async fn is_taken(&self, kind: KindSpec, name: &str, fields: &Json) {
        // ministack makes two where AWS refuses; what AWS answers to the first two is replayed by `answers`.
        let twice = [
            kinds::EVENT_SOURCE_MAPPING,
            kinds::HTTP_ROUTE,
            kinds::HTTP_STAGE,
        ];
        if twice.iter().any(|other| other.kind == kind.kind) {
            return;
        }
        let again = self.create(kind, name, fields).await;
        let failure = again.expect_err("it exists").failure;
        let what = name.to_owned();
        let owner = Ownership::Ours;
        assert_eq!(failure, Failure::AlreadyExists { what, owner });
    }
}

/// What the engine would record of it.
pub(crate) fn recorded(kind: KindSpec, name: &str, observed: Observed) -> Recorded {
    Recorded {
        id: ResourceId::new(kind.kind, "x"),
        remote_name: name.to_owned(),
        remote_id: observed.remote_id,
        fields: observed.fields,
        outputs: observed.outputs,
        dependencies: [].into(),
        within: None,
    }
}

fn inputs(fields: &Json) -> Inputs {
    let fields = fields.as_object().expect("an object").iter();
    let fields = fields.map(|(name, value)| (name.clone(), Value::Known(value.clone())));
    Inputs::new(fields.collect())
}

fn call<'a>(id: &'a ResourceId, name: &'a str, inputs: &'a Inputs) -> Call<'a> {
    Call {
        id,
        remote_name: name,
        inputs,
        token: "0123456789abcdef0123456789abcdef",
        root: ".".as_ref(),
        progress: &|_, _| (),
    }
}

/// What is not set is null for the engine.
fn without_nulls(fields: &Json) -> Json {
    let fields = fields.as_object().expect("an object").iter();
    let set = fields.filter(|(_, value)| !value.is_null());
    let set: Json = set
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    mlfn_core::sorted(json!(set))
}
