//! Documents as objects of a bucket: S3, Azure Blob Storage, Google Cloud Storage, or anything
//! else that has conditional writes.

mod http;
mod open;

use std::error::Error as _;
use std::sync::Arc;

use async_trait::async_trait;
use mlfn_core::Bucket;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutResult, UpdateVersion};

use self::http::Told;
use super::{Document, StateStore, StoreError, Tag, Versioned};

pub use self::open::{AwsSettings, Surroundings};

/// Objects under a prefix, by convention `<service>/<place>/<stage>/`.
///
/// The version of an object is its `ETag` (S3, Azure) or its generation (Google). A write whose
/// answer is lost is sent again by the client and then looks like somebody else's write; those who
/// write compare what they find with what they wrote.
#[derive(Debug, Clone)]
pub struct RemoteStore {
    objects: Arc<dyn ObjectStore>,
    bucket: Bucket,
    prefix: Path,
}

impl RemoteStore {
    /// Under `prefix` of `objects`, which messages call `bucket`.
    pub fn new(objects: Arc<dyn ObjectStore>, bucket: Bucket, prefix: &str) -> Self {
        Self {
            objects,
            bucket,
            prefix: Path::from(prefix),
        }
    }

    fn path(&self, document: Document) -> Path {
        self.prefix.clone().join(document.file_name())
    }

    fn failed(&self, action: &'static str, document: Document, error: Error) -> StoreError {
        failed(action, self.place(document), &self.bucket, error)
    }

    async fn found(&self, document: Document) -> Result<Option<Versioned>, Error> {
        let found = match self.objects.get(&self.path(document)).await {
            Ok(found) => found,
            Err(error @ Error::NotFound { .. }) if !is_about_the_bucket(&error) => return Ok(None),
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
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                Err(StoreError::Moved {
                    place: self.place(document),
                })
            }
            // What one expected to be there may also be gone.
            Err(error @ Error::NotFound { .. })
                if expected.is_some() && !is_about_the_bucket(&error) =>
            {
                Err(StoreError::Moved {
                    place: self.place(document),
                })
            }
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

/// What went wrong, as far as a caller can do something about it.
fn failed(action: &'static str, place: String, bucket: &Bucket, error: Error) -> StoreError {
    let bucket = bucket.clone();
    let told = told(&error);
    if let Some(Told::OtherRegion(region)) = told {
        let region = region.clone();
        return StoreError::OtherRegion {
            bucket,
            region,
            source: error.into(),
        };
    }
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => StoreError::Denied {
            action,
            place,
            bucket,
            source: error.into(),
        },
        _ if matches!(told, Some(Told::NoIdentity(_))) => StoreError::Denied {
            action,
            place,
            bucket,
            source: error.into(),
        },
        Error::NotFound { .. } => StoreError::NoBucket {
            bucket,
            source: error.into(),
        },
        _ => StoreError::Failed {
            action,
            place,
            source: error.into(),
        },
    }
}

/// What our own client said somewhere below the error.
fn told(error: &Error) -> Option<&Told> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(told) = error.downcast_ref() {
            return Some(told);
        }
        cause = error.source();
    }
    None
}

/// Whether not only the object is missing. The codes are those of S3 and Google (XML API) and of
/// Azure, which stand in the body of the answer.
fn is_about_the_bucket(error: &Error) -> bool {
    let text = error.to_string();
    ["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"]
        .iter()
        .any(|code| text.contains(code))
}
