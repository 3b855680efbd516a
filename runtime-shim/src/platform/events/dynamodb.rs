//! Changes of tables: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>. The new item is
//! the request, with its attributes as plain JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Record, Request};
use crate::codec::failure::{Code, Failure, json_problem, shortened, to_bytes};
use crate::handler::Handler;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow)]
    event_name: Cow<'a, str>,
    #[serde(borrow)]
    dynamodb: Change<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change<'a> {
    #[serde(borrow)]
    sequence_number: Cow<'a, str>,
    #[serde(default)]
    keys: BTreeMap<String, Attribute>,
    #[serde(borrow)]
    new_image: Option<&'a RawValue>,
}

/// A value with its type:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>.
#[derive(Deserialize)]
enum Attribute {
    #[serde(rename = "S", alias = "B")]
    Text(String),
    #[serde(rename = "N")]
    Number(Number),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "NULL")]
    Null(#[expect(dead_code, reason = "it is always true")] bool),
    #[serde(rename = "L")]
    List(Vec<Attribute>),
    #[serde(rename = "M")]
    Map(BTreeMap<String, Attribute>),
    #[serde(rename = "SS", alias = "BS")]
    Texts(Vec<String>),
    #[serde(rename = "NS")]
    Numbers(Vec<Number>),
}

/// Written as it was, because not every number of a table fits into a float.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Number(Box<RawValue>);

impl TryFrom<String> for Number {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = format!("`{}` is no number", shortened(&text));
        if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Err(wrong);
        }
        RawValue::from_string(text).map(Self).map_err(|_| wrong)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::Bool(value) => value.serialize(serializer),
            Self::Null(_) => serializer.serialize_unit(),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => entries.serialize(serializer),
            Self::Texts(texts) => texts.serialize(serializer),
            Self::Numbers(numbers) => numbers.serialize(serializer),
        }
    }
}

/// A change, whose new item is a request. All changes of an event are of one shard.
pub(super) fn read<'a>(handler: &Handler, record: &'a RawValue) -> serde_json::Result<Record<'a>> {
    let Event {
        event_name,
        dynamodb,
    } = serde_json::from_str(record.get())?;
    let request = match (&*event_name, dynamodb.new_image) {
        ("REMOVE", _) => Ok(Request::Nothing),
        (_, None) => Err(no_image()),
        (_, Some(image)) => {
            item(handler, &dynamodb.keys, image).map(|item| Request::Body(item.into()))
        }
    };
    Ok(Record {
        id: dynamodb.sequence_number,
        group: Some(Cow::Borrowed("shard")),
        queue: None,
        request,
    })
}

/// The item as plain JSON. Every item has a key, which is no input unless the model says so.
fn item(
    handler: &Handler,
    keys: &BTreeMap<String, Attribute>,
    image: &RawValue,
) -> Result<Vec<u8>, Failure> {
    let read = serde_json::from_str::<BTreeMap<String, Attribute>>(image.get());
    let mut attributes = read.map_err(|error| {
        let problem = json_problem(&error);
        let message = format!("the new item is not of the form that DynamoDB gives it: {problem}");
        Failure::new(Code::UnsupportedEvent, message)
    })?;
    attributes.retain(|name, _| !keys.contains_key(name) || handler.knows(name));
    Ok(to_bytes(&attributes))
}

fn no_image() -> Failure {
    let message = "the change comes without the new item; let the stream of the table have the \
                   view type NEW_IMAGE or NEW_AND_OLD_IMAGES";
    Failure::new(Code::UnsupportedEvent, message)
}
