//! The part of the S3 API that reads, writes, lists and removes objects, with the bucket in the path,
//! so that the AWS SDKs and command line work against the buckets of a local cloud
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>).
//! Buckets are made by deploying. Signatures are not checked.

mod chunks;
mod error;
mod list;
mod parts;
mod range;

use std::borrow::Cow;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, HeaderValue,
    LAST_MODIFIED, RANGE,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use self::error::ApiError;
use super::{Reply, read, reply, set};
use crate::Emulator;
use crate::identifiers::{http_date, uuid};
use crate::sources::storage::Buckets;
use crate::sources::storage::bucket::{Bucket, BucketError, ObjectInfo};

/// The most bytes of an object that are taken here, and not by a copy into the folder.
const MAX_OBJECT: usize = 256 * 1024 * 1024;

/// Whether a request is signed for the API, in a header or in its address; nothing else in it tells.
pub(super) fn is_for(head: &Request<Incoming>) -> bool {
    let signed = head.headers().get(AUTHORIZATION);
    let signed = signed.and_then(|value| value.to_str().ok());
    let query = head.uri().query().unwrap_or_default();
    signed.is_some_and(|value| value.contains("/s3/aws4_request"))
        || query.contains("%2Fs3%2Faws4_request")
        // Addresses in the older form, which boto3 still makes.
        || (query.contains("AWSAccessKeyId=") && query.contains("Signature="))
}

pub(super) async fn answer(emulator: &Arc<Emulator>, request: Request<Incoming>) -> Reply {
    let id = uuid();
    let (head, body) = request.into_parts();
    let body = match read(body, MAX_OBJECT).await {
        Ok(body) => body,
        Err(error) => return refused(&ApiError::body(&error), &head, &id),
    };
    let (emulator, own) = (Arc::clone(emulator), id.clone());
    // Objects may be large, and the disk slow.
    let answered = tokio::task::spawn_blocking(move || {
        let desk = Desk {
            buckets: emulator.sources().buckets(),
            head: &head,
        };
        let answered = desk.dispatch(&body);
        answered.unwrap_or_else(|error| refused(&error, &head, &own))
    });
    let mut reply = answered
        .await
        .unwrap_or_else(|_| reply(StatusCode::INTERNAL_SERVER_ERROR, "application/xml", ""));
    set(&mut reply, "x-amz-request-id", &id);
    reply
}

/// A refusal; a request for the head of an answer gets no body.
fn refused(error: &ApiError, head: &Parts, id: &str) -> Reply {
    let text = error.text(head.uri.path(), id);
    let text = if head.method == Method::HEAD {
        String::new()
    } else {
        text
    };
    reply(error.status, "application/xml", text)
}

/// Where calls are answered.
struct Desk<'a> {
    buckets: &'a Arc<Buckets>,
    head: &'a Parts,
}

impl Desk<'_> {
    fn dispatch(&self, body: &[u8]) -> Result<Reply, ApiError> {
        let path = self.head.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let (method, key) = (&self.head.method, decoded(key));
        if bucket.is_empty() && *method == Method::GET {
            return Ok(xml(list::buckets(&self.buckets.all())));
        }
        if let Some(model) = self.buckets.model(bucket, &key)
            && *method == Method::GET
        {
            return self.piece(&model);
        }
        let found = self.buckets.find(bucket);
        let found = found.ok_or_else(|| ApiError::no_bucket(bucket))?;
        match (method, key.as_str()) {
            (&Method::HEAD, "") => Ok(reply(StatusCode::OK, "application/xml", "")),
            (&Method::GET, "") if self.query("location").is_some() => Ok(xml(list::location())),
            (&Method::GET, "") if self.is_plain() => {
                let keys = found.keys()?;
                list::objects((bucket, &found), &keys, &|name| self.query(name)).map(xml)
            }
            (&Method::POST, "") if self.query("delete").is_some() => remove_all(&found, body),
            (_, "") => Err(self.unknown()),
            (&Method::GET | &Method::HEAD, key) if self.is_plain() => self.get(&found, key),
            (&Method::PUT, key) if self.is_plain() => self.put(&found, key, body),
            (&Method::DELETE, key) if self.is_plain() => {
                found.remove(key)?;
                Ok(reply(StatusCode::NO_CONTENT, "application/xml", ""))
            }
            (_, key) => {
                let parts = self.parts((bucket, &found), key, body);
                parts.unwrap_or_else(|| Err(self.unknown()))
            }
        }
    }

    /// Whether this is about objects themselves: tags, versions and the like are not known.
    fn is_plain(&self) -> bool {
        const OTHERS: [&str; 18] = [
            "uploads",
            "uploadId",
            "tagging",
            "acl",
            "attributes",
            "retention",
            "versionId",
            "versions",
            "versioning",
            "policy",
            "cors",
            "lifecycle",
            "notification",
            "encryption",
            "website",
            "logging",
            "replication",
            "object-lock",
        ];
        !OTHERS.iter().any(|name| self.query(name).is_some())
    }

    fn unknown(&self) -> ApiError {
        ApiError::unknown(&self.head.method, self.head.uri.query().unwrap_or_default())
    }

    fn get(&self, bucket: &Bucket, key: &str) -> Result<Reply, ApiError> {
        if self.head.method == Method::HEAD {
            let info = bucket.info(key)?;
            let mut reply = described(reply(StatusCode::OK, kind(key), ""), &info);
            // The length of what is not sent.
            put_header(&mut reply, CONTENT_LENGTH, &info.size.to_string());
            return Ok(reply);
        }
        let (info, content) = bucket.read(key)?;
        let Some(wanted) = self.wanted() else {
            return Ok(described(reply(StatusCode::OK, kind(key), content), &info));
        };
        let range = wanted.of(info.size).ok_or_else(ApiError::no_range)?;
        let told = told(&range, info.size);
        let part = content.get(range).map(<[u8]>::to_vec).unwrap_or_default();
        let part = reply(StatusCode::PARTIAL_CONTENT, kind(key), part);
        let mut reply = described(part, &info);
        put_header(&mut reply, CONTENT_RANGE, &told);
        Ok(reply)
    }

    /// The part of a model that is asked for, which alone is read: models are large.
    fn piece(&self, model: &Path) -> Result<Reply, ApiError> {
        let file = fs_err::File::open(model).map_err(BucketError::from)?;
        let size = file.metadata().map_err(BucketError::from)?.len();
        let wanted = self.wanted().unwrap_or(range::Wanted::From(0, None));
        let range = wanted.of(size).ok_or_else(ApiError::no_range)?;
        let mut part = vec![0; range.len()];
        file.file()
            .read_exact_at(&mut part, range.start as u64)
            .map_err(BucketError::from)?;
        let status = match self.wanted() {
            Some(_) => StatusCode::PARTIAL_CONTENT,
            None => StatusCode::OK,
        };
        let mut reply = reply(status, "application/octet-stream", part);
        put_header(&mut reply, ACCEPT_RANGES, "bytes");
        put_header(&mut reply, CONTENT_RANGE, &told(&range, size));
        Ok(reply)
    }

    /// The part of an object that the request is about, if it is not all of it.
    fn wanted(&self) -> Option<range::Wanted> {
        let header = self.head.headers.get(RANGE)?;
        range::read(header.to_str().ok()?)
    }

    fn put(&self, bucket: &Bucket, key: &str, body: &[u8]) -> Result<Reply, ApiError> {
        if let Some(source) = self.head.headers.get("x-amz-copy-source") {
            return self.copy(bucket, key, source.to_str().unwrap_or_default());
        }
        let tag = bucket.write(key, &self.content(body)?)?;
        let mut reply = reply(StatusCode::OK, "application/xml", "");
        put_header(&mut reply, ETAG, &format!("\"{tag}\""));
        Ok(reply)
    }

    /// What a body comes to.
    fn content<'b>(&self, body: &'b [u8]) -> Result<Cow<'b, [u8]>, ApiError> {
        if !chunks::are_in(&self.head.headers) {
            return Ok(Cow::Borrowed(body));
        }
        let joined = chunks::joined(body).ok_or_else(ApiError::broken_chunks)?;
        Ok(Cow::Owned(joined))
    }

    /// `CopyObject`, from `<bucket>/<key>`.
    fn copy(&self, bucket: &Bucket, key: &str, source: &str) -> Result<Reply, ApiError> {
        let source = decoded(source.trim_start_matches('/'));
        let (from, name) = source.split_once('/').unwrap_or((&source, ""));
        let from = self.buckets.find(from);
        let from = from.ok_or_else(|| ApiError::no_bucket(&source))?;
        let (_, content) = from.read(name)?;
        bucket.write(key, &content)?;
        Ok(xml(list::copied(&bucket.info(key)?)))
    }

    /// A parameter, which may have no value.
    fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query()?;
        query.split('&').find_map(|pair| {
            let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
            (found == name).then(|| decoded(&value.replace('+', " ")))
        })
    }
}

/// For `Content-Range`.
fn told(range: &Range<usize>, size: u64) -> String {
    format!(
        "bytes {}-{}/{size}",
        range.start,
        range.end.saturating_sub(1)
    )
}

/// `DeleteObjects`. What is not there is removed.
fn remove_all(bucket: &Bucket, body: &[u8]) -> Result<Reply, ApiError> {
    let body = String::from_utf8_lossy(body);
    let keys: Vec<String> = parts::elements(&body, "Key").collect();
    for key in &keys {
        bucket.remove(key)?;
    }
    let is_quiet = parts::elements(&body, "Quiet").any(|quiet| quiet == "true");
    Ok(xml(list::removed(if is_quiet { &[] } else { &keys })))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn xml(text: String) -> Reply {
    reply(StatusCode::OK, "application/xml", text)
}

fn described(mut reply: Reply, info: &ObjectInfo) -> Reply {
    put_header(&mut reply, ETAG, &format!("\"{}\"", info.tag));
    put_header(&mut reply, LAST_MODIFIED, &http_date(info.modified));
    put_header(&mut reply, ACCEPT_RANGES, "bytes");
    reply
}

fn put_header(reply: &mut Response<impl Sized>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        let headers: &mut HeaderMap = reply.headers_mut();
        headers.insert(name, value);
    }
}

/// Files have no types. These are what the names of requests and predictions say.
fn kind(key: &str) -> &'static str {
    match key.rsplit('.').next() {
        Some("json") => "application/json",
        Some("txt" | "csv") => "text/plain",
        _ => "binary/octet-stream",
    }
}
