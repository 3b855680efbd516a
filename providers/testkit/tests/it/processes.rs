//! Real processes: killed by SIGKILL at every call and every write, and racing for the lock.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;

use mlfn_engine::state::{LocalStore, StateStore};
use mlfn_testkit::bench::{FakeTwin, Twin as _};
use mlfn_testkit::buckets::{self, TestBucket, TestPlace};
use mlfn_testkit::fake::FakeCloud;
use mlfn_testkit::kills::Operation;
use mlfn_testkit::victim::{self, Order};
use mlfn_testkit::victims::Victims;
use tempfile::TempDir;

fn victims() -> Victims {
    Victims {
        program: env!("CARGO_BIN_EXE_mlfn-victim").into(),
    }
}

#[test]
fn killed_at_every_call_and_write_the_next_run_converges_and_a_removal_leaves_nothing() {
    std::thread::scope(|scope| {
        for operation in Victims::OPERATIONS {
            scope.spawn(move || check(operation));
        }
    });
}

fn check(operation: Operation) {
    let tally = victims().sweep(operation);
    assert_eq!(tally.failures, Vec::<String>::new(), "{operation:?}");
    assert_eq!(tally.orphans, Vec::<String>::new(), "{operation:?}");
    assert_eq!(tally.converged, tally.kills(), "{tally:?}");
    // What changes is a call, and so is looking at it; its intent and its result are writes.
    assert!(tally.calls >= 4 && tally.writes >= 4, "{tally:?}");
    assert!(tally.after >= 1, "{tally:?}");
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    FakeTwin::write_codes(folder.path());
    folder
}

/// Starts a victim; its standard input stays open.
fn start(order: &Order) -> Child {
    victims().start(order).expect("starts")
}

/// Where the lock lies: in a folder of this machine, or in a bucket.
fn places(fresh: impl Fn(&TestBucket) -> TestPlace) -> Vec<Option<TestPlace>> {
    let buckets = buckets::everywhere().into_iter().map(|b| Some(fresh(b)));
    std::iter::once(None).chain(buckets).collect()
}

#[test]
fn eight_processes_that_race_for_the_lock_are_alone_with_it() {
    std::thread::scope(|scope| {
        for place in places(TestBucket::fresh) {
            scope.spawn(|| race(place));
        }
    });
}

/// Each looks again after 2 s when the lock is held, which takes the more time the more rounds
/// there are.
fn race(place: Option<TestPlace>) {
    const PROCESSES: u32 = 8;
    let rounds = if place.is_some() { 3 } else { 10 };
    let folder = tempfile::tempdir().expect("a folder");
    let order = Order::Race {
        folder: folder.path().to_owned(),
        place,
        rounds,
    };
    let racers: Vec<Child> = (0..PROCESSES).map(|_| start(&order)).collect();
    for mut racer in racers {
        assert!(racer.wait().expect("ends").success(), "{order:?}");
    }
    let count = fs_err::read_to_string(folder.path().join("counter")).expect("a counter");
    assert_eq!(count, (PROCESSES * rounds).to_string(), "{order:?}");
}

#[test]
fn of_eight_processes_that_find_the_lock_of_a_dead_one_exactly_one_takes_it_over() {
    for place in places(TestBucket::fresh) {
        let rounds = if place.is_some() { 3 } else { 10 };
        let folder = tempfile::tempdir().expect("a folder");
        for round in 0..rounds {
            one_takes_it_over(folder.path(), place.as_ref(), round);
        }
    }
}

fn one_takes_it_over(folder: &Path, place: Option<&TestPlace>, round: u32) {
    let store: Box<dyn StateStore> = match place {
        Some(place) => Box::new(place.off_the_clock()),
        None => Box::new(LocalStore::new(folder)),
    };
    mlfn_testkit::run(victim::leave_lock(&*store, dead_process()));
    let order = Order::Take {
        folder: folder.to_owned(),
        place: place.cloned(),
    };
    let mut takers: Vec<Child> = (0..8).map(|_| start(&order)).collect();
    let words: Vec<String> = takers.iter_mut().map(word).collect();
    let taken = words.iter().filter(|word| *word == "taken\n").count();
    assert_eq!(taken, 1, "round {round}, {place:?}: {words:?}");
    let is_answer = |word: &String| word == "taken\n" || word == "held\n";
    assert!(words.iter().all(is_answer), "{words:?}");
    for mut taker in takers {
        drop(taker.stdin.take());
        assert!(taker.wait().expect("ends").success());
    }
}

/// What a process says first.
fn word(child: &mut Child) -> String {
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.as_mut().expect("piped"));
    output.read_line(&mut line).expect("says something");
    line
}

/// The number of a process that has ended.
fn dead_process() -> u32 {
    let mut child = start(&Order::Race {
        folder: Path::new("/").to_owned(),
        place: None,
        rounds: 0,
    });
    child.wait().expect("ends");
    child.id()
}

#[test]
fn the_fake_cloud_tells_what_is_ours_and_what_is_not() {
    let folder = folder();
    let twin = FakeTwin::new(FakeCloud::in_memory(), folder.path());
    mlfn_testkit::run(twin.occupy());
    assert_eq!(twin.cloud.things().len(), 1);
    assert_eq!(mlfn_testkit::run(twin.inventory()), Vec::<String>::new());
}
