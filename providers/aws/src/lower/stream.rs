//! Streams, which exist: what reads them, and where records go that cannot be read.
//!
//! By default Lambda tries a bad record again until it leaves the stream, and nothing behind it in
//! its shard is read meanwhile. So tries are counted, batches are halved to find the bad record,
//! and what is given up is told to a queue of dead letters.

use mlfn_core::{
    Function, KindSpec, Resource, ResourceId, Seconds, Service, StreamSource, StreamStart,
    StreamTrigger, Trigger, Value,
};

use super::policy::Statement;
use super::{is_arn, looked_up, names, queue};
use crate::kinds;

/// How often a batch is tried again, as often as messages of queues by default.
const RETRIES: u32 = 4;

/// What reads the streams of a function, and its dead letters.
pub(super) fn resources(service: &Service, function: &Function) -> Vec<Resource> {
    let both = |source: &Source<'_>| {
        let reader = format!("{}_{}", source.service, function.name);
        let dead = queue::dead_letters(service, dead_id(function, source), &reader, source.name);
        [mapping(service, function, source), dead]
    };
    sources(function).flat_map(|source| both(&source)).collect()
}

/// The streams of a service that have to be looked up.
pub(super) fn shared(service: &Service) -> impl Iterator<Item = Resource> {
    let of = |kind: KindSpec| {
        let all = service.functions.iter().flat_map(sources);
        let given = move |source: &Source<'_>| source.kind == kind && !source.is_arn();
        all.filter(given).map(|source| source.name)
    };
    let streams = looked_up(kinds::KINESIS_STREAM, of(kinds::KINESIS_STREAM));
    streams.chain(looked_up(
        kinds::DYNAMODB_STREAM,
        of(kinds::DYNAMODB_STREAM),
    ))
}

/// What Lambda needs to read streams for a function.
pub(super) fn needs(function: &Function) -> impl Iterator<Item = Statement> {
    sources(function).flat_map(|source| {
        let dead = Value::output(&dead_id(function, &source), "arn");
        [source.read(), queue::send(dead)]
    })
}

/// A stream that is read.
struct Source<'a> {
    trigger: &'a StreamTrigger,
    kind: KindSpec,
    /// The service, as ARNs name it.
    service: &'static str,
    name: &'a str,
}

fn sources(function: &Function) -> impl Iterator<Item = Source<'_>> {
    function.triggers.iter().filter_map(|trigger| {
        let Trigger::Stream(trigger) = trigger else {
            return None;
        };
        let (kind, service, name) = match &trigger.source {
            StreamSource::Kinesis(name) => (kinds::KINESIS_STREAM, "kinesis", name),
            StreamSource::DynamoDb(name) => (kinds::DYNAMODB_STREAM, "dynamodb", name),
            StreamSource::EventHub(_) => return None,
        };
        Some(Source {
            trigger,
            kind,
            service,
            name,
        })
    })
}

impl Source<'_> {
    /// Whether it is the ARN of the stream. That of a table does not tell its stream's.
    fn is_arn(&self) -> bool {
        is_arn(self.name) && (self.service == "kinesis" || self.name.contains("/stream/"))
    }

    fn arn(&self) -> Value {
        if self.is_arn() {
            return self.name.into();
        }
        Value::output(&names::id(self.kind, self.name), "arn")
    }

    /// What `CreateEventSourceMapping` asks of the role.
    fn read(&self) -> Statement {
        match self.service {
            "kinesis" => Statement::new(
                "ReadStreams",
                &[
                    "kinesis:DescribeStream",
                    "kinesis:DescribeStreamSummary",
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                    "kinesis:ListShards",
                ],
                self.arn(),
            ),
            _ => Statement::new(
                "ReadTables",
                &[
                    "dynamodb:DescribeStream",
                    "dynamodb:GetRecords",
                    "dynamodb:GetShardIterator",
                    "dynamodb:ListStreams",
                ],
                self.arn(),
            ),
        }
    }
}

fn dead_id(function: &Function, source: &Source<'_>) -> ResourceId {
    let of = format!("{}:{}:dead", source.service, source.name);
    names::id(kinds::QUEUE, names::part(function, &of))
}

fn mapping(service: &Service, function: &Function, source: &Source<'_>) -> Resource {
    let trigger = source.trigger;
    let start = match trigger.start {
        StreamStart::Latest => "LATEST",
        StreamStart::Oldest => "TRIM_HORIZON",
    };
    queue::reader(
        service,
        function,
        (source.service, source.name),
        source.name,
    )
    .with("source", source.arn())
    .with("batch_size", trigger.batch)
    .with("window", trigger.window.map_or(0, Seconds::get))
    .with("starting_position", start)
    .with("bisect_on_error", true)
    .with("max_retries", RETRIES)
    .with(
        "on_failure",
        Value::output(&dead_id(function, source), "arn"),
    )
}
