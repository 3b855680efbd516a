//! The five fields of Unix cron.

use croner::parser::{CronParser, Seconds, Year};
use mlfn_core::FieldPath;

use crate::problems::{Code, Problems};

const BAD_CRON: Code = Code::new("invalid-cron", "not a cron expression");
const NEVER: Code = Code::new("cron-never-fires", "a schedule that never fires");

const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31"),
    ("month", "1 to 12, or JAN to DEC"),
    (
        "day of week",
        "0 to 7 with 0 and 7 for Sunday, or SUN to SAT",
    ),
];

/// Days of the longest year's months.
const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The expression with single spaces.
pub(super) fn expression(text: &str, at: &FieldPath, problems: &mut Problems) -> Option<String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        wrong_number(text, fields.len(), at, problems);
        return None;
    }
    let bad = fields
        .iter()
        .zip(FIELDS)
        .enumerate()
        .filter(|(index, (field, _))| !is_field(*index, field));
    let mut is_good = true;
    for (_, (field, (name, range))) in bad {
        is_good = false;
        let detail = format!("`{field}` is not possible as {name}");
        let help = format!("{name} is {range}, `*`, a list `1,2`, a range `1-5`, or a step `*/5`");
        problems.push(BAD_CRON.error(at, detail).help(help));
    }
    if is_good && never_fires(&fields) {
        let detail = "no month that it names has such a day";
        problems.push(NEVER.error(at, detail));
        return None;
    }
    is_good.then(|| fields.join(" "))
}

fn wrong_number(text: &str, found: usize, at: &FieldPath, problems: &mut Problems) {
    let detail = format!(
        "it has {found} {}, and five are needed: minute, hour, day of month, month, day of week",
        if found == 1 { "field" } else { "fields" }
    );
    let problem = BAD_CRON.error(at, detail);
    let without_wrapper = text.trim().starts_with("cron(") || text.trim().starts_with("rate(");
    problems.push(match (found, without_wrapper) {
        (_, true) => problem
            .help("write what Unix cron takes, e.g. `0 6 * * 1-5`, or use `every: 5 minutes`"),
        (1, _) if text.starts_with('@') => problem.help("write it out: `@daily` is `0 0 * * *`"),
        (6, _) => problem.help("there are no seconds and no years here; leave that field out"),
        _ => problem.help("every morning at six is `0 6 * * *`"),
    });
}

/// Whether a field is right, with all others taken as `*`. The letters that some implementations
/// add (`L`, `W`, `#`, `?`) are refused, because not every cloud has them.
fn is_field(index: usize, field: &str) -> bool {
    let has_extension = field.contains(['#', '?', '+', '@']) || has_letter_extension(field);
    let mut fields = ["*"; 5];
    fields[index] = field;
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    !has_extension && parser.parse(&fields.join(" ")).is_ok()
}

/// `L`, `15W`, `5L`; not `JUL` or `WED`.
fn has_letter_extension(field: &str) -> bool {
    field
        .split(|c: char| !c.is_ascii_alphabetic())
        .any(|word| !word.is_empty() && word.len() < 3)
}

/// `0 0 31 2 *` is well-formed, and waits for ever. Cron fires if either kind of day fits, so this
/// needs a free day of week.
fn never_fires(fields: &[&str]) -> bool {
    let [_, _, day, month, "*"] = fields else {
        return false;
    };
    let Ok(day) = day.parse::<u32>() else {
        return false;
    };
    let months: Option<Vec<usize>> = month.split(',').map(|month| month.parse().ok()).collect();
    let Some(months) = months else {
        return false;
    };
    let fits = |month: &usize| {
        DAYS.get(month.wrapping_sub(1))
            .is_some_and(|days| day <= *days)
    };
    !months.iter().any(fits)
}
