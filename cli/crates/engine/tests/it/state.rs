//! What is read back, and what is not.

use mlfn_core::Release;
use mlfn_engine::state::{Document, MemoryStore, State, StateStore as _, read, write};
use mlfn_engine::{EngineError, Request, StateError};
use mlfn_testkit::TestHost;
use mlfn_testkit::bench::{Bench, FakeTwin, Faults, Run};
use mlfn_testkit::fake::{FakeCloud, FakeService};

/// The state of a small service.
fn deployed() -> State {
    let folder = tempfile::tempdir().expect("a folder");
    FakeTwin::write_codes(folder.path());
    let twin = FakeTwin::new(FakeCloud::in_memory(), folder.path());
    mlfn_testkit::run(async {
        let bench = Bench::new(&twin, TestHost::new(1));
        let request = Request::deploy(FakeService::small().lower(), Release::default());
        bench.deploy(&request).await;
        bench.state().await.expect("a state")
    })
}

#[test]
fn a_state_is_read_as_it_is_written() {
    let state = deployed();
    let bytes = write(&state).expect("bytes");
    assert_eq!(read(&bytes, "x").expect("a state"), state);
    assert!(state.pending.is_empty());
    assert_eq!(state.history.len(), 1);
}

#[test]
fn a_state_that_is_cut_off_anywhere_is_recognised() {
    let bytes = write(&deployed()).expect("bytes");
    // Without the last line end it is whole.
    for length in 0..bytes.len() - 1 {
        let result = read(&bytes[..length], "x");
        assert!(
            matches!(result, Err(StateError::Corrupt { .. })),
            "{length}: {result:?}"
        );
    }
}

#[test]
fn a_state_with_another_byte_anywhere_is_recognised_or_the_same() {
    let state = deployed();
    let bytes = write(&state).expect("bytes");
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        if let Ok(read) = read(&bytes, "x") {
            assert_eq!(read, state, "{place}");
        }
    }
}

/// Deploys over a store that has these bytes, and makes sure that they stay.
#[track_caller]
fn refused(bytes: &[u8]) -> StateError {
    let twin = FakeTwin::new(FakeCloud::in_memory(), std::path::Path::new("."));
    let store = MemoryStore::new();
    mlfn_testkit::run(async {
        store
            .write(Document::State, bytes, None)
            .await
            .expect("writes");
        let bench = Bench::new(&twin, TestHost::new(1)).with_store(store);
        for request in [
            Request::remove(),
            Request::deploy(Vec::new(), Release::default()),
        ] {
            let run = bench.run(&request, Faults::default()).await;
            assert!(
                matches!(run, Run::Ended(Err(EngineError::State(_)))),
                "{run:?}"
            );
        }
        let found = bench
            .store
            .read(Document::State)
            .await
            .expect("reads")
            .expect("is there");
        assert_eq!(found.bytes, bytes, "it was written over");
        let run = bench.run(&Request::remove(), Faults::default()).await;
        match run {
            Run::Ended(Err(EngineError::State(error))) => error,
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn what_cannot_be_understood_is_never_written_over() {
    for garbage in [
        "",
        "{",
        "[]",
        "{\"format\": 1}",
        "{\"format\": 1, \"mlfn\": \"0.1.0\"}",
    ] {
        let error = refused(garbage.as_bytes());
        assert!(
            matches!(error, StateError::Corrupt { .. }),
            "{garbage}: {error:?}"
        );
        assert!(error.hint().is_some());
    }
    let newer = refused(br#"{"format": 2, "mlfn": "9.0.0", "new": {}}"#);
    assert_eq!(
        newer.to_string(),
        "the state `memory:state.json` has format 2, written by mlfn 9.0.0; this one reads 1"
    );
    let mut other = deployed();
    other.stage = "prod".parse().expect("a name");
    let foreign = refused(&write(&other).expect("bytes"));
    assert_eq!(
        foreign.to_string(),
        "the state `memory:state.json` is of s, stage prod, on fake, not of s, stage dev, on fake"
    );
}
