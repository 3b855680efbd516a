//! The state while a plan is applied: every edit is on the disk before the next call is made.

use std::sync::{Mutex, PoisonError};

use mlfn_core::ResourceId;
use serde_json::Value as Json;

use crate::error::StateError;
use crate::state::{Document, State, StateStore, Tag, write};

/// Holds the state and writes it.
pub(crate) struct Keeper<'a> {
    store: &'a dyn StateStore,
    memory: Mutex<Memory>,
    /// The version in the store and the edit that it has; held while writing.
    stored: tokio::sync::Mutex<Stored>,
}

struct Memory {
    state: State,
    /// How many edits there were.
    edits: u64,
}

struct Stored {
    tag: Option<Tag>,
    edits: u64,
}

impl<'a> Keeper<'a> {
    /// Of a state that was read as the version `tag`, or of a new one.
    pub(crate) fn new(store: &'a dyn StateStore, state: State, tag: Option<Tag>) -> Self {
        Self {
            store,
            memory: Mutex::new(Memory { state, edits: 0 }),
            stored: tokio::sync::Mutex::new(Stored { tag, edits: 0 }),
        }
    }

    /// Edits the state and writes it. Edits that come while another one is written go to the
    /// store together.
    pub(crate) async fn edit(&self, edit: impl FnOnce(&mut State)) -> Result<(), StateError> {
        let mine = self.with(|memory| {
            edit(&mut memory.state);
            memory.edits += 1;
            memory.edits
        });
        let mut stored = self.stored.lock().await;
        if stored.edits >= mine {
            return Ok(());
        }
        let (bytes, edits) = self.with(|memory| {
            memory.state.serial += 1;
            (write(&memory.state), memory.edits)
        });
        let bytes = bytes?;
        let tag = match self
            .store
            .write(Document::State, &bytes, stored.tag.as_ref())
            .await
        {
            Ok(tag) => tag,
            Err(error) => self.already(&bytes).await.ok_or(error)?,
        };
        *stored = Stored {
            tag: Some(tag),
            edits,
        };
        Ok(())
    }

    /// What is known now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.with(|memory| look(&memory.state))
    }

    /// What others may refer to.
    pub(crate) fn output(&self, from: &ResourceId, output: &str) -> Option<Json> {
        self.look(|state| state.output(from, output).cloned())
    }

    /// The version in the store, if it is what was just written: then only the answer was lost.
    async fn already(&self, bytes: &[u8]) -> Option<Tag> {
        let found = self.store.read(Document::State).await.ok()??;
        (found.bytes == bytes).then_some(found.tag)
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Memory) -> T) -> T {
        // A panic of another step leaves whole edits behind.
        use_it(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
