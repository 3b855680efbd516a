//! What the providers say alike about schedules that their cloud cannot keep.

use crate::{
    Cron, CronError, Diagnostic, FieldPath, Schedule, ScheduleTrigger, Seconds, nearest_every,
};

/// Why a cloud cannot keep a schedule, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untranslatable {
    /// Why not, in full sentences.
    pub detail: String,
    /// What to write, in full sentences.
    pub help: String,
}

impl Untranslatable {
    /// `every` is none of the pauses that the cron of `owner` can keep, from `shortest` on.
    pub fn pause(every: Seconds, shortest: Seconds, owner: &str) -> Self {
        let offers: Vec<String> = nearest_every(every, shortest)
            .into_iter()
            .map(|pause| format!("`every: {pause}`"))
            .collect();
        Self {
            detail: format!(
                "{owner} keeps schedules as cron, of which the shortest pause is `{shortest}` and which starts anew with each minute, hour and day: it can keep only pauses that divide those evenly, and `{every}` does not."
            ),
            help: format!("Write {}.", offers.join(" or ")),
        }
    }

    /// `text` restricts the days of the month and of the week, which `owner` reads in another way.
    pub fn both_days(text: &str, owner: &str) -> Self {
        Self {
            detail: format!(
                "`{text}` restricts the day of the month and the day of the week. Unix cron then fires on either, which {owner} cannot say."
            ),
            help: "Use two schedule triggers: one with `*` as day of the week, one with `*` as day of the month.".to_owned(),
        }
    }

    fn unreadable(text: &str, error: &CronError) -> Self {
        Self {
            detail: format!("The cron expression `{text}` {error}."),
            help: "Write five fields, for example `0 6 * * 1-5` for six o'clock on weekdays."
                .to_owned(),
        }
    }
}

/// The fields of the cron expression `text`.
pub fn read_cron(text: &str) -> Result<Cron, Untranslatable> {
    text.parse()
        .map_err(|error| Untranslatable::unreadable(text, &error))
}

/// An error if `translate`, the provider's translation, has none for the schedule of the trigger
/// at `at`.
pub fn check_schedule(
    trigger: &ScheduleTrigger,
    at: &FieldPath,
    translate: impl Fn(&Schedule) -> Result<String, Untranslatable>,
) -> Option<Diagnostic> {
    let refused = translate(&trigger.schedule).err()?;
    let key = match trigger.schedule {
        Schedule::Every(_) => "every",
        Schedule::Cron(_) => "cron",
    };
    let diagnostic = Diagnostic::error(
        "schedule-not-expressible",
        "schedule cannot be expressed",
        at.key(key),
        refused.detail,
    );
    Some(diagnostic.help(refused.help))
}
