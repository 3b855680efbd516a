//! Objects that come in parts, as clients send large files:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>.

use hyper::header::ETAG;
use hyper::{Method, StatusCode};

use super::error::ApiError;
use super::list::{HEAD, NAMESPACE, escaped};
use super::{Desk, put_header, reply, xml};
use crate::front::Reply;
use crate::sources::storage::bucket::Bucket;

impl Desk<'_> {
    /// A call about an upload in parts; none if it is about something else.
    pub(super) fn parts(
        &self,
        (name, bucket): (&str, &Bucket),
        key: &str,
        body: &[u8],
    ) -> Option<Result<Reply, ApiError>> {
        let method = &self.head.method;
        if *method == Method::POST && self.query("uploads").is_some() {
            return Some(begin((name, bucket), key));
        }
        let upload = self.query("uploadId")?;
        Some(match *method {
            Method::PUT => self.part(bucket, &upload, body),
            Method::POST => complete((name, bucket), key, &upload, body),
            Method::DELETE => {
                let aborted = bucket.abort(&upload).map_err(ApiError::from);
                aborted.map(|()| reply(StatusCode::NO_CONTENT, "application/xml", ""))
            }
            _ => Err(self.unknown()),
        })
    }

    fn part(&self, bucket: &Bucket, upload: &str, body: &[u8]) -> Result<Reply, ApiError> {
        let number = self.query("partNumber");
        let number = number.and_then(|number| number.parse().ok());
        let number: u32 = number.ok_or_else(|| ApiError::invalid("`partNumber` is no number"))?;
        let tag = bucket.put_part(upload, number, &self.content(body)?)?;
        let mut reply = reply(StatusCode::OK, "application/xml", "");
        put_header(&mut reply, ETAG, &format!("\"{tag}\""));
        Ok(reply)
    }
}

fn begin((name, bucket): (&str, &Bucket), key: &str) -> Result<Reply, ApiError> {
    let upload = bucket.begin()?;
    let key = escaped(key);
    Ok(xml(format!(
        "{HEAD}<InitiateMultipartUploadResult xmlns=\"{NAMESPACE}\"><Bucket>{name}</Bucket>\
         <Key>{key}</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
    )))
}

/// Which parts, and in which order, the body says.
fn complete(
    (name, bucket): (&str, &Bucket),
    key: &str,
    upload: &str,
    body: &[u8],
) -> Result<Reply, ApiError> {
    let body = String::from_utf8_lossy(body);
    let numbers: Result<Vec<u32>, _> = elements(&body, "PartNumber")
        .map(|number| number.trim().parse())
        .collect();
    let numbers = numbers.map_err(|_| ApiError::invalid("`PartNumber` is no number"))?;
    let tag = bucket.complete(upload, &numbers, key)?;
    let key = escaped(key);
    Ok(xml(format!(
        "{HEAD}<CompleteMultipartUploadResult xmlns=\"{NAMESPACE}\"><Bucket>{name}</Bucket>\
         <Key>{key}</Key><ETag>&quot;{tag}&quot;</ETag></CompleteMultipartUploadResult>"
    )))
}

/// What is in all elements of a name that have no other elements in them.
pub(super) fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = String> + 'a {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let pieces: Vec<&str> = text.split(open.as_str()).skip(1).collect();
    let inner = pieces
        .into_iter()
        .filter_map(move |rest| rest.split_once(close.as_str()).map(|(inner, _)| inner));
    inner.map(unescaped)
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    let text = text.replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_and_their_text_is_read() {
        let text = "<Delete><Object><Key>a&amp;b &lt;c&gt;</Key></Object><Object><Key>d</Key>";
        let found: Vec<String> = elements(text, "Key").collect();
        assert_eq!(found, ["a&b <c>", "d"]);
        assert_eq!(elements(text, "None").count(), 0);
    }
}
