//! One service on one cloud, deployed again and again, in this process or in one that dies.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::future::{Either, select};
use mlfn_core::{
    Alarm, AsyncSettings, Destination, KindSpec, Memory, Plan, ProviderName, Release, Resource,
    Seconds, Service, ServiceName, Session, StageName, Traffic, Trigger,
};
use mlfn_engine::state::{MemoryStore, State, StateStore};
use mlfn_engine::{
    Cancel, Engine, EngineError, Event, Freshness, Outcome, Request, Settings, Status,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::faults::{FaultySession, FaultyStore, Script, Surroundings};
use crate::host::TestHost;
use crate::{guard, name, trigger};

/// A cloud that the contract is checked on.
#[async_trait]
pub trait Twin: Send + Sync {
    /// Its kinds of resources.
    fn kinds(&self) -> &'static [KindSpec];

    /// A session with all rights, for the service `s` in the stage `dev`.
    async fn session(&self) -> Box<dyn Session>;

    /// What a step of the contract asks for.
    fn wanted(&self, variant: Variant) -> Vec<Resource>;

    /// Names of everything in the cloud that has the tags of service `s` and stage `dev`.
    async fn inventory(&self) -> Vec<String>;

    /// Somebody changes by hand a field of something in [`Variant::First`], which the session
    /// can read.
    async fn tamper(&self);

    /// Somebody who does not use mlfn makes something that has the name of something in
    /// [`Variant::First`].
    async fn occupy(&self);

    /// The folder that files of resources are relative to.
    fn root(&self) -> PathBuf;

    /// An empty place for the state.
    fn store(&self) -> Box<dyn StateStore> {
        Box::new(MemoryStore::new())
    }
}

/// A step of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Everything that the cloud has, in a small service.
    First,
    /// As before, with fields that change in place.
    Updated,
    /// As before, with fields that cannot be changed in place.
    Replaced,
    /// As before, under other names.
    Renamed,
    /// With fewer resources.
    Smaller,
    /// As the first, with new code that fails its health check.
    Broken,
}

impl Variant {
    /// The service `s` on AWS as this step has it: one function that [`LIGHT_RUNTIME`] answers for,
    /// with a URL, a queue, a topic and `more`.
    ///
    /// [`LIGHT_RUNTIME`]: crate::LIGHT_RUNTIME
    pub fn service(self, more: Vec<Trigger>) -> Service {
        crate::service(ProviderName::Aws, |service| {
            service.name = name("s");
            let function = &mut service.functions[0];
            let queue = match self {
                Self::Replaced => "jobs.fifo",
                _ => "jobs",
            };
            function.example = Some(json!({"do": "echo"}));
            function.traffic = Some(Traffic {
                canary: 50,
                every: Seconds::new(1),
                alarm: Alarm::Errors,
            });
            function.triggers = vec![
                trigger("http", json!({})),
                trigger("queue", json!({"name": queue})),
                trigger("topic", json!({"name": "news"})),
            ];
            function.triggers.extend(more);
            function.asynchronous = Some(AsyncSettings {
                max_tries: Some(2),
                on_failure: Some(Destination::Queue("failed".to_owned())),
                ..AsyncSettings::default()
            });
            match self {
                Self::First | Self::Replaced => (),
                Self::Updated => {
                    function.memory = Memory::mib(1024);
                    function.asynchronous = Some(AsyncSettings::default());
                }
                Self::Renamed => function.name = name("renamed"),
                Self::Smaller => {
                    function.triggers.clear();
                    function.asynchronous = None;
                }
                Self::Broken => function.example = Some(json!({"do": "error"})),
            }
        })
    }
}

/// A service on a cloud.
pub struct Bench<'a> {
    /// The cloud.
    pub twin: &'a dyn Twin,
    /// Time, chance and the process.
    pub host: TestHost,
    /// Where the state lies.
    pub store: Box<dyn StateStore>,
    /// What the cloud told differently from what was set; a sound provider has none.
    pub disagreements: Mutex<Vec<String>>,
    service: ServiceName,
    stage: StageName,
}

/// How a run ended.
#[derive(Debug)]
pub enum Run {
    /// With an answer.
    Ended(Result<Outcome, EngineError>),
    /// Without.
    Killed,
}

impl Run {
    /// Whether everything was done.
    pub fn is_complete(&self) -> bool {
        matches!(
            self,
            Self::Ended(Ok(Outcome {
                status: Status::Complete,
                ..
            }))
        )
    }

    /// What came of it.
    ///
    /// # Panics
    ///
    /// If nothing did.
    #[track_caller]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Ended(Ok(outcome)) => outcome,
            other => panic!("{other:?}"),
        }
    }
}

/// What shall go wrong in a run.
#[derive(Default)]
pub struct Faults {
    /// With the cloud.
    pub session: Option<Script>,
    /// With the state.
    pub store: Option<Script>,
}

impl<'a> Bench<'a> {
    /// With nothing deployed, and the state where the twin wants it: in memory, mostly.
    pub fn new(twin: &'a dyn Twin, host: TestHost) -> Self {
        Self {
            twin,
            host,
            store: twin.store(),
            disagreements: Mutex::default(),
            service: name("s"),
            stage: name("dev"),
        }
    }

    /// With the state elsewhere.
    #[must_use]
    pub fn with_store(mut self, store: impl StateStore + 'static) -> Self {
        self.store = Box::new(store);
        self
    }

    /// Deploys with faults, in a process of its own.
    pub async fn run(&self, request: &Request, faults: Faults) -> Run {
        self.counted(request, faults).await.0
    }

    /// As [`Bench::run`]; also tells how many calls changed the cloud, and how many wrote the
    /// state.
    pub async fn counted(&self, request: &Request, faults: Faults) -> (Run, u32, u32) {
        self.host.restart();
        let process = Process::default();
        let session = self.twin.session().await;
        let none = || Box::new(|_| None) as Script;
        let session = FaultySession::new(&*session, &process, faults.session.unwrap_or_else(none));
        let store = FaultyStore::new(&*self.store, &process, faults.store.unwrap_or_else(none));
        let events = |event: &Event<'_>| self.note(event);
        let engine = self.engine(&session, &store, &process.cancel, &events);
        let deploy = std::pin::pin!(engine.deploy(request));
        let killed = std::pin::pin!(process.killed.notified());
        let run = match select(killed, deploy).await {
            Either::Left(_) => Run::Killed,
            Either::Right((ended, _)) => Run::Ended(ended),
        };
        (run, session.calls(), store.writes())
    }

    /// Deploys without faults.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn deploy(&self, request: &Request) -> Outcome {
        let run = self.run(request, Faults::default()).await;
        assert!(run.is_complete(), "{run:?}");
        run.outcome()
    }

    /// Makes a plan.
    pub async fn plan(&self, request: &Request) -> Result<Plan, EngineError> {
        self.with_engine(async |engine| engine.plan(request).await)
            .await
    }

    /// Applies a plan.
    pub async fn apply(&self, plan: &Plan, freshness: Freshness) -> Result<Outcome, EngineError> {
        self.with_engine(async |engine| engine.apply(plan, freshness).await)
            .await
    }

    /// What is recorded.
    ///
    /// # Panics
    ///
    /// If that cannot be read: no run may leave a damaged state.
    pub async fn state(&self) -> Option<State> {
        self.with_engine(async |engine| engine.state().await)
            .await
            .expect("a sound state")
    }

    /// What asks for a variant.
    pub fn request(&self, variant: Variant) -> Request {
        Request::deploy(self.twin.wanted(variant), Release::default())
    }

    /// Does something with an engine without faults.
    pub async fn with_engine<T>(&self, work: impl AsyncFnOnce(&Engine<'_>) -> T) -> T {
        let session = self.twin.session().await;
        let (cancel, events) = (Cancel::new(), |event: &Event<'_>| self.note(event));
        work(&self.engine(&*session, &*self.store, &cancel, &events)).await
    }

    fn engine<'b>(
        &'b self,
        session: &'b dyn Session,
        store: &'b dyn StateStore,
        cancel: &'b Cancel,
        events: &'b (dyn Fn(&Event<'_>) + Send + Sync),
    ) -> Engine<'b> {
        let settings = Settings {
            root: self.twin.root(),
            ..Settings::default()
        };
        Engine {
            service: &self.service,
            stage: &self.stage,
            session,
            kinds: self.twin.kinds(),
            store,
            host: &self.host,
            events,
            cancel,
            settings,
        }
    }

    fn note(&self, event: &Event<'_>) {
        if let Event::Disagrees { id, differences } = event {
            let lines = differences
                .iter()
                .map(|difference| format!("{id}: {difference}"));
            guard(&self.disagreements).extend(lines);
        }
    }
}

/// A process that can be killed without taking the test with it.
#[derive(Debug, Default)]
struct Process {
    killed: Notify,
    cancel: Cancel,
}

impl Surroundings for Process {
    fn kill(&self) {
        self.killed.notify_one();
    }

    fn interrupt(&self) {
        self.cancel.cancel();
    }
}

/// The fake cloud as a twin.
pub struct FakeTwin {
    /// The cloud.
    pub cloud: Arc<crate::fake::FakeCloud>,
    root: PathBuf,
}

impl FakeTwin {
    /// Whose code files are in `root`; [`FakeTwin::write_codes`] puts them there.
    pub fn new(cloud: crate::fake::FakeCloud, root: &Path) -> Self {
        Self {
            cloud: Arc::new(cloud),
            root: root.to_owned(),
        }
    }

    /// Writes the code files that [`Twin::wanted`] names, and more.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn write_codes(root: &Path) {
        for code in ["one", "two", "three", "four", "broken", "flaky"] {
            fs_err::write(root.join(code), code).expect("writes");
        }
    }
}

#[async_trait]
impl Twin for FakeTwin {
    fn kinds(&self) -> &'static [KindSpec] {
        crate::fake::KINDS
    }

    async fn session(&self) -> Box<dyn Session> {
        let cloud = Arc::clone(&self.cloud);
        Box::new(crate::fake::FakeSession::new(cloud, name("s"), name("dev")))
    }

    fn wanted(&self, variant: Variant) -> Vec<Resource> {
        let mut service = crate::fake::FakeService::full();
        let edit = |f: &mut crate::fake::FakeFunction| match variant {
            Variant::First | Variant::Renamed | Variant::Smaller => (),
            Variant::Updated => {
                f.memory = 1024;
                f.token = "other".into();
                f.code = "two".into();
            }
            Variant::Replaced => {
                f.architecture = "arm64".into();
                f.path = "/x/".into();
                f.protocol = f.protocol.as_ref().map(|_| "websocket".to_owned());
            }
            Variant::Broken => f.code = "broken".into(),
        };
        service.functions.values_mut().for_each(edit);
        match variant {
            Variant::Renamed => {
                let renamed = |(name, f)| (format!("{name}-new"), f);
                service.functions = std::mem::take(&mut service.functions)
                    .into_iter()
                    .map(renamed)
                    .collect();
            }
            Variant::Smaller => service = crate::fake::FakeService::small(),
            Variant::Replaced => service.bucket = Some(("there".to_owned(), "x".to_owned())),
            _ => (),
        }
        service.lower()
    }

    async fn inventory(&self) -> Vec<String> {
        let ours = Some(("s".to_owned(), "dev".to_owned()));
        let things = self
            .cloud
            .things()
            .into_iter()
            .filter(|(_, thing)| thing.tags == ours);
        things
            .map(|(id, thing)| format!("{id} {}", thing.name))
            .collect()
    }

    async fn tamper(&self) {
        self.cloud.tamper("fake:function", "s-dev-a", |thing| {
            thing.fields.insert("memory".to_owned(), 128.into());
        });
    }

    async fn occupy(&self) {
        self.cloud.occupy("fake:function", "s-dev-b");
    }

    fn root(&self) -> PathBuf {
        self.root.clone()
    }
}
