//! The messages of one queue, by their numbers, with what is needed to find them quickly.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{Message, Millis};
use super::state::{Counts, Known};

/// The messages of one queue.
#[derive(Debug, Default, Clone)]
pub(crate) struct Messages {
    all: BTreeMap<u64, Message>,
    /// Those that anybody may get.
    ready: BTreeSet<u64>,
    /// The others, by when they may be got.
    waiting: BTreeSet<(Millis, u64)>,
    /// By when they were sent.
    ages: BTreeSet<(Millis, u64)>,
    /// What was sent to a FIFO queue of late.
    known: BTreeMap<String, Known>,
}

/// Which of them have become ready is noticed only now and then, and is no part of what they are.
impl PartialEq for Messages {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all && self.known == other.known
    }
}

impl Messages {
    /// Without any.
    pub(super) const EMPTY: Self = Self {
        all: BTreeMap::new(),
        ready: BTreeSet::new(),
        waiting: BTreeSet::new(),
        ages: BTreeSet::new(),
        known: BTreeMap::new(),
    };

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.all.iter().map(|(number, message)| (*number, message))
    }

    pub(super) fn get(&self, number: u64) -> Option<&Message> {
        self.all.get(&number)
    }

    pub(super) fn put(&mut self, number: u64, message: Message) {
        if let Some(fifo) = &message.fifo
            && message.died_in.is_none()
        {
            let known = Known {
                at: message.sent,
                id: message.id.clone(),
                sequence: fifo.sequence,
            };
            self.know(fifo.deduplication.clone(), known);
        }
        self.waiting.insert((message.visible, number));
        self.ages.insert((message.sent, number));
        self.all.insert(number, message);
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Message> {
        let message = self.all.remove(&number)?;
        self.ready.remove(&number);
        self.waiting.remove(&(message.visible, number));
        self.ages.remove(&(message.sent, number));
        Some(message)
    }

    /// Nothing, if it is not there.
    pub(super) fn change(&mut self, number: u64, change: impl FnOnce(&mut Message)) {
        let Some(message) = self.all.get_mut(&number) else {
            return;
        };
        self.ready.remove(&number);
        self.waiting.remove(&(message.visible, number));
        change(message);
        self.waiting.insert((message.visible, number));
    }

    /// Those that are visible by now may be got.
    pub(super) fn wake(&mut self, now: Millis) {
        while let Some((visible, number)) = self.waiting.first().copied()
            && visible <= now
        {
            self.waiting.pop_first();
            self.ready.insert(number);
        }
    }

    /// The first from this number on that may be got, and is of no blocked group.
    pub(super) fn available(
        &self,
        from: u64,
        blocked: &BTreeSet<String>,
    ) -> Option<(u64, &Message)> {
        let mut ready = self.ready.range(from..);
        let is_free = |number: &&u64| {
            blocked.is_empty()
                || self
                    .group(**number)
                    .is_none_or(|group| !blocked.contains(group))
        };
        let number = *ready.find(is_free)?;
        Some((number, self.get(number)?))
    }

    /// The groups of which somebody has a message: they give no other.
    pub(super) fn blocked_groups(&self) -> BTreeSet<String> {
        let waiting = self.waiting.iter();
        let groups = waiting.filter_map(|(_, number)| self.group(*number));
        groups.map(str::to_owned).collect()
    }

    fn group(&self, number: u64) -> Option<&str> {
        let fifo = self.all.get(&number)?.fifo.as_ref()?;
        Some(&fifo.group)
    }

    /// Whether somebody has got it, and nobody else may.
    pub(super) fn is_in_flight(&self, number: u64) -> bool {
        !self.ready.contains(&number)
            && self
                .get(number)
                .is_some_and(|message| message.receipt.is_some())
    }

    pub(super) fn counts(&self) -> Counts {
        let waiting = self.waiting.iter();
        let in_flight = waiting
            .filter(|(_, number)| self.is_in_flight(*number))
            .count();
        Counts {
            visible: self.ready.len(),
            in_flight,
            delayed: self.waiting.len() - in_flight,
        }
    }

    pub(super) fn next_visible(&self) -> Option<Millis> {
        self.waiting.first().map(|(visible, _)| *visible)
    }

    pub(super) fn sent_before(&self, oldest: Millis) -> Vec<u64> {
        let old = self.ages.range(..(oldest, 0));
        old.map(|(_, number)| *number).collect()
    }

    pub(super) fn know(&mut self, deduplication: String, known: Known) {
        self.known.insert(deduplication, known);
    }

    pub(super) fn known(&self, deduplication: &str) -> Option<&Known> {
        self.known.get(deduplication)
    }

    pub(super) fn all_known(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.known.iter()
    }

    /// What was sent before is known no more.
    pub(super) fn forget(&mut self, before: Millis) {
        if !self.known.is_empty() {
            self.known.retain(|_, known| known.at >= before);
        }
    }
}
