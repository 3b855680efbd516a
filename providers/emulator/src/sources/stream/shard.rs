//! The records of a stream, in their order.

use std::collections::VecDeque;

use super::table::ItemChange;

/// Milliseconds since 1970.
pub(crate) type Millis = u64;

/// How long records are kept: what both services do by default.
pub(super) const RETENTION: Millis = 24 * 60 * 60 * 1000;

/// The most that the records of a stream may weigh here; the oldest go first.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Its place in the stream.
    pub(crate) number: u64,
    /// When it came.
    pub(crate) time: Millis,
    pub(crate) content: Content,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Data under a partition key (Kinesis).
    Data { key: String, data: Vec<u8> },
    /// What became of an item (DynamoDB).
    Change(ItemChange),
}

impl Content {
    /// About how many bytes it has.
    pub(crate) fn weight(&self) -> usize {
        const AROUND: usize = 256;
        AROUND
            + match self {
                // As base64.
                Self::Data { key, data } => key.len() + data.len().div_ceil(3) * 4,
                Self::Change(change) => change.weight(),
            }
    }
}

/// The only shard of a stream.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    entries: VecDeque<Entry>,
    end: u64,
    weight: usize,
}

impl Shard {
    /// Adds a record. Answers its number.
    pub(crate) fn put(&mut self, content: Content, now: Millis) -> u64 {
        let number = self.end;
        self.end += 1;
        self.weight += content.weight();
        self.entries.push_back(Entry {
            number,
            time: now,
            content,
        });
        while self.weight > MAX_BYTES {
            self.drop_oldest();
        }
        number
    }

    /// The number of the next record.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Records from `position` on, or from the oldest that is left.
    pub(crate) fn read(&mut self, position: u64, most: usize, now: Millis) -> Vec<Entry> {
        let oldest = now.saturating_sub(RETENTION);
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.time < oldest)
        {
            self.drop_oldest();
        }
        let read = self
            .entries
            .partition_point(|entry| entry.number < position);
        self.entries.range(read..).take(most).cloned().collect()
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.weight -= entry.content.weight();
        }
    }
}
