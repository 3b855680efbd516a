//! Streams as Kinesis and DynamoDB have them, and what Lambda reads from them. Each has one shard.
//! Records are kept in memory, as long and as many as [`shard`] says; tables have no other place.
//!
//! - [`shard`] has the records of a stream, [`table`] makes them of changes of items.
//! - [`wiring`] takes streams and their readers from the record.
//! - [`poller`] reads a stream for a function, [`event`] is what the function gets.

pub(crate) mod event;
mod poller;
pub(crate) mod shard;
pub(crate) mod table;
mod wiring;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use self::shard::{Content, Entry, Shard};
use self::table::{Change, Table};
use self::wiring::{Reader, Start};
use super::queue::Queues;
use super::tasks::Tasks;
use super::{Source, Surroundings};
use crate::cloud::record::Record;

pub(crate) use self::poller::name_in;

/// Whose stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Kinesis,
    DynamoDb,
}

/// All streams of a cloud, and what reads them.
#[derive(Debug)]
pub(crate) struct Streams {
    surroundings: Surroundings,
    queues: Arc<Queues>,
    inner: Mutex<Inner>,
    readers: Tasks<Reader>,
    /// Anything may have changed.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By ARN.
    streams: BTreeMap<String, Stream>,
    /// Up to where each reader has read, by its name.
    positions: BTreeMap<String, u64>,
}

/// A stream, and the items of its table.
#[derive(Debug)]
struct Stream {
    kind: Kind,
    shard: Shard,
    table: Table,
}

impl Streams {
    /// None until there is a record.
    pub(super) fn new(surroundings: Surroundings, queues: Arc<Queues>) -> Arc<Self> {
        Arc::new(Self {
            surroundings,
            queues,
            inner: Mutex::default(),
            readers: Tasks::default(),
            changed: watch::Sender::new(0),
        })
    }

    /// The ARN of the stream of a kind and name.
    pub(crate) fn find(&self, kind: Kind, name: &str) -> Option<String> {
        let is_it = |arn: &String| name_in(kind, arn) == name;
        self.all(kind).into_iter().find(is_it)
    }

    /// The ARNs of all streams of a kind.
    pub(crate) fn all(&self, kind: Kind) -> Vec<String> {
        let inner = self.inner();
        let streams = inner.streams.iter();
        let ours = streams.filter(|(_, stream)| stream.kind == kind);
        ours.map(|(arn, _)| arn.clone()).collect()
    }

    /// Adds data under a key. Answers the sequence number; none if there is no such stream.
    pub(crate) fn put_data(&self, arn: &str, key: String, data: Vec<u8>) -> Option<String> {
        self.put(arn, |_| Some(Content::Data { key, data }))
    }

    /// Changes an item of a table, whose stream has this ARN. None if there is no such stream.
    pub(crate) fn change(&self, arn: &str, change: Change) -> Option<()> {
        let mut is_there = false;
        self.put(arn, |table| {
            is_there = true;
            table.apply(change).map(Content::Change)
        });
        is_there.then_some(())
    }

    fn put(
        &self,
        arn: &str,
        content: impl FnOnce(&mut Table) -> Option<Content>,
    ) -> Option<String> {
        let now = self.surroundings.clock().milliseconds();
        let mut inner = self.inner();
        let stream = inner.streams.get_mut(arn)?;
        let content = content(&mut stream.table)?;
        let number = stream.shard.put(content, now);
        let number = event::sequence_number(stream.kind, number);
        drop(inner);
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
        Some(number)
    }

    /// What a reader has not read yet, up to `most` records.
    fn read(&self, reader: &Reader, most: usize) -> Vec<Entry> {
        let now = self.surroundings.clock().milliseconds();
        let mut inner = self.inner();
        let position = inner.positions.get(&reader.name).copied();
        let stream = inner.streams.get_mut(&reader.arn);
        stream.map_or_else(Vec::new, |stream| {
            stream.shard.read(position.unwrap_or_default(), most, now)
        })
    }

    /// A reader has read all before `position`.
    fn advance(&self, reader: &Reader, position: u64) {
        self.inner().positions.insert(reader.name.clone(), position);
    }

    fn bring(&self, readers: &BTreeMap<String, Reader>) {
        let mut inner = self.inner();
        inner
            .streams
            .retain(|arn, _| readers.values().any(|reader| reader.arn == *arn));
        inner.positions.retain(|name, _| readers.contains_key(name));
        for (name, reader) in readers {
            let stream = inner.streams.entry(reader.arn.clone());
            let stream = stream.or_insert_with(|| Stream {
                kind: reader.kind,
                shard: Shard::default(),
                table: Table::default(),
            });
            let start = match reader.start {
                Start::Oldest => 0,
                Start::Latest => stream.shard.end(),
            };
            inner.positions.entry(name.clone()).or_insert(start);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle for [`Sources`](super::Sources), whose readers need the streams as long as they read.
#[derive(Debug, Clone)]
pub(super) struct StreamSource(pub(super) Arc<Streams>);

#[async_trait]
impl Source for StreamSource {
    fn refresh(&self, record: &Record) {
        let streams = &self.0;
        let readers = wiring::readers(record);
        streams.bring(&readers);
        streams.readers.bring(readers, |reader, stop| {
            poller::poll(Arc::clone(streams), reader, stop)
        });
    }

    async fn stop(&self) {
        self.0.readers.stop().await;
    }
}
