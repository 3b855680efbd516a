//! Buckets on servers that others wrote, as places for state.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use async_trait::async_trait;
use mlfn_engine::state::{
    Document, RemoteStore, StateStore, StoreError, Surroundings, Tag, Versioned,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::servers::{Azurite, Ministack, Moto};

/// A bucket, and what a process needs in its environment to use it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TestBucket {
    /// `s3://..` or `az://..`.
    pub url: String,
    /// Endpoint and credentials.
    pub variables: Vec<(String, String)>,
}

/// The bucket on each server. A server is started when a test of this process first asks for it,
/// and ends with the process.
pub fn everywhere() -> [&'static TestBucket; 3] {
    [on_ministack(), on_moto(), on_azurite()]
}

/// S3, as ministack makes it.
///
/// # Panics
///
/// If that does not start.
pub fn on_ministack() -> &'static TestBucket {
    static BUCKET: LazyLock<(Ministack, TestBucket)> = LazyLock::new(|| {
        let server = Ministack::start();
        server.make_bucket("states");
        let bucket = TestBucket::s3("states", server.environment());
        (server, bucket)
    });
    &BUCKET.1
}

/// S3, as moto makes it.
///
/// # Panics
///
/// If that does not start.
pub fn on_moto() -> &'static TestBucket {
    static BUCKET: LazyLock<(Moto, TestBucket)> = LazyLock::new(|| {
        let server = Moto::start();
        server.make_bucket("states");
        let bucket = TestBucket::s3("states", server.environment());
        (server, bucket)
    });
    &BUCKET.1
}

/// Azure's storage, as Azurite makes it.
///
/// # Panics
///
/// If that does not start.
pub fn on_azurite() -> &'static TestBucket {
    static BUCKET: LazyLock<(Azurite, TestBucket)> = LazyLock::new(|| {
        let server = Azurite::start();
        server.make_container("states");
        let bucket = TestBucket {
            url: format!("az://{}/states", Azurite::ACCOUNT),
            variables: named(server.environment()),
        };
        (server, bucket)
    });
    &BUCKET.1
}

fn named(variables: Vec<(&'static str, String)>) -> Vec<(String, String)> {
    let named = variables.into_iter();
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl TestBucket {
    fn s3(name: &str, variables: Vec<(&'static str, String)>) -> Self {
        Self {
            url: format!("s3://{name}"),
            variables: named(variables),
        }
    }

    /// A folder that nobody has used.
    pub fn fresh(&self) -> TestPlace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        TestPlace {
            bucket: self.clone(),
            below: format!("iris/dev-{number}"),
        }
    }
}

/// A folder of a bucket. It can be told to another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TestPlace {
    /// The bucket.
    pub bucket: TestBucket,
    /// The folder in it.
    pub below: String,
}

impl TestPlace {
    /// As the command line opens it.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn open(&self) -> RemoteStore {
        let url = self.bucket.url.parse().expect("is the URL of a bucket");
        let surroundings = Surroundings {
            variables: self.bucket.variables.clone(),
            aws: None,
        };
        RemoteStore::open(&url, &self.below, &surroundings).expect("opens")
    }

    /// The same for tests under a paused clock: real requests take no time there.
    pub fn off_the_clock(&self) -> OffTheClock {
        OffTheClock(self.open())
    }
}

/// A place whose requests are made on another runtime, for which the caller's own stands still, so
/// that a paused clock does not run ahead meanwhile.
#[derive(Debug, Clone)]
pub struct OffTheClock(RemoteStore);

impl OffTheClock {
    fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let builder = builder.worker_threads(1).enable_all();
            builder.build().expect("a runtime")
        });
        let (sender, receiver) = mpsc::channel();
        RUNTIME.spawn(async move { sender.send(work.await) });
        receiver.recv().expect("the work ends")
    }
}

#[async_trait]
impl StateStore for OffTheClock {
    fn place(&self, document: Document) -> String {
        self.0.place(document)
    }

    async fn read(&self, document: Document) -> Result<Option<Versioned>, StoreError> {
        let store = self.0.clone();
        Self::wait(async move { store.read(document).await })
    }

    async fn write(
        &self,
        document: Document,
        bytes: &[u8],
        expected: Option<&Tag>,
    ) -> Result<Tag, StoreError> {
        let (store, bytes, expected) = (self.0.clone(), bytes.to_vec(), expected.cloned());
        Self::wait(async move { store.write(document, &bytes, expected.as_ref()).await })
    }
}
