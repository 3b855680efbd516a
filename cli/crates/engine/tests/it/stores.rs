//! Places for state, and the lock on them. Every place keeps the same contract.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mlfn_core::{BoxError, Bucket};
use mlfn_engine::Host as _;
use mlfn_engine::state::{
    Document, LocalStore, LockError, LockPolicy, Locksmith, MemoryStore, RemoteStore, StateStore,
    StoreError, Tag, Versioned,
};
use mlfn_testkit::TestHost;
use mlfn_testkit::buckets;
use object_store::memory::InMemory;

/// Does something with an empty place of each kind.
fn everywhere(check: impl AsyncFn(&dyn StateStore) + Copy) {
    mlfn_testkit::run(async {
        let folder = tempfile::tempdir().expect("a folder");
        check(&MemoryStore::new()).await;
        check(&LocalStore::new(folder.path().join("a/b"))).await;
        let objects = Arc::new(InMemory::new());
        check(&RemoteStore::new(objects, bucket(), "iris/dev")).await;
        check(&Forgetful(MemoryStore::new())).await;
        for bucket in buckets::everywhere() {
            check(&bucket.fresh().off_the_clock()).await;
        }
    });
}

fn bucket() -> Bucket {
    Bucket::Google {
        name: "states".to_owned(),
    }
}

/// A place whose answers to writes are lost: as a client that sends a write again sees it.
struct Forgetful(MemoryStore);

#[async_trait]
impl StateStore for Forgetful {
    fn place(&self, document: Document) -> String {
        self.0.place(document)
    }

    async fn read(&self, document: Document) -> Result<Option<Versioned>, StoreError> {
        self.0.read(document).await
    }

    async fn write(
        &self,
        document: Document,
        bytes: &[u8],
        expected: Option<&Tag>,
    ) -> Result<Tag, StoreError> {
        let tag = self.0.write(document, bytes, expected).await?;
        match document {
            Document::State => Ok(tag),
            Document::Lock => Err(StoreError::Moved {
                place: self.place(document),
            }),
        }
    }
}

#[test]
fn a_document_is_written_only_by_those_who_know_it() {
    everywhere(async |store| {
        let state = Document::State;
        assert_eq!(store.read(state).await.expect("reads"), None);
        let first = store.write(state, b"one", None).await.expect("writes");
        moved(&store.write(state, b"two", None).await);
        let found = store.read(state).await.expect("reads").expect("is there");
        assert_eq!(
            (found.bytes.as_slice(), &found.tag),
            (b"one".as_slice(), &first)
        );
        let second = store
            .write(state, b"two", Some(&first))
            .await
            .expect("writes");
        assert_ne!(first, second);
        moved(&store.write(state, b"three", Some(&first)).await);
        assert_eq!(
            store
                .read(state)
                .await
                .expect("reads")
                .expect("is there")
                .bytes,
            b"two"
        );
        assert_eq!(store.read(Document::Lock).await.expect("reads"), None);
    });
}

#[track_caller]
fn moved(result: &Result<Tag, StoreError>) {
    assert!(
        matches!(result, Err(StoreError::Moved { .. })),
        "{result:?}"
    );
}

#[test]
fn a_place_that_fails_says_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs_err::write(&file, "").expect("writes");
    let store = LocalStore::new(file.join("state"));
    mlfn_testkit::run(async {
        let error = store
            .write(Document::State, b"", None)
            .await
            .expect_err("no folder");
        let expected = format!("cannot write `{}`", file.join("state/state.json").display());
        assert_eq!(error.to_string(), expected);
        let source: &BoxError = match &error {
            StoreError::Failed { source, .. } => source,
            other => panic!("{other:?}"),
        };
        assert!(!source.to_string().is_empty());
    });
}

fn policy(patience: u64) -> LockPolicy {
    LockPolicy {
        patience: Duration::from_secs(patience),
        ..LockPolicy::default()
    }
}

#[test]
fn a_lock_is_held_by_one_and_tells_by_whom() {
    everywhere(async |store| {
        let host = TestHost::new(1);
        let locksmith = Locksmith {
            store,
            host: &host,
            policy: &policy(0),
        };
        let lease = locksmith.take("alice", "deploy").await.expect("free");
        let error = locksmith.take("bob", "remove").await.expect_err("held");
        assert_eq!(
            error.to_string(),
            format!(
                "`{}` is locked by alice (deploy on test, process 1) since {}, until {}",
                store.place(Document::Lock),
                host.now(),
                host.now().plus(Duration::from_mins(1)),
            )
        );
        assert!(error.hint().is_some());
        locksmith.release(lease).await.expect("gives back");
        let lease = locksmith.take("bob", "remove").await.expect("free again");
        locksmith.release(lease).await.expect("gives back");
    });
}

#[test]
fn a_lock_ends_with_its_time_or_its_process() {
    everywhere(async |store| {
        let host = TestHost::new(1);
        let locksmith = Locksmith {
            store,
            host: &host,
            policy: &policy(0),
        };
        let _lost = locksmith.take("alice", "deploy").await.expect("free");
        host.sleep(Duration::from_secs(80)).await;
        locksmith
            .take("bob", "deploy")
            .await
            .expect_err("within the grace for other clocks");
        host.sleep(Duration::from_secs(20)).await;
        let _lost = locksmith.take("bob", "deploy").await.expect("ended");
        host.restart();
        locksmith
            .take("carol", "deploy")
            .await
            .expect("the process has ended");
    });
}

#[test]
fn a_lock_that_is_kept_lasts_and_one_that_is_taken_away_is_noticed() {
    everywhere(async |store| {
        let host = TestHost::new(1);
        let locksmith = Locksmith {
            store,
            host: &host,
            policy: &policy(0),
        };
        let mut lease = locksmith.take("alice", "deploy").await.expect("free");
        let others = async {
            host.sleep(Duration::from_mins(10)).await;
            locksmith
                .take("bob", "deploy")
                .await
                .expect_err("still held");
            locksmith
                .break_open()
                .await
                .map(|lock| lock.map(|lock| lock.holder))
        };
        let (lost, _) = futures_util::future::join(locksmith.keep(&mut lease), others).await;
        assert!(matches!(lost, LockError::Lost { .. }), "{lost:?}");
        let lease = locksmith.take("bob", "deploy").await.expect("free");
        locksmith.release(lease).await.expect("gives back");
        assert!(locksmith.break_open().await.expect("reads").is_none());
    });
}

#[test]
fn somebody_patient_gets_the_lock_when_it_is_free() {
    everywhere(async |store| {
        let host = TestHost::new(1);
        let locksmith = Locksmith {
            store,
            host: &host,
            policy: &policy(30),
        };
        let lease = locksmith.take("alice", "deploy").await.expect("free");
        let release = async {
            host.sleep(Duration::from_secs(10)).await;
            locksmith.release(lease).await
        };
        let waiting = locksmith.take("bob", "deploy");
        let (released, taken) = futures_util::future::join(release, waiting).await;
        released.expect("gives back");
        taken.expect("gets it");
        assert!(
            host.elapsed() < Duration::from_secs(15),
            "{:?}",
            host.elapsed()
        );
    });
}

/// An answer is lost and another renewal is on its way when the lock is given back: whoever holds
/// it knows an older version of it.
#[test]
fn a_lock_is_given_back_though_its_holder_knows_an_older_version() {
    everywhere(async |store| {
        let host = TestHost::new(1);
        let locksmith = Locksmith {
            store,
            host: &host,
            policy: &policy(0),
        };
        let mut lease = locksmith.take("alice", "deploy").await.expect("free");
        let found = store.read(Document::Lock).await.expect("reads");
        let found = found.expect("is there");
        let text = String::from_utf8(found.bytes).expect("is text");
        let until = host.now().plus(Duration::from_mins(1)).as_unix();
        let renewed = text.replace(&until.to_string(), &(until + 20).to_string());
        assert_ne!(text, renewed);
        let written = store.write(Document::Lock, renewed.as_bytes(), Some(&found.tag));
        // A forgetful place says no, and has written it.
        let _ = written.await;

        let kept = locksmith.keep(&mut lease);
        let nobody = tokio::time::timeout(Duration::from_secs(25), kept).await;
        assert!(nobody.is_err(), "it is not lost: {nobody:?}");
        locksmith.release(lease).await.expect("gives back");
        let lease = locksmith.take("bob", "deploy").await.expect("free again");
        locksmith.release(lease).await.expect("gives back");
    });
}
