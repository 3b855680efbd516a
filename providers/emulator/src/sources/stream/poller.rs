//! What Lambda does with a stream: it takes batches in their order and calls the function with
//! each, until it is done or given up
//! (<https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html>).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{GivenUp, Origin, dead_letter, event, failed_from};
use super::shard::{Entry, Millis, RETENTION};
use super::wiring::Reader;
use super::{Kind, Streams};
use crate::identifiers::uuid;
use crate::pool::Done;
use crate::sources::queue::state::Draft;
use crate::sources::tasks::Stop;
use crate::{FunctionHandle, platform};

/// The most that the records of a batch may weigh.
const WEIGHT: usize = platform::LAMBDA_MAX_BYTES - 1024;

/// How long to wait before a batch is tried again; the next times twice as long.
const PAUSE: Millis = 1000;
const LONGEST_PAUSE: Millis = 60_000;

/// The log stream of what is noted here.
const STREAM: &str = "stream";

/// Reads a stream for a function until it shall stop. What the function has is finished.
pub(super) async fn poll(streams: Arc<Streams>, reader: Reader, mut stop: Stop) {
    let Some(function) = streams.surroundings.function(&reader.function) else {
        return;
    };
    let poller = Poller {
        streams,
        reader,
        function,
    };
    while let Some(batch) = poller.gather(&mut stop).await {
        if poller.work_off(batch, &mut stop).await.is_none() {
            return;
        }
    }
}

struct Poller {
    streams: Arc<Streams>,
    reader: Reader,
    function: FunctionHandle,
}

/// A batch or a part of one.
struct Part {
    entries: Vec<Entry>,
    /// How often the function failed on it as it is.
    failures: u32,
}

impl Poller {
    /// The next batch; none if it shall stop. A batch is ready when it is full, or has waited for
    /// more for the time of the window.
    async fn gather(&self, stop: &mut Stop) -> Option<Vec<Entry>> {
        let mut changes = self.streams.changed.subscribe();
        let mut until = None;
        loop {
            if stop.is_asked() {
                return None;
            }
            let batch = self.streams.read(&self.reader, self.reader.batch);
            let (batch, is_full) = self.fitting(batch);
            if !batch.is_empty() {
                let until = *until.get_or_insert(self.now() + self.reader.window);
                if is_full || self.now() >= until {
                    return Some(batch);
                }
            }
            tokio::select! {
                () = stop.asked() => return None,
                // The sender lives as long as this does.
                _ = changes.changed() => (),
                () = self.sleep_until(until.unwrap_or_default()), if until.is_some() => (),
            }
        }
    }

    /// As much of a batch as an event may have, and whether no more fits in.
    fn fitting(&self, mut batch: Vec<Entry>) -> (Vec<Entry>, bool) {
        let mut weight = 0;
        let fits = |entry: &&Entry| {
            weight += entry.content.weight();
            weight <= WEIGHT
        };
        // The first is given whatever it weighs.
        let fitting = batch.iter().take_while(fits).count().max(1);
        let is_full = batch.len() >= self.reader.batch || fitting < batch.len();
        batch.truncate(fitting);
        (batch, is_full)
    }

    /// Works on a batch and its parts, in their order. None if it shall stop.
    async fn work_off(&self, batch: Vec<Entry>, stop: &mut Stop) -> Option<()> {
        let mut parts = vec![Part {
            entries: batch,
            failures: 0,
        }];
        while let Some(part) = parts.pop() {
            if stop.is_asked() {
                return None;
            }
            let done = self.call(&part.entries, stop).await?;
            let failed = match done.ending.is_success() {
                true if self.reader.reports_failures => {
                    failed_from(self.reader.kind, &done.body, &part.entries)
                }
                true => None,
                false => Some(0),
            };
            match failed {
                None => self.note_done(&part.entries),
                Some(place) => self.failed((part, place), &done, &mut parts, stop).await?,
            }
        }
        Some(())
    }

    /// Calls the function, again and again while it has no free instance. None if it shall stop.
    async fn call(&self, entries: &[Entry], stop: &mut Stop) -> Option<Done> {
        let mut pause = PAUSE / 10;
        loop {
            if let Ok(done) = self.function.invoke(event(self.origin(), entries)).await {
                return Some(done);
            }
            tokio::select! {
                () = stop.asked() => return None,
                () = self.sleep_until(self.now() + pause) => (),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The function failed from a place of a part on: what comes before is done, and the rest is
    /// halved, tried again or given up. None if it shall stop.
    async fn failed(
        &self,
        (mut part, place): (Part, usize),
        done: &Done,
        parts: &mut Vec<Part>,
        stop: &mut Stop,
    ) -> Option<()> {
        let mut rest = part.entries.split_off(place);
        if !part.entries.is_empty() {
            self.note_done(&part.entries);
            self.note(&rest, "failed; tried again");
            let part = Part {
                entries: rest,
                failures: 0,
            };
            parts.push(part);
            return Some(());
        }
        if self.reader.bisects && rest.len() > 1 {
            self.note(&rest, "failed; tried again in halves");
            let second = rest.split_off(rest.len() / 2);
            for entries in [second, rest] {
                parts.push(Part {
                    entries,
                    failures: 0,
                });
            }
            return Some(());
        }
        let failures = part.failures + 1;
        let is_old = |entry: &Entry| entry.time + RETENTION < self.now();
        let is_too_often = self.reader.retries.is_some_and(|most| failures > most);
        if is_too_often || rest.iter().any(is_old) {
            self.give_up(&rest, done, failures).await;
            return Some(());
        }
        let pause = (PAUSE << part.failures.min(6)).min(LONGEST_PAUSE);
        let seconds = pause / 1000;
        self.note(&rest, &format!("failed; tried again in {seconds} s"));
        parts.push(Part {
            entries: rest,
            failures,
        });
        tokio::select! {
            () = stop.asked() => None,
            () = self.sleep_until(self.now() + pause) => Some(()),
        }
    }

    async fn give_up(&self, entries: &[Entry], done: &Done, tries: u32) {
        let given_up = GivenUp {
            entries,
            function: &self.reader.function,
            done,
            tries,
            now: self.now(),
        };
        let letter = dead_letter(self.origin(), &given_up).to_string();
        // arn:aws:sqs:<region>:<account>:<name>
        let queue = self.reader.on_failure.as_deref();
        let queue = queue.and_then(|arn| arn.rsplit(':').next());
        let mut end = "was tried too often".to_owned();
        if let Some(queue) = queue {
            let draft = Draft {
                id: uuid(),
                body: letter,
                attributes: BTreeMap::new(),
                trace: None,
                delay: 0,
                fifo: None,
            };
            end = match self.streams.queues.send(queue, vec![draft]).await {
                Ok(_) => format!("was tried too often; {queue} is told"),
                Err(error) => format!("was tried too often, and {queue} is not told: {error}"),
            };
        }
        self.note(entries, &end);
        self.pass(entries);
    }

    fn note_done(&self, entries: &[Entry]) {
        self.note(entries, "done");
        self.pass(entries);
    }

    /// What is done or given up is not read again.
    fn pass(&self, entries: &[Entry]) {
        if let Some(last) = entries.last() {
            self.streams.advance(&self.reader, last.number + 1);
        }
    }

    fn note(&self, entries: &[Entry], end: &str) {
        let records = match entries.len() {
            1 => "1 record".to_owned(),
            count => format!("{count} records"),
        };
        let name = name_in(self.reader.kind, &self.reader.arn);
        let text = format!("mlfn: {records} of {name} {end}");
        self.function.note(STREAM, text);
    }

    fn origin(&self) -> Origin<'_> {
        Origin {
            kind: self.reader.kind,
            arn: &self.reader.arn,
        }
    }

    fn now(&self) -> Millis {
        self.streams.surroundings.clock().milliseconds()
    }

    async fn sleep_until(&self, time: Millis) {
        let clock = self.streams.surroundings.clock();
        clock.sleep_until(Duration::from_millis(time)).await;
    }
}

/// The name of a stream or table: at the end of `..:stream/<name>`, or in the middle of
/// `..:table/<name>/stream/<date>`.
pub(crate) fn name_in(kind: Kind, arn: &str) -> &str {
    let name = arn.splitn(6, ':').nth(5).unwrap_or_default();
    match kind {
        Kind::Kinesis => name.strip_prefix("stream/").unwrap_or(name),
        Kind::DynamoDb => name.split('/').nth(1).unwrap_or(name),
    }
}
