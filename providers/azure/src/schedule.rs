//! Schedules as NCRONTAB: `0 */5 * * * *`.
//!
//! Source: Azure documentation, "Timer trigger for Azure Functions", "NCRONTAB expressions". They
//! have six fields (the first is the second), count the days of the week from 0 (Sunday) to 6,
//! and fire when *all* fields match, so that only one of the two day fields can restrict.

use mlfn_core::{Schedule, Seconds, Untranslatable, every_as_cron, read_cron};

/// `schedule` as an NCRONTAB expression.
pub fn expression(schedule: &Schedule) -> Result<String, Untranslatable> {
    match schedule {
        Schedule::Every(every) => pause(*every),
        Schedule::Cron(text) => cron(text),
    }
}

fn pause(every: Seconds) -> Result<String, Untranslatable> {
    let refused = || Untranslatable::pause(every, Seconds::new(1), "The timer of Azure Functions");
    let fields = every_as_cron(every).ok_or_else(refused)?;
    Ok(format!(
        "{} {} {} * * *",
        fields.second, fields.minute, fields.hour
    ))
}

fn cron(text: &str) -> Result<String, Untranslatable> {
    let cron = read_cron(text)?;
    if cron.restricts_both_days() {
        return Err(Untranslatable::both_days(
            text,
            "the timer of Azure Functions",
        ));
    }
    Ok(format!("0 {}", cron.text()))
}

#[cfg(test)]
mod tests {
    use mlfn_testkit::{expect_cron, expect_every};

    use super::*;

    #[test]
    fn a_pause_that_divides_evenly_is_a_step() {
        expect_every(expression, 1, Ok("* * * * * *"));
        expect_every(expression, 30, Ok("*/30 * * * * *"));
        expect_every(expression, 60, Ok("0 * * * * *"));
        expect_every(expression, 300, Ok("0 */5 * * * *"));
        expect_every(expression, 3600, Ok("0 0 * * * *"));
        expect_every(expression, 43_200, Ok("0 0 */12 * * *"));
        expect_every(expression, 86_400, Ok("0 0 0 * * *"));
    }

    #[test]
    fn any_other_pause_is_refused_with_the_nearest_ones() {
        expect_every(expression, 420, Err("Write `every: 6m` or `every: 10m`."));
        expect_every(expression, 5400, Err("Write `every: 1h` or `every: 2h`."));
        expect_every(expression, 172_800, Err("Write `every: 24h`."));
        expect_every(expression, 0, Err("Write `every: 1s`."));
    }

    #[test]
    fn unix_cron_gets_a_field_for_the_second() {
        expect_cron(expression, "* * * * *", Ok("0 * * * * *"));
        expect_cron(expression, "*/5 8-17 * * 1-5", Ok("0 */5 8-17 * * 1-5"));
        expect_cron(expression, "0 6 * * 7", Ok("0 0 6 * * 0"));
        expect_cron(expression, "10/20 6 1 JAN *", Ok("0 10,30,50 6 1 1 *"));
    }

    #[test]
    fn days_restricted_twice_are_refused() {
        expect_cron(expression, "0 0 13 * 5", Err("fires on either"));
    }
}
