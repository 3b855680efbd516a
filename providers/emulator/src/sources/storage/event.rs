//! What S3 tells a function of an object:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.

use std::time::UNIX_EPOCH;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value as Json, json};

use super::bucket::ObjectInfo;
use crate::identifiers::uuid;
use crate::platform::ACCOUNT;

/// What keys keep in events; a space becomes `+`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// What is told.
pub(super) struct About<'a> {
    pub(super) bucket: &'a str,
    pub(super) object: &'a ObjectInfo,
    pub(super) region: &'a str,
    /// The name of the notification.
    pub(super) target: &'a str,
    pub(super) time: &'a str,
}

/// The event.
pub(super) fn event(about: &About<'_>) -> Json {
    let (bucket, object) = (about.bucket, about.object);
    // Later versions of an object have larger ones.
    let since = object.modified.duration_since(UNIX_EPOCH);
    let sequencer = format!("{:018X}", since.unwrap_or_default().as_nanos());
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": about.region,
        "eventTime": about.time,
        "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "AWS:LOCAL" },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": { "x-amz-request-id": uuid(), "x-amz-id-2": uuid() },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": about.target,
            "bucket": {
                "name": bucket,
                "ownerIdentity": { "principalId": ACCOUNT },
                "arn": format!("arn:aws:s3:::{bucket}"),
            },
            "object": {
                "key": encoded(&object.key),
                "size": object.size,
                "eTag": object.tag,
                "sequencer": sequencer,
            },
        },
    }] })
}

fn encoded(key: &str) -> String {
    percent_encode(key.as_bytes(), ENCODED)
        .to_string()
        .replace(' ', "+")
}
