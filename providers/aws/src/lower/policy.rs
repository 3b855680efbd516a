//! Policy documents of IAM. No statement is about everything: each resource is one that is
//! referred to, or a part of it.

use std::collections::BTreeMap;

use mlfn_core::Value;
use serde_json::json;

/// What a role may do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    /// Its name: letters and digits.
    pub(super) sid: &'static str,
    /// E.g. `sqs:SendMessage`.
    pub(super) actions: &'static [&'static str],
    /// To what: an ARN, or a pattern within one.
    pub(super) resource: Value,
}

impl Statement {
    /// That what has the ARN `resource` may be used so.
    pub(super) fn new(
        sid: &'static str,
        actions: &'static [&'static str],
        resource: impl Into<Value>,
    ) -> Self {
        let resource = resource.into();
        Self {
            sid,
            actions,
            resource,
        }
    }
}

/// The document that allows these; those with one name become one statement.
pub(super) fn document(statements: &[Statement]) -> Value {
    let mut merged: BTreeMap<&str, (&[&str], Vec<Value>)> = BTreeMap::new();
    for statement in statements {
        let (_, resources) = merged
            .entry(statement.sid)
            .or_insert_with(|| (statement.actions, Vec::new()));
        if !resources.contains(&statement.resource) {
            resources.push(statement.resource.clone());
        }
    }
    let statement = |(sid, (actions, resources)): (&str, (&[&str], Vec<Value>))| {
        object([
            ("Sid", sid.into()),
            ("Effect", "Allow".into()),
            ("Action", json!(actions).into()),
            ("Resource", Value::List(resources)),
        ])
    };
    version_1(merged.into_iter().map(statement).collect())
}

/// The document that lets an AWS service take a role, for things of `source` only if there is one:
/// else another account's could make the service act for it.
pub(super) fn trust(principal: &str, source: Option<Value>) -> Value {
    let mut statement = vec![
        ("Effect", "Allow".into()),
        ("Principal", json!({ "Service": principal }).into()),
        ("Action", "sts:AssumeRole".into()),
    ];
    if let Some(source) = source {
        let equal = object([("aws:SourceArn", source)]);
        statement.push(("Condition", object([("ArnEquals", equal)])));
    }
    version_1(vec![object(statement)])
}

fn version_1(statements: Vec<Value>) -> Value {
    object([
        ("Version", "2012-10-17".into()),
        ("Statement", Value::List(statements)),
    ])
}

/// An object of these entries.
pub(super) fn object<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let entries = entries.into_iter();
    Value::Object(
        entries
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}
