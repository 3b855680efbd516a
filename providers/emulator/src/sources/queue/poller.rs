//! What Lambda does with a queue: it takes batches and calls the function with each
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html>).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::event::{event, failed};
use super::message::{Message, Millis};
use super::state::Want;
use super::wiring::Reader;
use super::{Queues, millis};
use crate::pool::Done;
use crate::sources::tasks::Stop;
use crate::{FunctionHandle, platform};

/// Batches that a function has at a time: as many as Lambda begins with.
const BATCHES: usize = 5;

/// The most that the messages of a batch may weigh: what an event may have, and what is around
/// them in it.
const WEIGHT: usize = platform::LAMBDA_MAX_BYTES - 1024;

/// How long to wait after the function had no free instance; the next times twice as long.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The log stream of what is noted here.
const STREAM: &str = "queue";

/// Reads a queue for a function until it shall stop. Batches that the function has are finished.
pub(super) async fn poll(queues: Arc<Queues>, reader: Reader, mut stop: Stop) {
    let Some(function) = queues.surroundings.function(&reader.function) else {
        return;
    };
    let poller = Arc::new(Poller {
        queues,
        reader,
        function,
        rest: Mutex::default(),
    });
    let mut batches = JoinSet::new();
    while let Some(batch) = poller.gather(&mut stop).await {
        let poller = Arc::clone(&poller);
        batches.spawn(async move { poller.deliver(batch).await });
        while batches.try_join_next().is_some() {}
        if batches.len() >= BATCHES {
            batches.join_next().await;
        }
    }
    while batches.join_next().await.is_some() {}
}

struct Poller {
    queues: Arc<Queues>,
    reader: Reader,
    function: FunctionHandle,
    rest: Mutex<Rest>,
}

/// How long to let the function alone because it had no free instance.
#[derive(Debug, Default)]
struct Rest {
    pause: Duration,
    until: Millis,
}

impl Poller {
    /// The next batch; none if it shall stop. A batch is ready when it has as many messages as it
    /// may have, or has waited for them for the time of the window.
    async fn gather(&self, stop: &mut Stop) -> Option<Vec<Message>> {
        tokio::select! {
            () = stop.asked() => return None,
            () = self.wait_for_an_instance() => (),
        }
        let mut changes = self.queues.changed.subscribe();
        let mut batch = Vec::new();
        let mut until = None;
        loop {
            if stop.is_asked() {
                self.queues.give_back(&self.reader.queue, &batch);
                return None;
            }
            let is_full = self.take(&mut batch);
            if is_full || (!batch.is_empty() && self.is_over(&mut until)) {
                return Some(batch);
            }
            tokio::select! {
                () = stop.asked() => (),
                () = self.wait(until, &mut changes) => (),
            }
        }
    }

    /// Adds messages to a batch. True if no more fit in.
    fn take(&self, batch: &mut Vec<Message>) -> bool {
        let weight: usize = batch.iter().map(Message::weight).sum();
        let want = Want {
            messages: self.reader.batch - batch.len(),
            weight: WEIGHT.saturating_sub(weight),
            visibility: None,
        };
        // A queue that is not there, or cannot be read just now, has nothing.
        let received = self.queues.receive(&self.reader.queue, want);
        let received = received.unwrap_or_default();
        for (id, to) in &received.died {
            let queue = &self.reader.queue;
            let text = format!("mlfn: message {id} of {queue} was tried too often and is in {to}");
            self.function.note(STREAM, text);
        }
        let is_heavy = |batch: &[Message]| {
            let weight: usize = batch.iter().map(Message::weight).sum();
            batch.len() > 1 && weight > WEIGHT
        };
        batch.extend(received.messages);
        if is_heavy(batch) {
            // The first of several is given whatever it weighs.
            let last = batch.split_off(batch.len() - 1);
            self.queues.give_back(&self.reader.queue, &last);
            return true;
        }
        received.is_full || batch.len() >= self.reader.batch
    }

    /// Whether a batch has waited long enough, which begins when it has its first message.
    fn is_over(&self, until: &mut Option<Millis>) -> bool {
        let now = self.queues.now();
        now >= *until.get_or_insert(now + self.reader.window)
    }

    async fn wait(&self, until: Option<Millis>, changes: &mut watch::Receiver<u64>) {
        self.queues.wait(&self.reader.queue, until, changes).await;
    }

    /// Calls the function, and removes what it has done.
    async fn deliver(&self, batch: Vec<Message>) {
        let event = event(&batch, &self.reader.origin);
        if let Ok(done) = self.function.invoke(event).await {
            *self.rest() = Rest::default();
            return self.settle(&batch, &done).await;
        }
        // Without a function, or with no instance free, nobody has looked at the messages.
        self.queues.give_back(&self.reader.queue, &batch);
        let mut rest = self.rest();
        rest.pause = (rest.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        rest.until = self.queues.now().saturating_add(millis(rest.pause));
    }

    /// Waits if the function had no free instance of late.
    async fn wait_for_an_instance(&self) {
        let until = Duration::from_millis(self.rest().until);
        self.queues.surroundings.clock().sleep_until(until).await;
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What failed stays, and comes again when its time is over.
    async fn settle(&self, batch: &[Message], done: &Done) {
        let ids: BTreeSet<&str> = batch.iter().map(|message| message.id.as_str()).collect();
        let failed = match done.ending.is_success() {
            true if self.reader.reports_failures => failed(&done.body, &ids),
            true => BTreeSet::new(),
            false => ids,
        };
        let good = batch
            .iter()
            .filter(|message| !failed.contains(message.id.as_str()));
        let receipts: Vec<&str> = good
            .filter_map(|message| message.receipt.as_deref())
            .collect();
        // What cannot be removed comes again, which every reader of a queue has to bear.
        let _ = self.queues.delete(&self.reader.queue, &receipts).await;
        self.function
            .note(STREAM, self.summary(batch, failed.len()));
    }

    fn summary(&self, batch: &[Message], failed: usize) -> String {
        let (queue, all) = (&self.reader.queue, batch.len());
        let messages = if all == 1 { "message" } else { "messages" };
        if failed == 0 {
            return format!("mlfn: {all} {messages} of {queue} done");
        }
        let visible = batch.iter().map(|message| message.visible).max();
        let left = visible
            .unwrap_or_default()
            .saturating_sub(self.queues.now());
        let seconds = left.div_ceil(1000);
        format!("mlfn: {failed} of {all} {messages} of {queue} failed; tried again in {seconds} s")
    }
}
