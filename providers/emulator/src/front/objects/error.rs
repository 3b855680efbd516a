//! Refusals, in the form of S3:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use hyper::{Method, StatusCode};

use super::list::escaped;
use crate::front::BodyError;
use crate::sources::storage::bucket::BucketError;

/// An error as the API tells it.
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(super) fn body(error: &BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(
                StatusCode::BAD_REQUEST,
                "EntityTooLarge",
                "the local twin takes no objects of this size; copy the file into the bucket's folder",
            ),
            BodyError::Broken => Self::new(
                StatusCode::BAD_REQUEST,
                "IncompleteBody",
                "the body ended early",
            ),
        }
    }

    pub(super) fn no_bucket(name: &str) -> Self {
        let message = format!(
            "there is no bucket `{name}`; deploy a manifest that names it as a source or an output"
        );
        Self::new(StatusCode::NOT_FOUND, "NoSuchBucket", message)
    }

    pub(super) fn unknown(method: &Method, query: &str) -> Self {
        let message = format!(
            "{method} with `{query}` is not a call that the local twin knows; it reads, writes, lists \
             (ListObjectsV2) and removes objects, one at a time and each at once. Larger files can be \
             copied into the bucket's folder"
        );
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    pub(super) fn no_range() -> Self {
        Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            "the object has no such range",
        )
    }

    pub(super) fn broken_chunks() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "IncompleteBody",
            "the body is declared to be in chunks, and is not",
        )
    }

    pub(super) fn bad_token() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "InvalidArgument",
            "`max-keys` is no number",
        )
    }

    /// As XML.
    pub(super) fn text(&self, resource: &str, id: &str) -> String {
        let (code, message) = (self.code, escaped(&self.message));
        let resource = escaped(resource);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>{message}</Message><Resource>{resource}</Resource>\
             <RequestId>{id}</RequestId></Error>"
        )
    }
}

impl From<BucketError> for ApiError {
    fn from(error: BucketError) -> Self {
        let message = error.to_string();
        match error {
            BucketError::Missing => Self::new(StatusCode::NOT_FOUND, "NoSuchKey", message),
            BucketError::Unnameable(_) => {
                Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
            }
            BucketError::Machine(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
            }
        }
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        BucketError::from(error).into()
    }
}
