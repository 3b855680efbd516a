//! Event source mappings: Lambda's pollers of queues and streams.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_lambda::types::{
    DestinationConfig, EventSourceMappingConfiguration as Found, EventSourcePosition,
    FunctionResponseType, OnFailure,
};
use mlfn_core::{Address, Call, Failure, Inputs, Observed, ProviderError, Recorded};
use serde_json::{Value as Json, json};

use super::Kind;
use super::context::{Context, Tags, accepted, entries, tags_changed, tags_field, unwanted_tags};
use crate::errors::{found, gone};

/// No limit of tries, the default of streams (`UpdateEventSourceMapping`, `MaximumRetryAttempts`).
const ENDLESS: i32 = -1;

/// `aws:event-source-mapping`. Its remote id is its UUID.
pub(super) struct Mapping;

#[async_trait]
impl Kind for Mapping {
    /// One that is being deleted is not there.
    async fn read(
        &self,
        context: &Context,
        address: &Address,
    ) -> Result<Option<Observed>, ProviderError> {
        let Some(mapping) = search(context, &address.remote_name).await? else {
            return Ok(None);
        };
        if mapping.state() == Some(DELETING) {
            return Ok(None);
        }
        let tags = tags(context, &address.remote_name, &mapping).await?;
        Ok(tags.map(|tags| observed(context, &mapping, &tags)))
    }

    async fn create(&self, context: &Context, call: &Call<'_>) -> Result<Observed, ProviderError> {
        let (name, inputs) = (call.remote_name, call.inputs);
        let start = inputs.text("starting_position");
        let make = context.clients.lambda().create_event_source_mapping();
        let made = make
            .set_function_name(inputs.text("function"))
            .set_event_source_arn(inputs.text("source"))
            .set_starting_position(start.map(|text| EventSourcePosition::from(text.as_str())))
            .set_batch_size(number(inputs, "batch_size"))
            .set_maximum_batching_window_in_seconds(number(inputs, "window"))
            .set_bisect_batch_on_function_error(is_true(inputs, "bisect_on_error"))
            .set_maximum_retry_attempts(number(inputs, "max_retries"))
            .set_destination_config(inputs.text("on_failure").map(destination))
            .set_function_response_types(Some(response_types(inputs)))
            .set_tags(Some(context.tags(inputs).into_iter().collect()))
            .send()
            .await
            .map_err(context.failed("lambda:CreateEventSourceMapping", name));
        let made = match made {
            Ok(made) => made,
            Err(error) => return Err(still_deleted(context, name, error).await?),
        };
        let mut observed = accepted(call, made.uuid().unwrap_or_default(), entries([]));
        observed.pending = pending(made.state());
        Ok(observed)
    }

    async fn update(
        &self,
        context: &Context,
        call: &Call<'_>,
        prior: &Recorded,
        changed: &BTreeSet<String>,
    ) -> Result<Observed, ProviderError> {
        let mut observed = accepted(call, &prior.remote_id, entries([]));
        if changed.iter().any(|field| field != "tags") {
            observed.pending = configure(context, call, prior, changed).await?;
        }
        tag(context, call, changed).await?;
        Ok(observed)
    }

    async fn delete(&self, context: &Context, prior: &Recorded) -> Result<(), ProviderError> {
        let call = context.clients.lambda().delete_event_source_mapping();
        let answer = call.uuid(&prior.remote_id).send().await;
        let action = "lambda:DeleteEventSourceMapping";
        gone(answer.map_err(context.failed(action, &prior.remote_name)))
    }
}

const DELETING: &str = "Deleting";

/// Lambda changes a mapping some time after it accepted that.
fn pending(state: Option<&str>) -> Option<String> {
    let state = state?;
    let is_moving = ["Creating", "Enabling", "Updating", "Disabling"].contains(&state);
    is_moving.then(|| format!("it is in the state {state}"))
}

/// A mapping goes some time after it was deleted; until then there cannot be another one.
async fn still_deleted(
    context: &Context,
    name: &str,
    error: ProviderError,
) -> Result<ProviderError, ProviderError> {
    if !matches!(error.failure, Failure::AlreadyExists { .. }) {
        return Ok(error);
    }
    let there = search(context, name).await?;
    if there.is_none_or(|mapping| mapping.state() != Some(DELETING)) {
        return Ok(error);
    }
    let why = "the earlier event source mapping is still being deleted".to_owned();
    Ok(Failure::NotReady { why }.into())
}

/// The mapping of a remote name; another one than one that is being deleted, if there is.
async fn search(context: &Context, name: &str) -> Result<Option<Found>, ProviderError> {
    let (alias, source) = name.split_once('/').unwrap_or((name, ""));
    let source = source_pattern(context, source);
    let function = context.arn("lambda", &format!("function:{alias}"));
    let list = context.clients.lambda().list_event_source_mappings();
    let mut pages = list
        .function_name(&function)
        .into_paginator()
        .items()
        .send();
    let mut last = None;
    while let Some(item) = pages.next().await {
        let item = item.map_err(context.failed("lambda:ListEventSourceMappings", name));
        let Some(item) = found(item)? else { break };
        let arn = item.event_source_arn().unwrap_or_default();
        if item.function_arn() != Some(&function) || !source.matches(arn) {
            continue;
        }
        if item.state() != Some(DELETING) {
            return Ok(Some(item));
        }
        last = Some(item);
    }
    Ok(last)
}

/// What the ARN of a source is, or begins with: that of a table's stream ends with its date.
enum Source {
    Is(String),
    Begins(String),
}

impl Source {
    fn matches(&self, arn: &str) -> bool {
        match self {
            Self::Is(text) => arn == text,
            Self::Begins(text) => arn.starts_with(text),
        }
    }
}

/// Of `<service>/<name>` or an ARN.
fn source_pattern(context: &Context, source: &str) -> Source {
    let of_table = |arn: &str| Source::Begins(format!("{arn}/stream/"));
    if source.starts_with("arn:") {
        let is_table = source.contains(":table/") && !source.contains("/stream/");
        return if is_table {
            of_table(source)
        } else {
            Source::Is(source.to_owned())
        };
    }
    match source.split_once('/') {
        Some(("kinesis", name)) => Source::Is(context.arn("kinesis", &format!("stream/{name}"))),
        Some(("dynamodb", name)) => of_table(&context.arn("dynamodb", &format!("table/{name}"))),
        Some((service, name)) => Source::Is(context.arn(service, name)),
        None => Source::Is(source.to_owned()),
    }
}

async fn configure(
    context: &Context,
    call: &Call<'_>,
    prior: &Recorded,
    changed: &BTreeSet<String>,
) -> Result<Option<String>, ProviderError> {
    let inputs = call.inputs;
    // What was there and is not wanted any more has to be said.
    let is = |field: &str| changed.contains(field);
    let bisect = is_true(inputs, "bisect_on_error").or(is("bisect_on_error").then_some(false));
    let retries = number(inputs, "max_retries").or(is("max_retries").then_some(ENDLESS));
    let window = number(inputs, "window").or(is("window").then_some(0));
    let on_failure = inputs.text("on_failure").map(destination);
    let nowhere = || DestinationConfig::builder().on_failure(OnFailure::builder().build());
    let set = context.clients.lambda().update_event_source_mapping();
    let set = set
        .uuid(&prior.remote_id)
        .set_function_name(inputs.text("function"))
        .set_batch_size(number(inputs, "batch_size"))
        .set_maximum_batching_window_in_seconds(window)
        .set_bisect_batch_on_function_error(bisect)
        .set_maximum_retry_attempts(retries)
        .set_destination_config(on_failure.or_else(|| is("on_failure").then(|| nowhere().build())))
        .set_function_response_types(Some(response_types(inputs)))
        .send()
        .await
        .map_err(context.failed("lambda:UpdateEventSourceMapping", call.remote_name))?;
    Ok(pending(set.state()))
}

async fn tag(
    context: &Context,
    call: &Call<'_>,
    changed: &BTreeSet<String>,
) -> Result<(), ProviderError> {
    let (lambda, name) = (context.clients.lambda(), call.remote_name);
    let Some(mapping) = search(context, name).await? else {
        return Ok(());
    };
    let arn = mapping.event_source_mapping_arn().unwrap_or_default();
    let wanted = context.tags(call.inputs);
    let set = lambda.tag_resource().resource(arn);
    set.set_tags(Some(wanted.clone().into_iter().collect()))
        .send()
        .await
        .map_err(context.failed("lambda:TagResource", name))?;
    if !tags_changed(changed) {
        return Ok(());
    }
    let there = tags(context, name, &mapping).await?.unwrap_or_default();
    let unwanted = unwanted_tags(&there, &wanted);
    if !unwanted.is_empty() {
        let unset = lambda.untag_resource().resource(arn);
        unset
            .set_tag_keys(Some(unwanted))
            .send()
            .await
            .map_err(context.failed("lambda:UntagResource", name))?;
    }
    Ok(())
}

/// None if it has gone.
async fn tags(
    context: &Context,
    name: &str,
    mapping: &Found,
) -> Result<Option<Tags>, ProviderError> {
    let arn = mapping.event_source_mapping_arn().unwrap_or_default();
    let answer = context.clients.lambda().list_tags().resource(arn).send();
    let answer = answer
        .await
        .map_err(context.failed("lambda:ListTags", name));
    Ok(found(answer)?.map(|answer| answer.tags.unwrap_or_default().into_iter().collect()))
}

/// What only streams have is missing from mappings of queues, or has the default of streams.
fn observed(context: &Context, mapping: &Found, tags: &Tags) -> Observed {
    let source = mapping.event_source_arn().unwrap_or_default();
    let window = mapping.maximum_batching_window_in_seconds();
    let retries = mapping.maximum_retry_attempts();
    let on_failure = mapping.destination_config().and_then(|to| to.on_failure());
    let on_failure = on_failure.and_then(OnFailure::destination);
    let bisect = mapping.bisect_batch_on_function_error() == Some(true);
    let types = mapping.function_response_types();
    let report = types.contains(&FunctionResponseType::ReportBatchItemFailures);
    let start = mapping.starting_position().map(EventSourcePosition::as_str);
    Observed {
        remote_id: mapping.uuid().unwrap_or_default().to_owned(),
        fields: entries([
            ("batch_size", json!(mapping.batch_size())),
            (
                "bisect_on_error",
                if bisect { json!(true) } else { Json::Null },
            ),
            ("function", json!(mapping.function_arn())),
            (
                "max_retries",
                json!(retries.filter(|most| *most != ENDLESS)),
            ),
            ("on_failure", json!(on_failure)),
            ("report_batch_item_failures", json!(report)),
            ("source", json!(source)),
            ("starting_position", json!(start)),
            ("tags", tags_field(tags)),
            // FIFO queues have none.
            (
                "window",
                json!(window.filter(|_| !source.ends_with(".fifo"))),
            ),
        ]),
        outputs: entries([]),
        owner: context.owner(tags),
        pending: pending(mapping.state()),
    }
}

fn number(inputs: &Inputs, field: &str) -> Option<i32> {
    i32::try_from(inputs.number(field)?).ok()
}

fn is_true(inputs: &Inputs, field: &str) -> Option<bool> {
    inputs.json(field).as_bool()
}

fn destination(arn: String) -> DestinationConfig {
    let on_failure = OnFailure::builder().destination(arn).build();
    DestinationConfig::builder().on_failure(on_failure).build()
}

fn response_types(inputs: &Inputs) -> Vec<FunctionResponseType> {
    match is_true(inputs, "report_batch_item_failures") {
        Some(true) => vec![FunctionResponseType::ReportBatchItemFailures],
        _ => Vec::new(),
    }
}
