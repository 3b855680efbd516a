//! What was timed, what follows from it, and how it is told.
//!
//! Times are never the same twice, and a package should have the same bytes on any machine and any
//! day. So they decide only where they are clear: with a factor that another processor or a busy
//! moment hardly makes, and a margin that somebody can notice. Between the two is room for doubt,
//! and there the rule is that who starts sooner is taken.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Less than this many times as long may be the machine's doing: another processor, other caches,
/// fewer instructions at a time.
const FACTOR: u32 = 2;

/// How much longer each request may take. tract is taken because it starts some 14 ms sooner, once;
/// whoever loses 2 ms a request has lost that again after seven of them. Small models take a tenth of
/// that with either engine, and half of it with a tract that is not optimised, which is what our own
/// tests run on whatever machine: a factor alone says nothing there.
const REQUEST_MARGIN: Duration = Duration::from_millis(2);

/// How much longer the start may take: about what ONNX Runtime takes for the whole of it, so that
/// what is lost is not less than what tract was meant to save.
const START_MARGIN: Duration = Duration::from_millis(20);

/// How long an engine takes on this machine: the quickest of several, because what else a machine
/// does only ever adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Times {
    /// From the start of the process to the first answer.
    pub(super) start: Duration,
    /// From a later request to its answer.
    pub(super) request: Duration,
}

impl Times {
    /// The quicker of both, each by itself.
    pub(super) fn quickest(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            request: self.request.min(other.request),
        }
    }
}

/// What speaks against tract if it answers the same, e.g. `tract answers the same, but takes 45.2 ms
/// for a request where ONNX Runtime takes 1.3 ms here`; none unless it is clearly slower.
pub(super) fn objection(tract: Times, onnxruntime: Times) -> Option<String> {
    if is_slower(tract.request, onnxruntime.request, REQUEST_MARGIN) {
        let [ours, theirs] = [tract.request, onnxruntime.request].map(shown);
        let times = format!("takes {ours} for a request where ONNX Runtime takes {theirs} here");
        return Some(format!("tract answers the same, but {times}"));
    }
    if is_slower(tract.start, onnxruntime.start, START_MARGIN) {
        let [ours, theirs] = [tract.start, onnxruntime.start].map(shown);
        let times = format!("starts in {ours} where ONNX Runtime does in {theirs} here");
        return Some(format!("tract answers the same, but {times}"));
    }
    None
}

fn is_slower(tract: Duration, onnxruntime: Duration, margin: Duration) -> bool {
    tract > onnxruntime * FACTOR && tract > onnxruntime + margin
}

/// E.g. `the first one comes 9.5x as fast, after 2.0 ms instead of 19.0 ms, and each later one after
/// 0.15 ms instead of 0.18 ms here`.
pub(super) fn told(tract: Times, onnxruntime: Times) -> String {
    let first = first(tract.start, onnxruntime.start);
    let [ours, theirs] = [tract.request, onnxruntime.request].map(shown);
    format!("{first}, and each later one after {ours} instead of {theirs} here")
}

fn first(tract: Duration, onnxruntime: Duration) -> String {
    let [ours, theirs] = [tract, onnxruntime].map(shown);
    let how = if tract.is_zero() || onnxruntime <= tract {
        String::new()
    } else {
        let factor = onnxruntime.as_secs_f64() / tract.as_secs_f64();
        format!(" {factor:.1}x as fast,")
    };
    format!("the first one comes{how} after {ours} instead of {theirs}")
}

/// In ms, with two digits at least for what takes longer than 10 us.
fn shown(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    if milliseconds < 1.0 {
        return format!("{milliseconds:.2} ms");
    }
    format!("{milliseconds:.1} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(start: u64, request: u64) -> Times {
        Times {
            start: Duration::from_micros(start),
            request: Duration::from_micros(request),
        }
    }

    #[test]
    fn tract_is_taken_unless_it_is_slower_by_factor_and_margin() {
        // Microseconds: starts and requests, of tract and of ONNX Runtime.
        let table = [
            // An iris model.
            ((2_000, 150), (19_000, 180), false),
            // Nine times as long, and nobody notices.
            ((2_000, 900), (19_000, 100), false),
            // The border of the margin, where the factor is clear.
            ((2_000, 2_100), (19_000, 100), false),
            ((2_000, 2_101), (19_000, 100), true),
            // The border of the factor, where the margin is clear.
            ((2_000, 20_000), (19_000, 10_000), false),
            ((2_000, 20_001), (19_000, 10_000), true),
            // The same of starts.
            ((25_000, 100), (5_000, 100), false),
            ((25_001, 100), (5_000, 100), true),
            ((60_000, 100), (30_000, 100), false),
            ((60_001, 100), (30_000, 100), true),
            // A quick start does not make up for slow requests, nor the reverse.
            ((2_000, 45_200), (190_000, 1_300), true),
            ((190_000, 10), (19_000, 1_300), true),
            // ONNX Runtime may be as slow as it wants.
            ((2_000, 100), (1_000_000, 1_000_000), false),
            ((0, 0), (0, 0), false),
        ];
        for ((start, request), (their_start, their_request), expected) in table {
            let [tract, onnxruntime] = [times(start, request), times(their_start, their_request)];
            let found = objection(tract, onnxruntime);
            assert_eq!(found.is_some(), expected, "{tract:?} {onnxruntime:?}");
        }
    }

    #[test]
    fn an_objection_says_what_takes_longer() {
        let table = [
            (
                times(2_000, 45_200),
                "tract answers the same, but takes 45.2 ms for a request where ONNX Runtime takes \
                 0.13 ms here",
            ),
            (
                times(95_000, 100),
                "tract answers the same, but starts in 95.0 ms where ONNX Runtime does in 19.0 ms here",
            ),
        ];
        for (tract, expected) in table {
            let found = objection(tract, times(19_000, 130));
            assert_eq!(found.as_deref(), Some(expected));
        }
    }

    #[test]
    fn both_times_are_told() {
        let table = [
            (
                times(2_000, 150),
                "the first one comes 9.5x as fast, after 2.0 ms instead of 19.0 ms, and each later \
                 one after 0.15 ms instead of 1.3 ms here",
            ),
            (
                times(20_000, 45_200),
                "the first one comes after 20.0 ms instead of 19.0 ms, and each later one after \
                 45.2 ms instead of 1.3 ms here",
            ),
        ];
        for (tract, expected) in table {
            assert_eq!(told(tract, times(19_000, 1_300)), expected);
        }
    }

    #[test]
    fn the_quickest_of_several_counts() {
        assert_eq!(times(1, 9).quickest(times(5, 2)), times(1, 2));
    }
}
