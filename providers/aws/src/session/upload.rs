//! Bytes on their way to S3: in one request, or in parts of which those that are there already are
//! not sent again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::primitives::{ByteStream, DateTime, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mlfn_core::{Call, Failure, FileRef, ProviderError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::context::{Context, Tags};
use super::s3::{tag_object, tags_of};
use crate::client::{LONG_CALL, within};

/// Bytes of a part, and the most that go in one request: large enough that requests cost nothing,
/// small enough that little is lost with a connection.
const PART: u64 = 16 << 20;

/// The most parts of an upload (Amazon S3 User Guide, "Multipart upload limits").
const MOST_PARTS: u64 = 10_000;

/// Parts on their way at once.
const PARALLEL: usize = 4;

/// Only if there is nothing (`PutObject`, `If-None-Match`).
const NOTHING: &str = "*";

/// Where to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
}

/// Uploads the field `file`, unless there is something already. The key names the content, so what
/// an earlier try sent is the same.
pub(super) async fn upload(
    context: &Context,
    call: &Call<'_>,
    place: Place<'_>,
) -> Result<(), ProviderError> {
    let file = call.inputs.file("file").ok_or_else(no_file)?;
    let upload = Upload {
        context,
        call,
        place,
        file,
        path: call.root.join(&file.path),
        tagging: query(&context.tags(call.inputs)),
    };
    if file.bytes <= PART {
        return upload.at_once().await;
    }
    let id = match upload.begun().await? {
        Some(id) => id,
        None => upload.begin().await?,
    };
    let parts = upload.send_parts(&id).await?;
    upload.complete(&id, parts).await?;
    upload.tag().await
}

fn no_file() -> ProviderError {
    let why = "there is no file to upload; this is a bug of mlfn".to_owned();
    Failure::Other { why }.into()
}

/// Tags as the header `x-amz-tagging` has them.
fn query(tags: &Tags) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let pairs = tags.iter();
    let pairs = pairs.map(|(key, value)| format!("{}={}", encoded(key), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

struct Upload<'a> {
    context: &'a Context,
    call: &'a Call<'a>,
    place: Place<'a>,
    file: &'a FileRef,
    path: PathBuf,
    tagging: String,
}

impl Upload<'_> {
    fn s3(&self) -> &aws_sdk_s3::Client {
        self.context.clients.s3()
    }

    async fn at_once(&self) -> Result<(), ProviderError> {
        let bytes = self.bytes(0, self.file.bytes).await?;
        let put = self.s3().put_object();
        put.bucket(self.place.bucket)
            .key(self.place.key)
            .body(bytes)
            .tagging(&self.tagging)
            .if_none_match(NOTHING)
            .customize()
            .config_override(patient())
            .send()
            .await
            .map_err(self.context.failed("s3:PutObject", self.call.remote_name))?;
        (self.call.progress)(self.file.bytes, self.file.bytes);
        Ok(())
    }

    /// The newest upload that an earlier try began.
    async fn begun(&self) -> Result<Option<String>, ProviderError> {
        let list = self.s3().list_multipart_uploads();
        let list = list.bucket(self.place.bucket).prefix(self.place.key);
        let list = list.send().await;
        let action = "s3:ListBucketMultipartUploads";
        let list = list.map_err(self.context.failed(action, self.place.bucket))?;
        let ours = list.uploads().iter();
        let ours = ours.filter(|upload| upload.key() == Some(self.place.key));
        let newest = ours.max_by_key(|upload| upload.initiated().map(DateTime::secs));
        Ok(newest.and_then(|upload| upload.upload_id.clone()))
    }

    async fn begin(&self) -> Result<String, ProviderError> {
        let create = self.s3().create_multipart_upload();
        let created = create
            .bucket(self.place.bucket)
            .key(self.place.key)
            .tagging(&self.tagging)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .send()
            .await
            .map_err(self.context.failed("s3:PutObject", self.call.remote_name))?;
        Ok(created.upload_id.unwrap_or_default())
    }

    /// Sends what is missing, and tells all parts in order.
    async fn send_parts(&self, id: &str) -> Result<Vec<CompletedPart>, ProviderError> {
        let ranges = ranges(self.file.bytes);
        let mut there = self.parts_there(id, &ranges).await?;
        let sent: u64 = there
            .keys()
            .filter_map(|n| ranges.get(n))
            .map(|(_, length)| length)
            .sum();
        let sent = AtomicU64::new(sent);
        (self.call.progress)(sent.load(Ordering::Relaxed), self.file.bytes);
        let missing = ranges
            .iter()
            .filter(|(number, _)| !there.contains_key(number));
        let missing: Vec<_> = missing.map(|(number, range)| (*number, *range)).collect();
        let parts =
            stream::iter(missing).map(|(number, range)| self.send(id, number, range, &sent));
        let parts: Vec<(i32, CompletedPart)> =
            parts.buffer_unordered(PARALLEL).try_collect().await?;
        there.extend(parts);
        Ok(there.into_values().collect())
    }

    /// The parts that are there and have the right size, by number.
    async fn parts_there(
        &self,
        id: &str,
        ranges: &Ranges,
    ) -> Result<BTreeMap<i32, CompletedPart>, ProviderError> {
        let list = self.s3().list_parts();
        let list = list
            .bucket(self.place.bucket)
            .key(self.place.key)
            .upload_id(id);
        let mut pages = list.into_paginator().items().send();
        let mut there = BTreeMap::new();
        while let Some(part) = pages.next().await {
            let failed = self
                .context
                .failed("s3:ListMultipartUploadParts", self.call.remote_name);
            let part = part.map_err(failed)?;
            let number = part.part_number.unwrap_or_default();
            let size = part.size.and_then(|size| u64::try_from(size).ok());
            let expected = ranges.get(&number).map(|(_, length)| *length);
            if expected.is_some() && size == expected {
                let done = CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(part.e_tag)
                    .set_checksum_crc32(part.checksum_crc32);
                there.insert(number, done.build());
            }
        }
        Ok(there)
    }

    async fn send(
        &self,
        id: &str,
        number: i32,
        (offset, length): (u64, u64),
        sent: &AtomicU64,
    ) -> Result<(i32, CompletedPart), ProviderError> {
        let bytes = self.bytes(offset, length).await?;
        let upload = self.s3().upload_part();
        let part = upload
            .bucket(self.place.bucket)
            .key(self.place.key)
            .upload_id(id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(bytes)
            .customize()
            .config_override(patient())
            .send()
            .await
            .map_err(self.context.failed("s3:PutObject", self.call.remote_name))?;
        let before = sent.fetch_add(length, Ordering::Relaxed);
        (self.call.progress)(before + length, self.file.bytes);
        let done = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag)
            .set_checksum_crc32(part.checksum_crc32);
        Ok((number, done.build()))
    }

    async fn complete(&self, id: &str, parts: Vec<CompletedPart>) -> Result<(), ProviderError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts));
        let complete = self.s3().complete_multipart_upload();
        complete
            .bucket(self.place.bucket)
            .key(self.place.key)
            .upload_id(id)
            .multipart_upload(parts.build())
            .if_none_match(NOTHING)
            .customize()
            .config_override(patient())
            .send()
            .await
            .map_err(self.context.failed("s3:PutObject", self.call.remote_name))?;
        Ok(())
    }

    /// S3 gives an object the tags that its upload began with. Not all that speak its protocol do, and
    /// without tags it would be nobody's.
    async fn tag(&self) -> Result<(), ProviderError> {
        let Place { bucket, key } = self.place;
        let get = self.s3().get_object_tagging().bucket(bucket).key(key);
        let action = "s3:GetObjectTagging";
        let there = get.send().await;
        let there = there.map_err(self.context.failed(action, self.call.remote_name))?;
        let wanted = self.context.tags(self.call.inputs);
        if tags_of(there.tag_set()) == wanted {
            return Ok(());
        }
        tag_object(self.context, (bucket, key), &wanted).await
    }

    /// A part of the file, which is read as it is sent.
    async fn bytes(&self, offset: u64, length: u64) -> Result<ByteStream, ProviderError> {
        let stream = ByteStream::read_from().path(&self.path).offset(offset);
        let stream = stream.length(Length::Exact(length)).build().await;
        stream.map_err(|error| {
            let why = "the package cannot be read".to_owned();
            ProviderError::new(Failure::Other { why }).caused_by(error)
        })
    }
}

/// For calls that carry bytes.
fn patient() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::default().timeout_config(within(LONG_CALL))
}

/// Offset and length of each part, by number. Numbers begin with 1.
type Ranges = BTreeMap<i32, (u64, u64)>;

/// Decided by the size alone, so that a later try finds the same parts.
fn ranges(bytes: u64) -> Ranges {
    let part = bytes.div_ceil(MOST_PARTS).max(PART);
    let offsets = (0..bytes.div_ceil(part)).map(|index| index * part);
    (1..)
        .zip(offsets.map(|offset| (offset, part.min(bytes - offset))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: u64, count: usize, last: u64) {
        let ranges = ranges(bytes);
        assert_eq!(ranges.len(), count);
        assert_eq!(
            ranges.values().map(|(_, length)| length).sum::<u64>(),
            bytes
        );
        let (number, (offset, length)) = ranges.last_key_value().expect("a part");
        assert_eq!(usize::try_from(*number).ok(), Some(count));
        assert_eq!((offset + length, *length), (bytes, last));
    }

    #[test]
    fn parts_cover_the_file_and_are_not_too_many() {
        check(PART + 1, 2, 1);
        check(3 * PART, 3, PART);
        check(PART * MOST_PARTS, 10_000, PART);
        // 1 TiB.
        check(
            1 << 40,
            10_000,
            (1 << 40) - 9_999 * (1_u64 << 40).div_ceil(MOST_PARTS),
        );
    }

    #[test]
    fn tags_go_into_a_header_in_a_form_that_keeps_them_apart() {
        let tags = [("mlfn:service", "iris"), ("a b", "1&2=3")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(query(&tags.into()), "a%20b=1%262%3D3&mlfn%3Aservice=iris");
    }
}
