//! What sends events of its own accord. Each kind of source has a file here and one value in
//! [`Sources`]; all of them are brought to the record at each change, and stopped with the cloud.
//!
//! - [`schedule`], [`queue`], [`topic`], [`storage`], [`stream`]: one file or folder for each kind.
//! - [`tasks`] starts, keeps and stops tasks by name.

pub(crate) mod queue;
pub(crate) mod schedule;
pub(crate) mod storage;
pub(crate) mod stream;
pub(crate) mod tasks;
pub(crate) mod topic;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use self::queue::state::Draft;
pub(crate) use self::queue::store::Store as MessageStore;
use self::queue::{QueueSource, Queues};
use self::schedule::Schedules;
use self::storage::{Buckets, StorageSource};
use self::stream::{StreamSource, Streams};
use self::topic::{Publication, TopicSource, Topics};
use crate::clock::Clock;
use crate::cloud::record::Record;
use crate::identifiers::uuid;
use crate::{Emulator, FunctionHandle};

/// One kind of source.
#[async_trait]
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// Brings it to what the record says now. Called after each change, so that it does nothing
    /// for what has stayed as it was; within a runtime, and must not take long.
    fn refresh(&self, record: &Record);

    /// Begins nothing new, and waits for what is under way.
    async fn stop(&self);
}

/// All sources of a cloud.
#[derive(Debug)]
pub(crate) struct Sources {
    all: Vec<Box<dyn Source>>,
    queues: Arc<Queues>,
    topics: Arc<Topics>,
    buckets: Arc<Buckets>,
    streams: Arc<Streams>,
}

impl Sources {
    /// With these messages, and without anything that fires until there is a record.
    pub(crate) fn new(surroundings: &Surroundings, messages: MessageStore) -> Self {
        let queues = Queues::new(surroundings.clone(), messages);
        let topics = Topics::new(surroundings.clone(), Arc::clone(&queues));
        let buckets = Buckets::new(surroundings.clone());
        let streams = Streams::new(surroundings.clone(), Arc::clone(&queues));
        let all: Vec<Box<dyn Source>> = vec![
            Box::new(Schedules::new(surroundings.clone())),
            Box::new(QueueSource(Arc::clone(&queues))),
            Box::new(TopicSource(Arc::clone(&topics))),
            Box::new(StorageSource(Arc::clone(&buckets))),
            Box::new(StreamSource(Arc::clone(&streams))),
        ];
        Self {
            all,
            queues,
            topics,
            buckets,
            streams,
        }
    }

    /// The queues, for the doors that lead to them.
    pub(crate) fn queues(&self) -> &Arc<Queues> {
        &self.queues
    }

    /// The topics, for the doors that lead to them.
    pub(crate) fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }

    /// The buckets, for the doors that lead to them.
    pub(crate) fn buckets(&self) -> &Arc<Buckets> {
        &self.buckets
    }

    /// The streams, for the doors that lead to them.
    pub(crate) fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// Sends `text` to the queue or topic of this ARN; why not, if there is none.
    pub(crate) async fn tell(&self, arn: &str, text: String) -> Result<(), String> {
        // arn:aws:<service>:<region>:<account>:<name>
        let name = arn.rsplit(':').next().unwrap_or_default();
        if arn.split(':').nth(2) == Some("sns") {
            let publication = Publication {
                message: text,
                ..Publication::default()
            };
            let published = self.topics.publish(arn, &publication).await;
            return published
                .map(drop)
                .ok_or_else(|| "there is no such topic here".to_owned());
        }
        let draft = Draft {
            id: uuid(),
            body: text,
            ..Draft::default()
        };
        let sent = self.queues.send(name, vec![draft]).await;
        sent.map(drop).map_err(|error| error.to_string())
    }

    /// Brings all of them to what the record says now.
    pub(crate) fn refresh(&self, record: &Record) {
        self.all.iter().for_each(|source| source.refresh(record));
    }

    /// Begins nothing new, and waits for what is under way.
    pub(crate) async fn stop(&self) {
        for source in &self.all {
            source.stop().await;
        }
    }
}

/// What a source works with. It does not keep the cloud from ending.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    emulator: Weak<Emulator>,
    clock: Clock,
    folder: PathBuf,
}

impl Surroundings {
    pub(crate) fn new(emulator: Weak<Emulator>, clock: Clock, folder: PathBuf) -> Self {
        Self {
            emulator,
            clock,
            folder,
        }
    }

    /// What time it is.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where the cloud keeps everything.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What sends events to the function of this ARN, which may have an alias or version at its
    /// end; none if it is no function's.
    pub(crate) fn function(&self, arn: &str) -> Option<FunctionHandle> {
        // arn:aws:lambda:<region>:<account>:function:<name>:<alias>
        let parts: Vec<&str> = arn.split(':').collect();
        let ("lambda", "function") = (*parts.get(2)?, *parts.get(5)?) else {
            return None;
        };
        let qualifier = parts.get(7).copied();
        let emulator = Weak::clone(&self.emulator);
        Some(FunctionHandle::new(emulator, parts.get(6)?, qualifier))
    }
}
