//! Streams of Kinesis and DynamoDB, which exist.

use async_trait::async_trait;
use aws_sdk_dynamodbstreams::types::{Stream, StreamStatus as TableStatus};
use aws_sdk_kinesis::types::StreamStatus;
use mlfn_core::ProviderError;

use super::context::Context;
use super::existing::{Existing, Found};
use crate::errors::found;

/// `aws:kinesis-stream`.
pub(super) struct Kinesis;

/// `aws:dynamodb-stream`.
pub(super) struct DynamoDb;

#[async_trait]
impl Existing for Kinesis {
    const NOUN: &'static str = "Kinesis stream";

    async fn find(context: &Context, name: &str) -> Result<Option<Found>, ProviderError> {
        let call = context.clients.kinesis().describe_stream_summary();
        let answer = call.stream_name(name).send().await;
        let answer = found(answer.map_err(context.failed("kinesis:DescribeStreamSummary", name)))?;
        let summary = answer.and_then(|answer| answer.stream_description_summary);
        Ok(summary.and_then(|stream| {
            let status = stream.stream_status();
            let pending = matches!(status, StreamStatus::Creating)
                .then(|| format!("the stream `{name}` is being made"));
            let is_there = !matches!(status, StreamStatus::Deleting);
            is_there.then(|| Found {
                arn: stream.stream_arn().to_owned(),
                pending,
            })
        }))
    }
}

#[async_trait]
impl Existing for DynamoDb {
    const NOUN: &'static str = "table with a stream that is on, named";

    /// Streams of a table that were turned off are listed for another day.
    async fn find(context: &Context, name: &str) -> Result<Option<Found>, ProviderError> {
        let table = name.rsplit_once(":table/").map_or(name, |(_, name)| name);
        let call = context.clients.dynamodb().list_streams();
        let answer = call.table_name(table).send().await;
        let answer = found(answer.map_err(context.failed("dynamodb:ListStreams", table)))?;
        let streams = answer.and_then(|answer| answer.streams).unwrap_or_default();
        // The label is the time at which it was turned on.
        let latest = streams
            .iter()
            .max_by_key(|stream| stream.stream_label().map(str::to_owned));
        match latest.and_then(Stream::stream_arn) {
            Some(arn) => described(context, table, arn).await,
            None => Ok(None),
        }
    }
}

async fn described(
    context: &Context,
    table: &str,
    arn: &str,
) -> Result<Option<Found>, ProviderError> {
    let call = context.clients.dynamodb().describe_stream();
    let answer = call.stream_arn(arn).limit(1).send().await;
    let answer = found(answer.map_err(context.failed("dynamodb:DescribeStream", table)))?;
    let stream = answer.and_then(|answer| answer.stream_description);
    Ok(stream.and_then(|stream| match stream.stream_status() {
        Some(TableStatus::Disabled | TableStatus::Disabling) => None,
        Some(TableStatus::Enabling) => Some(Found {
            arn: arn.to_owned(),
            pending: Some(format!("the stream of `{table}` is being turned on")),
        }),
        _ => Some(Found::ready(arn)),
    }))
}
