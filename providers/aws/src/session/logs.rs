//! Lines of functions' logs, from CloudWatch Logs.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use mlfn_core::{Digest, LogCursor, LogLine, LogPage, LogQuery, ProviderError};

use super::context::Context;
use super::function::split;
use crate::errors::found;
use crate::lower::LOG_FOLDER;

/// How much later than another one a line may appear that was written before, in milliseconds.
const LATE: u64 = 60_000;

/// The most lines at once: what one answer of `FilterLogEvents` has.
const MOST: usize = 10_000;

/// The next lines, of all instances in the order in which they were written.
pub(super) async fn logs(context: &Context, query: &LogQuery) -> Result<LogPage, ProviderError> {
    let (function, _) = split(&query.function, ':');
    let group = format!("{LOG_FOLDER}{function}");
    let pattern = query.filter.as_deref().map(pattern);
    let mut pages = context
        .clients
        .logs()
        .filter_log_events()
        .log_group_name(&group)
        .set_filter_pattern(pattern)
        .start_time(i64::try_from(query.from.time).unwrap_or(i64::MAX))
        .into_paginator()
        .send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(context.failed("logs:FilterLogEvents", &group));
        // A function that nobody called has no log yet.
        let Some(page) = found(page)? else { break };
        let new = page.events.unwrap_or_default().into_iter();
        events.extend(new.filter(|event| !is_told(&query.from, event)));
        if events.len() >= MOST {
            break;
        }
    }
    // Each stream is in order; this sort keeps that.
    events.sort_by_key(time);
    let next = next(&query.from, &events);
    Ok(LogPage {
        lines: lines(&events),
        next,
    })
}

/// A text in quotes is looked for as it stands (CloudWatch Logs User Guide, "Filter pattern
/// syntax").
fn pattern(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

fn is_told(from: &LogCursor, event: &FilteredLogEvent) -> bool {
    from.told.contains(&told(event))
}

/// A line among those told: its time first, so that old ones can be forgotten.
fn told(event: &FilteredLogEvent) -> String {
    let time = time(event);
    // The API does not promise an id, and imitations give none.
    let (stream, text) = (event.log_stream_name(), event.message());
    let line = || [stream.unwrap_or_default(), text.unwrap_or_default()].join("\n");
    let id = event.event_id().map_or_else(
        || Digest::of(line().as_bytes()).short().to_owned(),
        str::to_owned,
    );
    format!("{time:020} {id}")
}

fn time(event: &FilteredLogEvent) -> u64 {
    let time = event.timestamp().unwrap_or_default();
    u64::try_from(time).unwrap_or_default()
}

/// Goes on a while before the newest line, for those that come late.
fn next(from: &LogCursor, events: &[FilteredLogEvent]) -> LogCursor {
    let Some(newest) = events.last().map(time) else {
        return from.clone();
    };
    let begin = newest.saturating_sub(LATE).max(from.time);
    let new = events.iter().map(told);
    let all: BTreeSet<String> = from.told.iter().cloned().chain(new).collect();
    let oldest = format!("{begin:020}");
    LogCursor {
        time: begin,
        told: all.into_iter().filter(|told| *told >= oldest).collect(),
    }
}

/// The instance of a stream answers one request at a time: what it writes between `START` and `END`
/// belongs to that.
fn lines(events: &[FilteredLogEvent]) -> Vec<LogLine> {
    let mut requests: BTreeMap<&str, &str> = BTreeMap::new();
    let lines = events.iter().map(|event| {
        let (stream, text) = (
            event.log_stream_name().unwrap_or_default(),
            event.message().unwrap_or_default().trim_end_matches('\n'),
        );
        if let Some(id) = request_in(text, "START ") {
            requests.insert(stream, id);
        }
        let request = request_in(text, "REPORT ").or_else(|| requests.get(stream).copied());
        if text.starts_with("REPORT ") {
            requests.remove(stream);
        }
        LogLine {
            time: time(event),
            stream: stream.to_owned(),
            request: request.map(str::to_owned),
            text: text.to_owned(),
        }
    });
    lines.collect()
}

/// `START RequestId: 5e.. Version: 1`
fn request_in<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(beginning)?.strip_prefix("RequestId: ")?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: i64, stream: &str, text: &str) -> FilteredLogEvent {
        FilteredLogEvent::builder()
            .timestamp(time)
            .log_stream_name(stream)
            .event_id(format!("{time}{stream}"))
            .message(text)
            .build()
    }

    #[test]
    fn lines_belong_to_the_request_that_their_instance_answers() {
        let events = [
            event(1, "a", "START RequestId: 1 Version: 7\n"),
            event(2, "b", "START RequestId: 2 Version: 7\n"),
            event(3, "a", "one\n"),
            event(4, "b", "two\n"),
            event(5, "a", "END RequestId: 1\n"),
            event(6, "a", "REPORT RequestId: 1\tDuration: 1 ms\n"),
            event(7, "a", "between\n"),
        ];
        let requests: Vec<_> = lines(&events).into_iter().map(|l| l.request).collect();
        let expected = ["1", "2", "1", "2", "1", "1"].map(|id| Some(id.to_owned()));
        assert_eq!(requests, [expected.as_slice(), &[None]].concat());
    }

    #[test]
    fn a_line_that_comes_late_is_told_and_no_line_twice() {
        let first = [event(100_000, "a", "x"), event(200_000, "a", "y")];
        let cursor = next(&LogCursor::default(), &first);
        assert_eq!(cursor.time, 140_000);
        assert!(is_told(&cursor, &first[1]));
        assert!(!is_told(&cursor, &event(150_000, "b", "late")));
        assert_eq!(cursor.told.len(), 1, "what is older is forgotten");
    }

    #[test]
    fn a_line_without_an_id_is_told_once() {
        let line = |text| event_without_id(7, text);
        let cursor = next(&LogCursor::default(), &[line("x")]);
        assert!(is_told(&cursor, &line("x")));
        assert!(!is_told(&cursor, &line("y")));
    }

    fn event_without_id(time: i64, text: &str) -> FilteredLogEvent {
        let event = FilteredLogEvent::builder().timestamp(time);
        event.log_stream_name("a").message(text).build()
    }

    #[test]
    fn any_text_can_be_looked_for() {
        assert_eq!(pattern("REPORT"), "\"REPORT\"");
        assert_eq!(pattern(r#"a "b" \"#), r#""a \"b\" \\""#);
    }
}
