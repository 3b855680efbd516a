//! Lines of functions' logs, from CloudWatch Logs.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use mlfn_core::{Digest, LogCursor, LogLine, LogPage, LogQuery, ProviderError};
use serde_json::Value as Json;

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
    let mut next = next(&query.from, &events);
    let lines = lines(&events, &mut next.open);
    Ok(LogPage { lines, next })
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
        open: from.open.clone(),
    }
}

/// The instance of a stream answers one request at a time: what it writes between `START` and
/// `REPORT` belongs to that, unless it says otherwise. `open` has the requests that are between them,
/// by stream.
fn lines(events: &[FilteredLogEvent], open: &mut BTreeMap<String, String>) -> Vec<LogLine> {
    let mut line = |event: &FilteredLogEvent| {
        let stream = event.log_stream_name().unwrap_or_default();
        let text = event.message().unwrap_or_default().trim_end_matches('\n');
        let own = own_request(text);
        if let (true, Some(id)) = (text.starts_with(START), &own) {
            open.insert(stream.to_owned(), id.clone());
        }
        let request = own.or_else(|| open.get(stream).cloned());
        if text.starts_with(REPORT) {
            open.remove(stream);
        }
        LogLine {
            time: time(event),
            stream: stream.to_owned(),
            request,
            text: text.to_owned(),
        }
    };
    events.iter().map(&mut line).collect()
}

const START: &str = "START ";

const REPORT: &str = "REPORT ";

/// The request that a line names: Lambda's own lines do (`START RequestId: 5e.. Version: 1`), and
/// those of the shim, which are JSON. What the shim writes last may come after `REPORT`, or after the
/// `START` of the next one.
fn own_request(text: &str) -> Option<String> {
    if text.starts_with('{') {
        let line: Json = serde_json::from_str(text).ok()?;
        return line.get("request_id")?.as_str().map(str::to_owned);
    }
    let mut beginnings = [START, "END ", REPORT].into_iter();
    let rest = beginnings.find_map(|beginning| text.strip_prefix(beginning))?;
    let id = rest.strip_prefix("RequestId: ")?.split_whitespace().next();
    id.map(str::to_owned)
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

    /// Of which requests these lines are.
    #[track_caller]
    fn check(
        events: &[FilteredLogEvent],
        open: &mut BTreeMap<String, String>,
        expected: &[Option<&str>],
    ) {
        let found = lines(events, open).into_iter().map(|line| line.request);
        let expected = expected.iter().map(|id| id.map(str::to_owned));
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
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
        let (one, two) = (Some("1"), Some("2"));
        let expected = [one, two, one, two, one, one, None];
        check(&events, &mut BTreeMap::new(), &expected);
    }

    #[test]
    fn a_request_that_began_before_the_last_look_is_still_known() {
        let open = &mut BTreeMap::new();
        let start = event(1, "a", "START RequestId: 1 Version: 7\n");
        check(&[start], open, &[Some("1")]);
        check(&[event(2, "a", "slow\n")], open, &[Some("1")]);
        let report = event(3, "a", "REPORT RequestId: 1\tDuration: 1 ms\n");
        check(&[report], open, &[Some("1")]);
        check(&[event(4, "a", "idle\n")], open, &[None]);
        assert_eq!(*open, BTreeMap::new());
    }

    #[test]
    fn a_line_that_names_its_request_is_of_no_other_one() {
        let late = r#"{"level":"info","message":"answered","request_id":"1"}"#;
        let events = [
            event(1, "a", late),
            event(2, "a", "START RequestId: 2 Version: 7\n"),
            event(3, "a", late),
            event(4, "a", r#"{"level":"warn","message":"a place is slow"}"#),
            event(5, "a", "{ no JSON"),
        ];
        let (one, two) = (Some("1"), Some("2"));
        check(&events, &mut BTreeMap::new(), &[one, two, one, two, two]);
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
