//! Records of data streams: <https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html>.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Record, Request, rule, sns};
use crate::handler::Handler;
use crate::platform::envelope;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    kinesis: Data<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// A record, whose data are a request. All records of an event are of one shard.
pub(super) fn read<'a>(handler: &Handler, record: &'a RawValue) -> serde_json::Result<Record<'a>> {
    let Event { kinesis } = serde_json::from_str(record.get())?;
    let data = envelope::from_base64(&kinesis.data, "the record's data");
    Ok(Record {
        id: kinesis.sequence_number,
        group: Some(Cow::Borrowed("shard")),
        queue: None,
        request: data.map(|data| Request::Body(unwrap(handler, data.into()))),
    })
}

/// Data may have come by a topic or a rule.
fn unwrap<'a>(handler: &Handler, data: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
    rule::unwrap(handler, sns::unwrap(handler, data))
}
