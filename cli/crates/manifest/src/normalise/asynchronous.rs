//! What becomes of asynchronous requests.

use mlfn_core::{AsyncSettings, Destination, FieldPath};

use super::values;
use crate::problems::Problems;
use crate::schema::v1;

pub(super) fn settings(
    written: &v1::Async,
    at: &FieldPath,
    problems: &mut Problems,
) -> AsyncSettings {
    let mut to = |written: &Option<v1::Destination>, key: &str| {
        destination(written.as_ref()?, &at.key(key), problems)
    };
    let on_success = to(&written.on_success, "on_success");
    let on_failure = to(&written.on_failure, "on_failure");
    AsyncSettings {
        max_tries: written.max_tries,
        max_age: values::seconds(written.max_age.as_ref(), &at.key("max_age"), problems),
        on_success,
        on_failure,
    }
}

/// None if there is not exactly one, which the schema says already.
fn destination(
    written: &v1::Destination,
    at: &FieldPath,
    problems: &mut Problems,
) -> Option<Destination> {
    let (key, name, destination) = match (&written.queue, &written.topic) {
        (Some(queue), None) => ("queue", queue, Destination::Queue(queue.clone())),
        (None, Some(topic)) => ("topic", topic, Destination::Topic(topic.clone())),
        _ => return None,
    };
    values::check_reference(name, &at.key(key), problems);
    Some(destination)
}
