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
            "{method} with `{query}` is not a call that the local twin knows; it reads, writes, lists, \
             copies and removes objects, at once or in parts"
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
        Self::invalid("`max-keys` is no number")
    }

    pub(super) fn invalid(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", why)
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
            BucketError::NoUpload => Self::new(StatusCode::NOT_FOUND, "NoSuchUpload", message),
            BucketError::NoPart(_) => Self::new(StatusCode::BAD_REQUEST, "InvalidPart", message),
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
