//! Kinesis: <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Operations.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Answer, Api, ApiError, parse};
use crate::Emulator;
use crate::platform::ACCOUNT;
use crate::sources::stream::event::SHARD;
use crate::sources::stream::{Kind, Streams, name_in};

pub(super) const API: Api = Api {
    prefix: "Kinesis_20131202.",
    content: "application/x-amz-json-1.1",
    errors: "",
    call,
};

/// Bytes of a record (`PutRecord`), and records of a call (`PutRecords`).
const MAX_RECORD: usize = 1024 * 1024;
const MAX_RECORDS: usize = 500;

fn call(emulator: &Emulator, call: &str, body: &[u8]) -> Answer {
    let streams = emulator.sources().streams();
    match call {
        "PutRecord" => {
            let request: PutRecord = parse(body)?;
            put(streams, &request.stream.find(streams)?, request.record)
        }
        "PutRecords" => put_all(streams, parse(body)?),
        "ListStreams" => Ok(list(streams)),
        "DescribeStreamSummary" => {
            let stream: Stream = parse(body)?;
            Ok(summary(&stream.find(streams)?))
        }
        _ => Err(ApiError::unknown(call)),
    }
}

/// A stream by its name or ARN.
#[derive(Debug, Deserialize)]
struct Stream {
    #[serde(rename = "StreamName")]
    name: Option<String>,
    #[serde(rename = "StreamARN")]
    arn: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PutRecord {
    #[serde(flatten)]
    stream: Stream,
    #[serde(flatten)]
    record: Record,
}

#[derive(Debug, Deserialize)]
struct PutRecords {
    #[serde(flatten)]
    stream: Stream,
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    data: String,
    partition_key: String,
}

impl Stream {
    /// Its ARN.
    fn find(&self, streams: &Streams) -> Result<String, ApiError> {
        let name = self.name.as_deref();
        let name = name.or_else(|| Some(name_in(Kind::Kinesis, self.arn.as_deref()?)));
        let name = name.unwrap_or_default();
        streams.find(Kind::Kinesis, name).ok_or_else(|| {
            let message = format!("Stream {name} under account {ACCOUNT} not found.");
            ApiError::new("ResourceNotFoundException", message)
        })
    }
}

fn put(streams: &Streams, arn: &str, record: Record) -> Answer {
    let data = BASE64.decode(&record.data);
    let data =
        data.map_err(|error| ApiError::new("SerializationException", format!("Data: {error}")))?;
    if data.len() + record.partition_key.len() > MAX_RECORD {
        let message = "Value at 'data' failed to satisfy constraint: Member must have length less \
                       than or equal to 1048576";
        return Err(ApiError::new("ValidationException", message));
    }
    let number = streams.put_data(arn, record.partition_key, data);
    let number = number.ok_or_else(|| {
        ApiError::new("ResourceNotFoundException", "The stream is being removed.")
    })?;
    Ok(json!({ "SequenceNumber": number, "ShardId": SHARD }))
}

fn put_all(streams: &Streams, request: PutRecords) -> Answer {
    let arn = request.stream.find(streams)?;
    if !(1..=MAX_RECORDS).contains(&request.records.len()) {
        let message = "Value at 'records' failed to satisfy constraint: Member must have length \
                       between 1 and 500";
        return Err(ApiError::new("ValidationException", message));
    }
    let records = request.records.into_iter();
    let put: Result<Vec<Json>, ApiError> =
        records.map(|record| put(streams, &arn, record)).collect();
    Ok(json!({ "FailedRecordCount": 0, "Records": put? }))
}

fn list(streams: &Streams) -> Json {
    let all = streams.all(Kind::Kinesis);
    let names: Vec<&str> = all.iter().map(|arn| name_in(Kind::Kinesis, arn)).collect();
    json!({ "StreamNames": names, "HasMoreStreams": false })
}

fn summary(arn: &str) -> Json {
    json!({ "StreamDescriptionSummary": {
        "StreamName": name_in(Kind::Kinesis, arn),
        "StreamARN": arn,
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": { "StreamMode": "ON_DEMAND" },
        "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": 0,
        "EnhancedMonitoring": [],
        "OpenShardCount": 1,
    } })
}
