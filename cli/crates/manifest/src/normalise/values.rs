//! Values that occur in several sections.

use std::collections::BTreeMap;
use std::str::FromStr;

use mlfn_core::{
    Architecture, Diagnostic, EnvironmentValue, FieldPath, Memory, ModelEngine, NameError, Seconds,
    SecretRef,
};

use crate::problems::{Code, Problem, Problems};
use crate::schema::v1;

const BAD_NAME: Code = Code::new("invalid-name", "a name that not every cloud accepts");
const BAD_MEMORY: Code = Code::new("invalid-memory", "not a memory size");
const BAD_TIME: Code = Code::new("invalid-time", "not a length of time");
const BAD_VARIABLE: Code = Code::new(
    "invalid-variable-name",
    "not a name of an environment variable",
);
const RESERVED: Code = Code::new(
    "reserved-variable",
    "an environment variable that mlfn sets itself",
);
const BAD_REFERENCE: Code = Code::new("invalid-reference", "not the name of something in a cloud");

/// The longest resource ids are those of Azure.
const MAX_REFERENCE: usize = 512;

/// A name of a service, a stage or a function.
pub(super) fn name<T>(text: &str, at: &FieldPath) -> Result<T, Diagnostic>
where
    T: FromStr<Err = NameError>,
{
    text.parse().map_err(|error| {
        let detail = match &error {
            NameError::Empty => error.to_string(),
            error => format!("`{text}` {error}"),
        };
        let mended = mended_name(text);
        // Leaving letters of other alphabets out makes names that nobody wants.
        let is_better = text.is_ascii() && mended != text && mended.parse::<T>().is_ok();
        let help = if is_better {
            format!("write `{mended}`")
        } else {
            "a name starts with a letter and goes on with letters, digits and `-`".to_owned()
        };
        BAD_NAME.error(at, detail).help(help)
    })
}

/// `My_Model v2` -> `my-model-v2`.
fn mended_name(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

/// A memory size above nothing.
pub(super) fn memory(
    written: Option<&v1::Quantity>,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<Memory> {
    let text = &written?.0;
    match text.parse::<Memory>() {
        Ok(memory) if memory.as_mib() > 0 => Some(memory),
        Ok(_) => {
            let problem = BAD_MEMORY.error(at, "nothing runs without memory");
            problems.push(problem.help("write for example `512MB`"));
            None
        }
        Err(_) => {
            let detail = format!("`{text}` is not a whole number with `MB` or `GB`");
            problems.push(BAD_MEMORY.error(at, detail).help(memory_help(text)));
            None
        }
    }
}

/// `1.5GB` is what people want to write.
fn memory_help(text: &str) -> String {
    let number = text
        .trim()
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .trim_end();
    let is_gigabytes = text.to_ascii_lowercase().contains('g');
    match number.parse::<f64>() {
        Ok(gigabytes) if is_gigabytes && gigabytes > 0.0 && gigabytes < 1000.0 => {
            format!("write `{}MB`", (gigabytes * 1024.0).round())
        }
        _ => "write for example `512MB` or `2GB`".to_owned(),
    }
}

/// A length of time above nothing.
pub(super) fn seconds(
    written: Option<&v1::Quantity>,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<Seconds> {
    let text = &written?.0;
    match text.parse::<Seconds>() {
        Ok(seconds) if seconds.get() > 0 => Some(seconds),
        Ok(_) => {
            let problem = BAD_TIME.error(at, "it must be a second or more");
            problems.push(problem.help("write for example `10s`"));
            None
        }
        Err(_) => {
            let detail =
                format!("`{text}` is not a whole number with a unit such as `s`, `minutes` or `h`");
            problems.push(
                BAD_TIME
                    .error(at, detail)
                    .help("write for example `10s`, `5 minutes` or `1h`"),
            );
            None
        }
    }
}

/// A short time, of a second at most.
pub(super) fn microseconds(
    written: Option<&v1::Quantity>,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<u64> {
    let text = written?.0.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "us" => Some(1),
        "ms" => Some(1_000),
        "s" => Some(1_000_000),
        _ => None,
    };
    let number: Option<u64> = number.trim().parse().ok();
    let time = number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    let time = time.filter(|time| *time <= 1_000_000);
    if time.is_none() {
        let detail = format!("`{text}` is not a whole number of `us` or `ms`, up to a second");
        problems.push(BAD_TIME.error(at, detail).help("write for example `2ms`"));
    }
    time
}

pub(super) fn architecture(written: v1::Architecture) -> Architecture {
    match written {
        v1::Architecture::X86_64 => Architecture::X86_64,
        v1::Architecture::Arm64 => Architecture::Arm64,
    }
}

pub(super) fn engine(written: v1::ModelEngine) -> ModelEngine {
    match written {
        v1::ModelEngine::Auto => ModelEngine::Auto,
        v1::ModelEngine::OnnxRuntime => ModelEngine::OnnxRuntime,
        v1::ModelEngine::Tract => ModelEngine::Tract,
    }
}

/// Environment variables, those with bad names left out.
pub(super) fn environment(
    written: Option<&v1::Environment>,
    at: &FieldPath,
    problems: &mut Problems,
) -> BTreeMap<String, EnvironmentValue> {
    let mut environment = BTreeMap::new();
    for (name, value) in written.into_iter().flatten() {
        let at = at.key(name);
        check_variable_name(name, &at, problems);
        let value = match value {
            v1::EnvironmentValue::Plain(text) => EnvironmentValue::Plain(text.0.clone()),
            v1::EnvironmentValue::Secret(v1::SecretReference { secret }) => {
                let Some(secret) = secret else { continue };
                check_reference(secret, &at.key("secret"), problems);
                EnvironmentValue::Secret(SecretRef(secret.clone()))
            }
        };
        environment.insert(name.clone(), value);
    }
    environment
}

/// The names of mlfn that are there for users: how much a function logs (`error`, `warn`, `info` or
/// `debug`), and whether it tells where the time of its start goes.
const FOR_USERS: [&str; 2] = ["MLFN_LOG", "MLFN_TRACE_COLD"];

/// POSIX.1-2017, section 8.1, in the wider form that shells and clouds accept.
fn check_variable_name(name: &str, at: &FieldPath, problems: &mut Problems) {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !starts_well || !goes_on_well {
        let detail =
            format!("`{name}` is not made of letters, digits and `_`, with no digit first");
        let problem = BAD_VARIABLE.error(at, detail);
        let mended = name.replace(['-', '.', ' '], "_");
        let can_be_mended = mended != name && mended.starts_with(|c: char| c.is_ascii_alphabetic());
        problems.push(Problem::of_key(if can_be_mended {
            problem.help(format!("write `{mended}`"))
        } else {
            problem.help("write for example `MODE`")
        }));
    } else if name.starts_with("MLFN_") && !FOR_USERS.contains(&name) {
        let detail = format!("`{name}` starts with `MLFN_`, as everything does that mlfn sets");
        let [log, trace] = FOR_USERS;
        let help = format!("choose another name; `{log}` and `{trace}` may be set");
        let problem = RESERVED.error(at, detail).help(help);
        problems.push(Problem::of_key(problem));
    }
}

/// A name that may have spaces in it.
pub(super) fn check_text(text: &str, at: &FieldPath, problems: &mut Problems) {
    if text.trim().is_empty() {
        let problem = BAD_REFERENCE.error(at, "it is empty");
        problems.push(problem.help("write the name alone"));
    }
}

/// A queue, topic, bucket, stream or secret: a name, or an id of the cloud's such as an ARN. What
/// exactly is allowed depends on the cloud, and is checked there.
pub(super) fn check_reference(text: &str, at: &FieldPath, problems: &mut Problems) {
    let length = text.chars().count();
    let detail = match text {
        "" => "it is empty".to_owned(),
        text if text.contains(char::is_whitespace) => format!("`{text}` contains a space"),
        text if text.contains("://") => format!("`{text}` is a URL"),
        _ if length > MAX_REFERENCE => {
            format!("it has {length} characters, and at most {MAX_REFERENCE} are allowed")
        }
        _ => return,
    };
    let problem = BAD_REFERENCE.error(at, detail);
    problems.push(problem.help("write the name alone, or the id that the cloud gives it"));
}
