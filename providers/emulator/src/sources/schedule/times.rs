//! When a schedule fires: the expressions of EventBridge Scheduler
//! (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>).

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};
use mlfn_core::Cron;

use super::Millis;

/// How far to look for the next time: every date comes again within a cycle of leap years, and
/// there are eight years around a century without one.
const DAYS: u32 = 8 * 366 + 1;

/// When a schedule fires.
#[derive(Debug, Clone)]
pub(super) enum Times {
    /// At once, and then after each pause.
    Rate(Millis),
    /// When the clocks of a time zone show this.
    Cron(Box<Cron>, TimeZone),
}

impl Times {
    /// What `rate(5 minutes)` or `cron(0 6 ? * MON-FRI *)` means in a time zone; none if it is
    /// something else.
    pub(super) fn read(expression: &str, zone: &str) -> Option<Self> {
        let (kind, rest) = expression.trim().split_once('(')?;
        let inner = rest.strip_suffix(')')?;
        match kind {
            "rate" => Some(Self::Rate(pause(inner)?)),
            "cron" => {
                let zone = TimeZoneDatabase::bundled().get(zone).ok()?;
                Some(Self::Cron(Box::new(cron(inner)?), zone))
            }
            _ => None,
        }
    }

    /// The first time after `after` of a schedule that was set up at `begin`.
    pub(super) fn next(&self, begin: Millis, after: Millis) -> Option<Millis> {
        match self {
            Self::Rate(pause) if after >= begin => {
                let pauses = (after - begin) / pause + 1;
                Some(begin + pauses * pause)
            }
            Self::Rate(_) => Some(begin),
            Self::Cron(cron, zone) => {
                let after = timestamp(after.max(begin))?;
                next(cron, zone, after)?.as_millisecond().try_into().ok()
            }
        }
    }
}

/// A time as jiff has it.
pub(super) fn timestamp(millis: Millis) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis.try_into().ok()?).ok()
}

fn pause(text: &str) -> Option<Millis> {
    let (number, unit) = text.trim().split_once(' ')?;
    let unit = match unit.trim().trim_end_matches('s') {
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        _ => return None,
    };
    let number: Millis = number.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(unit)
}

/// Five of the six fields; the last is the year, which mlfn leaves free.
fn cron(text: &str) -> Option<Cron> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day_of_month, month, day_of_week, "*"] = fields[..] else {
        return None;
    };
    // Numbers of days would begin with Sunday as 1.
    if day_of_week.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let any = |field: &str| field.replace('?', "*");
    let fields = [minute, hour, &any(day_of_month), month, &any(day_of_week)];
    fields.join(" ").parse().ok()
}

/// What is skipped when clocks are put forward does not fire, and what comes twice when they are put
/// back fires the first time (the page above, "Daylight saving time").
fn next(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let local = zone.to_datetime(after);
    let mut date = local.date();
    for _ in 0..DAYS {
        if is_on(cron, date) {
            let times = times(cron).filter_map(|time| at(zone, date.to_datetime(time)));
            // Around a change of clocks they need not be in order.
            if let Some(first) = times.filter(|time| *time > after).min() {
                return Some(first);
            }
        }
        date = date.checked_add(1.day()).ok()?;
    }
    None
}

fn is_on(cron: &Cron, date: Date) -> bool {
    let has = |mut values: Box<dyn Iterator<Item = u8> + '_>, value: i8| {
        values.any(|one| i8::try_from(one) == Ok(value))
    };
    let month = has(Box::new(cron.month.values()), date.month());
    let day_of_month = has(Box::new(cron.day_of_month.values()), date.day());
    let weekday = date.weekday().to_sunday_zero_offset();
    let day_of_week = has(Box::new(cron.day_of_week.values()), weekday);
    // One of the two is `?`, so that it cannot restrict.
    month && day_of_month && day_of_week
}

fn times(cron: &Cron) -> impl Iterator<Item = Time> + '_ {
    let hours = cron
        .hour
        .values()
        .filter_map(|hour| i8::try_from(hour).ok());
    hours.flat_map(|hour| {
        let minutes = cron.minute.values();
        let minutes = minutes.filter_map(|minute| i8::try_from(minute).ok());
        minutes.filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
    })
}

fn at(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(local);
    match found.offset() {
        AmbiguousOffset::Gap { .. } => None,
        _ => found.earlier().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Millis {
        let timestamp: Timestamp = text.parse().expect("is a time");
        timestamp
            .as_millisecond()
            .try_into()
            .expect("is after 1970")
    }

    /// The times after `after`, one after the other.
    #[track_caller]
    fn check(expression: &str, zone: &str, after: &str, expected: &[&str]) {
        let times = Times::read(expression, zone).expect("is an expression");
        let begin = millis("2026-01-01T00:00:30Z");
        let mut now = millis(after);
        for time in expected {
            let next = times.next(begin, now).expect("comes");
            assert_eq!(
                timestamp(next).expect("is a time").to_string(),
                *time,
                "{expression}"
            );
            now = next;
        }
    }

    #[test]
    fn a_rate_begins_at_once_and_keeps_its_pause() {
        let expected = [
            "2026-01-01T00:00:30Z",
            "2026-01-01T00:05:30Z",
            "2026-01-01T00:10:30Z",
        ];
        check("rate(5 minutes)", "UTC", "2026-01-01T00:00:29Z", &expected);
        let expected = ["2026-01-03T01:00:30Z", "2026-01-03T02:00:30Z"];
        check("rate(1 hour)", "UTC", "2026-01-03T00:10:00Z", &expected);
    }

    #[test]
    fn cron_goes_by_the_clocks_of_its_zone() {
        let expected = ["2026-03-27T05:00:00Z", "2026-03-30T04:00:00Z"];
        check(
            "cron(0 6 ? * MON-FRI *)",
            "Europe/Berlin",
            "2026-03-27T04:00:00Z",
            &expected,
        );
        let expected = [
            "2026-02-01T00:00:00Z",
            "2026-02-01T00:20:00Z",
            "2026-02-01T00:40:00Z",
        ];
        check(
            "cron(0/20 * 1 * ? *)",
            "UTC",
            "2026-01-31T12:00:00Z",
            &expected,
        );
        let expected = ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"];
        check(
            "cron(0 0 29 2 ? *)",
            "UTC",
            "2026-01-01T00:00:00Z",
            &expected,
        );
    }

    #[test]
    fn what_clocks_skip_does_not_fire_and_what_they_repeat_fires_once() {
        let forward = ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"];
        check(
            "cron(30 2 * * ? *)",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            &forward,
        );
        let back = ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        check(
            "cron(30 2 * * ? *)",
            "Europe/Berlin",
            "2026-10-25T00:00:00Z",
            &back,
        );
        let hourly = ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"];
        check(
            "cron(0 * * * ? *)",
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            &hourly,
        );
    }

    #[test]
    fn what_mlfn_does_not_write_is_not_guessed() {
        for text in [
            "",
            "rate(0 minutes)",
            "rate(5 fortnights)",
            "at(2026-01-01T00:00:00)",
            "cron(0 6 ? * 2 *)",
            "cron(0 6 ? * MON 2027)",
            "cron(0 6 * *)",
        ] {
            assert!(Times::read(text, "UTC").is_none(), "{text}");
        }
        assert!(Times::read("cron(0 6 * * ? *)", "Mars/Olympus").is_none());
        assert!(
            Times::read("cron(0 0 31 2 ? *)", "UTC")
                .expect("reads")
                .next(0, 0)
                .is_none()
        );
    }
}
