//! Queues against a model that is too simple to be wrong, and against their own file cut off anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::message::{Message, Millis};
use super::state::{Draft, Order, QueueError, Settings, State, Want};
use super::store::{FILE, Store};

const MOST: u32 = 3;
const VISIBILITY: Millis = 10_000;
const RETENTION: Millis = 100_000;

fn settings() -> BTreeMap<String, Settings> {
    let dead = Settings {
        visibility: VISIBILITY,
        retention: RETENTION,
        redrive: None,
        order: None,
    };
    let jobs = Settings {
        redrive: Some(("dead".to_owned(), MOST)),
        ..dead.clone()
    };
    let fifo = Settings {
        order: Some(Order { by_content: true }),
        ..dead.clone()
    };
    let all = [("jobs", jobs), ("dead", dead), ("jobs.fifo", fifo)];
    all.map(|(name, settings)| (name.to_owned(), settings))
        .into()
}

fn draft(id: &str) -> Draft {
    Draft {
        id: id.to_owned(),
        body: format!("body of {id}"),
        ..Draft::default()
    }
}

fn want(messages: usize) -> Want {
    Want {
        messages,
        weight: usize::MAX,
        visibility: None,
    }
}

fn open(folder: &TempDir) -> Arc<Store> {
    let store = Store::open(folder.path()).expect("opens");
    let configured = store.change(|state| state.configure(settings()));
    configured.expect("writes");
    Arc::new(store)
}

fn change<T>(store: &Store, work: impl FnOnce(&mut State) -> Result<T, QueueError>) -> T {
    let (done, _) = store.change(work).expect("writes");
    done.expect("is done")
}

/// What somebody does.
#[derive(Debug, Clone)]
enum Step {
    Send {
        delay: Millis,
    },
    Receive {
        from_dead: bool,
        messages: usize,
    },
    /// Of the receipts so far, one by its number.
    Delete(prop::sample::Index),
    Hide(prop::sample::Index, Millis),
    GiveBack(prop::sample::Index),
    Wait(Millis),
    Purge,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![Just(0), 0..20_000_u64].prop_map(|delay| Step::Send { delay }),
        6 => (prop::bool::weighted(0.2), 1..4_usize)
            .prop_map(|(from_dead, messages)| Step::Receive { from_dead, messages }),
        3 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => (any::<prop::sample::Index>(), 0..20_000_u64).prop_map(|(at, time)| Step::Hide(at, time)),
        1 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
        5 => (0..15_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Purge),
        1 => Just(Step::Restart),
    ]
}

/// A message of the model.
#[derive(Debug, Clone)]
struct Simple {
    id: String,
    sent: Millis,
    visible: Millis,
    received: u32,
    receipt: Option<String>,
}

/// The queues `jobs` and `dead`, as somebody would describe them.
#[derive(Debug, Default)]
struct Model {
    queues: BTreeMap<&'static str, BTreeMap<u64, Simple>>,
    sent: u64,
    now: Millis,
    receipts: Vec<(&'static str, String)>,
}

impl Model {
    fn expire(&mut self) {
        let now = self.now;
        for queue in self.queues.values_mut() {
            queue.retain(|_, message| message.sent + RETENTION > now);
        }
    }

    /// The ids of those that are given out.
    fn receive(&mut self, queue: &'static str, messages: usize) -> Vec<String> {
        let (now, mut given) = (self.now, Vec::new());
        let mut dead = Vec::new();
        let all = self.queues.entry(queue).or_default();
        for (number, message) in all.iter_mut().filter(|(_, message)| message.visible <= now) {
            if given.len() == messages {
                break;
            }
            if queue == "jobs" && message.received == MOST {
                dead.push(*number);
                continue;
            }
            message.received += 1;
            message.visible = now + VISIBILITY;
            given.push(message.id.clone());
        }
        for number in dead {
            let mut message = self
                .queues
                .get_mut("jobs")
                .and_then(|jobs| jobs.remove(&number));
            let message = message.take().expect("is there");
            let message = Simple {
                received: 0,
                receipt: None,
                visible: now,
                ..message
            };
            self.queues
                .entry("dead")
                .or_default()
                .insert(number, message);
        }
        given
    }

    fn got(&mut self, queue: &'static str, message: &Message) {
        let receipt = message.receipt.clone().expect("has one");
        let mut all = self.queues.entry(queue).or_default().values_mut();
        let own = all.find(|own| own.id == message.id).expect("is there");
        assert_eq!(message.received, own.received, "{}", message.id);
        own.receipt = Some(receipt.clone());
        self.receipts.push((queue, receipt));
    }

    /// The number of the message that a receipt is the last one of.
    fn held(&self, queue: &str, receipt: &str) -> Option<u64> {
        let mut all = self.queues.get(queue)?.iter();
        let held = all.find(|(_, message)| message.receipt.as_deref() == Some(receipt));
        held.map(|(number, _)| *number)
    }

    fn ids(&self, queue: &str) -> Vec<String> {
        let all = self
            .queues
            .get(queue)
            .into_iter()
            .flat_map(BTreeMap::values);
        all.map(|message| message.id.clone()).collect()
    }
}

/// Does a step in both, and looks whether they agree.
fn take(step: &Step, store: &mut Arc<Store>, folder: &TempDir, model: &mut Model) {
    model.expire();
    let now = model.now;
    match step {
        Step::Send { delay } => {
            let id = format!("m{}", model.sent);
            let message = Simple {
                id: id.clone(),
                sent: now,
                visible: now + delay,
                received: 0,
                receipt: None,
            };
            model
                .queues
                .entry("jobs")
                .or_default()
                .insert(model.sent, message);
            model.sent += 1;
            let draft = Draft {
                delay: *delay,
                ..draft(&id)
            };
            change(store, |state| state.send("jobs", draft, now));
        }
        Step::Receive {
            from_dead,
            messages,
        } => {
            let queue = if *from_dead { "dead" } else { "jobs" };
            let expected = model.receive(queue, *messages);
            let received = change(store, |state| state.receive(queue, want(*messages), now));
            let ids: Vec<String> = received.messages.iter().map(|one| one.id.clone()).collect();
            assert_eq!(ids, expected, "received from {queue} at {now}");
            received
                .messages
                .iter()
                .for_each(|message| model.got(queue, message));
        }
        Step::Wait(time) => model.now += time,
        Step::Purge => {
            model.queues.remove("jobs");
            change(store, |state| state.purge("jobs"));
        }
        Step::Restart => *store = open(folder),
        Step::Delete(at) | Step::GiveBack(at) | Step::Hide(at, _) if !model.receipts.is_empty() => {
            let (queue, receipt) = at.get(&model.receipts).clone();
            with_receipt(step, store, model, (queue, &receipt));
        }
        Step::Delete(_) | Step::GiveBack(_) | Step::Hide(..) => (),
    }
}

fn with_receipt(
    step: &Step,
    store: &Store,
    model: &mut Model,
    (queue, receipt): (&'static str, &str),
) {
    let now = model.now;
    let held = model.held(queue, receipt);
    let messages = model.queues.entry(queue).or_default();
    if let Step::Delete(_) = step {
        held.and_then(|number| messages.remove(&number));
        return change(store, |state| state.delete(queue, receipt));
    }
    let message = held.and_then(|number| messages.get_mut(&number));
    let message = message.filter(|message| message.visible > now);
    match (step, message) {
        (Step::GiveBack(_), message) => {
            if let Some(message) = message {
                message.received -= 1;
                message.visible = now;
                message.receipt = None;
            }
            change(store, |state| state.give_back(queue, receipt, now));
        }
        (Step::Hide(_, time), Some(message)) => {
            message.visible = now + time;
            change(store, |state| state.hide(queue, receipt, (now, *time)));
        }
        (_, None) => {
            let hidden = store.change(|state| state.hide(queue, receipt, (now, 1)));
            assert_eq!(hidden.expect("writes").0, Err(QueueError::NotInFlight));
        }
        _ => (),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// No message is lost or given to two, none comes after it was deleted, and each becomes a
    /// dead letter after exactly so many tries, whatever is done in whatever order, and however
    /// often the process is killed between any two steps.
    #[test]
    fn queues_do_as_their_model(steps in prop::collection::vec(step(), 1..80)) {
        let folder = TempDir::new().expect("makes a folder");
        let mut store = open(&folder);
        let mut model = Model { now: 1_000_000, ..Model::default() };
        for step in &steps {
            take(step, &mut store, &folder, &mut model);
            model.expire();
            let now = model.now;
            for queue in ["jobs", "dead"] {
                let all = change(&store, |state| state.peek(queue, usize::MAX, now));
                let ids: Vec<String> = all.into_iter().map(|message| message.id).collect();
                prop_assert_eq!(ids, model.ids(queue), "{} after {:?}", queue, step);
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_ends_anywhere_is_what_was_written_before() {
    let folder = TempDir::new().expect("makes a folder");
    let store = open(&folder);
    let mut states = vec![(0, Vec::new())];
    let path = folder.path().join(FILE);
    let peek = |store: &Store| change(store, |state| state.peek("jobs", 10, 0));
    for id in ["one", "two", "thr\u{e9}e"] {
        change(&store, |state| state.send("jobs", draft(id), 0));
        let length = fs_err::metadata(&path).expect("is there").len();
        states.push((usize::try_from(length).expect("is small"), peek(&store)));
    }
    let bytes = fs_err::read(&path).expect("reads");
    for length in 0..=bytes.len() {
        fs_err::write(&path, &bytes[..length]).expect("writes");
        let expected = states
            .iter()
            .rev()
            .find(|(at, _)| *at <= length)
            .expect("the first");
        let store = open(&folder);
        assert_eq!(peek(&store), expected.1, "{length} bytes");
        change(&store, |state| state.send("jobs", draft("next"), 0));
        let again = open(&folder);
        assert_eq!(
            peek(&again).last().expect("is there").id,
            "next",
            "{length} bytes"
        );
    }
}

#[test]
fn a_file_that_is_damaged_in_the_middle_is_refused() {
    let folder = TempDir::new().expect("makes a folder");
    let store = open(&folder);
    for id in ["one", "two"] {
        change(&store, |state| state.send("jobs", draft(id), 0));
    }
    let path = folder.path().join(FILE);
    let text = fs_err::read_to_string(&path)
        .expect("reads")
        .replacen('{', "", 1);
    fs_err::write(&path, &text).expect("writes");
    let error = Store::open(folder.path())
        .expect_err("is damaged")
        .to_string();
    assert!(
        error.contains("line 1 of") && error.contains(FILE),
        "{error}"
    );
    assert_eq!(fs_err::read_to_string(&path).expect("reads"), text);
}

#[tokio::test]
async fn a_file_does_not_grow_with_what_is_gone() {
    let folder = TempDir::new().expect("makes a folder");
    let store = open(&folder);
    change(&store, |state| state.send("jobs", draft("kept"), 0));
    let before = change(&store, |state| state.receive("jobs", want(1), 0)).messages;
    for number in 0..3000 {
        change(&store, |state| {
            state.send("jobs", draft(&number.to_string()), 0)
        });
        let got = change(&store, |state| state.receive("jobs", want(1), 0)).messages;
        let receipt = got[0].receipt.clone().expect("has one");
        let (done, position) = store
            .change(|state| state.delete("jobs", &receipt))
            .expect("writes");
        done.expect("deletes");
        if number % 100 == 0 {
            store.keep(position).await.expect("syncs");
        }
    }
    let lines = fs_err::read_to_string(folder.path().join(FILE)).expect("reads");
    assert!(
        lines.lines().count() < 5000,
        "{} lines",
        lines.lines().count()
    );
    let again = open(&folder);
    assert_eq!(change(&again, |state| state.peek("jobs", 10, 0)), before);
}

fn ids(received: &[Message]) -> Vec<&str> {
    received.iter().map(|message| message.id.as_str()).collect()
}

#[test]
fn a_group_of_a_fifo_queue_comes_in_order_and_one_after_the_other() {
    let mut state = State::default();
    state.configure(settings());
    for (id, group) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")] {
        let fifo = Some((group.to_owned(), id.to_owned()));
        let sent = state.send("jobs.fifo", Draft { fifo, ..draft(id) }, 0);
        sent.expect("sends");
    }
    let receive = |state: &mut State, messages: usize, now| {
        let received = state.receive("jobs.fifo", want(messages), now);
        received.expect("receives").messages
    };
    let first = receive(&mut state, 2, 0);
    assert_eq!(ids(&first), ["a1", "a2"]);
    assert_eq!(ids(&receive(&mut state, 5, 1)), ["b1"]);
    for message in &first {
        let receipt = message.receipt.as_deref().expect("has one");
        state.delete("jobs.fifo", receipt).expect("deletes");
    }
    assert_eq!(ids(&receive(&mut state, 5, 2)), ["a3"]);
    assert_eq!(ids(&receive(&mut state, 5, VISIBILITY + 1)), ["b1"]);
}

#[test]
fn a_fifo_queue_takes_the_same_once_in_five_minutes() {
    let mut state = State::default();
    state.configure(settings());
    let mut send = |id: &str, now| {
        let fifo = Some(("g".to_owned(), "same".to_owned()));
        let sent = state.send("jobs.fifo", Draft { fifo, ..draft(id) }, now);
        sent.expect("sends").0
    };
    assert_eq!(send("one", 0), "one");
    assert_eq!(send("two", 299_999), "one");
    assert_eq!(send("three", 300_000), "three");
}

#[test]
fn a_batch_ends_before_it_is_too_heavy() {
    let mut state = State::default();
    state.configure(settings());
    for id in ["1", "2", "3"] {
        let body = "\u{1}".repeat(1000);
        let sent = state.send("jobs", Draft { body, ..draft(id) }, 0);
        sent.expect("sends");
    }
    let mut receive = |weight| {
        let want = Want { weight, ..want(10) };
        let received = state.receive("jobs", want, 0).expect("receives");
        (ids(&received.messages).len(), received.is_full)
    };
    assert_eq!(receive(15_000), (2, true));
    assert_eq!(receive(10), (1, false));
}
