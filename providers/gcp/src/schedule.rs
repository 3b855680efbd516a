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

    #[test]
    fn a_pause_that_divides_evenly_is_a_step() {
        expect_every(expression, 60, Ok("* * * * *"));
        expect_every(expression, 300, Ok("*/5 * * * *"));
        expect_every(expression, 3600, Ok("0 * * * *"));
        expect_every(expression, 21_600, Ok("0 */6 * * *"));
        expect_every(expression, 86_400, Ok("0 0 * * *"));
    }

    #[test]
    fn any_other_pause_is_refused_with_the_nearest_ones() {
        expect_every(expression, 30, Err("Write `every: 1m`."));
        expect_every(expression, 420, Err("Write `every: 6m` or `every: 10m`."));
        expect_every(expression, 5400, Err("Write `every: 1h` or `every: 2h`."));
        expect_every(expression, 172_800, Err("Write `every: 24h`."));
    }

    #[test]
    fn unix_cron_stays_what_it_is() {
        expect_cron(expression, "*/5 8-17 * * MON-FRI", Ok("*/5 8-17 * * 1-5"));
        expect_cron(expression, "0 6 13 * 5", Ok("0 6 13 * 5"));
        expect_cron(expression, "0 6 * * 7", Ok("0 6 * * 0"));
    }
}
