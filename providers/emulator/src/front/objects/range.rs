//! A part of an object: <https://www.rfc-editor.org/rfc/rfc9110#name-range-requests>, one range.

use std::ops::Range;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// From here to the end, or to there.
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

/// Reads the header; none if it is not one that can be answered, and thus to be ignored.
pub(super) fn read(header: &str) -> Option<Wanted> {
    let (start, end) = header.strip_prefix("bytes=")?.trim().split_once('-')?;
    if start.is_empty() {
        return Some(Wanted::Last(end.parse().ok()?));
    }
    let start = start.parse().ok()?;
    if end.is_empty() {
        return Some(Wanted::From(start, None));
    }
    let end = end.parse().ok()?;
    (start <= end).then_some(Wanted::From(start, Some(end)))
}

impl Wanted {
    /// Of an object of this size; none if nothing of it is asked for.
    pub(super) fn of(self, size: u64) -> Option<Range<usize>> {
        let range = match self {
            Self::From(start, end) => {
                let end = end.map_or(size, |end| end.saturating_add(1).min(size));
                start..end
            }
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.start >= range.end {
            return None;
        }
        Some(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Option<&Range<usize>>) {
        assert_eq!(
            read(header).and_then(|wanted| wanted.of(10)).as_ref(),
            expected,
            "{header}"
        );
    }

    #[test]
    fn a_range_is_what_there_is_of_it() {
        check("bytes=0-0", Some(&(0..1)));
        check("bytes=2-4", Some(&(2..5)));
        check("bytes=8-99", Some(&(8..10)));
        check("bytes=3-", Some(&(3..10)));
        check("bytes=-4", Some(&(6..10)));
        check("bytes=-99", Some(&(0..10)));
        check("bytes=10-", None);
        check("bytes=-0", None);
    }

    #[test]
    fn what_is_no_range_is_ignored() {
        for header in [
            "bytes=4-2",
            "bytes=1-2,4-5",
            "items=0-1",
            "bytes=a-b",
            "bytes=7",
        ] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
