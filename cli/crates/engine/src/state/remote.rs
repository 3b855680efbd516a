//! Documents as objects of a bucket: S3, Azure Blob Storage, Google Cloud Storage, or anything
//! else that has conditional writes.

use std::sync::Arc;

use async_trait::async_trait;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutResult, UpdateVersion};

use super::{Document, StateStore, StoreError, Tag, Versioned};

/// Objects under a prefix, by convention `<service>/<stage>/`.
///
/// The version of an object is its `ETag` (S3, Azure) and its generation (Google). A write whose
/// answer is lost is sent again by the client and then looks like somebody else's write; those who
/// write compare what they find with what they wrote.
#[derive(Debug, Clone)]
pub struct RemoteStore {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The bucket, for messages.
    bucket: String,
}

impl RemoteStore {
    /// Under `prefix` of `objects`, which messages call `bucket`, e.g. `s3://states`.
    pub fn new(objects: Arc<dyn ObjectStore>, bucket: impl Into<String>, prefix: &str) -> Self {
        Self {
            objects,
            prefix: Path::from(prefix),
            bucket: bucket.into(),
        }
    }

    fn path(&self, document: Document) -> Path {
        self.prefix.clone().join(document.file_name())
    }

    fn failed(&self, action: &'static str, document: Document, source: Error) -> StoreError {
        StoreError::Failed {
            action,
            place: self.place(document),
            source: source.into(),
        }
    }

    async fn found(&self, document: Document) -> Result<Option<Versioned>, Error> {
        let found = match self.objects.get(&self.path(document)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let tag = tag(found.meta.e_tag.clone(), found.meta.version.clone());
        Ok(Some(Versioned {
            bytes: found.bytes().await?.to_vec(),
            tag,
        }))
    }
}

#[async_trait]
impl StateStore for RemoteStore {
    fn place(&self, document: Document) -> String {
        format!("{}/{}", self.bucket, self.path(document))
    }

    async fn read(&self, document: Document) -> Result<Option<Versioned>, StoreError> {
        self.found(document)
            .await
            .map_err(|error| self.failed("read", document, error))
    }

    async fn write(
        &self,
        document: Document,
        bytes: &[u8],
        expected: Option<&Tag>,
    ) -> Result<Tag, StoreError> {
        let mode = expected.map_or(PutMode::Create, |tag| PutMode::Update(version(tag)));
        let bytes = bytes.to_vec().into();
        match self
            .objects
            .put_opts(&self.path(document), bytes, mode.into())
            .await
        {
            Ok(PutResult { e_tag, version, .. }) => Ok(tag(e_tag, version)),
            // What one expected to be there may also be gone.
            Err(
                Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. },
            ) => Err(StoreError::Moved {
                place: self.place(document),
            }),
            Err(error) => Err(self.failed("write", document, error)),
        }
    }
}

/// Both parts in one text; neither has a line end.
fn tag(e_tag: Option<String>, version: Option<String>) -> Tag {
    Tag(format!(
        "{}\n{}",
        e_tag.unwrap_or_default(),
        version.unwrap_or_default()
    ))
}

fn version(tag: &Tag) -> UpdateVersion {
    let (e_tag, version) = tag.0.split_once('\n').unwrap_or((&tag.0, ""));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    UpdateVersion {
        e_tag: some(e_tag),
        version: some(version),
    }
}
