//! Schedules in the dialect of EventBridge Scheduler: `rate(5 minutes)` and `cron(0 6 ? * MON-FRI *)`.
//!
//! Source: EventBridge Scheduler User Guide, "Schedule types". Its cron has six fields (the last
//! is the year), counts the days of the week from 1 (Sunday), writes steps as `first/step`, and
//! wants `?` in one of the two day fields, so that only one of them can restrict.

use mlfn_core::{CronField, Schedule, Seconds, Untranslatable, read_cron};

/// `schedule` as a `ScheduleExpression`.
pub fn expression(schedule: &Schedule) -> Result<String, Untranslatable> {
    match schedule {
        Schedule::Every(every) => rate(*every),
        Schedule::Cron(text) => cron(text),
    }
}

const MINUTE: u32 = 60;
const HOUR: u32 = 3600;
const DAY: u32 = 86_400;

fn rate(every: Seconds) -> Result<String, Untranslatable> {
    let seconds = every.get();
    if seconds < MINUTE || !seconds.is_multiple_of(MINUTE) {
        return Err(not_minutes(every));
    }
    let (number, unit) = match seconds {
        s if s.is_multiple_of(DAY) => (s / DAY, "day"),
        s if s.is_multiple_of(HOUR) => (s / HOUR, "hour"),
        s => (s / MINUTE, "minute"),
    };
    let plural = if number == 1 { "" } else { "s" };
    Ok(format!("rate({number} {unit}{plural})"))
}

fn not_minutes(every: Seconds) -> Untranslatable {
    let minutes = every.get().div_ceil(MINUTE).max(1);
    Untranslatable {
        detail: format!(
            "EventBridge Scheduler counts in whole minutes, one at least, and `{every}` is not that."
        ),
        help: format!("Write `every: {minutes}m`."),
    }
}

fn cron(text: &str) -> Result<String, Untranslatable> {
    let cron = read_cron(text)?;
    if cron.restricts_both_days() {
        return Err(Untranslatable::both_days(text, "EventBridge Scheduler"));
    }
    let (day_of_month, day_of_week) = if cron.day_of_week.is_any() {
        (field(&cron.day_of_month), "?".to_owned())
    } else {
        ("?".to_owned(), cron.day_of_week.list(day_name))
    };
    let (minute, hour, month) = (field(&cron.minute), field(&cron.hour), field(&cron.month));
    Ok(format!(
        "cron({minute} {hour} {day_of_month} {month} {day_of_week} *)"
    ))
}

/// With steps as `first/step`, the only form of them that the documentation shows.
fn field(field: &CronField) -> String {
    match field.step() {
        Some((first, step)) if !field.is_any() => format!("{first}/{step}"),
        _ => field.text(),
    }
}

/// By name, because the numbers differ from those of Unix cron.
fn day_name(day: u8) -> String {
    const NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    NAMES[usize::from(day) % NAMES.len()].to_owned()
}

#[cfg(test)]
mod tests {
    use mlfn_testkit::{expect_cron, expect_every};

    use super::*;

    #[test]
    fn a_pause_is_a_rate_in_its_largest_unit() {
        expect_every(expression, 60, Ok("rate(1 minute)"));
        expect_every(expression, 300, Ok("rate(5 minutes)"));
        expect_every(expression, 420, Ok("rate(7 minutes)"));
        expect_every(expression, 3600, Ok("rate(1 hour)"));
        expect_every(expression, 5400, Ok("rate(90 minutes)"));
        expect_every(expression, 86_400, Ok("rate(1 day)"));
        expect_every(expression, 172_800, Ok("rate(2 days)"));
    }

    #[test]
    fn parts_of_minutes_are_refused_with_the_next_whole_one() {
        expect_every(expression, 0, Err("Write `every: 1m`."));
        expect_every(expression, 59, Err("Write `every: 1m`."));
        expect_every(expression, 61, Err("Write `every: 2m`."));
        expect_every(expression, u32::MAX, Err("Write `every: 71582789m`."));
    }

    #[test]
    fn unix_cron_is_translated_by_meaning() {
        expect_cron(expression, "* * * * *", Ok("cron(* * * * ? *)"));
        expect_cron(expression, "0 6 * * 1-5", Ok("cron(0 6 ? * MON-FRI *)"));
        expect_cron(expression, "0 6 * * 0", Ok("cron(0 6 ? * SUN *)"));
        expect_cron(expression, "0 6 * * 7", Ok("cron(0 6 ? * SUN *)"));
        expect_cron(expression, "0 6 * * 6,0", Ok("cron(0 6 ? * SUN,SAT *)"));
        expect_cron(expression, "*/5 * * * *", Ok("cron(0/5 * * * ? *)"));
        expect_cron(
            expression,
            "10/20 */6 1 jan,jul *",
            Ok("cron(10/20 0/6 1 1,7 ? *)"),
        );
        expect_cron(
            expression,
            "10-30/10 8-17 15 * *",
            Ok("cron(10,20,30 8-17 15 * ? *)"),
        );
        expect_cron(
            expression,
            "0 0 * * */2",
            Ok("cron(0 0 ? * SUN,TUE,THU,SAT *)"),
        );
    }

    #[test]
    fn what_eventbridge_cannot_say_is_refused() {
        expect_cron(expression, "0 0 13 * 5", Err("fires on either"));
        expect_cron(expression, "0 0 13 *", Err("has 4 fields"));
    }
}
