//! Real processes: killed by SIGKILL at every call and every write, and racing for the lock.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use mlfn_engine::state::{LocalStore, StateStore};
use mlfn_testkit::bench::{FakeTwin, Twin as _};
use mlfn_testkit::buckets::{self, TestBucket, TestPlace};
use mlfn_testkit::fake::FakeCloud;
use mlfn_testkit::faults::Fault;
use mlfn_testkit::victim::{self, Order, Step};
use tempfile::TempDir;

const SIGKILL: i32 = 9;

#[test]
fn killed_at_every_call_the_next_deploy_converges_and_a_removal_leaves_nothing() {
    for fault in [Fault::KillBefore, Fault::KillAfter] {
        let calls = until_it_survives(|n| (Some((n, fault.clone())), None));
        assert!(calls > 20, "only {calls} calls were tried");
    }
}

#[test]
fn killed_before_every_write_of_the_state_the_next_deploy_converges() {
    let writes = until_it_survives(|n| (None, Some((n, Fault::KillBefore))));
    assert!(writes > 40, "only {writes} writes were tried");
}

type At = Option<(u32, Fault)>;

/// Deploys, replaces and removes, each killed at the n-th moment for every n until a process gets
/// through, and each run again. Tells how many processes were killed.
fn until_it_survives(wrong: impl Fn(u32) -> (At, At) + Sync) -> u32 {
    let lives = [
        Life {
            before: None,
            then: Some(Step::First),
            removes: false,
        },
        Life {
            before: None,
            then: Some(Step::First),
            removes: true,
        },
        Life {
            before: Some(Step::First),
            then: Some(Step::Replaced),
            removes: false,
        },
        Life {
            before: Some(Step::First),
            then: None,
            removes: true,
        },
    ];
    let wrong = &wrong;
    std::thread::scope(|scope| {
        let lives = lives.map(|life| {
            scope.spawn(move || {
                (1..10_000)
                    .take_while(|n| is_killed(life, wrong(*n)))
                    .count()
            })
        });
        let killed = lives
            .into_iter()
            .map(|life| life.join().expect("a life that ends well"));
        u32::try_from(killed.sum::<usize>()).expect("a small number")
    })
}

/// What a service goes through.
#[derive(Debug, Clone, Copy)]
struct Life {
    /// What is there already.
    before: Option<Step>,
    /// What is deployed (or that all is removed) when the process is killed.
    then: Option<Step>,
    /// Whether it is removed at once, instead of deployed again first.
    removes: bool,
}

/// Whether a process is killed by what goes wrong. Either way all ends well.
fn is_killed(life: Life, wrong: (At, At)) -> bool {
    let Life {
        before,
        then,
        removes,
    } = life;
    let folder = folder();
    if let Some(before) = before {
        deploy(&folder, Some(before), (None, None)).check();
    }
    let told = format!("{life:?} with {wrong:?}");
    let ended = deploy(&folder, then, wrong);
    let killed = !ended.0.success();
    assert!(
        !killed || ended.0.signal() == Some(SIGKILL),
        "{told}: {ended:?}"
    );
    if then.is_some() && !removes {
        deploy(&folder, then, (None, None)).check();
        nothing_left_to_do(&folder, then);
    }
    deploy(&folder, None, (None, None)).check();
    let left = FakeCloud::in_file(&victim::cloud_file(folder.path())).things();
    assert!(left.is_empty(), "{told}: {left:#?}");
    killed
}

/// A deploy that is killed at its first call, if it makes one.
fn nothing_left_to_do(folder: &TempDir, step: Option<Step>) {
    let first = || Some((1, Fault::KillBefore));
    deploy(folder, step, (first(), first())).check();
}

#[derive(Debug)]
struct Ended(ExitStatus);

impl Ended {
    #[track_caller]
    fn check(&self) {
        assert!(self.0.success(), "{self:?}");
    }
}

fn deploy(folder: &TempDir, variant: Option<Step>, (call, write): (At, At)) -> Ended {
    let folder = folder.path().to_owned();
    Ended(
        start(&Order::Deploy {
            folder,
            variant,
            call,
            write,
        })
        .wait()
        .expect("ends"),
    )
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    FakeTwin::write_codes(folder.path());
    folder
}

/// Starts a victim; its standard input stays open.
fn start(order: &Order) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlfn-victim"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let line = serde_json::to_string(order).expect("plain data") + "\n";
    child
        .stdin
        .as_mut()
        .expect("piped")
        .write_all(line.as_bytes())
        .expect("listens");
    child
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
