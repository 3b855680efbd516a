//! Messages as Lambda hands them to a function, and its answer
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>).

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::message::{Attribute, Message, md5_of, md5_of_attributes};

/// Where the messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) arn: String,
    pub(super) region: String,
}

/// The event for some messages of a queue.
pub(super) fn event(messages: &[Message], origin: &Origin) -> Bytes {
    let records: Vec<Json> = messages
        .iter()
        .map(|message| record(message, origin))
        .collect();
    Bytes::from(json!({ "Records": records }).to_string())
}

fn record(message: &Message, origin: &Origin) -> Json {
    let source = message
        .died_in
        .as_deref()
        .map(|queue| sibling(&origin.arn, queue));
    let attributes: Map<String, Json> = message
        .attributes
        .iter()
        .map(|(name, attribute)| (name.clone(), value(attribute)))
        .collect();
    let mut record = json!({
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": message.system_attributes(source),
        "messageAttributes": attributes,
        "md5OfBody": md5_of(&message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": origin.arn,
        "awsRegion": origin.region,
    });
    if let Some(digest) = md5_of_attributes(&message.attributes) {
        record["md5OfMessageAttributes"] = digest.into();
    }
    record
}

fn value(attribute: &Attribute) -> Json {
    let mut value = json!({
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": attribute.data_type,
    });
    for (name, text) in [
        ("stringValue", &attribute.string_value),
        ("binaryValue", &attribute.binary_value),
    ] {
        if let Some(text) = text {
            value[name] = text.clone().into();
        }
    }
    value
}

/// The ARN of another queue beside the one that has this ARN.
pub(crate) fn sibling(arn: &str, queue: &str) -> String {
    let (beginning, _) = arn.rsplit_once(':').unwrap_or_default();
    format!("{beginning}:{queue}")
}

/// Which of the messages with these ids failed, by the answer of a function that reports it
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>, "Success and
/// failure conditions"). All of them, if the answer makes no sense.
pub(super) fn failed<'a>(answer: &[u8], ids: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    reported(answer, ids).unwrap_or_else(|| ids.clone())
}

fn reported<'a>(answer: &[u8], ids: &BTreeSet<&'a str>) -> Option<BTreeSet<&'a str>> {
    if answer.trim_ascii().is_empty() {
        return Some(BTreeSet::new());
    }
    // What is no JSON object says nothing of failures.
    let answer: Json = serde_json::from_slice(answer).ok()?;
    let failures = match answer.get("batchItemFailures") {
        None | Some(Json::Null) => return Some(BTreeSet::new()),
        Some(failures) => failures.as_array()?,
    };
    let id = |failure: &Json| {
        let id = failure.get("itemIdentifier")?.as_str()?;
        ids.get(id).copied()
    };
    failures.iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, expected: &[&str]) {
        let ids = BTreeSet::from(["a", "b"]);
        let found: Vec<&str> = failed(answer.as_bytes(), &ids).into_iter().collect();
        assert_eq!(found, expected, "{answer}");
    }

    #[test]
    fn an_answer_tells_which_messages_failed() {
        for none in [
            "",
            "null",
            "{}",
            "{\"batchItemFailures\": []}",
            "{\"batchItemFailures\": null}",
            "{\"prediction\": 1}",
        ] {
            check(none, &[]);
        }
        check(
            r#"{"batchItemFailures": [{"itemIdentifier": "b"}]}"#,
            &["b"],
        );
        for all in [
            "no JSON",
            r#"{"batchItemFailures": 1}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
            r#"{"batchItemFailures": [{"identifier": "a"}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "c"}]}"#,
        ] {
            check(all, &["a", "b"]);
        }
    }
}
