//! Things that go wrong on purpose: between the engine and any session, and between the engine
//! and any store.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use mlfn_core::{
    Address, BoxError, Call, Failure, Observed, ProviderError, Recorded, Session, Watch,
};
use mlfn_engine::state::{Document, StateStore, StoreError, Tag, Versioned};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::guard;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The call has no effect, and fails.
    Fail(Refusal),
    /// The call has its effect, and its answer is lost.
    LoseAnswer,
    /// The process ends before the call.
    KillBefore,
    /// The process ends when the call has had its effect.
    KillAfter,
    /// The answer takes that many milliseconds.
    Slow(u64),
    /// The user asks to stop while the call is made.
    Interrupt,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Too many calls; wait a second.
    Throttled,
    /// No connection.
    Unreachable,
    /// Something else is going on.
    Conflict,
    /// Not allowed.
    Denied,
    /// Wrong for ever.
    Rejected,
    /// Not signed in any more.
    Unauthenticated,
}

impl Refusal {
    /// As the error of a session.
    pub fn error(self) -> ProviderError {
        let why = "injected".to_owned();
        let failure = match self {
            Self::Throttled => Failure::Throttled {
                after: Some(Duration::from_secs(1)),
            },
            Self::Unreachable => Failure::Unreachable {
                endpoint: "cloud:443".to_owned(),
            },
            Self::Conflict => Failure::Conflict { why },
            Self::Denied => Failure::PermissionDenied {
                action: "fake:Do".to_owned(),
                resource: "thing".to_owned(),
            },
            Self::Rejected => Failure::Rejected { why },
            Self::Unauthenticated => Failure::Unauthenticated { why },
        };
        ProviderError::new(failure).request_id("injected-1")
    }
}

/// Decides what goes wrong with the call of that number, counted from 1.
pub type Script = Box<dyn FnMut(u32) -> Option<Fault> + Send>;

/// What a fault can do to the process around it.
pub trait Surroundings: Send + Sync {
    /// Ends the process; the rest of the run must not happen.
    fn kill(&self);

    /// What a user's Ctrl-C does.
    fn interrupt(&self);
}

/// The n-th call, and the things that may happen to it.
struct Injector<'a> {
    surroundings: &'a dyn Surroundings,
    state: Mutex<(u32, Script)>,
}

impl Injector<'_> {
    fn next(&self) -> Option<Fault> {
        let (calls, script) = &mut *guard(&self.state);
        *calls += 1;
        script(*calls)
    }

    fn calls(&self) -> u32 {
        guard(&self.state).0
    }

    /// Makes a call with what is scripted for it. `refuse` and `lost` are errors of the caller.
    async fn make<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        refuse: impl FnOnce(Refusal) -> E,
    ) -> Result<T, E> {
        match self.next() {
            None => call.await,
            Some(Fault::Fail(refusal)) => Err(refuse(refusal)),
            Some(Fault::LoseAnswer) => {
                call.await?;
                Err(refuse(Refusal::Unreachable))
            }
            Some(Fault::KillBefore) => self.end().await,
            Some(Fault::KillAfter) => {
                drop(call.await);
                self.end().await
            }
            Some(Fault::Slow(milliseconds)) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                call.await
            }
            Some(Fault::Interrupt) => {
                self.surroundings.interrupt();
                call.await
            }
        }
    }

    async fn end<T>(&self) -> T {
        self.surroundings.kill();
        std::future::pending().await
    }
}

/// A session whose changing calls go wrong as scripted.
pub struct FaultySession<'a> {
    inner: &'a dyn Session,
    injector: Injector<'a>,
}

impl<'a> FaultySession<'a> {
    /// Around another one.
    pub fn new(inner: &'a dyn Session, surroundings: &'a dyn Surroundings, script: Script) -> Self {
        Self {
            inner,
            injector: Injector {
                surroundings,
                state: Mutex::new((0, script)),
            },
        }
    }

    /// The number of calls that would change the cloud.
    pub fn calls(&self) -> u32 {
        self.injector.calls()
    }
}

#[async_trait]
impl Session for FaultySession<'_> {
    fn provider(&self) -> &str {
        self.inner.provider()
    }

    async fn read(&self, address: &Address) -> Result<Option<Observed>, ProviderError> {
        self.inner.read(address).await
    }

    async fn create(&self, call: &Call<'_>) -> Result<Observed, ProviderError> {
        self.injector
            .make(self.inner.create(call), Refusal::error)
            .await
    }

    async fn update(
        &self,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        self.injector
            .make(self.inner.update(call, prior, changed), Refusal::error)
            .await
    }

    async fn delete(&self, prior: &Recorded) -> Result<(), ProviderError> {
        self.injector
            .make(self.inner.delete(prior), Refusal::error)
            .await
    }

    async fn probe(&self, call: &Call<'_>, request: &Json) -> Result<(), ProviderError> {
        self.inner.probe(call, request).await
    }

    async fn shift(
        &self,
        call: &Call<'_>,
        prior: &Recorded,
        percent: u8,
    ) -> Result<Observed, ProviderError> {
        self.injector
            .make(self.inner.shift(call, prior, percent), Refusal::error)
            .await
    }

    async fn watch(
        &self,
        call: &Call<'_>,
        watch: &Watch<'_>,
    ) -> Result<Option<String>, ProviderError> {
        self.inner.watch(call, watch).await
    }
}

/// A store whose writes of the state go wrong as scripted; the lock is left alone.
pub struct FaultyStore<'a> {
    inner: &'a dyn StateStore,
    injector: Injector<'a>,
}

impl<'a> FaultyStore<'a> {
    /// Around another one.
    pub fn new(
        inner: &'a dyn StateStore,
        surroundings: &'a dyn Surroundings,
        script: Script,
    ) -> Self {
        Self {
            inner,
            injector: Injector {
                surroundings,
                state: Mutex::new((0, script)),
            },
        }
    }

    /// The number of writes of the state.
    pub fn writes(&self) -> u32 {
        self.injector.calls()
    }
}

#[async_trait]
impl StateStore for FaultyStore<'_> {
    fn place(&self, document: Document) -> String {
        self.inner.place(document)
    }

    async fn read(&self, document: Document) -> Result<Option<Versioned>, StoreError> {
        self.inner.read(document).await
    }

    async fn write(
        &self,
        document: Document,
        bytes: &[u8],
        expected: Option<&Tag>,
    ) -> Result<Tag, StoreError> {
        let write = self.inner.write(document, bytes, expected);
        if document == Document::Lock {
            return write.await;
        }
        let refuse = |_| {
            let source: BoxError = "injected".into();
            StoreError::Failed {
                action: "write",
                place: self.place(document),
                source,
            }
        };
        self.injector.make(write, refuse).await
    }
}
