//! What is there, as XML:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::error::ApiError;
use crate::identifiers::iso;
use crate::platform::ACCOUNT;
use crate::sources::storage::bucket::{Bucket, ObjectInfo};

pub(super) const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The most keys of one answer.
const MAX_KEYS: usize = 1000;

/// What `encoding-type=url` leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b'/');

/// The text inside of an element.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// `GetBucketLocation`, of which nothing is the usual one.
pub(super) fn location() -> String {
    format!("{HEAD}<LocationConstraint xmlns=\"{NAMESPACE}\"/>")
}

/// `ListBuckets`.
pub(super) fn buckets(names: &[String]) -> String {
    let names = names.iter().map(|name| {
        format!("<Bucket><Name>{name}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>")
    });
    let names: String = names.collect();
    format!(
        "{HEAD}<ListAllMyBucketsResult xmlns=\"{NAMESPACE}\"><Owner><ID>{ACCOUNT}</ID></Owner>\
         <Buckets>{names}</Buckets></ListAllMyBucketsResult>"
    )
}

/// One line of a list.
enum Entry<'a> {
    Key(&'a str),
    /// Everything that begins so.
    Prefix(&'a str),
}

impl<'a> Entry<'a> {
    /// Where the next list begins after it.
    fn name(&self) -> &'a str {
        match self {
            Self::Key(name) | Self::Prefix(name) => name,
        }
    }
}

/// `CopyObject`.
pub(super) fn copied(info: &ObjectInfo) -> String {
    let (modified, tag) = (modified(info), &info.tag);
    format!(
        "{HEAD}<CopyObjectResult xmlns=\"{NAMESPACE}\"><LastModified>{modified}</LastModified>\
         <ETag>&quot;{tag}&quot;</ETag></CopyObjectResult>"
    )
}

/// `DeleteObjects`.
pub(super) fn removed(keys: &[String]) -> String {
    let keys = keys.iter().map(|key| {
        let key = escaped(key);
        format!("<Deleted><Key>{key}</Key></Deleted>")
    });
    let keys: String = keys.collect();
    format!("{HEAD}<DeleteResult xmlns=\"{NAMESPACE}\">{keys}</DeleteResult>")
}

/// `ListObjectsV2`, and `ListObjects` in which some elements have other names. The token for what
/// follows is the last name of the list.
pub(super) fn objects(
    (name, bucket): (&str, &Bucket),
    keys: &[String],
    query: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ApiError> {
    let text = |name: &str| query(name).unwrap_or_default();
    let (prefix, delimiter) = (text("prefix"), text("delimiter"));
    let is_second = query("list-type").is_some();
    let after = if is_second {
        query("continuation-token").unwrap_or_else(|| text("start-after"))
    } else {
        text("marker")
    };
    let most = match query("max-keys") {
        Some(most) => most.parse().map_err(|_| ApiError::bad_token())?,
        None => MAX_KEYS,
    };
    let entries = entries(keys, &prefix, &delimiter, &after);
    let shown = &entries[..entries.len().min(most).min(MAX_KEYS)];
    let is_url = text("encoding-type") == "url";
    let encoded = |text: &str| {
        if is_url {
            percent_encode(text.as_bytes(), ENCODED).to_string()
        } else {
            escaped(text)
        }
    };
    let mut body = format!(
        "{HEAD}<ListBucketResult xmlns=\"{NAMESPACE}\"><Name>{name}</Name><Prefix>{}</Prefix>\
         <Delimiter>{}</Delimiter><MaxKeys>{most}</MaxKeys><IsTruncated>{}</IsTruncated>",
        encoded(&prefix),
        encoded(&delimiter),
        shown.len() < entries.len()
    );
    // Writing to a text cannot fail.
    let _ = if is_second {
        write!(body, "<KeyCount>{}</KeyCount>", shown.len())
    } else {
        write!(body, "<Marker>{}</Marker>", encoded(&after))
    };
    if is_url {
        body += "<EncodingType>url</EncodingType>";
    }
    if let (true, Some(last)) = (shown.len() < entries.len(), shown.last()) {
        let token = escaped(last.name());
        let _ = if is_second {
            write!(
                body,
                "<NextContinuationToken>{token}</NextContinuationToken>"
            )
        } else {
            write!(body, "<NextMarker>{}</NextMarker>", encoded(last.name()))
        };
    }
    for entry in shown {
        body += &line(bucket, entry, &encoded)?;
    }
    Ok(body + "</ListBucketResult>")
}

/// What begins with the prefix; what has the delimiter after that counts as one.
fn entries<'a>(keys: &'a [String], prefix: &str, delimiter: &str, after: &str) -> Vec<Entry<'a>> {
    let mut prefixes = BTreeSet::new();
    let matching = keys.iter().filter(|key| key.starts_with(prefix));
    let entries = matching.filter_map(|key| {
        let rest = &key[prefix.len()..];
        let folded = rest.find(delimiter).filter(|_| !delimiter.is_empty());
        match folded {
            None => Some(Entry::Key(key)),
            Some(at) => {
                let common = &key[..prefix.len() + at + delimiter.len()];
                prefixes.insert(common).then_some(Entry::Prefix(common))
            }
        }
    });
    entries.filter(|entry| entry.name() > after).collect()
}

fn line(
    bucket: &Bucket,
    entry: &Entry<'_>,
    encoded: &dyn Fn(&str) -> String,
) -> Result<String, ApiError> {
    let key = match entry {
        Entry::Prefix(prefix) => {
            let prefix = encoded(prefix);
            return Ok(format!(
                "<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"
            ));
        }
        Entry::Key(key) => key,
    };
    let info = bucket.info(key)?;
    let (modified, key) = (modified(&info), encoded(key));
    let (tag, size) = (&info.tag, info.size);
    Ok(format!(
        "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified>\
         <ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size>\
         <StorageClass>STANDARD</StorageClass></Contents>"
    ))
}

fn modified(info: &ObjectInfo) -> String {
    let since = info.modified.duration_since(std::time::UNIX_EPOCH);
    iso(since.unwrap_or_default())
}
