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
    fn a_trace_header_has_the_lengths_that_readers_check() {
        let header = trace_header();
        let lengths: Vec<_> = header.split([';', '-', '=']).map(str::len).collect();
        assert_eq!(lengths, [4, 1, 8, 24, 6, 16, 7, 1], "{header}");
        assert_eq!(trace_parent().len(), 55);
    }
}
