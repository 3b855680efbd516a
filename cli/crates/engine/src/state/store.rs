//! Where state lies: two documents that are written only by those who know what is there.

use async_trait::async_trait;
use mlfn_core::Bucket;

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
    /// The bucket does not know us, or not as somebody who may do this.
    #[error("you may not {action} `{place}`")]
    Denied {
        /// `open`, `read` or `write`.
        action: &'static str,
        /// Of the document.
        place: String,
        /// The bucket.
        bucket: Bucket,
        /// What the place said.
        #[source]
        source: mlfn_core::BoxError,
    },
    /// There is no such bucket.
    #[error("there is no bucket `{bucket}`")]
    NoBucket {
        /// Which.
        bucket: Bucket,
        /// What the place said.
        #[source]
        source: mlfn_core::BoxError,
    },
    /// The bucket is in another region than the one where it was looked for.
    #[error("the bucket `{bucket}` is in the region `{region}`")]
    OtherRegion {
        /// Which.
        bucket: Bucket,
        /// Where it is.
        region: String,
        /// What the place said.
        #[source]
        source: mlfn_core::BoxError,
    },
    /// Anything else: no such folder, a full disk, no network.
    #[error("cannot {action} `{place}`")]
    Failed {
        /// `open`, `read` or `write`.
        action: &'static str,
        /// Of the document.
        place: String,
        /// What the place said.
        #[source]
        source: mlfn_core::BoxError,
    },
}

impl StoreError {
    /// What to do about it, if that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Moved { .. } | Self::Failed { .. } => None,
            Self::Denied { bucket, .. } => Some(match bucket {
                Bucket::S3 { .. } => {
                    "Deploying needs `s3:GetObject` and `s3:PutObject` there, and \
                     `s3:ListBucket` on the bucket: without it, S3 does not tell a state that is \
                     not there from one that is kept from you. `aws sts get-caller-identity` tells \
                     who you are."
                        .to_owned()
                }
                Bucket::Azure { account, .. } => format!(
                    "Sign in with `az login`, and have the role `Storage Blob Data Contributor` on \
                     the storage account `{account}`; or set `AZURE_STORAGE_ACCOUNT_KEY`."
                ),
                Bucket::Google { .. } => {
                    "Sign in with `gcloud auth application-default login`, or \
                     set `GOOGLE_APPLICATION_CREDENTIALS`, and have the role `Storage Object User` \
                     on the bucket."
                        .to_owned()
                }
            }),
            Self::OtherRegion { bucket, region, .. } => Some(format!(
                "Say so at the end of its URL, as in `{bucket}?region={region}`."
            )),
            Self::NoBucket { bucket, .. } => Some(match bucket {
                Bucket::S3 { name, .. } => {
                    format!("Check its name and your account, or make it: `aws s3 mb s3://{name}`.")
                }
                Bucket::Azure { account, container } => format!(
                    "Check its name, or make it: `az storage container create --account-name \
                     {account} --name {container}`."
                ),
                Bucket::Google { name } => format!(
                    "Check its name, or make it: `gcloud storage buckets create gs://{name}`."
                ),
            }),
        }
    }
}
