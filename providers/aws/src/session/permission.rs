//! Statements of the policy of an alias: who may call it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_lambda::types::FunctionUrlAuthType;
use mlfn_core::{Address, Call, Observed, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::Kind;
use super::context::{Context, accepted, entries};
use super::function::{owner, split};
use crate::errors::{found, gone};

/// `aws:permission`.
pub(super) struct Permission;

/// `<function>:<alias>/<statement>`.
struct Name<'a> {
    function: &'a str,
    alias: &'a str,
    statement: &'a str,
}

impl<'a> Name<'a> {
    fn of(remote_name: &'a str) -> Self {
        let (callee, statement) = split(remote_name, '/');
        let (function, alias) = split(callee, ':');
        Self {
            function,
            alias,
            statement,
        }
    }
}

#[async_trait]
impl Kind for Permission {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = Name::of(&address.remote_name);
        let get = context.clients.lambda().get_policy();
        let get = get
            .function_name(name.function)
            .qualifier(name.alias)
            .send();
        let (answer, owner) = tokio::join!(get, owner(context, name.function));
        let answer = answer.map_err(context.failed("lambda:GetPolicy", &address.remote_name));
        let (Some(answer), Some(owner)) = (found(answer)?, owner?) else {
            return Ok(None);
        };
        let policy = answer.policy.unwrap_or_default();
        let policy: Json = serde_json::from_str(&policy).unwrap_or_default();
        let statements = policy.get("Statement").and_then(Json::as_array);
        let mut statements = statements.into_iter().flatten();
        let statement = statements.find(|one| one["Sid"] == name.statement);
        Ok(statement.map(|statement| Observed {
            remote_id: address.remote_name.clone(),
            fields: entries(fields(statement)),
            outputs: entries([]),
            owner,
            pending: None,
        }))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (name, inputs) = (Name::of(call.remote_name), call.inputs);
        let url_auth = inputs.text("function_url_auth_type");
        let add = context.clients.lambda().add_permission();
        add.function_name(name.function)
            .qualifier(name.alias)
            .statement_id(name.statement)
            .set_action(inputs.text("action"))
            .set_function_url_auth_type(url_auth.map(|auth| FunctionUrlAuthType::from(&*auth)))
            .set_invoked_via_function_url(inputs.json("invoked_via_function_url").as_bool())
            .set_principal(inputs.text("principal"))
            .set_source_account(inputs.text("source_account"))
            .set_source_arn(inputs.text("source_arn"))
            .send()
            .await
            .map_err(context.failed("lambda:AddPermission", call.remote_name))?;
        Ok(accepted(call, call.remote_name, entries([])))
    }

    /// Nothing of a statement can be changed.
    async fn update(
        &self,
        _context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        _changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        Ok(accepted(call, &prior.remote_id, prior.outputs.clone()))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let name = Name::of(&prior.remote_name);
        let remove = context.clients.lambda().remove_permission();
        let removed = remove
            .function_name(name.function)
            .qualifier(name.alias)
            .statement_id(name.statement)
            .send()
            .await;
        gone(removed.map_err(context.failed("lambda:RemovePermission", &prior.remote_name)))
    }
}

/// A statement in the form that it was asked for: `AddPermission` turns its parameters into
/// conditions.
fn fields(statement: &Json) -> [(&'static str, Json); 6] {
    let condition = |key| condition(statement, key);
    // Conditions compare texts.
    let via_url = condition("lambda:InvokedViaFunctionUrl");
    let via_url = via_url.as_str().map(|text| text == "true");
    [
        ("action", statement["Action"].clone()),
        (
            "function_url_auth_type",
            condition("lambda:FunctionUrlAuthType"),
        ),
        ("invoked_via_function_url", json!(via_url)),
        ("principal", principal(&statement["Principal"])),
        ("source_account", condition("AWS:SourceAccount")),
        ("source_arn", condition("AWS:SourceArn")),
    ]
}

/// `"*"`, `{"AWS": "*"}` or `{"Service": "sns.amazonaws.com"}`.
fn principal(principal: &Json) -> Json {
    let of = principal.as_object().and_then(|of| of.values().next());
    of.unwrap_or(principal).clone()
}

/// What a key is compared with, by whatever operator; null if it is not. Keys have no case (IAM
/// User Guide, "IAM JSON policy elements: Condition").
fn condition(statement: &Json, key: &str) -> Json {
    let operators = statement["Condition"].as_object();
    let conditions = operators
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter_map(Json::as_object)
        .flatten();
    let mut values = conditions.filter(|(name, _)| name.eq_ignore_ascii_case(key));
    values.next().map_or(Json::Null, |(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statement: &Json, expected: &Json) {
        let found = fields(statement).into_iter();
        let found: serde_json::Map<String, Json> = found
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        assert_eq!(json!(found), *expected);
    }

    #[test]
    fn a_statement_is_told_as_it_was_asked_for() {
        let topic = json!({
            "Sid": "topic-news", "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:eu-west-1:1:function:a:live",
            "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:sns:eu-west-1:1:news"}}
        });
        let expected = json!({
            "action": "lambda:InvokeFunction", "principal": "sns.amazonaws.com",
            "source_arn": "arn:aws:sns:eu-west-1:1:news"
        });
        check(&topic, &expected);
        let open = json!({
            "Principal": "*", "Action": "lambda:InvokeFunction",
            "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
        });
        let expected = json!({
            "action": "lambda:InvokeFunction", "principal": "*",
            "invoked_via_function_url": true
        });
        check(&open, &expected);
        let bucket = json!({
            "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": "1"},
                "ArnLike": {"aws:SourceArn": "arn:aws:s3:::b"}
            }
        });
        let expected = json!({
            "action": "lambda:InvokeFunction", "principal": "s3.amazonaws.com",
            "source_account": "1", "source_arn": "arn:aws:s3:::b"
        });
        check(&bucket, &expected);
    }
}
