//! How requests move to a new version.

use mlfn_core::{Alarm, FieldPath, Seconds, Traffic};

use super::values;
use crate::problems::{Code, Problems};
use crate::schema::v1;

const BAD_PART: Code = Code::new("invalid-percentage", "not a part of the requests");

const DEFAULT_EVERY: Seconds = Seconds::new(300);

/// The word for errors of the new version itself.
const ERRORS: &str = "errors";

/// None if the first part is missing or wrong.
pub(super) fn traffic(
    written: &v1::Traffic,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<Traffic> {
    let every = values::seconds(written.every.as_ref(), &at.key("every"), problems);
    let alarm = match written.alarm.as_deref() {
        None | Some(ERRORS) => Alarm::Errors,
        Some(name) => {
            values::check_text(name, &at.key("alarm"), problems);
            Alarm::Named(name.to_owned())
        }
    };
    Some(Traffic {
        canary: percent(written.canary.as_ref()?, &at.key("canary"), problems)?,
        every: every.unwrap_or(DEFAULT_EVERY),
        alarm,
    })
}

/// `10%`.
fn percent(written: &v1::Quantity, at: &FieldPath, problems: &mut Problems) -> Option<u8> {
    let text = written.0.trim();
    let number = text.strip_suffix('%').map(str::trim);
    let number: Option<u8> = number.and_then(|number| number.parse().ok());
    let part = number.filter(|number| (1..100).contains(number));
    if part.is_none() {
        let detail = format!("`{text}` is not a whole number from `1%` to `99%`");
        problems.push(BAD_PART.error(at, detail).help("write for example `10%`"));
    }
    part
}
