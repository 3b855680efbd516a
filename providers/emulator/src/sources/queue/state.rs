//! What is in the queues, and what may become of it. Pure: it is told what time it is, and says what
//! has changed, so that the same changes make the same state again.
//!
//! The rules are those of SQS: the Developer Guide, "visibility timeout", "dead-letter queues" and
//! "FIFO queue delivery logic".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::{Fifo, Message, Millis, number_in, receipt};
use super::messages::Messages;

/// How a queue is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// For how long nobody else gets a message that somebody has got.
    pub(crate) visibility: Millis,
    /// For how long a message is kept.
    pub(crate) retention: Millis,
    /// Where messages go that were given out so often, and the number.
    pub(crate) redrive: Option<(String, u32)>,
    /// How messages come in order; none if they need not.
    pub(crate) order: Option<Order>,
}

/// How the messages of a FIFO queue come in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// Whether the content of a message says which it is, if its sender does not.
    pub(crate) by_content: bool,
}

/// For how long a FIFO queue knows what it was sent.
const DEDUPLICATION: Millis = 5 * 60 * 1000;

/// Something that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// A message is there that was not.
    Sent {
        queue: String,
        message: Box<Message>,
        number: u64,
    },
    /// Somebody has got a message.
    Received {
        queue: String,
        number: u64,
        receipt: String,
        at: Millis,
        until: Millis,
    },
    /// A message is given to nobody else before.
    Hidden {
        queue: String,
        number: u64,
        until: Millis,
    },
    /// It is as if a message had not been received.
    Returned {
        queue: String,
        number: u64,
        at: Millis,
    },
    /// A message is gone.
    Removed { queue: String, number: u64 },
    /// A message was received too often.
    Died {
        queue: String,
        number: u64,
        to: String,
        at: Millis,
    },
    /// Something was sent, and is gone since.
    Known {
        queue: String,
        deduplication: String,
        known: Known,
    },
    /// A queue is gone with everything in it, or only the latter.
    Emptied { queue: String },
    /// The next message gets this number.
    Numbered { next: u64 },
}

/// What a FIFO queue keeps of what it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) at: Millis,
    pub(crate) id: String,
    pub(crate) sequence: u64,
}

/// Something to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, super::message::Attribute>,
    pub(crate) trace: Option<String>,
    /// For so long nobody gets it.
    pub(crate) delay: Millis,
    /// Group and what tells duplicates, for FIFO queues.
    pub(crate) fifo: Option<(String, String)>,
}

/// How much somebody wants to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) messages: usize,
    /// The most that all of them may weigh ([`Message::weight`]); the first is given in any case.
    pub(crate) weight: usize,
    /// For how long nobody else gets them; none for what the queue says.
    pub(crate) visibility: Option<Millis>,
}

/// What somebody got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) messages: Vec<Message>,
    /// Whether another one would have been too heavy.
    pub(crate) is_full: bool,
    /// The ids of those that were given out too often, and where each is now.
    pub(crate) died: Vec<(String, String)>,
}

/// Why something cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    /// There is no such queue.
    #[error("The specified queue does not exist.")]
    NoQueue,
    /// Nobody can have got that receipt.
    #[error("The input receipt handle is invalid.")]
    BadReceipt,
    /// Nobody has got the message at the moment.
    #[error("The message referred to is not in flight.")]
    NotInFlight,
}

/// How many messages a queue has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// That anybody could get now.
    pub(crate) visible: usize,
    /// That somebody has got.
    pub(crate) in_flight: usize,
    /// That nobody has got yet, or may.
    pub(crate) delayed: usize,
}

/// All queues.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct State {
    settings: BTreeMap<String, Settings>,
    queues: BTreeMap<String, Messages>,
    /// The number of the next message.
    next: u64,
    /// What has changed since somebody took this.
    changes: Vec<Change>,
}

impl State {
    /// The queues that there are from now on. What is in others is gone.
    pub(crate) fn configure(&mut self, settings: BTreeMap<String, Settings>) {
        let gone: Vec<String> = self
            .queues
            .keys()
            .filter(|name| !settings.contains_key(*name))
            .cloned()
            .collect();
        for queue in gone {
            self.make(Change::Emptied { queue });
        }
        self.settings = settings;
    }

    /// How a queue is set up.
    pub(crate) fn settings(&self, queue: &str) -> Result<&Settings, QueueError> {
        self.settings.get(queue).ok_or(QueueError::NoQueue)
    }

    /// What has changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Adds a message; answers its id and, in a FIFO queue, its place in the order. One that the
    /// queue knows already is not added again.
    pub(crate) fn send(
        &mut self,
        queue: &str,
        draft: Draft,
        now: Millis,
    ) -> Result<(String, Option<u64>), QueueError> {
        self.settings(queue)?;
        self.settle(queue, now);
        let number = self.next;
        let deduplication = draft.fifo.as_ref().map(|(_, deduplication)| deduplication);
        if let Some(deduplication) = deduplication
            && let Some(known) = self.messages(queue).known(deduplication)
            && known.at + DEDUPLICATION > now
        {
            return Ok((known.id.clone(), Some(known.sequence)));
        }
        let sequence = draft.fifo.is_some().then_some(number);
        let message = Message {
            id: draft.id.clone(),
            body: draft.body,
            attributes: draft.attributes,
            trace: draft.trace,
            fifo: draft.fifo.map(|(group, deduplication)| Fifo {
                group,
                deduplication,
                sequence: number,
            }),
            sent: now,
            visible: now + draft.delay,
            received: 0,
            first_received: None,
            receipt: None,
            died_in: None,
        };
        self.make(Change::Sent {
            queue: queue.to_owned(),
            message: Box::new(message),
            number,
        });
        Ok((draft.id, sequence))
    }

    /// Gives messages out, which nobody else gets for a while. Those that were given out too often
    /// go where the queue says instead.
    pub(crate) fn receive(
        &mut self,
        queue: &str,
        want: Want,
        now: Millis,
    ) -> Result<Received, QueueError> {
        let settings = self.settings(queue)?.clone();
        self.settle(queue, now);
        let until = now + want.visibility.unwrap_or(settings.visibility);
        let blocked = self.messages(queue).blocked_groups();
        let mut received = Received::default();
        let (mut next, mut weight) = (0, 0);
        while received.messages.len() < want.messages
            && let Some((number, message)) = self.messages(queue).available(next, &blocked)
        {
            next = number + 1;
            if let Some(to) = self.dies(&settings, message) {
                received.died.push((message.id.clone(), to.clone()));
                self.die(queue, number, to, now);
                continue;
            }
            weight += message.weight();
            received.is_full = weight > want.weight && !received.messages.is_empty();
            if received.is_full {
                break;
            }
            self.make(Change::Received {
                queue: queue.to_owned(),
                number,
                receipt: receipt(number),
                at: now,
                until,
            });
            let message = self.messages(queue).get(number).cloned();
            received.messages.extend(message);
        }
        Ok(received)
    }

    /// Where a message goes instead of to somebody; none if it has tries left.
    fn dies(&self, settings: &Settings, message: &Message) -> Option<String> {
        let (to, most) = settings.redrive.as_ref()?;
        let is_over = message.received >= *most && self.settings.contains_key(to);
        is_over.then(|| to.clone())
    }

    /// Removes a message that somebody has got. A receipt that is not the last one of its message
    /// removes nothing, and is no error.
    pub(crate) fn delete(&mut self, queue: &str, receipt: &str) -> Result<(), QueueError> {
        self.settings(queue)?;
        if let Some(number) = self.holds(queue, receipt)? {
            let queue = queue.to_owned();
            self.make(Change::Removed { queue, number });
        }
        Ok(())
    }

    /// Changes for how long nobody else gets a message that somebody has got.
    pub(crate) fn hide(
        &mut self,
        queue: &str,
        receipt: &str,
        (now, duration): (Millis, Millis),
    ) -> Result<(), QueueError> {
        self.settings(queue)?;
        self.settle(queue, now);
        let number = self.holds(queue, receipt)?;
        let in_flight = |number: &u64| self.messages(queue).is_in_flight(*number);
        let number = number.filter(in_flight).ok_or(QueueError::NotInFlight)?;
        self.make(Change::Hidden {
            queue: queue.to_owned(),
            number,
            until: now + duration,
        });
        Ok(())
    }

    /// Takes a message back as if nobody had got it, because nobody has looked at it.
    pub(crate) fn give_back(
        &mut self,
        queue: &str,
        receipt: &str,
        now: Millis,
    ) -> Result<(), QueueError> {
        self.settings(queue)?;
        self.settle(queue, now);
        let number = self.holds(queue, receipt)?;
        if let Some(number) = number.filter(|number| self.messages(queue).is_in_flight(*number)) {
            self.make(Change::Returned {
                queue: queue.to_owned(),
                number,
                at: now,
            });
        }
        Ok(())
    }

    /// Removes everything from a queue.
    pub(crate) fn purge(&mut self, queue: &str) -> Result<(), QueueError> {
        self.settings(queue)?;
        let queue = queue.to_owned();
        self.make(Change::Emptied { queue });
        Ok(())
    }

    /// How many messages there are.
    pub(crate) fn counts(&mut self, queue: &str, now: Millis) -> Result<Counts, QueueError> {
        self.settings(queue)?;
        self.settle(queue, now);
        Ok(self.messages(queue).counts())
    }

    /// The oldest messages, which are not received by that.
    pub(crate) fn peek(
        &mut self,
        queue: &str,
        most: usize,
        now: Millis,
    ) -> Result<Vec<Message>, QueueError> {
        self.settings(queue)?;
        self.settle(queue, now);
        let all = self.messages(queue).all();
        Ok(all.take(most).map(|(_, message)| message.clone()).collect())
    }

    /// When there will be more to receive, if nothing is sent.
    pub(crate) fn next_visible(&mut self, queue: &str, now: Millis) -> Option<Millis> {
        self.settle(queue, now);
        self.queues.get(queue)?.next_visible()
    }

    /// How many messages there are in all queues.
    pub(crate) fn len(&self) -> usize {
        self.queues.values().map(Messages::len).sum()
    }

    /// Does what was done before.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Sent {
                queue,
                message,
                number,
            } => {
                self.next = self.next.max(number + 1);
                self.messages_mut(queue)
                    .put(*number, Message::clone(message));
            }
            Change::Received {
                queue,
                number,
                receipt,
                at,
                until,
            } => {
                self.messages_mut(queue).change(*number, |message| {
                    message.received += 1;
                    message.first_received.get_or_insert(*at);
                    message.receipt = Some(receipt.clone());
                    message.visible = *until;
                });
            }
            Change::Hidden {
                queue,
                number,
                until,
            } => {
                self.messages_mut(queue)
                    .change(*number, |message| message.visible = *until);
            }
            Change::Returned { queue, number, at } => {
                self.messages_mut(queue).change(*number, |message| {
                    message.received = message.received.saturating_sub(1);
                    message.receipt = None;
                    message.visible = *at;
                });
            }
            Change::Removed { queue, number } => drop(self.messages_mut(queue).take(*number)),
            Change::Died {
                queue,
                number,
                to,
                at,
            } => self.bury(queue, *number, to, *at),
            Change::Known {
                queue,
                deduplication,
                known,
            } => {
                self.next = self.next.max(known.sequence + 1);
                self.messages_mut(queue)
                    .know(deduplication.clone(), known.clone());
            }
            Change::Emptied { queue } => drop(self.queues.remove(queue)),
            Change::Numbered { next } => self.next = self.next.max(*next),
        }
    }

    /// The changes that make this state from nothing.
    pub(crate) fn snapshot(&self) -> Vec<Change> {
        let mut changes = vec![Change::Numbered { next: self.next }];
        for (queue, messages) in &self.queues {
            changes.extend(
                messages
                    .all_known()
                    .map(|(deduplication, known)| Change::Known {
                        queue: queue.clone(),
                        deduplication: deduplication.clone(),
                        known: known.clone(),
                    }),
            );
            changes.extend(messages.all().map(|(number, message)| Change::Sent {
                queue: queue.clone(),
                message: Box::new(message.clone()),
                number,
            }));
        }
        changes
    }

    fn make(&mut self, change: Change) {
        self.apply(&change);
        self.changes.push(change);
    }

    /// Notices what time has done to a queue.
    fn settle(&mut self, queue: &str, now: Millis) {
        let Some(settings) = self.settings.get(queue) else {
            return;
        };
        let oldest = (now + 1).saturating_sub(settings.retention);
        let known_until = (now + 1).saturating_sub(DEDUPLICATION);
        let Some(messages) = self.queues.get_mut(queue) else {
            return;
        };
        messages.wake(now);
        messages.forget(known_until);
        for number in messages.sent_before(oldest) {
            let queue = queue.to_owned();
            self.make(Change::Removed { queue, number });
        }
    }

    fn die(&mut self, queue: &str, number: u64, to: String, at: Millis) {
        let queue = queue.to_owned();
        self.make(Change::Died {
            queue,
            number,
            to,
            at,
        });
    }

    /// The time when it was sent stays, so that it is kept no longer.
    fn bury(&mut self, queue: &str, number: u64, to: &str, at: Millis) {
        let Some(mut message) = self.messages_mut(queue).take(number) else {
            return;
        };
        message.received = 0;
        message.receipt = None;
        message.first_received = None;
        message.visible = at;
        message.died_in = Some(queue.to_owned());
        self.messages_mut(to).put(number, message);
    }

    /// The number of the message that a receipt is the last one of; none if another one is.
    fn holds(&self, queue: &str, receipt: &str) -> Result<Option<u64>, QueueError> {
        let number = number_in(receipt).ok_or(QueueError::BadReceipt)?;
        let message = self.messages(queue).get(number);
        let is_last = message.is_some_and(|message| message.receipt.as_deref() == Some(receipt));
        Ok(is_last.then_some(number))
    }

    fn messages(&self, queue: &str) -> &Messages {
        static NONE: Messages = Messages::EMPTY;
        self.queues.get(queue).unwrap_or(&NONE)
    }

    fn messages_mut(&mut self, queue: &str) -> &mut Messages {
        self.queues.entry(queue.to_owned()).or_default()
    }
}
