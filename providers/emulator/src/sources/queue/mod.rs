//! Queues as SQS has them, and what Lambda reads from them.
//!
//! - [`state`] is what may become of messages, [`messages`] finds them, [`message`] is one.
//! - [`store`] keeps all of it in the file `queues.jsonl` of the cloud.
//! - [`wiring`] takes queues and their readers from the record.
//! - [`poller`] reads a queue for a function, [`event`] is what the function gets.

pub(crate) mod event;
pub(crate) mod message;
mod messages;
mod poller;
pub(crate) mod state;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod wiring;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use self::message::{Message, Millis};
use self::state::{Counts, Draft, QueueError, Received, State, Want};
use self::store::Store;
use self::wiring::Reader;
use super::tasks::Tasks;
use super::{Source, Surroundings};
use crate::cloud::record::Record;

pub(crate) use self::wiring::Queue;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The queue would not.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The disk would not.
    #[error("the queue cannot be written: {0}")]
    Machine(#[from] io::Error),
}

/// All queues of a cloud, and what reads them.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "what it has is queues")]
pub(crate) struct Queues {
    surroundings: Surroundings,
    store: Arc<Store>,
    /// What there is, by name.
    queues: RwLock<BTreeMap<String, Queue>>,
    readers: Tasks<Reader>,
    /// Anything may have changed.
    changed: watch::Sender<u64>,
}

impl Queues {
    /// With these messages, and without queues until there is a record.
    pub(crate) fn new(surroundings: Surroundings, messages: Store) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::new(messages),
            surroundings,
            queues: RwLock::default(),
            readers: Tasks::default(),
            changed: watch::Sender::new(0),
        })
    }

    /// What there is, by name.
    pub(crate) fn all(&self) -> RwLockReadGuard<'_, BTreeMap<String, Queue>> {
        self.queues.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue of that name.
    pub(crate) fn find(&self, name: &str) -> Result<Queue, QueueError> {
        self.all().get(name).cloned().ok_or(QueueError::NoQueue)
    }

    /// Adds messages. They are on the disk when this returns. Answers, for each, its id and its
    /// place in the order of a FIFO queue.
    pub(crate) async fn send(
        &self,
        queue: &str,
        drafts: Vec<Draft>,
    ) -> Result<Vec<(String, Option<u64>)>, Refusal> {
        let now = self.now();
        self.safely(|state| {
            let sent = drafts
                .into_iter()
                .map(|draft| state.send(queue, draft, now));
            sent.collect()
        })
        .await
    }

    /// Takes messages, as many as there are up to what is wanted.
    pub(crate) fn receive(&self, queue: &str, want: Want) -> Result<Received, Refusal> {
        let now = self.now();
        let received = self.look(|state| state.receive(queue, want, now))?;
        if !received.died.is_empty() {
            self.tell();
        }
        Ok(received)
    }

    /// Takes messages, and waits for the first one if there are none.
    pub(crate) async fn receive_within(
        &self,
        queue: &str,
        want: Want,
        patience: Duration,
    ) -> Result<Vec<Message>, Refusal> {
        let until = self.now().saturating_add(millis(patience));
        let mut changes = self.changed.subscribe();
        loop {
            let messages = self.receive(queue, want)?.messages;
            if !messages.is_empty() || self.now() >= until {
                return Ok(messages);
            }
            self.wait(queue, Some(until), &mut changes).await;
        }
    }

    /// Removes messages that somebody has got. They are gone from the disk when this returns.
    pub(crate) async fn delete(
        &self,
        queue: &str,
        receipts: &[&str],
    ) -> Result<Vec<Result<(), QueueError>>, Refusal> {
        self.safely(|state| {
            state.settings(queue)?;
            let deleted = receipts.iter().map(|receipt| state.delete(queue, receipt));
            Ok(deleted.collect())
        })
        .await
    }

    /// Changes for how long nobody else gets a message.
    pub(crate) fn hide(&self, queue: &str, receipt: &str, time: Millis) -> Result<(), Refusal> {
        let now = self.now();
        self.at_once(|state| state.hide(queue, receipt, (now, time)))
    }

    /// Takes messages back as if nobody had got them.
    pub(crate) fn give_back(&self, queue: &str, messages: &[Message]) {
        let now = self.now();
        let receipts = messages
            .iter()
            .filter_map(|message| message.receipt.as_ref());
        for receipt in receipts {
            // What cannot be given back comes again when its time is over.
            let _ = self.at_once(|state| state.give_back(queue, receipt, now));
        }
    }

    /// Removes everything from a queue.
    pub(crate) async fn purge(&self, queue: &str) -> Result<(), Refusal> {
        self.safely(|state| state.purge(queue)).await
    }

    /// How many messages there are.
    pub(crate) fn counts(&self, queue: &str) -> Result<Counts, Refusal> {
        let now = self.now();
        self.look(|state| state.counts(queue, now))
    }

    /// The oldest messages, which are not received by that.
    pub(crate) fn peek(&self, queue: &str, most: usize) -> Result<Vec<Message>, Refusal> {
        let now = self.now();
        self.look(|state| state.peek(queue, most, now))
    }

    /// Waits until there may be more to receive, or it is that late.
    async fn wait(&self, queue: &str, until: Option<Millis>, changes: &mut watch::Receiver<u64>) {
        let now = self.now();
        let next = self.look(|state| Ok(state.next_visible(queue, now)));
        let times = [next.unwrap_or_default(), until];
        let next = times.into_iter().flatten().min();
        let clock = self.surroundings.clock();
        tokio::select! {
            // The sender lives as long as this does.
            _ = changes.changed() => (),
            () = clock.sleep_until(Duration::from_millis(next.unwrap_or_default())),
                if next.is_some() => (),
        }
    }

    async fn safely<T>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, QueueError>,
    ) -> Result<T, Refusal> {
        let (done, position) = self.store.change(work)?;
        let done = done?;
        self.store.keep(position).await?;
        self.tell();
        Ok(done)
    }

    fn at_once<T>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, QueueError>,
    ) -> Result<T, Refusal> {
        let done = self.look(work);
        self.tell();
        done
    }

    /// Without waking anybody: time alone may have changed something.
    fn look<T>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, QueueError>,
    ) -> Result<T, Refusal> {
        let (done, _) = self.store.change(work)?;
        Ok(done?)
    }

    fn tell(&self) {
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn now(&self) -> Millis {
        self.surroundings.clock().milliseconds()
    }
}

/// As a whole number of milliseconds.
pub(crate) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A handle for [`Sources`](super::Sources), whose readers need the queues as long as they read.
#[derive(Debug, Clone)]
pub(crate) struct QueueSource(pub(crate) Arc<Queues>);

#[async_trait]
impl Source for QueueSource {
    fn refresh(&self, record: &Record) {
        let queues = &self.0;
        let wanted = wiring::queues(record);
        let settings = wanted.iter();
        let settings = settings.map(|(name, queue)| (name.clone(), queue.settings.clone()));
        let settings = settings.collect();
        *queues
            .queues
            .write()
            .unwrap_or_else(PoisonError::into_inner) = wanted;
        // What cannot be written now, the next change writes.
        let _ = queues.store.change(|state| state.configure(settings));
        queues.tell();
        queues
            .readers
            .bring(wiring::readers(record), |reader, stop| {
                poller::poll(Arc::clone(queues), reader, stop)
            });
    }

    async fn stop(&self) {
        self.0.readers.stop().await;
    }
}
