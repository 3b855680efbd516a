//! DynamoDB: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations.html>.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Answer, Api, ApiError, parse};
use crate::Emulator;
use crate::sources::stream::table::{Change, Item, KEY};
use crate::sources::stream::{Kind, Streams, name_in};

pub(super) const API: Api = Api {
    prefix: "DynamoDB_20120810.",
    content: "application/x-amz-json-1.0",
    errors: "com.amazonaws.dynamodb.v20120810#",
    call,
};

/// Bytes of an item, as the service counts them; here, of its JSON.
const MAX_ITEM: usize = 400 * 1024;

fn call(emulator: &Emulator, call: &str, body: &[u8]) -> Answer {
    let streams = emulator.sources().streams();
    match call {
        "PutItem" => {
            let PutItem { table, item } = parse(body)?;
            key_of(&item)?;
            if serde_json::to_string(&item).is_ok_and(|text| text.len() > MAX_ITEM) {
                return Err(invalid("Item size has exceeded the maximum allowed size"));
            }
            change(streams, &table, Change::Put(item))
        }
        "DeleteItem" => {
            let DeleteItem { table, key } = parse(body)?;
            let key = key_of(&key)?.clone();
            change(streams, &table, Change::Delete(key))
        }
        "ListTables" => Ok(list(streams)),
        _ => Err(ApiError::unknown(call)),
    }
}

#[derive(Debug, Deserialize)]
struct PutItem {
    #[serde(rename = "TableName")]
    table: String,
    #[serde(rename = "Item")]
    item: Item,
}

#[derive(Debug, Deserialize)]
struct DeleteItem {
    #[serde(rename = "TableName")]
    table: String,
    #[serde(rename = "Key")]
    key: Item,
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("ValidationException", message)
}

fn key_of(item: &Item) -> Result<&Json, ApiError> {
    item.get(KEY).ok_or_else(|| {
        invalid(&format!(
            "One or more parameter values were invalid: Missing the key {KEY} in the item (every \
             table of the local twin has the key `{KEY}`)"
        ))
    })
}

fn change(streams: &Streams, table: &str, change: Change) -> Answer {
    // Its name, or its ARN: arn:aws:dynamodb:<region>:<account>:table/<name>
    let name = table.rsplit('/').next().unwrap_or(table);
    let done = streams
        .find(Kind::DynamoDb, name)
        .and_then(|arn| streams.change(&arn, change));
    match done {
        Some(()) => Ok(json!({})),
        None => Err(ApiError::new(
            "ResourceNotFoundException",
            format!("Requested resource not found: Table: {name} not found"),
        )),
    }
}

fn list(streams: &Streams) -> Json {
    let all = streams.all(Kind::DynamoDb);
    let names: Vec<&str> = all.iter().map(|arn| name_in(Kind::DynamoDb, arn)).collect();
    json!({ "TableNames": names })
}
