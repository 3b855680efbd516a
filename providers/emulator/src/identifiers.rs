//! Identifiers in the forms that the platforms use.

use std::time::{SystemTime, UNIX_EPOCH};

/// A random UUID (version 4, RFC 9562).
pub(crate) fn uuid() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
    parts.join("-")
}

/// A trace header as AWS X-Ray makes them, for a request that is not sampled.
pub(crate) fn trace_header() -> String {
    let seconds = since_epoch().as_secs();
    let random = fastrand::u128(..) >> 32;
    let parent = fastrand::u64(..);
    format!("Root=1-{seconds:08x}-{random:024x};Parent={parent:016x};Sampled=0")
}

/// A `traceparent` header (W3C Trace Context) for a request that is not sampled.
pub(crate) fn trace_parent() -> String {
    let trace = fastrand::u128(1..);
    let parent = fastrand::u64(1..);
    format!("00-{trace:032x}-{parent:016x}-00")
}

/// Now, as time since 1970.
pub(crate) fn since_epoch() -> std::time::Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// A time since 1970 as a date and a time of day in UTC: year, month, day, hour, minute, second.
fn civil(time: std::time::Duration) -> [u64; 6] {
    let seconds = time.as_secs();
    // The proleptic Gregorian calendar with years that begin in March, so that leap days are last.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    [
        year,
        month,
        day,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ]
}

/// As AWS writes the time of a change, e.g. `2026-11-21T12:00:00.000+0000`.
pub(crate) fn timestamp(time: std::time::Duration) -> String {
    let [year, month, day, hour, minute, second] = civil(time);
    let milliseconds = time.subsec_millis();
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}+0000"
    )
}

/// As SNS and S3 write a time, e.g. `2026-11-21T12:00:00.000Z`.
pub(crate) fn iso(time: std::time::Duration) -> String {
    timestamp(time).replace("+0000", "Z")
}

/// As headers of HTTP have a time, e.g. `Sat, 21 Nov 2026 12:00:00 GMT`.
pub(crate) fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // 1970 began on a Thursday.
    let day = usize::try_from(time.as_secs() / 86_400 % 7).unwrap_or_default();
    let written = request_time(time).replace('/', " ");
    let written = written.replacen(':', " ", 1).replace("+0000", "GMT");
    format!("{}, {written}", DAYS[day])
}

/// As API Gateway writes the time of a request, e.g. `21/Nov/2026:12:00:00 +0000`.
pub(crate) fn request_time(time: std::time::Duration) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let [year, month, day, hour, minute, second] = civil(time);
    let index = usize::try_from(month).unwrap_or(1).saturating_sub(1);
    let month = MONTHS.get(index).copied().unwrap_or_default();
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// The name of a log stream as Lambda makes them.
pub(crate) fn log_stream(version: &str) -> String {
    let [year, month, day, ..] = civil(since_epoch());
    let random = fastrand::u128(..);
    format!("{year:04}/{month:02}/{day:02}/[{version}]{random:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        for _ in 0..100 {
            let id = uuid();
            assert_eq!(id.len(), 36, "{id}");
            assert_eq!(&id[14..15], "4", "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
            assert_eq!(id.matches('-').count(), 4, "{id}");
        }
    }

    #[test]
    fn times_are_written_as_aws_does() {
        let seconds = |seconds, milliseconds| {
            let whole = std::time::Duration::from_secs(seconds);
            whole + std::time::Duration::from_millis(milliseconds)
        };
        for (time, expected) in [
            (seconds(0, 0), "1970-01-01T00:00:00.000+0000"),
            (seconds(951_782_399, 5), "2000-02-28T23:59:59.005+0000"),
            (seconds(951_782_400, 0), "2000-02-29T00:00:00.000+0000"),
            (seconds(1_795_262_400, 0), "2026-11-21T12:00:00.000+0000"),
        ] {
            assert_eq!(timestamp(time), expected);
        }
        assert_eq!(
            request_time(seconds(1_795_262_400, 0)),
            "21/Nov/2026:12:00:00 +0000"
        );
    }

    #[test]
    fn times_are_written_as_http_does() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_795_262_400, "Sat, 21 Nov 2026 12:00:00 GMT"),
        ] {
            let time = UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            assert_eq!(http_date(time), expected);
        }
    }

    #[test]
    fn a_trace_header_has_the_lengths_that_readers_check() {
        let header = trace_header();
        let lengths: Vec<_> = header.split([';', '-', '=']).map(str::len).collect();
        assert_eq!(lengths, [4, 1, 8, 24, 6, 16, 7, 1], "{header}");
        assert_eq!(trace_parent().len(), 55);
    }
}
