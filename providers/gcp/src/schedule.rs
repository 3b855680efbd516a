//! Schedules as Cloud Scheduler has them: `*/5 * * * *`.
//!
//! Source: Cloud Scheduler documentation, "Cron job format and time zone". It is Unix cron with
//! days of the week from 0 (Sunday) to 6, so that translation only writes every expression in one
//! form. There is nothing shorter than a minute.

use mlfn_core::{Schedule, Seconds, Untranslatable, every_as_cron, read_cron};

/// `schedule` as the `schedule` of a job.
pub fn expression(schedule: &Schedule) -> Result<String, Untranslatable> {
    match schedule {
        Schedule::Every(every) => pause(*every),
        Schedule::Cron(text) => cron(text),
    }
}

const SHORTEST: Seconds = Seconds::new(60);

fn pause(every: Seconds) -> Result<String, Untranslatable> {
    let fields = every_as_cron(every).filter(|_| every >= SHORTEST);
    let refused = || Untranslatable::pause(every, SHORTEST, "Cloud Scheduler");
    let fields = fields.ok_or_else(refused)?;
    Ok(format!("{} {} * * *", fields.minute, fields.hour))
}

fn cron(text: &str) -> Result<String, Untranslatable> {
    Ok(read_cron(text)?.text())
}

#[cfg(test)]
mod tests {
    use mlfn_testkit::{expect_cron, expect_every};

    use super::*;

    #[track_caller]
    fn check_every(seconds: u32, expected: Result<&str, &str>) {
        expect_every(expression, seconds, expected);
    }

    #[test]
    fn a_pause_that_divides_evenly_is_a_step() {
        check_every(60, Ok("* * * * *"));
        check_every(300, Ok("*/5 * * * *"));
        check_every(3600, Ok("0 * * * *"));
        check_every(21_600, Ok("0 */6 * * *"));
        check_every(86_400, Ok("0 0 * * *"));
    }

    #[test]
    fn any_other_pause_is_refused_with_the_nearest_ones() {
        check_every(30, Err("Write `every: 1m`."));
        check_every(420, Err("Write `every: 6m` or `every: 10m`."));
        check_every(5400, Err("Write `every: 1h` or `every: 2h`."));
        check_every(172_800, Err("Write `every: 24h`."));
    }

    #[track_caller]
    fn check_cron(unix: &str, expected: &str) {
        expect_cron(expression, unix, Ok(expected));
    }

    #[test]
    fn unix_cron_stays_what_it_is() {
        check_cron("*/5 8-17 * * MON-FRI", "*/5 8-17 * * 1-5");
        check_cron("0 6 13 * 5", "0 6 13 * 5");
        check_cron("0 6 * * 7", "0 6 * * 0");
    }
}
