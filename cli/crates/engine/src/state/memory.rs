//! Documents in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mlfn_core::Digest;

use super::{Document, StateStore, StoreError, Tag, Versioned};

/// A place that is gone when the process is.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<Document, Versioned>>);

impl MemoryStore {
    /// With nothing in it.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    fn place(&self, document: Document) -> String {
        format!("memory:{}", document.file_name())
    }

    async fn read(&self, document: Document) -> Result<Option<Versioned>, StoreError> {
        let documents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(documents.get(&document).cloned())
    }

    async fn write(
        &self,
        document: Document,
        bytes: &[u8],
        expected: Option<&Tag>,
    ) -> Result<Tag, StoreError> {
        let mut documents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if documents.get(&document).map(|found| &found.tag) != expected {
            return Err(StoreError::Moved {
                place: self.place(document),
            });
        }
        let tag = Tag(Digest::of(bytes).as_str().to_owned());
        documents.insert(
            document,
            Versioned {
                bytes: bytes.to_vec(),
                tag: tag.clone(),
            },
        );
        Ok(tag)
    }
}
