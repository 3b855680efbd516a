//! Sizes and times as users write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A size or time that cannot be read. The message shows what can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a memory size.
    #[error("`{0}` is not a memory size; write for example `512MB` or `2GB`")]
    Memory(String),
    /// Not a length of time.
    #[error("`{0}` is not a length of time; write for example `10s`, `5 minutes` or `1h`")]
    Seconds(String),
}

/// Memory in MiB. Clouds say "MB" and mean MiB (2^20 bytes), and so do we.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory(u32);

impl Memory {
    /// That many MiB.
    pub const fn mib(mib: u32) -> Self {
        Self(mib)
    }

    /// In MiB.
    pub const fn as_mib(self) -> u32 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::Memory(text.to_owned());
        let (number, unit) = split(text).ok_or_else(error)?;
        let factor = match unit.to_ascii_lowercase().as_str() {
            "" | "m" | "mb" | "mi" | "mib" => 1,
            "g" | "gb" | "gi" | "gib" => 1024,
            _ => return Err(error()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            mib if mib >= 1024 && mib.is_multiple_of(1024) => write!(f, "{}GB", mib / 1024),
            mib => write!(f, "{mib}MB"),
        }
    }
}

/// A length of time in whole seconds, the unit of every cloud's time-outs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(u32);

impl Seconds {
    /// That many seconds.
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    /// In seconds.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for Seconds {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::Seconds(text.to_owned());
        let (number, unit) = split(text).ok_or_else(error)?;
        let factor = match unit {
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86400,
            _ => return Err(error()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s >= 3600 && s.is_multiple_of(3600) => write!(f, "{}h", s / 3600),
            s if s >= 60 && s.is_multiple_of(60) => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

/// `"5 minutes"` -> `(5, "minutes")`; none unless it starts with a whole number.
fn split(text: &str) -> Option<(u32, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_the_ways_people_write_it() {
        let read = |text: &str| text.parse::<Memory>().map(Memory::as_mib).ok();
        assert_eq!(read("512MB"), Some(512));
        assert_eq!(read("512"), Some(512));
        assert_eq!(read("2 GiB"), Some(2048));
        assert_eq!(read("1gb"), Some(1024));
        assert_eq!(read("1.5GB"), None);
        assert_eq!(read("-1MB"), None);
        assert_eq!(read("4294967295GB"), None);
        assert_eq!(read("lots"), None);
    }

    #[test]
    fn times_are_read_in_the_ways_people_write_them() {
        let read = |text: &str| text.parse::<Seconds>().map(Seconds::get).ok();
        assert_eq!(read("10s"), Some(10));
        assert_eq!(read("5 minutes"), Some(300));
        assert_eq!(read("1h"), Some(3600));
        assert_eq!(read("30"), Some(30));
        assert_eq!(read("5 fortnights"), None);
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        for mib in [1, 512, 1024, 1536, 10240] {
            assert_eq!(Memory::mib(mib).to_string().parse(), Ok(Memory::mib(mib)));
        }
        for seconds in [1, 59, 60, 90, 3600, 86400] {
            assert_eq!(
                Seconds::new(seconds).to_string().parse(),
                Ok(Seconds::new(seconds))
            );
        }
    }
}
