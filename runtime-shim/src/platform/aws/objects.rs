//! Objects in buckets: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>.

use std::ops::Range;

use bytes::Bytes;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::http_client::HttpError;
use super::settings::{AwsService, Endpoint, domain};
use super::{ANSWER, Aws, AwsError, Call};
use crate::platform::http::header;

/// What stays as it is in the paths of signed requests.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// Its bucket.
    pub(crate) bucket: String,
    /// Its key, as people write it.
    pub(crate) key: String,
    /// Its size in bytes, as far as one was told.
    pub(crate) size: Option<u64>,
}

impl Object {
    /// Its address, for people.
    pub(crate) fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// What is in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// All of it.
    pub(crate) body: Bytes,
    /// What it says that it is.
    pub(crate) kind: Option<String>,
}

/// Why an object was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Nobody wants it so large.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
        /// In bytes, if that is known.
        size: Option<u64>,
    },
    /// The bucket does not give it.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl Aws {
    /// Reads an object of at most `limit` bytes.
    pub(crate) async fn get_object(
        &self,
        object: &Object,
        limit: usize,
    ) -> Result<Content, ReadError> {
        let call = self.object_call(Method::GET, object, limit);
        let answer = self.in_its_region(call, object).await;
        let answer = answer.map_err(|error| match error {
            AwsError::NoAnswer {
                source: HttpError::TooLarge { limit, size },
                ..
            } => ReadError::TooLarge { limit, size },
            other => other.into(),
        })?;
        Ok(Content {
            kind: header(answer.headers(), CONTENT_TYPE.as_str()).map(str::to_owned),
            body: answer.into_body(),
        })
    }

    /// Reads the bytes of an object from `piece.start` to before `piece.end`.
    pub(crate) async fn get_piece(
        &self,
        object: &Object,
        piece: Range<u64>,
    ) -> Result<Bytes, ReadError> {
        let length = usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX);
        let mut call = self.object_call(Method::GET, object, length);
        let range = format!("bytes={}-{}", piece.start, piece.end.saturating_sub(1));
        call.headers.push(("range", range));
        let answer = self.in_its_region(call, object).await?;
        Ok(answer.into_body())
    }

    /// Writes an object of JSON. One that is there is replaced.
    pub(crate) async fn put_json(&self, object: &Object, body: Bytes) -> Result<(), AwsError> {
        let mut call = self.object_call(Method::PUT, object, ANSWER);
        let kind = ("content-type", "application/json".to_owned());
        call.headers.push(kind);
        call.body = body;
        self.in_its_region(call, object).await.map(drop)
    }

    fn object_call(&self, method: Method, object: &Object, limit: usize) -> Call {
        let region = self.settings.region.clone();
        let (endpoint, path) = self.place(object, &region);
        Call {
            service: AwsService::S3,
            region,
            endpoint,
            method,
            path,
            headers: Vec::new(),
            body: Bytes::new(),
            limit,
        }
    }

    /// A bucket of another region says which one.
    async fn in_its_region(
        &self,
        mut call: Call,
        object: &Object,
    ) -> Result<hyper::Response<Bytes>, AwsError> {
        let result = self.call(&call).await;
        let Err(AwsError::Refused {
            region: Some(region),
            ..
        }) = &result
        else {
            return result;
        };
        if *region == call.region {
            return result;
        }
        call.region.clone_from(region);
        (call.endpoint, call.path) = self.place(object, region);
        self.call(&call).await
    }

    /// The server of an object and its path there. AWS has a host for each bucket, of which the
    /// certificates allow no dots; other implementations have one for all.
    pub(super) fn place(
        &self,
        Object { bucket, key, .. }: &Object,
        region: &str,
    ) -> (Endpoint, String) {
        let key = percent_encode(key.as_bytes(), ENCODED);
        if self.settings.endpoint(AwsService::S3).is_none() && !bucket.contains('.') {
            let host = format!("{bucket}.s3.{region}.{}", domain(region));
            return (Endpoint::aws(host), format!("/{key}"));
        }
        let path = format!("/{bucket}/{key}");
        (self.endpoint(AwsService::S3, region), path)
    }
}
