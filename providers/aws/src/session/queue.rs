//! SQS queues.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use mlfn_core::{
    Address, Call, Failure, Inputs, Observed, Ownership, ProviderError, Recorded, sorted,
};
use serde_json::{Value as Json, json};

use super::Kind;
use super::context::{Context, Tags, accepted, entries, tags_changed, tags_field, unwanted_tags};
use crate::errors::{found, gone};

/// What SQS has if nobody says anything else, in seconds (`SetQueueAttributes`).
const DEFAULT_VISIBILITY: i64 = 30;
const DEFAULT_RETENTION: i64 = 345_600;

/// `aws:queue`. Its remote id is its URL.
pub(super) struct Queue;

#[async_trait]
impl Kind for Queue {
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let name = &address.remote_name;
        let Some(url) = url(context, name).await? else {
            return Ok(None);
        };
        let (attributes, tags) =
            tokio::join!(attributes(context, name, &url), tags(context, name, &url));
        let (Some(attributes), Some(tags)) = (attributes?, tags?) else {
            return Ok(None);
        };
        let mut fields = fields(&attributes);
        fields.insert("tags".to_owned(), tags_field(&tags));
        Ok(Some(Observed {
            fields,
            outputs: outputs(context, name, &url),
            owner: context.owner(&tags),
            pending: None,
            remote_id: url,
        }))
    }

    /// Creating a queue that is there and alike is a success for SQS, so it is looked for first.
    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let name = call.remote_name;
        if url(context, name).await?.is_some() {
            return Err(exists(name));
        }
        let tags = context.tags(call.inputs).into_iter().collect();
        let made = context
            .clients
            .sqs()
            .create_queue()
            .queue_name(name)
            .set_attributes(Some(wanted(call.inputs)))
            .set_tags(Some(tags))
            .send()
            .await
            .map_err(context.failed("sqs:CreateQueue", name))?;
        let url = made.queue_url().unwrap_or_default();
        Ok(accepted(call, url, outputs(context, name, url)))
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let (name, url) = (call.remote_name, &prior.remote_id);
        let attributes = changed_attributes(call.inputs, changed);
        if !attributes.is_empty() {
            let set = context.clients.sqs().set_queue_attributes().queue_url(url);
            set.set_attributes(Some(attributes))
                .send()
                .await
                .map_err(context.failed("sqs:SetQueueAttributes", name))?;
        }
        tag(context, call, url, changed).await?;
        Ok(accepted(call, url, outputs(context, name, url)))
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let sqs = context.clients.sqs();
        let call = sqs.delete_queue().queue_url(&prior.remote_id).send();
        gone(
            call.await
                .map_err(context.failed("sqs:DeleteQueue", &prior.remote_name)),
        )
    }
}

fn exists(name: &str) -> ProviderError {
    let failure = Failure::AlreadyExists {
        what: name.to_owned(),
        owner: Ownership::Foreign {
            described: "somebody else".to_owned(),
        },
    };
    failure.into()
}

async fn url(context: &Context, name: &str) -> Result<Option<String>, ProviderError> {
    let call = context.clients.sqs().get_queue_url().queue_name(name);
    let answer = call.send().await;
    let answer = answer.map_err(context.failed("sqs:GetQueueUrl", name));
    Ok(found(answer)?.and_then(|answer| answer.queue_url))
}

async fn attributes(
    context: &Context,
    name: &str,
    url: &str,
) -> Result<Option<HashMap<Name, String>>, ProviderError> {
    let call = context.clients.sqs().get_queue_attributes().queue_url(url);
    let answer = call.attribute_names(Name::All).send().await;
    let answer = answer.map_err(context.failed("sqs:GetQueueAttributes", name));
    Ok(found(answer)?.map(|answer| answer.attributes.unwrap_or_default()))
}

async fn tags(context: &Context, name: &str, url: &str) -> Result<Option<Tags>, ProviderError> {
    let call = context.clients.sqs().list_queue_tags().queue_url(url);
    let answer = call.send().await;
    let answer = answer.map_err(context.failed("sqs:ListQueueTags", name));
    Ok(found(answer)?.map(|answer| answer.tags.unwrap_or_default().into_iter().collect()))
}

/// Attributes are texts; those of FIFO queues are missing from others.
fn fields(attributes: &HashMap<Name, String>) -> BTreeMap<String, Json> {
    let number = |name| {
        let text: Option<&String> = attributes.get(&name);
        json!(text.and_then(|text| text.parse::<i64>().ok()))
    };
    let only_if_true = |name| match attributes.get(&name).map(String::as_str) {
        Some("true") => json!(true),
        _ => Json::Null,
    };
    let redrive = attributes.get(&Name::RedrivePolicy);
    let redrive: Json = redrive
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let tries = &redrive["maxReceiveCount"];
    // Some write it as a text.
    let as_text = tries.as_str().and_then(|text| text.parse::<i64>().ok());
    entries([
        (
            "content_based_deduplication",
            only_if_true(Name::ContentBasedDeduplication),
        ),
        ("dead_letter_queue", redrive["deadLetterTargetArn"].clone()),
        ("fifo", only_if_true(Name::FifoQueue)),
        ("max_receive_count", json!(tries.as_i64().or(as_text))),
        ("message_retention", number(Name::MessageRetentionPeriod)),
        ("visibility_timeout", number(Name::VisibilityTimeout)),
    ])
}

/// The attributes of a new queue.
fn wanted(inputs: &Inputs) -> HashMap<Name, String> {
    let of_all = [
        "content_based_deduplication",
        "dead_letter_queue",
        "fifo",
        "message_retention",
        "visibility_timeout",
    ];
    let set = of_all
        .into_iter()
        .filter(|name| !inputs.json(name).is_null());
    set.filter_map(|field| attribute(inputs, field)).collect()
}

/// The attributes of the fields that change; what is not wanted any more is SQS's default again.
fn changed_attributes(inputs: &Inputs, changed: &BTreeSet<String>) -> HashMap<Name, String> {
    let attributes = changed.iter();
    attributes
        .filter_map(|field| attribute(inputs, field))
        .collect()
}

/// A field as SQS has it. Two fields are one attribute.
fn attribute(inputs: &Inputs, field: &str) -> Option<(Name, String)> {
    let number = |default: i64| inputs.number(field).unwrap_or(default).to_string();
    let is_true = || (inputs.json(field) == json!(true)).to_string();
    Some(match field {
        "content_based_deduplication" => (Name::ContentBasedDeduplication, is_true()),
        "fifo" => (Name::FifoQueue, is_true()),
        "message_retention" => (Name::MessageRetentionPeriod, number(DEFAULT_RETENTION)),
        "visibility_timeout" => (Name::VisibilityTimeout, number(DEFAULT_VISIBILITY)),
        "dead_letter_queue" | "max_receive_count" => (Name::RedrivePolicy, redrive(inputs)),
        _ => return None,
    })
}

/// As JSON text; an empty one removes it.
fn redrive(inputs: &Inputs) -> String {
    let Some(queue) = inputs.text("dead_letter_queue") else {
        return String::new();
    };
    let policy = json!({
        "deadLetterTargetArn": queue,
        "maxReceiveCount": inputs.number("max_receive_count"),
    });
    sorted(policy).to_string()
}

async fn tag(
    context: &Context,
    call: &Call<'_>,
    url: &str,
    changed: &BTreeSet<String>,
) -> Result<(), ProviderError> {
    let (sqs, name) = (context.clients.sqs(), call.remote_name);
    let wanted = context.tags(call.inputs);
    let set = sqs.tag_queue().queue_url(url);
    set.set_tags(Some(wanted.clone().into_iter().collect()))
        .send()
        .await
        .map_err(context.failed("sqs:TagQueue", name))?;
    if !tags_changed(changed) {
        return Ok(());
    }
    let there = tags(context, name, url).await?.unwrap_or_default();
    let unwanted = unwanted_tags(&there, &wanted);
    if !unwanted.is_empty() {
        let unset = sqs.untag_queue().queue_url(url);
        unset
            .set_tag_keys(Some(unwanted))
            .send()
            .await
            .map_err(context.failed("sqs:UntagQueue", name))?;
    }
    Ok(())
}

fn outputs(context: &Context, name: &str, url: &str) -> BTreeMap<String, Json> {
    let arn = context.arn("sqs", name);
    entries([("arn", json!(arn)), ("url", json!(url))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(fields: &Json) -> Inputs {
        let fields = fields.as_object().expect("an object").iter();
        Inputs::new(
            fields
                .map(|(name, value)| (name.clone(), value.clone().into()))
                .collect(),
        )
    }

    #[track_caller]
    fn check(inputs_: &Json, changed: &[&str], expected: &[(Name, &str)]) {
        let changed = changed.iter().map(|name| (*name).to_owned()).collect();
        let expected = expected.iter();
        let expected: HashMap<Name, String> = expected
            .map(|(name, text)| (name.clone(), (*text).to_owned()))
            .collect();
        assert_eq!(changed_attributes(&inputs(inputs_), &changed), expected);
    }

    #[test]
    fn what_is_not_wanted_any_more_is_the_default_again() {
        let none = json!({});
        check(&none, &["tags"], &[]);
        check(
            &none,
            &["visibility_timeout"],
            &[(Name::VisibilityTimeout, "30")],
        );
        check(
            &none,
            &["dead_letter_queue", "max_receive_count"],
            &[(Name::RedrivePolicy, "")],
        );
        let dead = json!({"dead_letter_queue": "arn:q", "max_receive_count": 3});
        let policy = r#"{"deadLetterTargetArn":"arn:q","maxReceiveCount":3}"#;
        check(
            &dead,
            &["max_receive_count"],
            &[(Name::RedrivePolicy, policy)],
        );
    }

    #[test]
    fn what_is_set_is_read_in_the_same_form() {
        let set = json!({
            "content_based_deduplication": true, "dead_letter_queue": "arn:q", "fifo": true,
            "max_receive_count": 3, "message_retention": 60, "visibility_timeout": 30,
        });
        let told = Json::Object(fields(&wanted(&inputs(&set))).into_iter().collect());
        assert_eq!(sorted(told), sorted(set));
    }
}
