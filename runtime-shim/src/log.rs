//! One JSON object a line on standard output: what every platform's log viewer understands.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value as Json;

/// Bytes of a usual line.
const ROOM: usize = 512;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Somebody has to do something.
    Error,
    /// Something is not as it should be, and was dealt with.
    Warn,
    /// What went on.
    Info,
    /// For whoever looks for a fault.
    Debug,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// Google's name, by which its log viewer filters:
    /// <https://docs.cloud.google.com/logging/docs/structured-logging>.
    fn severity(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARNING",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }

    /// The level of `MLFN_LOG`; `info` if it is unset or no level.
    pub(crate) fn from_name(name: Option<&str>) -> Self {
        [Self::Error, Self::Warn, Self::Info, Self::Debug]
            .into_iter()
            .find(|level| Some(level.name()) == name)
            .unwrap_or(Self::Info)
    }
}

/// How lines are written in this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Lines that matter less are left out.
    pub(crate) level: Level,
    /// With Google's fields.
    pub(crate) google: bool,
}

static STYLE: OnceLock<Style> = OnceLock::new();

/// Sets the style, once; the first call counts.
pub(crate) fn init(style: Style) {
    STYLE.get_or_init(|| style);
}

/// Writes a line.
pub(crate) fn write(level: Level, message: &str, fields: &[(&str, Json)]) {
    let style = STYLE.get().copied().unwrap_or(Style {
        level: Level::Info,
        google: false,
    });
    if level > style.level {
        return;
    }
    let text = line(style, level, message, fields, SystemTime::now());
    // A log that nobody reads any more is no reason to stop answering.
    let _ = std::io::stdout().lock().write_all(&text);
}

/// Every request has a line: no tree of values for it, and room from the beginning.
fn line(
    style: Style,
    level: Level,
    message: &str,
    fields: &[(&str, Json)],
    now: SystemTime,
) -> Vec<u8> {
    let mut line = Vec::with_capacity(ROOM);
    push(&mut line, b'{', "time", &rfc3339(now));
    push(&mut line, b',', "level", level.name());
    if style.google {
        push(&mut line, b',', "severity", level.severity());
    }
    push(&mut line, b',', "message", message);
    for (key, value) in fields {
        push(&mut line, b',', key, value);
    }
    line.extend_from_slice(b"}\n");
    line
}

fn push<T: Serialize + ?Sized>(line: &mut Vec<u8>, before: u8, key: &str, value: &T) {
    line.push(before);
    // Neither writing to a vector nor a text or a value of JSON can fail.
    let _ = serde_json::to_writer(&mut *line, key);
    line.push(b':');
    let _ = serde_json::to_writer(line, value);
}

/// UTC to the millisecond, e.g. `2026-11-20T08:15:00.123Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// Year, month and day of a number of days after 1970-01-01 in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check_time(seconds: u64, expected: &str) {
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
    }

    #[test]
    fn times_are_the_calendar_s() {
        check_time(0, "1970-01-01T00:00:00.000Z");
        check_time(951_782_399, "2000-02-28T23:59:59.000Z");
        check_time(951_782_400, "2000-02-29T00:00:00.000Z");
        check_time(1_767_225_599, "2025-12-31T23:59:59.000Z");
        check_time(4_107_542_400, "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn a_line_is_one_object_and_google_finds_its_severity() {
        let style = |google| Style {
            level: Level::Info,
            google,
        };
        let write = |google| {
            let fields = [("n", 1.into())];
            let line = line(style(google), Level::Warn, "a\nb", &fields, UNIX_EPOCH);
            String::from_utf8(line).expect("is a text")
        };
        assert_eq!(
            write(false),
            r#"{"time":"1970-01-01T00:00:00.000Z","level":"warn","message":"a\nb","n":1}
"#
        );
        assert_eq!(
            write(true),
            r#"{"time":"1970-01-01T00:00:00.000Z","level":"warn","severity":"WARNING","message":"a\nb","n":1}
"#
        );
    }

    #[test]
    fn an_unknown_level_is_info() {
        assert_eq!(Level::from_name(Some("debug")), Level::Debug);
        assert_eq!(Level::from_name(Some("loud")), Level::Info);
        assert_eq!(Level::from_name(None), Level::Info);
    }
}
