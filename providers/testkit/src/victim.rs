//! A process that deploys and is killed: by itself, with SIGKILL, at a moment that is ordered, so
//! that the moment is exact. Orders come as JSON on the standard input.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use mlfn_core::Release;
use mlfn_engine::state::{
    Document, LocalStore, Lock, LockError, LockPolicy, Locksmith, StateStore,
};
use mlfn_engine::{Cancel, Engine, Host as _, Request, Settings, Status, SystemHost};
use serde::{Deserialize, Serialize};

use crate::bench::{FakeTwin, Twin as _, Variant};
use crate::buckets::TestPlace;
use crate::fake::FakeCloud;
use crate::faults::{Fault, FaultySession, FaultyStore, Script, Surroundings};
use crate::name;
use crate::python::interpreter;
use crate::servers::{Ready, Server};

/// What a victim does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    /// Deploys, and dies if told so.
    Deploy {
        /// Holds the fake cloud, the state and the code.
        folder: PathBuf,
        /// What to deploy; none to remove.
        variant: Option<Step>,
        /// What goes wrong at which call to the cloud.
        call: Option<(u32, Fault)>,
        /// What goes wrong at which write of the state.
        write: Option<(u32, Fault)>,
    },
    /// Takes the lock that many times, and each time makes sure to be alone.
    Race {
        /// Holds the lock, unless that is in a bucket.
        folder: PathBuf,
        /// Holds the lock.
        place: Option<TestPlace>,
        /// How many times.
        rounds: u32,
    },
    /// Takes the lock without waiting and keeps it until its standard input ends. Prints `taken`
    /// or `held`.
    Take {
        /// Holds the lock, unless that is in a bucket.
        folder: PathBuf,
        /// Holds the lock.
        place: Option<TestPlace>,
    },
    /// Starts a server of others and keeps it until its standard input ends. Prints the first line
    /// that the server has written.
    Serve {
        /// For Python; it is told a port.
        script: String,
    },
}

/// A [`Variant`] that can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// [`Variant::First`].
    First,
    /// [`Variant::Updated`].
    Updated,
    /// [`Variant::Replaced`].
    Replaced,
}

impl Step {
    /// As the contract names it.
    pub fn variant(self) -> Variant {
        match self {
            Self::First => Variant::First,
            Self::Updated => Variant::Updated,
            Self::Replaced => Variant::Replaced,
        }
    }
}

/// Where an ordered deploy has its cloud.
pub fn cloud_file(folder: &Path) -> PathBuf {
    folder.join("cloud.json")
}

/// Where an ordered deploy has its state.
pub fn state_folder(folder: &Path) -> PathBuf {
    folder.join("state")
}

/// Carries out the order on the standard input.
///
/// # Panics
///
/// If it cannot be carried out, or if it was a deploy and not all of it was done: then the exit
/// status says so.
pub fn main() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("an order");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    match serde_json::from_str(&line).expect("an order") {
        Order::Deploy {
            folder,
            variant,
            call,
            write,
        } => {
            runtime.block_on(deploy(&folder, variant, script(call), script(write)));
        }
        Order::Race {
            folder,
            place,
            rounds,
        } => runtime.block_on(race(&folder, &*store(place, &folder), rounds)),
        Order::Take { folder, place } => runtime.block_on(take(&*store(place, &folder))),
        Order::Serve { script } => serve(&script),
    }
}

fn script(at: Option<(u32, Fault)>) -> Script {
    Box::new(move |number| {
        at.as_ref()
            .filter(|(at, _)| *at == number)
            .map(|(_, fault)| fault.clone())
    })
}

async fn deploy(folder: &Path, step: Option<Step>, calls: Script, writes: Script) {
    let twin = FakeTwin::new(FakeCloud::in_file(&cloud_file(folder)), folder);
    let session = twin.session().await;
    let session = FaultySession::new(&*session, &Suicide, calls);
    let store = LocalStore::new(state_folder(folder));
    let store = FaultyStore::new(&store, &Suicide, writes);
    let (host, cancel) = (SystemHost::new(), Cancel::new());
    let engine = Engine {
        service: &name("s"),
        stage: &name("dev"),
        session: &session,
        kinds: twin.kinds(),
        store: &store,
        host: &host,
        events: &|_| (),
        cancel: &cancel,
        settings: Settings {
            root: folder.to_owned(),
            ..Settings::default()
        },
    };
    let request = match step {
        Some(step) => Request::deploy(twin.wanted(step.variant()), Release::default()),
        None => Request::remove(),
    };
    let outcome = engine.deploy(&request).await.expect("an outcome");
    assert_eq!(outcome.status, Status::Complete, "{outcome:?}");
}

/// A process that ends as if the power was cut for it alone.
struct Suicide;

impl Surroundings for Suicide {
    fn kill(&self) {
        let signal = rustix::process::Signal::KILL;
        rustix::process::kill_process(rustix::process::getpid(), signal).expect("a signal");
    }

    fn interrupt(&self) {
        panic!("nobody interrupts a victim");
    }
}

fn store(place: Option<TestPlace>, folder: &Path) -> Box<dyn StateStore> {
    match place {
        Some(place) => Box::new(place.open()),
        None => Box::new(LocalStore::new(folder)),
    }
}

async fn race(folder: &Path, store: &dyn StateStore, rounds: u32) {
    let host = SystemHost::new();
    let patience = std::time::Duration::from_mins(2);
    let policy = LockPolicy {
        patience,
        ..LockPolicy::default()
    };
    let locksmith = Locksmith {
        store,
        host: &host,
        policy: &policy,
    };
    for _ in 0..rounds {
        let lease = locksmith
            .take("racer", "race")
            .await
            .expect("the lock in the end");
        let inside = folder.join("inside");
        fs_err::OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(&inside)
            .expect("nobody else");
        let counter = folder.join("counter");
        let count =
            fs_err::read_to_string(&counter).map_or(0, |text| text.parse().expect("a number"));
        fs_err::write(&counter, (count + 1_u32).to_string()).expect("writes");
        fs_err::remove_file(&inside).expect("removes");
        locksmith.release(lease).await.expect("releases");
    }
}

async fn take(store: &dyn StateStore) {
    let host = SystemHost::new();
    let policy = LockPolicy::default();
    let locksmith = Locksmith {
        store,
        host: &host,
        policy: &policy,
    };
    let taken = locksmith.take("taker", "race").await;
    let word = match &taken {
        Ok(_) => "taken\n",
        Err(LockError::Held { .. }) => "held\n",
        Err(error) => panic!("{error:?}"),
    };
    say_and_wait(word);
}

fn serve(script: &str) {
    let server = Server::start(
        interpreter(),
        Ready::Listening,
        |command, [port]: [u16; 1]| {
            command.args(["-c", script, &port.to_string()]);
        },
    );
    let line = server.output().lines().next().map(str::to_owned);
    say_and_wait(&format!("{}\n", line.expect("a line")));
}

/// Until the other end closes, when all have answered.
fn say_and_wait(word: &str) {
    std::io::stdout()
        .write_all(word.as_bytes())
        .expect("somebody listens");
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .expect("an end");
}

/// Leaves a lock of a process that has ended.
///
/// # Panics
///
/// If it cannot be written.
pub async fn leave_lock(store: &dyn StateStore, pid: u32) {
    let host = SystemHost::new();
    let process = host.process();
    let lock = Lock {
        owner: "dead".to_owned(),
        holder: "dead".to_owned(),
        operation: "deploy".to_owned(),
        host: process.host,
        machine: process.machine,
        pid,
        since: host.now(),
        until: host.now().plus(std::time::Duration::from_hours(1)),
        released: false,
    };
    let bytes = serde_json::to_vec(&lock).expect("plain data");
    let found = store.read(Document::Lock).await.expect("reads");
    let tag = found.map(|found| found.tag);
    store
        .write(Document::Lock, &bytes, tag.as_ref())
        .await
        .expect("writes");
}
