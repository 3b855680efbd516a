//! Where state lies: two documents that are written only by those who know what is there.

use async_trait::async_trait;

/// A place for the documents of one stage of one service.
///
/// The only thing asked of a place is the conditional write: everything about locks and takeovers
/// is built on it, once, in `lock`.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// For messages: a path or a URL of `document`.
    fn place(&self, document: Document) -> String;

    /// The document and its version; none if there is none.
    async fn read(&self, document: Document) -> Result<Option<Versioned>, StoreError>;

    /// Replaces the version `expected` of the document (none: there must be none), whole or not at
    /// all, and durably. Fails with [`StoreError::Moved`] if another one is there.
    async fn write(
        &self,
        document: Document,
        bytes: &[u8],
        expected: Option<&Tag>,
    ) -> Result<Tag, StoreError>;
}

/// One of the two documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Document {
    /// What was deployed.
    State,
    /// Who may write it.
    Lock,
}

impl Document {
    /// The name of its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::State => "state.json",
            Self::Lock => "lock.json",
        }
    }
}

/// A document as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Its contents.
    pub bytes: Vec<u8>,
    /// Their version.
    pub tag: Tag,
}

/// A version of a document: an `ETag`, or the digest of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(pub String);

/// A place that does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else wrote it in the meantime.
    #[error("`{place}` was changed by somebody else")]
    Moved {
        /// Of the document.
        place: String,
    },
    /// Anything else: no such folder, no permission, no network.
    #[error("cannot {action} `{place}`")]
    Failed {
        /// `read` or `write`.
        action: &'static str,
        /// Of the document.
        place: String,
        /// What the place said.
        #[source]
        source: mlfn_core::BoxError,
    },
}
