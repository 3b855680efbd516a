//! Messages of queues, and the digests by which clients check them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970.
pub(crate) type Millis = u64;

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    /// Those that its sender gave it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<String, Attribute>,
    /// The one that its sender may give to the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
    /// For FIFO queues only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fifo: Option<Fifo>,
    pub(crate) sent: Millis,
    /// It is not given to anybody before.
    pub(crate) visible: Millis,
    /// How often it was given to somebody.
    pub(crate) received: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_received: Option<Millis>,
    /// Who has it got last may say this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) receipt: Option<String>,
    /// The queue that gave it up, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) died_in: Option<String>,
}

/// What only messages of FIFO queues have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fifo {
    /// Messages of a group come one after the other.
    pub(crate) group: String,
    /// Two messages with the same are one.
    pub(crate) deduplication: String,
    /// Its place in the order of the queue.
    pub(crate) sequence: u64,
}

/// An attribute of a message as SQS has it on the wire
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_MessageAttributeValue.html>).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

impl Attribute {
    /// What counts towards the size of a message.
    fn bytes(&self) -> usize {
        let value = self.string_value.as_ref().or(self.binary_value.as_ref());
        self.data_type.len() + value.map_or(0, String::len)
    }
}

impl Message {
    /// At least the bytes that it has as a part of an event, where JSON escapes its text.
    pub(crate) fn weight(&self) -> usize {
        const AROUND: usize = 1024;
        let escaped = |byte: u8| match byte {
            b'"' | b'\\' => 2,
            0..0x20 => 6,
            _ => 1,
        };
        let body: usize = self.body.bytes().map(escaped).sum();
        AROUND + body + 2 * size("", &self.attributes)
    }

    /// What the system says about it, by the names of SQS.
    pub(crate) fn system_attributes(&self, dead_letter_source: Option<String>) -> System {
        let mut all = System::new();
        let mut add = |name, value| drop(all.insert(name, value));
        add("SenderId", SENDER.to_owned());
        add("SentTimestamp", self.sent.to_string());
        add("ApproximateReceiveCount", self.received.to_string());
        let first = self.first_received.map(|time| time.to_string());
        let fifo = self.fifo.as_ref();
        for (name, value) in [
            ("ApproximateFirstReceiveTimestamp", first),
            ("AWSTraceHeader", self.trace.clone()),
            ("DeadLetterQueueSourceArn", dead_letter_source),
            ("MessageGroupId", fifo.map(|fifo| fifo.group.clone())),
            (
                "MessageDeduplicationId",
                fifo.map(|fifo| fifo.deduplication.clone()),
            ),
            ("SequenceNumber", fifo.map(|fifo| number(fifo.sequence))),
        ] {
            if let Some(value) = value {
                add(name, value);
            }
        }
        all
    }
}

/// What the system says about a message.
pub(crate) type System = BTreeMap<&'static str, String>;

/// The user that everybody is here.
const SENDER: &str = "AIDAMLFNLOCALLOCALLOC";

/// A sequence number as SQS writes them: twenty digits, which sort as text.
pub(crate) fn number(sequence: u64) -> String {
    format!("{sequence:020}")
}

/// What counts towards the limit of a message.
pub(crate) fn size(body: &str, attributes: &BTreeMap<String, Attribute>) -> usize {
    let attributes = attributes.iter();
    let attributes = attributes.map(|(name, attribute)| name.len() + attribute.bytes());
    body.len() + attributes.sum::<usize>()
}

/// The digest of a body.
pub(crate) fn md5_of(body: &str) -> String {
    in_hex(&Md5::digest(body.as_bytes()))
}

/// The digest of attributes; none without any
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>,
/// "Calculating the MD5 message digest for message attributes").
pub(crate) fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
) -> Option<String> {
    let mut text = Vec::new();
    // The map has them in the order of their names, as the digest has.
    for (name, attribute) in attributes {
        add(&mut text, name.as_bytes());
        add(&mut text, attribute.data_type.as_bytes());
        match (&attribute.string_value, &attribute.binary_value) {
            (Some(value), _) => {
                text.push(1);
                add(&mut text, value.as_bytes());
            }
            (None, value) => {
                let value = STANDARD.decode(value.as_deref().unwrap_or_default());
                text.push(2);
                add(&mut text, &value.unwrap_or_default());
            }
        }
    }
    (!text.is_empty()).then(|| in_hex(&Md5::digest(&text)))
}

/// With its length before it.
fn add(text: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    text.extend(length.to_be_bytes());
    text.extend(bytes);
}

fn in_hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    bytes.iter().flat_map(digits).flatten().collect()
}

/// A new receipt for the message with this number.
pub(crate) fn receipt(number: u64) -> String {
    let random = fastrand::u128(..);
    URL_SAFE_NO_PAD.encode(format!("{number}:{random:032x}"))
}

/// The number of the message that a receipt is for; none if nobody can have got it from here.
pub(crate) fn number_in(receipt: &str) -> Option<u64> {
    let text = URL_SAFE_NO_PAD.decode(receipt).ok()?;
    let (number, _) = std::str::from_utf8(&text).ok()?.split_once(':')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_sqs() {
        // The example of the SDKs' own tests.
        assert_eq!(
            md5_of("This is a test message"),
            "fafb00f5732ab283681e124bf8747ed1"
        );
        assert_eq!(md5_of_attributes(&BTreeMap::new()), None);
    }

    #[test]
    fn a_receipt_leads_to_its_message_and_no_other_text_does() {
        assert_eq!(number_in(&receipt(17)), Some(17));
        assert_ne!(receipt(17), receipt(17));
        for text in ["", "x", "not a receipt", "MTc"] {
            assert_eq!(number_in(text), None, "{text}");
        }
    }
}
