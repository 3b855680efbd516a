//! The share of a processor that an instance gets. Where the kernel does not see to it (`cgroup`),
//! the process is stopped (`SIGSTOP`) once it has had its part of a period, and goes on in a later
//! one. That is what the kernel does, too, but for the accuracy: it is looked at every few
//! milliseconds, so that the part is kept over several periods rather than in each.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlfn_core::Memory;

use super::usage::Gauge;

/// The memory that one whole processor goes with, in MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
const MEMORY_OF_A_PROCESSOR: u64 = 1769;

/// Over which time the processor is shared out: the kernel's default.
pub(super) const PERIOD: Duration = Duration::from_millis(100);

/// How much of a processor an instance gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CpuShare {
    /// As much as there is.
    #[default]
    Off,
    /// As much as goes with its memory on Lambda: one processor for 1769 MB.
    Lambda,
    /// So many thousandths of a processor.
    Thousandths(u32),
}

/// A text that is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write `off`, `lambda` (by memory: 1769 MB for one processor), or a number such as 0.5")]
pub struct NoShare;

impl FromStr for CpuShare {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        match text {
            "off" => Ok(Self::Off),
            "lambda" => Ok(Self::Lambda),
            number => thousandths(number).map(Self::Thousandths).ok_or(NoShare),
        }
    }
}

/// Of a decimal number that is more than nothing.
fn thousandths(number: &str) -> Option<u32> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_sound = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && part.is_empty() || part.len() > 3 || !is_sound(whole) || !is_sound(part)
    {
        return None;
    }
    let thousandths = format!("{whole}{part:0<3}").parse().ok()?;
    (thousandths > 0).then_some(thousandths)
}

impl CpuShare {
    /// What an instance with this memory gets of each [`PERIOD`], over all processors.
    pub(super) fn quota(self, memory: Memory) -> Option<Duration> {
        let period = u64::try_from(PERIOD.as_micros()).unwrap_or(u64::MAX);
        let quota = match self {
            Self::Off => return None,
            Self::Lambda => u64::from(memory.as_mib()) * period / MEMORY_OF_A_PROCESSOR,
            Self::Thousandths(share) => u64::from(share) * period / 1000,
        };
        Some(Duration::from_micros(quota))
    }
}

/// Holds one process to its quota.
#[derive(Debug)]
pub(super) struct Throttle {
    turn: Mutex<Turn>,
}

impl Throttle {
    /// For a process that gets `quota` of each [`PERIOD`].
    pub(super) fn new(quota: Duration) -> Self {
        Self {
            turn: Mutex::new(Turn::new(quota, Instant::now())),
        }
    }

    /// Stops the process or lets it go on.
    pub(super) fn check(&self, gauge: &Gauge) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(used) = gauge.processor_time() else {
            return;
        };
        let was_stopped = turn.is_over;
        turn.look(Instant::now(), used);
        if turn.is_over != was_stopped {
            gauge.hold(turn.is_over);
        }
    }
}

/// What a process had of a period.
#[derive(Debug)]
struct Turn {
    quota: Duration,
    begin: Instant,
    /// What it had used when the period began.
    before: Duration,
    /// What it had too much of in earlier periods.
    owed: Duration,
    /// Whether it has to wait.
    is_over: bool,
}

impl Turn {
    fn new(quota: Duration, begin: Instant) -> Self {
        Self {
            quota,
            begin,
            before: Duration::ZERO,
            owed: Duration::ZERO,
            is_over: false,
        }
    }

    /// At `now`, it has `used` so much since it was started.
    fn look(&mut self, now: Instant, used: Duration) {
        let spent = self.owed + used.saturating_sub(self.before);
        let passed = now.duration_since(self.begin).as_nanos() / PERIOD.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        let owed = spent.saturating_sub(self.quota.saturating_mul(passed));
        if passed > 0 {
            self.begin += PERIOD * passed;
            self.before = used;
            self.owed = owed;
        }
        self.is_over = owed >= self.quota;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_as_a_word_or_a_number() {
        for (text, expected) in [
            ("off", Ok(CpuShare::Off)),
            ("lambda", Ok(CpuShare::Lambda)),
            ("0.5", Ok(CpuShare::Thousandths(500))),
            (".25", Ok(CpuShare::Thousandths(250))),
            ("2", Ok(CpuShare::Thousandths(2000))),
            ("1.005", Ok(CpuShare::Thousandths(1005))),
            ("0", Err(NoShare)),
            ("0.0001", Err(NoShare)),
            ("-1", Err(NoShare)),
            (".", Err(NoShare)),
            ("1e3", Err(NoShare)),
            ("all", Err(NoShare)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn a_share_is_a_part_of_each_period() {
        let memory = Memory::mib(128);
        for (share, expected) in [
            (CpuShare::Off, None),
            (CpuShare::Lambda, Some(7235)),
            (CpuShare::Thousandths(500), Some(50_000)),
        ] {
            let quota = share.quota(memory).map(|quota| quota.as_micros());
            assert_eq!(quota, expected, "{share:?}");
        }
        let whole = CpuShare::Lambda.quota(Memory::mib(1769));
        assert_eq!(whole, Some(PERIOD));
    }

    #[test]
    fn who_has_had_its_part_waits_until_all_of_it_is_paid_for() {
        let begin = Instant::now();
        let ms = Duration::from_millis;
        let mut turn = Turn::new(ms(20), begin);
        for (now, used, is_over) in [
            (5, 5, false),
            (20, 19, false),
            (25, 24, true),
            (95, 24, true),
            // Of the next 20, 4 are gone.
            (100, 24, false),
            (110, 34, false),
            (116, 40, true),
            // 80 too much are four periods.
            (200, 120, true),
            (300, 120, true),
            (399, 120, true),
            (600, 120, false),
            // Nobody saves up.
            (900, 120, false),
            (910, 140, true),
        ] {
            turn.look(begin + ms(now), ms(used));
            assert_eq!(turn.is_over, is_over, "after {now} ms");
        }
    }
}
