//! Schedules, taken apart so that each provider can write them in its own dialect.
//!
//! The manifest's dialect is the five fields of Unix cron (POSIX `crontab`, with the steps and the
//! names of Vixie cron). Clouds differ in how days of the week count, in how steps are written and
//! in what two restricted day fields mean, so the text cannot simply be passed on.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::Seconds;

/// A cron expression as the sets of values at which it fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// 0 to 59.
    pub minute: CronField,
    /// 0 to 23.
    pub hour: CronField,
    /// 1 to 31.
    pub day_of_month: CronField,
    /// 1 to 12.
    pub month: CronField,
    /// 0 (Sunday) to 6 (Saturday).
    pub day_of_week: CronField,
}

impl Cron {
    /// All five fields, each in its shortest form.
    pub fn text(&self) -> String {
        let fields = [
            &self.minute,
            &self.hour,
            &self.day_of_month,
            &self.month,
            &self.day_of_week,
        ];
        fields.map(CronField::text).join(" ")
    }

    /// Whether it names days of the month and days of the week. Unix cron then fires on either,
    /// which most clouds cannot say.
    pub fn restricts_both_days(&self) -> bool {
        !self.day_of_month.is_any() && !self.day_of_week.is_any()
    }
}

/// Why a text is not a cron expression. Each message says what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error(
        "has {0} fields; write five: minute, hour, day of month, month, day of week, for example `0 6 * * 1-5`"
    )]
    Fields(usize),
    /// A field that cannot be read, or is outside of its range.
    #[error(
        "`{text}` is not a {field}; use {first} to {last}, `*`, lists such as `{first},{last}`, ranges or steps such as `*/5`"
    )]
    Field {
        /// Which of the five.
        field: &'static str,
        /// What stands there.
        text: String,
        /// The lowest value.
        first: u8,
        /// The highest value.
        last: u8,
    },
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = fields[..] else {
            return Err(CronError::Fields(fields.len()));
        };
        Ok(Self {
            minute: CronField::read(&MINUTE, minute)?,
            hour: CronField::read(&HOUR, hour)?,
            day_of_month: CronField::read(&DAY_OF_MONTH, day_of_month)?,
            month: CronField::read(&MONTH, month)?,
            day_of_week: CronField::read(&DAY_OF_WEEK, day_of_week)?,
        })
    }
}

/// One field of a cron expression: the values at which it fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronField {
    first: u8,
    last: u8,
    values: BTreeSet<u8>,
}

impl CronField {
    /// Whether it fires at every value, as `*` does.
    pub fn is_any(&self) -> bool {
        self.values.len() == usize::from(self.last - self.first) + 1
    }

    /// The values at which it fires, the lowest first.
    pub fn values(&self) -> impl Iterator<Item = u8> + '_ {
        self.values.iter().copied()
    }

    /// `(start, step)` if it fires at `start` and then at each `step` until the end of its range,
    /// three times at least.
    pub fn step(&self) -> Option<(u8, u8)> {
        let mut values = self.values();
        let (start, second) = (values.next()?, values.next()?);
        let step = second - start;
        let stepped = (start..=self.last).step_by(usize::from(step));
        (step > 1 && self.values.len() > 2 && stepped.eq(self.values())).then_some((start, step))
    }

    /// As Unix cron and NCRONTAB write it, in the shortest form: `*`, `*/5`, `1-5`, `0,30`.
    pub fn text(&self) -> String {
        match self.step() {
            _ if self.is_any() => "*".to_owned(),
            Some((start, step)) if start == self.first => format!("*/{step}"),
            _ => self.list(|value| value.to_string()),
        }
    }

    /// As a list of values and ranges, each value written by `name`.
    pub fn list(&self, name: impl Fn(u8) -> String) -> String {
        let texts: Vec<String> = self
            .runs()
            .into_iter()
            .flat_map(|(start, end)| match end - start {
                0 => vec![name(start)],
                1 => vec![name(start), name(end)],
                _ => vec![format!("{}-{}", name(start), name(end))],
            })
            .collect();
        texts.join(",")
    }

    /// Runs of consecutive values, both ends included.
    fn runs(&self) -> Vec<(u8, u8)> {
        let mut runs: Vec<(u8, u8)> = Vec::new();
        for value in self.values() {
            match runs.last_mut() {
                Some((_, end)) if *end + 1 == value => *end = value,
                _ => runs.push((value, value)),
            }
        }
        runs
    }

    fn read(rule: &FieldRule, text: &str) -> Result<Self, CronError> {
        let values = text
            .split(',')
            .map(|item| rule.item(item))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| rule.error(text))?;
        Ok(Self {
            first: rule.first,
            last: rule.last,
            values: values.into_iter().flatten().collect(),
        })
    }
}

/// What may stand in a field.
struct FieldRule {
    name: &'static str,
    first: u8,
    last: u8,
    /// Names of the values from `first` on, in lower case.
    names: &'static [&'static str],
}

const MINUTE: FieldRule = FieldRule::numbers("minute", 0, 59);
const HOUR: FieldRule = FieldRule::numbers("hour", 0, 23);
const DAY_OF_MONTH: FieldRule = FieldRule::numbers("day of the month", 1, 31);
const MONTH: FieldRule = FieldRule {
    name: "month",
    first: 1,
    last: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const DAY_OF_WEEK: FieldRule = FieldRule {
    name: "day of the week",
    first: 0,
    last: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl FieldRule {
    const fn numbers(name: &'static str, first: u8, last: u8) -> Self {
        Self {
            name,
            first,
            last,
            names: &[],
        }
    }

    /// The values of `*`, `5`, `1-5`, `*/5`, `10-30/5` or `10/5`.
    fn item(&self, text: &str) -> Option<Vec<u8>> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u8>().ok().filter(|s| *s > 0)?)),
            None => (text, None),
        };
        let (start, end) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((start, end)) => (self.value(start)?, self.value(end)?),
            // Vixie cron reads `10/5` as "from 10 on".
            None if step.is_some() => (self.value(range)?, self.last),
            None => (self.value(range)?, self.value(range)?),
        };
        let step = usize::from(step.unwrap_or(1));
        let values = (start..=end).step_by(step).map(|value| self.fold(value));
        (start <= end).then(|| values.collect())
    }

    fn value(&self, text: &str) -> Option<u8> {
        let named = self
            .names
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name));
        let value = match named {
            Some(position) => self.first + u8::try_from(position).ok()?,
            None => text.parse().ok()?,
        };
        (self.first..=self.highest())
            .contains(&value)
            .then_some(value)
    }

    /// Sunday is 0 and 7, so that `5-7` can be written.
    fn highest(&self) -> u8 {
        if self.last == 6 { 7 } else { self.last }
    }

    fn fold(&self, value: u8) -> u8 {
        if value > self.last { self.first } else { value }
    }

    fn error(&self, text: &str) -> CronError {
        CronError::Field {
            field: self.name,
            text: text.to_owned(),
            first: self.first,
            last: self.last,
        }
    }
}

const MINUTES: u32 = 60;
const HOURS: u32 = 3600;
const DAY: u32 = 86_400;

/// A pause that cron can keep: one that divides a minute, an hour or a day without a rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EveryFields {
    /// Of a minute; `0` unless it fires several times a minute.
    pub second: String,
    /// Of an hour.
    pub minute: String,
    /// Of a day.
    pub hour: String,
}

/// `every` in the fields of cron; none if cron would not keep the pause, as with 7 minutes, where
/// 0:56 is followed by 1:00.
pub fn every_as_cron(every: Seconds) -> Option<EveryFields> {
    let fields = |second: String, minute: String, hour: String| EveryFields {
        second,
        minute,
        hour,
    };
    let any = || "*".to_owned();
    let zero = || "0".to_owned();
    match every.get() {
        0 => None,
        s if s < MINUTES => Some(fields(step(s, MINUTES)?, any(), any())),
        s if s % MINUTES != 0 => None,
        s if s < HOURS => Some(fields(zero(), step(s / MINUTES, 60)?, any())),
        s if s % HOURS != 0 => None,
        s if s < DAY => Some(fields(zero(), zero(), step(s / HOURS, 24)?)),
        DAY => Some(fields(zero(), zero(), zero())),
        _ => None,
    }
}

/// The pauses next to `every` that [`every_as_cron`] can keep, none shorter than `shortest`: the
/// next shorter and the next longer one, as far as there are any.
pub fn nearest_every(every: Seconds, shortest: Seconds) -> Vec<Seconds> {
    let allowed = |seconds: &Seconds| *seconds >= shortest && every_as_cron(*seconds).is_some();
    let shorter = (shortest.get()..every.get().min(DAY + 1))
        .rev()
        .map(Seconds::new)
        .find(allowed);
    let longer = (every.get().saturating_add(1)..=DAY)
        .map(Seconds::new)
        .find(allowed);
    shorter.into_iter().chain(longer).collect()
}

fn step(step: u32, of: u32) -> Option<String> {
    match step {
        1 => Some("*".to_owned()),
        _ if of.is_multiple_of(step) => Some(format!("*/{step}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let found = text.parse::<Cron>().map(|cron| cron.text());
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn every_spelling_has_one_short_form() {
        check("* * * * *", Ok("* * * * *"));
        check("*/5 0-23 1-31 1-12 0-7", Ok("*/5 * * * *"));
        check("0,30 6 * JAN,Mar MON-FRI", Ok("0,30 6 * 1,3 1-5"));
        check("0 0 * * 7", Ok("0 0 * * 0"));
        check("0 0 * * 5-7", Ok("0 0 * * 0,5,6"));
        check("10-30/10 2/6 1,2,3 * *", Ok("10,20,30 2,8,14,20 1-3 * *"));
        check("*/7 * * * *", Ok("*/7 * * * *"));
        check("*/40 * * * *", Ok("0,40 * * * *"));
    }

    #[test]
    fn what_is_not_cron_is_named() {
        check(
            "0 6 * *",
            Err(
                "has 4 fields; write five: minute, hour, day of month, month, day of week, for example `0 6 * * 1-5`",
            ),
        );
        let not_a_minute = |text: &str| {
            format!(
                "`{text}` is not a minute; use 0 to 59, `*`, lists such as `0,59`, ranges or steps such as `*/5`"
            )
        };
        for bad in ["60", "5-1", "*/0", "-1", "", "x", "1//2", "L"] {
            let expression = format!("{bad} * * * *");
            if !bad.is_empty() {
                check(&expression, Err(&not_a_minute(bad)));
            }
        }
    }

    #[test]
    fn days_restricted_twice_are_noticed() {
        let both = |text: &str| text.parse::<Cron>().map(|cron| cron.restricts_both_days());
        assert_eq!(both("0 0 13 * 5"), Ok(true));
        assert_eq!(both("0 0 * * 5"), Ok(false));
        assert_eq!(both("0 0 1-31 * 5"), Ok(false));
    }

    #[track_caller]
    fn check_every(seconds: u32, expected: Option<[&str; 3]>) {
        let found = every_as_cron(Seconds::new(seconds)).map(|f| [f.second, f.minute, f.hour]);
        let expected = expected.map(|fields| fields.map(str::to_owned));
        assert_eq!(found, expected, "{seconds}");
    }

    #[test]
    fn a_pause_is_cron_when_it_divides_evenly() {
        check_every(0, None);
        check_every(1, Some(["*", "*", "*"]));
        check_every(20, Some(["*/20", "*", "*"]));
        check_every(45, None);
        check_every(60, Some(["0", "*", "*"]));
        check_every(90, None);
        check_every(300, Some(["0", "*/5", "*"]));
        check_every(420, None);
        check_every(3600, Some(["0", "0", "*"]));
        check_every(5400, None);
        check_every(21_600, Some(["0", "0", "*/6"]));
        check_every(18_000, None);
        check_every(86_400, Some(["0", "0", "0"]));
        check_every(172_800, None);
    }

    #[test]
    fn the_nearest_pauses_are_offered() {
        let nearest = |every: u32, shortest: u32| {
            let found = nearest_every(Seconds::new(every), Seconds::new(shortest));
            found.into_iter().map(Seconds::get).collect::<Vec<_>>()
        };
        assert_eq!(nearest(420, 1), [360, 600]);
        assert_eq!(nearest(5400, 1), [3600, 7200]);
        assert_eq!(nearest(45, 1), [30, 60]);
        assert_eq!(nearest(45, 60), [60]);
        assert_eq!(nearest(172_800, 1), [86_400]);
        assert_eq!(nearest(u32::MAX, 1), [86_400]);
    }
}
